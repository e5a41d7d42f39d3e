"""Commands that run a project: run, demo."""

from __future__ import annotations

import shutil
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from journey_analytics.cli.progress import run_with_progress
from journey_analytics.cli.terminal import (
    AsJson,
    Project,
    examples,
    output,
    print_json,
)
from journey_analytics.errors import EXIT_DONE

app = App()

_SAMPLE = "complete_journey"
_MADE_BY_RUNS = ("marts", "reports", "store", "work.*", "run.lock")
_EXIT_WARNED = 1


@app.command(
    help_epilogue=examples(
        "journey run -p data/complete_journey",
        "journey run -p shop --date 2026-05-01 --strict",
        "journey run -p shop --full",
    )
)
def run(
    *,
    project: Project = Path(),
    day: Annotated[
        date | None,
        Parameter(
            name="--date",
            help="Report as of the end of this day, today at the latest; by default the last event's.",
        ),
    ] = None,
    force: Annotated[bool, Parameter(negative="", help="Run although the marts are up to date.")] = False,
    full: Annotated[
        bool, Parameter(negative="", help="Make every table anew, not only what changed since the last run.")
    ] = False,
    strict: Annotated[bool, Parameter(negative="", help="End with exit code 1 when a check warned.")] = False,
    as_json: AsJson = False,
) -> int:
    """Load the sources, infer the journeys, check, and publish the marts."""
    outcome = _run(project, day, force=force, full=full)
    if as_json:
        print_json(outcome)
    else:
        _print_summary(project)
    return _EXIT_WARNED if strict and outcome["warnings"] else EXIT_DONE


@app.command(help_epilogue=examples("journey demo", "journey demo /tmp/grocer"))
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


def _run(folder: Path, day: date | None, *, force: bool, full: bool = False) -> dict[str, Any]:
    """Run a project with its progress on stderr, and say what came out."""
    from journey_analytics.project import read_project

    return run_with_progress(read_project(folder), day, force=force, full=full)


def _print_summary(folder: Path) -> None:
    from journey_analytics.marts import current
    from journey_analytics.project import read_project
    from journey_analytics.reports.findings import find
    from journey_analytics.reports.terminal import print_summary

    project = read_project(folder)
    print_summary(output(), project, find(current(project.marts_folder)))


def _sample() -> Path:
    """The sample project: inside an installed package, or in a checkout's data folder."""
    packaged = Path(str(files("journey_analytics") / "samples" / _SAMPLE))
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "data" / _SAMPLE
