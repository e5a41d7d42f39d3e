"""The command that writes a report again: report."""

from __future__ import annotations

import webbrowser
from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from journey_analytics.cli.terminal import AsJson, Project, examples, output, print_json
from journey_analytics.errors import EXIT_DONE

app = App()


@app.command(
    help_epilogue=examples("journey report -p shop --open", "journey report -p shop --date 2026-05-01 --json")
)
def report(
    *,
    project: Project = Path(),
    day: Annotated[
        date | None,
        Parameter(name="--date", help="The report of the end of this day; by default the newest."),
    ] = None,
    in_browser: Annotated[bool, Parameter(name="--open", negative="", help="Open it.")] = False,
    as_json: AsJson = False,
) -> int:
    """Write a report again from marts that are kept, and nothing else; the same marts give the same bytes."""
    from journey_analytics.history import snapshot_as_of
    from journey_analytics.marts import current
    from journey_analytics.project import read_project
    from journey_analytics.reports.dropoff import write_report

    read = read_project(project)
    folder = read.marts_folder
    snapshot = current(folder) if day is None else snapshot_as_of(folder, day)
    written = write_report(read, snapshot)
    if as_json:
        said = {"as_of": snapshot.manifest["as_of"], "snapshot": snapshot.folder.name}
        print_json({**said, "headline": written.content.headline, "report": str(written.path)})
    else:
        output().print(written.content.headline, markup=False, highlight=False, soft_wrap=True)
        output().print(str(written.path), markup=False, highlight=False, soft_wrap=True)
    if in_browser:
        webbrowser.open(written.path.resolve().as_uri())
    return EXIT_DONE
