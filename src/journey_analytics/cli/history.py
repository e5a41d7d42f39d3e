"""Commands about what was published before: marts history, diff, restore, verify."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Column, Table

from journey_analytics.cli.terminal import AsJson, Project, examples, messages, output, print_json
from journey_analytics.errors import EXIT_DONE, DamagedError

app = App()

Run = Annotated[
    str, Parameter(help="A snapshot's name in `journey marts history`, or the first letters of it.")
]


@app.command(name="history", help_epilogue=examples("journey marts history -p data/complete_journey"))
def marts_history(*, project: Project = Path(), as_json: AsJson = False) -> int:
    """The snapshots that are kept, the one published last first."""
    from journey_analytics.history import snapshots
    from journey_analytics.local_days import to_moment
    from journey_analytics.marts import live_name
    from journey_analytics.project import read_project

    folder = read_project(project).marts_folder
    live = live_name(folder)
    kept = [
        {
            "name": snapshot.name,
            "is_live": snapshot.name == live,
            "as_of": snapshot.as_of.isoformat(),
            "published_at": to_moment(snapshot.published_us).isoformat(timespec="seconds"),
            "rows": sum(snapshot.marts.values()),
            "version": snapshot.manifest["version"],
        }
        for snapshot in snapshots(folder)
    ]
    if as_json:
        print_json(kept)
        return EXIT_DONE
    table = Table(Column("snapshot", no_wrap=True), "", "as of", "published", Column("rows", justify="right"))
    for entry in kept:
        mark = "live" if entry["is_live"] else ""
        table.add_row(entry["name"], mark, entry["as_of"], entry["published_at"], f"{entry['rows']:,}")
    output().print(table)
    return EXIT_DONE


@app.command(
    name="diff",
    help_epilogue=examples("journey marts diff 525a 91cc -p shop", "journey marts diff 525a -p shop"),
)
def marts_diff(
    before: Run,
    after: Annotated[str | None, Parameter(help="The other one; the live snapshot when not given.")] = None,
    *,
    project: Project = Path(),
    as_json: AsJson = False,
) -> int:
    """What changed from one snapshot to another: rows added, removed and changed, mart by mart."""
    from journey_analytics.history import find_snapshot
    from journey_analytics.marts_difference import difference
    from journey_analytics.project import read_project
    from journey_analytics.retention import pinned

    folder = read_project(project).marts_folder
    old, new = find_snapshot(folder, before), find_snapshot(folder, after)
    with pinned(old), pinned(new):
        found = difference(old, new)
    if as_json:
        print_json({"before": old.name, "after": new.name, "marts": [asdict(mart) for mart in found]})
        return EXIT_DONE
    numbers = ("before", "after", "added", "removed", "changed")
    table = Table(
        Column("mart", no_wrap=True), *(Column(name, justify="right") for name in numbers), "example"
    )
    for mart in found:
        counts = (mart.rows_before, mart.rows_after, mart.added, mart.removed, mart.changed)
        table.add_row(mart.mart, *(f"{count:,}" for count in counts), mart.example or "")
    output().print(table)
    output().print(f"from {old.name} (as of {old.as_of}) to {new.name} (as of {new.as_of})", highlight=False)
    return EXIT_DONE


@app.command(name="restore", help_epilogue=examples("journey marts restore 525a36346a39b33d -p shop"))
def marts_restore(run: Run, *, project: Project = Path(), as_json: AsJson = False) -> int:
    """Make an earlier snapshot the live one again, if every file of it is as it was published.

    Its report is written too. The next `journey run` publishes anew.
    """
    from journey_analytics.journal import restore_snapshot
    from journey_analytics.project import read_project
    from journey_analytics.reports.dropoff import write_report

    read = read_project(project)
    snapshot = restore_snapshot(read, run, datetime.now(UTC))
    messages.print(f"live: {snapshot.name}, as of {snapshot.as_of}; the next run publishes anew")
    written = write_report(read, snapshot)
    if as_json:
        live = {"live": snapshot.name, "as_of": snapshot.as_of.isoformat()}
        print_json({**live, "report": str(written.path)})
    else:
        output().print(str(written.path), markup=False, highlight=False, soft_wrap=True)
    return EXIT_DONE


@app.command(
    name="verify", help_epilogue=examples("journey marts verify -p shop", "journey marts verify 525a -p shop")
)
def marts_verify(
    run: Annotated[
        str | None, Parameter(help="A snapshot's name; every one that is kept when not given.")
    ] = None,
    *,
    project: Project = Path(),
    as_json: AsJson = False,
) -> int:
    """Compare every published file with the sha256 in its manifest, and name each that is damaged or gone."""
    from journey_analytics.history import newest_first
    from journey_analytics.marts import current
    from journey_analytics.project import read_project
    from journey_analytics.verification import verify

    folder = read_project(project).marts_folder
    names = [place.name for place in newest_first(folder)] if run is None else [run]
    if run is None:
        current(folder)
    found = verify(folder, names)
    if as_json:
        damaged = [asdict(problem) for problem in found.problems]
        print_json({"snapshots": len(names), "sound": found.sound, "damaged": damaged})
        return DamagedError.exit_code if damaged else EXIT_DONE
    if found.problems:
        error = DamagedError(found.problems)
        error.add_note(
            f"as they were published, and fit for `journey marts restore`: {', '.join(found.sound) or 'none'}"
        )
        raise error
    messages.print(f"as they were published, file by file: {', '.join(names)}", highlight=False)
    return EXIT_DONE
