"""The command `journey`: arguments in, one call, text out. Results on stdout, messages on stderr.

Belongs here: the commands and how they print. Does not belong here: anything another program could want.
Rooms that take long to import are imported inside the command that needs them.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console
from rich.table import Column, Table

from journey_analytics import __version__
from journey_analytics.errors import (
    EXIT_DONE,
    EXIT_INTERNAL,
    EXIT_USAGE,
    ConfigError,
    JourneyError,
    Problem,
)

app = App(
    name="journey",
    help="""Infer customer journeys from behaviour data: stages, funnels and drop-off, as Parquet marts.

    Start with `journey demo`, or `journey run -p FOLDER` on a project folder that holds a journey.yaml.

    Exit codes: 0 done, 1 done with warnings under --strict, 2 wrong usage or configuration, 3 a gate or an
    input file failed, 4 a check could not be evaluated, 5 another run holds the project.
    """,
    version=f"journey {__version__}",
    version_flags=["--version"],
)
marts_app = App(name="marts", help="What is published: list the marts, describe one.")
sources_app = App(name="sources", help="What comes in: see what the mappings make of the files.")
channels_app = App(name="channels", help="How events get their channel.")
for group in (marts_app, sources_app, channels_app):
    app.command(group)


def _examples(*lines: str) -> str:
    """The end of a command's help: what a person would type."""
    return "\n\n".join(("Examples:", *(f"    {line}" for line in lines)))


Project = Annotated[
    Path, Parameter(name=["--project", "-p"], help="Project folder, the one with journey.yaml.")
]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs.")]

_messages = Console(stderr=True)
_SAMPLE = "complete_journey"
_MADE_BY_RUNS = ("marts", "reports", "store", "work.*", "run.lock")
_EXIT_WARNED = 1
_UNCUT = 10_000


@app.command(
    help_epilogue=_examples(
        "journey run -p data/complete_journey", "journey run -p shop --date 2026-05-01 --strict"
    )
)
def run(
    *,
    project: Project = Path(),
    day: Annotated[
        date | None,
        Parameter(name="--date", help="Report as of the end of this day; by default the last event's."),
    ] = None,
    force: Annotated[bool, Parameter(negative="", help="Run although the marts are up to date.")] = False,
    strict: Annotated[bool, Parameter(negative="", help="End with exit code 1 when a check warned.")] = False,
    as_json: AsJson = False,
) -> int:
    """Load the sources, infer the journeys, check, and publish the marts."""
    outcome = _run(project, day, force=force)
    if as_json:
        _print_json(outcome)
    else:
        _print_summary(project)
    return _EXIT_WARNED if strict and outcome["warnings"] else EXIT_DONE


@app.command(help_epilogue=_examples("journey demo", "journey demo /tmp/grocer"))
def demo(
    folder: Annotated[
        Path, Parameter(help="Where to put the sample project; an existing one is run again.")
    ] = Path("journey-demo"),
) -> int:
    """Copy the sample project (a year of grocery baskets and mailings) and run it."""
    if not folder.exists():
        shutil.copytree(_sample(), folder, ignore=shutil.ignore_patterns(*_MADE_BY_RUNS))
    _run(folder, None, force=False)
    _print_summary(folder)
    return EXIT_DONE


@app.command(
    help_epilogue=_examples(
        'journey query -p shop "select stage, channel, drop_off_rate from mart_stage_dropoff"',
        'journey query -p shop --csv "from mart_journeys limit 5"',
    )
)
def query(
    sql: Annotated[str, Parameter(help="One SELECT over the marts.")],
    *,
    project: Project = Path(),
    as_json: AsJson = False,
    as_csv: Annotated[bool, Parameter(name="--csv", negative="", help="Print CSV.")] = False,
    timeout: Annotated[float, Parameter(help="Seconds after which the query is stopped.")] = 60.0,
) -> int:
    """Ask the published marts a question in SQL. The marts cannot be changed through it."""
    from journey_analytics import query as queries
    from journey_analytics.reports.export import as_csv_text, as_json_text

    if as_json and as_csv:
        raise ConfigError(Problem("--json and --csv exclude each other", "the command", "name one"))
    frame = queries.query(_snapshot(project), sql, timeout)
    if as_json:
        sys.stdout.write(as_json_text(frame) + "\n")
    elif as_csv:
        sys.stdout.write(as_csv_text(frame))
    else:
        table = Table(*(Column(name, overflow="fold") for name in frame.columns))
        for row in frame.iter_rows():
            table.add_row(*("" if value is None else str(value) for value in row))
        _output().print(table)
        _messages.print(f"{frame.height:,} rows", style="dim")
    return EXIT_DONE


@marts_app.command(name="list", help_epilogue=_examples("journey marts list -p data/complete_journey"))
def marts_list(*, project: Project = Path(), as_json: AsJson = False) -> int:
    """The published marts with their grain and rows."""
    from journey_analytics.contracts import contracts

    snapshot = _snapshot(project)
    rows = [
        {"mart": name, "rows": count, "grain": contracts()[name].grain}
        for name, count in snapshot.marts.items()
    ]
    if as_json:
        _print_json({"run_id": snapshot.run_id, "folder": str(snapshot.folder), "marts": rows})
        return EXIT_DONE
    table = Table(Column("mart", no_wrap=True), Column("rows", justify="right"), "grain")
    for row in rows:
        table.add_row(row["mart"], f"{row['rows']:,}", row["grain"])
    _output().print(table)
    _output().print(f"as of {snapshot.manifest['as_of']}, in {snapshot.folder}", soft_wrap=True)
    return EXIT_DONE


@marts_app.command(
    name="describe",
    help_epilogue=_examples("journey marts describe mart_stage_dropoff -p data/complete_journey"),
)
def marts_describe(
    mart: Annotated[str, Parameter(help="Name of the mart.")],
    *,
    project: Project = Path(),
    as_json: AsJson = False,
) -> int:
    """A mart's grain, key, freshness and columns, with types, units and meaning."""
    from journey_analytics.contracts import contract

    snapshot = _snapshot(project)
    found = contract(mart)
    pattern = snapshot.pattern(mart)
    if as_json:
        described = found.model_dump(exclude_none=True)
        _print_json({**described, "rows": snapshot.marts[mart], "files": pattern})
        return EXIT_DONE
    _output().print(f"[bold]{mart}[/bold]: {found.description}")
    _output().print(f"grain  {found.grain} ({', '.join(found.key)})")
    _output().print(f"rows   {snapshot.marts[mart]:,}, as of {snapshot.manifest['as_of']}")
    _output().print(f"files  {pattern}", soft_wrap=True, highlight=False)
    table = Table(Column("column", no_wrap=True), "type", "unit", "meaning")
    for column in found.columns:
        kind = column.type + (", may be null" if column.nullable else "")
        table.add_row(column.name, kind, column.unit or "", column.description)
    _output().print(table)
    return EXIT_DONE


@app.command(
    help_epilogue=_examples(
        "journey init shop --from exports/events.csv",
        "journey init web --from ga4/2026-*.parquet",
    )
)
def init(
    folder: Annotated[Path, Parameter(help="Folder of the new project.")],
    *,
    from_: Annotated[
        list[Path],
        Parameter(name="--from", help="Files of one export that hold the events.", consume_multiple=True),
    ],
) -> int:
    """Look at files and draft a project for them: format, columns, stages. Nothing is run."""
    from journey_analytics.sources.draft import draft_project
    from journey_analytics.sources.scaffold import write_project

    draft = draft_project(from_)
    paths = write_project(draft, folder)
    table = Table("taken for", "what", "because of", "how sure")
    for guess in draft.guesses:
        table.add_row(guess.what, guess.value, guess.why, guess.sureness)
    for name, stage, word in draft.rules:
        table.add_row(f"stage {stage}" if stage else "no stage", name, word or "-", "a guess")
    out = _output()
    out.print(table)
    out.print("wrote " + ", ".join(str(path) for path in paths), soft_wrap=True, highlight=False)
    out.print("\nnext: read them and correct what is wrong, then")
    for command in (f"journey sources check -p {folder}", f"journey run -p {folder}"):
        out.print(f"  {command}", soft_wrap=True, highlight=False)
    return EXIT_DONE


@sources_app.command(name="check", help_epilogue=_examples("journey sources check -p shop"))
def sources_check(*, project: Project = Path(), as_json: AsJson = False) -> int:
    """Map the files without a run: rows, gaps, time span, duplicates, quarantine, channels."""
    from dataclasses import asdict

    from journey_analytics.local_days import to_us
    from journey_analytics.project import read_project
    from journey_analytics.sources.preview import preview_sources

    previews = preview_sources(read_project(project), to_us(datetime.now(UTC)))
    if as_json:
        _print_json([asdict(preview) for preview in previews])
        return EXIT_DONE
    from journey_analytics.reports.terminal import print_preview

    for preview in previews:
        print_preview(_output(), preview)
    return EXIT_DONE


@channels_app.command(name="explain", help_epilogue=_examples("journey channels explain 4711 -p shop"))
def channels_explain(
    event_id: Annotated[str, Parameter(help="Id of a published event.")],
    *,
    project: Project = Path(),
    as_json: AsJson = False,
) -> int:
    """Why an event has its channel: its source and medium, and each rule up to the one that took it."""
    from dataclasses import asdict

    from journey_analytics.marts import current
    from journey_analytics.project import read_project
    from journey_analytics.sources.channels.explanation import explain
    from journey_analytics.sources.evidence import traffic_of_event

    read = read_project(project)
    evidence = traffic_of_event(current(read.marts_folder), event_id)
    steps = explain(read.channels, evidence.inputs)
    if as_json:
        _print_json(
            {"channel": evidence.channel, "inputs": evidence.inputs, "steps": [asdict(s) for s in steps]}
        )
        return EXIT_DONE
    out = _output()
    told = ", ".join(f"{name} {value!r}" for name, value in evidence.inputs.items() if value is not None)
    out.print(f"event {event_id} of {evidence.source}: [bold]{evidence.channel}[/bold]")
    out.print(f"it came with {told or 'nothing'}", markup=False)
    table = Table("rule", "channel", "taken", "why")
    for step in steps:
        table.add_row(step.rule, step.channel or "", "yes" if step.is_matched else "no", step.reason)
    out.print(table)
    return EXIT_DONE


def _run(folder: Path, day: date | None, *, force: bool) -> dict[str, Any]:
    """Run a project with its progress on stderr, and say what came out."""
    from journey_analytics.marts import current
    from journey_analytics.project import read_project
    from journey_analytics.run import STEPS, start, steps_to_do

    read = read_project(folder)
    begun = perf_counter()
    with start(read, now=datetime.now(UTC), as_of=day) as started:
        steps = steps_to_do(started, force=force)
        if steps != STEPS:
            _messages.print("the marts are up to date (--force computes them again)")
        for number, step in enumerate(steps, start=1):
            with _timed(f"[{number}/{len(steps)}] {step.does}") as say:
                say(step.work(started))
        for warning in started.warnings:
            _messages.print(f"warning: {warning.table}: {warning.check}: {warning.sample}")
    snapshot = current(read.marts_folder)
    return {
        "run_id": snapshot.run_id,
        "as_of": snapshot.manifest["as_of"],
        "was_up_to_date": steps != STEPS,
        "seconds": round(perf_counter() - begun, 2),
        "marts": snapshot.marts,
        "folder": str(snapshot.folder),
        "report": str(read.reports_folder / "report.html"),
        "warnings": snapshot.manifest["warnings"],
    }


@contextmanager
def _timed(label: str) -> Iterator[Callable[[str], None]]:
    """Show that a step is under way; the block says what came out of it."""
    begun = perf_counter()
    said: list[str] = []
    with _messages.status(label):
        yield said.append
    seconds = perf_counter() - begun
    _messages.print(f"{label}: {said[0]} ({seconds:.1f} s)", highlight=False, soft_wrap=True)


def _print_summary(folder: Path) -> None:
    from journey_analytics.marts import current
    from journey_analytics.project import read_project
    from journey_analytics.reports.findings import find
    from journey_analytics.reports.terminal import print_summary

    project = read_project(folder)
    print_summary(_output(), project, find(current(project.marts_folder)))


def _snapshot(folder: Path) -> Any:
    from journey_analytics.marts import current
    from journey_analytics.project import read_project

    return current(read_project(folder).marts_folder)


def _sample() -> Path:
    """The sample project: inside an installed package, or in a checkout's data folder."""
    packaged = Path(str(files("journey_analytics") / "samples" / _SAMPLE))
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "data" / _SAMPLE


def _output() -> Console:
    """Where results go; what is read by another program is not cut to a terminal's width."""
    return Console() if sys.stdout.isatty() else Console(width=_UNCUT)


def _print_json(content: Any) -> None:
    sys.stdout.write(json.dumps(content, indent=1, default=str) + "\n")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    if debug:
        words.remove("--debug")
    sys.exit(_call(words, debug=debug))


def _call(words: list[str], *, debug: bool) -> int:
    try:
        outcome = app(words, exit_on_error=False, print_error=True, result_action="return_value")
    except CycloptsError:
        return EXIT_USAGE
    except JourneyError as error:
        if debug:
            raise
        _messages.print(error.describe(), markup=False, highlight=False, soft_wrap=True)
        return error.exit_code
    except KeyboardInterrupt:
        _messages.print("stopped; the marts are the last good set")
        return 128 + 2
    except Exception as error:  # the last resort, so that no traceback reaches a user
        if debug:
            raise
        _messages.print(
            f"unexpected {type(error).__name__}: {error}\n"
            "  do:    run the command again with --debug and report what it prints; "
            "the marts are the last good set",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        return EXIT_INTERNAL
    return outcome if isinstance(outcome, int) else EXIT_DONE
