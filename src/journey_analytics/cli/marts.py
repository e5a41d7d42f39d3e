"""Commands that read what is published: query, marts."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.markup import escape
from rich.table import Column, Table

from journey_analytics.cli.terminal import (
    AsJson,
    AsOf,
    Project,
    examples,
    headings,
    messages,
    output,
    print_json,
    snapshot_of,
)
from journey_analytics.errors import EXIT_DONE, ConfigError, Problem

if TYPE_CHECKING:
    from journey_analytics.marts_description import Description

_CELL = 40
"""The most characters of an example's value."""

app = App()
marts_app = App(name="marts", help="What is published: the marts, and the snapshots of earlier runs.")
app.command(marts_app)


@app.command(
    help_epilogue=examples(
        'journey query -p shop "select stage, channel, drop_off_rate from mart_stage_dropoff"',
        'journey query -p shop --csv "from mart_journeys limit 5"',
        'journey query -p shop --as-of 2026-05-01 "select count(*) from mart_journeys"',
    )
)
def query(
    sql: Annotated[str, Parameter(help="One SELECT over the marts.")],
    /,
    *,
    project: Project = Path(),
    as_json: AsJson = False,
    as_csv: Annotated[bool, Parameter(name="--csv", negative="", help="Print CSV.")] = False,
    timeout: Annotated[float, Parameter(help="Seconds after which the query is stopped.")] = 60.0,
    as_of: AsOf = None,
) -> int:
    """Ask the published marts a question in SQL. The marts cannot be changed through it."""
    from journey_analytics import query as queries
    from journey_analytics.reports.export import as_csv_text, as_json_text

    if as_json and as_csv:
        raise ConfigError(Problem("--json and --csv exclude each other", "the command", "name one"))
    frame = queries.query(snapshot_of(project, as_of), sql, timeout)
    if as_json:
        sys.stdout.write(as_json_text(frame) + "\n")
    elif as_csv:
        sys.stdout.write(as_csv_text(frame))
    else:
        table = Table(*(Column(name, overflow="fold") for name in headings(frame, frame.columns)))
        for row in frame.iter_rows():
            table.add_row(*("" if value is None else str(value) for value in row))
        output().print(table)
        messages.print(f"{frame.height:,} rows", style="dim")
    return EXIT_DONE


@marts_app.command(name="list", help_epilogue=examples("journey marts list -p data/complete_journey"))
def marts_list(*, project: Project = Path(), as_json: AsJson = False, as_of: AsOf = None) -> int:
    """The published marts with their grain and rows."""
    from journey_analytics.contracts import contracts

    snapshot = snapshot_of(project, as_of)
    rows = [(name, count, contracts()[name].grain) for name, count in snapshot.marts.items()]
    if as_json:
        listed = [dict(zip(("mart", "rows", "grain"), row, strict=True)) for row in rows]
        print_json({"run_id": snapshot.run_id, "folder": str(snapshot.folder), "marts": listed})
        return EXIT_DONE
    table = Table(Column("mart", no_wrap=True), Column("rows", justify="right"), "grain")
    for name, count, grain in rows:
        table.add_row(name, f"{count:,}", grain)
    output().print(table)
    output().print(f"as of {snapshot.manifest['as_of']}, in {snapshot.folder}", soft_wrap=True)
    return EXIT_DONE


@marts_app.command(
    name="describe",
    help_epilogue=examples(
        "journey marts describe mart_stage_dropoff -p data/complete_journey",
        "journey marts describe mart_quality_results -p shop --json",
    ),
)
def marts_describe(
    mart: Annotated[str, Parameter(help="Name of a mart, or of a table of the record of runs.")],
    *,
    project: Project = Path(),
    as_json: AsJson = False,
) -> int:
    """A mart's grain, freshness, columns with types, units and meaning, rules of its rows, and examples."""
    from journey_analytics.marts_description import describe
    from journey_analytics.project import read_project

    described = describe(read_project(project).marts_folder, mart, datetime.now(UTC))
    if as_json:
        print_json(described.as_json())
    else:
        _print_description(described)
    return EXIT_DONE


def _print_description(described: Description) -> None:
    from journey_analytics.durations import duration_text
    from journey_analytics.reference.dictionary import allowed, done_about

    out, contract = output(), described.contract
    out.print(f"[bold]{contract.table}[/bold]: {contract.description}")
    out.print(f"grain  {contract.grain} ({', '.join(contract.key)})")
    out.print(f"rows   {described.rows:,}" + (f", as of {described.as_of}" if described.as_of else ""))
    if described.published_at and described.age:
        age = duration_text(timedelta(seconds=int(described.age.total_seconds())))
        out.print(f"fresh  published {described.published_at:%Y-%m-%d %H:%M:%S} UTC, {age} ago")
    out.print(f"files  {described.files}", soft_wrap=True, highlight=False)
    columns = Table(Column("column", no_wrap=True), "type", "unit", "values", "meaning")
    for column in contract.columns:
        kind = column.type + (", may be null" if column.nullable else "")
        columns.add_row(column.name, kind, column.unit or "", allowed(column), column.description)
    out.print(columns)
    if contract.rules:
        rules = Table("rule of every row", "promise", "SQL", "when broken")
        for rule in contract.rules:
            rules.add_row(rule.rule, rule.description, rule.holds, done_about(rule))
        out.print(rules)
    if described.examples:
        numbers = (f"example {number}" for number in range(1, len(described.examples) + 1))
        cells = (Column(title, overflow="ellipsis", no_wrap=True, max_width=_CELL) for title in numbers)
        shown = Table(Column("column", no_wrap=True), *cells)
        for name in contract.column_names:
            values = (row[name] for row in described.examples)
            shown.add_row(name, *("" if value is None else escape(str(value)) for value in values))
        out.print(shown)
