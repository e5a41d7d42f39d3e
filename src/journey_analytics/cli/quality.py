"""The command that says what the gates found: quality."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from cyclopts import App
from rich.table import Column, Table

from journey_analytics.cli.terminal import AsJson, Project, examples, messages, output, print_json
from journey_analytics.errors import EXIT_DONE

app = App()
_NEAREST = 5
_NEAR = 0.5


@app.command(help_epilogue=examples("journey quality -p shop", "journey quality -p shop --json"))
def quality(*, project: Project = Path(), as_json: AsJson = False) -> int:
    """What the gates of the last run found, also when they stopped it: what did not hold, what nearly."""
    from journey_analytics.project import read_project
    from journey_analytics.quality.check_names import Measure
    from journey_analytics.quality.last_run import last_run, latest, nearness
    from journey_analytics.reports.quality import PAGE, headline, outcome, summarise

    read = read_project(project)
    found = last_run(read)
    said, gates = headline(found.results), summarise(found.results)
    unlike = [result for result in found.results if result.status != "passed"]
    learned = [result for result in latest(found.results) if result.status == "passed"]
    of_sources = [result for result in learned if result.check.startswith(f"{Measure.EVENTS} of ")]
    near = [r for r in learned if nearness(r) >= _NEAR and r not in of_sources]
    nearest = sorted(near, key=nearness, reverse=True)[:_NEAREST]
    if as_json:
        about = {"run_id": found.run_id, "begun_at": found.begun_at.isoformat(), "as_of": found.as_of}
        results = [
            {**asdict(result), "stops": result.stops, "days_in_a_row": found.days_in_a_row(result)}
            for result in found.results
        ]
        print_json({**about, "headline": said, "gates": [asdict(gate) for gate in gates], "results": results})
        return EXIT_DONE
    out = output()
    out.print(f"run of {found.begun_at:%Y-%m-%d %H:%M}, as of {found.as_of or 'a day not known'}: {said}")
    table = Table("gate", *(Column(name, justify="right") for name in _OUTCOMES))
    for gate in gates:
        table.add_row(gate.gate, *(f"{asdict(gate)[name]:,}" for name in _OUTCOMES))
    out.print(table)
    for result in unlike:
        out.print(f"\n{outcome(result)}: {result.check}", style="bold", markup=False, highlight=False)
        out.print(f"  {found.told(result)}", markup=False, highlight=False, soft_wrap=True)
    for title, held in (("Beside the weeks before", of_sources), ("Nearest to a limit", nearest)):
        if held:
            out.print(f"\n{title}:", style="bold")
        for result in held:
            said = f"  {result.check}: {found.told(result)}"
            out.print(said, markup=False, highlight=False, soft_wrap=True)
    messages.print(f"page    {read.reports_folder / PAGE}", highlight=False, soft_wrap=True)
    return EXIT_DONE


_OUTCOMES = ("passed", "accepted", "warned", "failed", "errors")
