"""Commands about rows that were put aside: quarantine list, show, release."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.markup import escape
from rich.table import Column, Table

from journey_analytics.cli.terminal import AsJson, Project, examples, messages, output, print_json
from journey_analytics.errors import EXIT_DONE, ConfigError, Problem, advise

if TYPE_CHECKING:
    from journey_analytics import project as projects
    from journey_analytics.sources.quarantine import BadRow, Quarantine

app = App()
quarantine_app = App(name="quarantine", help="Rows that are no events: why, which, and bringing them back.")
app.command(quarantine_app)

Source = Annotated[str | None, Parameter(help="Rows of this source alone.")]
_SHORT_ID = 12
_SHOWN = 20


@quarantine_app.command(
    name="list",
    help_epilogue=examples("journey quarantine list -p shop", "journey quarantine list --source web -p shop"),
)
def quarantine_list(
    *,
    source: Source = None,
    reason: Annotated[str | None, Parameter(help="Reasons with this text in them.")] = None,
    project: Project = Path(),
    as_json: AsJson = False,
) -> int:
    """How many rows are in quarantine, by source, load and reason, with one of each.

    Rows are counted from 1, without the header; a value is what the mapping made of it.
    """
    with _opened(_read(project, source)) as quarantine:
        heaps = quarantine.heaps(source, reason)
    if as_json:
        print_json([asdict(heap) for heap in heaps])
        return EXIT_DONE
    table = Table(
        "source",
        Column("load", no_wrap=True),
        "reason",
        Column("rows", justify="right"),
        "for example",
    )
    for heap in heaps:
        place = f"{heap.file} row {heap.row_number}: " if heap.file else ""
        example = escape(f"{place}{heap.column_name or 'row'} = {heap.value!r}")
        load = heap.batch_id[:_SHORT_ID] + ("" if heap.is_loaded else "\nnot loaded")
        table.add_row(heap.source, load, escape(heap.reason), f"{heap.rows:,}", example)
    if heaps:
        output().print(table)
    messages.print(f"{sum(heap.rows for heap in heaps):,} rows in quarantine", style="dim")
    refused = sum(heap.rows for heap in heaps if not heap.is_loaded)
    if refused:
        messages.print(
            f"{refused:,} of them are of loads that a gate refused, or of a run that was cut short: mend the "
            "file or the mapping, then run again",
            style="dim",
        )
    return EXIT_DONE


@quarantine_app.command(
    name="show",
    help_epilogue=examples(
        'journey quarantine show "not a time" -p shop', "journey quarantine show 5f0c1e -p shop --json"
    ),
)
def quarantine_show(
    asked: Annotated[
        str, Parameter(help="A load, by the first letters of its id, or a reason, by a part of its words.")
    ],
    *,
    most: Annotated[int, Parameter(help="How many rows to show.")] = _SHOWN,
    project: Project = Path(),
    as_json: AsJson = False,
) -> int:
    """Rows of a load or a reason: file, row, column, value; as JSON the whole row as it was delivered.

    Rows are counted from 1, without the header; a value is what the mapping made of it.
    """
    with _opened(_read(project, None)) as quarantine:
        rows = quarantine.rows(asked, most)
    if as_json:
        print_json([asdict(row) for row in rows])
        return EXIT_DONE
    table = Table("file", Column("row", justify="right"), "column", "value, as mapped", "reason")
    for row in rows:
        table.add_row(*_cells(row))
    output().print(table)
    return EXIT_DONE


@quarantine_app.command(
    name="release",
    help_epilogue=examples(
        "journey quarantine release --source web --dry-run -p shop", "journey quarantine release -p shop"
    ),
)
def quarantine_release(
    *,
    source: Source = None,
    dry_run: Annotated[
        bool, Parameter(name="--dry-run", negative="", help="Only tell what would come of it.")
    ] = False,
    project: Project = Path(),
    as_json: AsJson = False,
) -> int:
    """After a mapping was mended: judge the rows again, and load those that are sound, once."""
    from journey_analytics.sources.release import release

    judged = release(_read(project, source), now=datetime.now(UTC), source=source, dry_run=dry_run)
    if as_json:
        print_json([asdict(one) for one in judged])
        return EXIT_DONE
    table = Table(
        "source",
        Column("load", no_wrap=True),
        Column("rows", justify="right"),
        Column("sound now", justify="right"),
        "outcome",
        "still bad",
    )
    for one in judged:
        bad = "; ".join(f"{count:,} {reason}" for reason, count in one.still_bad.items())
        counts = (f"{one.rows:,}", f"{one.sound:,}")
        table.add_row(one.source, one.batch_id[:_SHORT_ID], *counts, one.outcome, one.note or bad)
    if judged:
        output().print(table)
    released = sum(one.sound for one in judged if one.outcome == "released")
    to_come = sum(one.sound for one in judged if one.outcome == "next run")
    messages.print(f"{released:,} rows released, {to_come:,} come with the next run", style="dim")
    if released or to_come:
        messages.print(f"next: journey run -p {project}", soft_wrap=True, highlight=False)
    return EXIT_DONE


def _read(folder: Path, source: str | None) -> projects.Project:
    """The project, which must have the source that was asked for."""
    from journey_analytics.project import read_project

    read = read_project(folder)
    names = [known.name for known in read.sources]
    if source is not None and source not in names:
        do = advise(source, names, "source")
        raise ConfigError(Problem(f"there is no source {source!r}", "--source", do))
    return read


@contextmanager
def _opened(project: projects.Project) -> Iterator[Quarantine]:
    from journey_analytics.engine.duckdb import DuckDBEngine
    from journey_analytics.sources.quarantine import Quarantine
    from journey_analytics.sources.store import Store

    with DuckDBEngine() as engine:
        yield Quarantine(engine, project.folder, Store(project.store_folder), project.sources)


def _cells(row: BadRow) -> list[str]:
    number = "" if row.row_number is None else str(row.row_number)
    value = "" if row.value is None else repr(row.value)
    return [row.file or "", number, row.column_name or "", value, row.reason]
