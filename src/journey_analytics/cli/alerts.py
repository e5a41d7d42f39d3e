"""The command that says what changed: alerts."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from journey_analytics.cli.terminal import AsJson, Project, examples, output, print_json, snapshot_of
from journey_analytics.errors import EXIT_DONE

app = App()


@app.command(help_epilogue=examples("journey alerts -p shop", "journey alerts -p shop --json"))
def alerts(*, project: Project = Path(), as_json: AsJson = False) -> int:
    """What changed lately: where more journeys are lost than before, since when, how many, and why."""
    from journey_analytics.alerts.published import read_alerts
    from journey_analytics.alerts.wording import doubts, headline, sentences, title

    found = read_alerts(snapshot_of(project))
    if as_json:
        print_json(found.as_json())
        return EXIT_DONE
    out = output()
    out.print(f"as of {found.as_of}: {headline(found)}", highlight=False, soft_wrap=True)
    for alert in found.alerts:
        out.print(f"\n{title(alert)}", style="bold", markup=False, highlight=False, soft_wrap=True)
        for sentence in sentences(alert, found.currency):
            out.print(f"  {sentence}", markup=False, highlight=False, soft_wrap=True)
    if found.alerts and found.doubts:
        out.print(
            "\nChecks that did not hold, in this run or since the first of these days:", highlight=False
        )
        for doubt in doubts(found):
            out.print(f"  {doubt}", markup=False, highlight=False, soft_wrap=True)
    return EXIT_DONE
