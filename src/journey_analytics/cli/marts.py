"""Commands that read what is published: query, marts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Column, Table

from journey_analytics.cli.terminal import (
    AsJson,
    AsOf,
    Project,
    examples,
    messages,
    output,
    print_json,
    snapshot_of,
)
from journey_analytics.errors import EXIT_DONE, ConfigError, Problem

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
        table = Table(*(Column(name, overflow="fold") for name in frame.columns))
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
    help_epilogue=examples("journey marts describe mart_stage_dropoff -p data/complete_journey"),
)
def marts_describe(
    mart: Annotated[str, Parameter(help="Name of the mart.")],
    *,
    project: Project = Path(),
    as_json: AsJson = False,
) -> int:
    """A mart's grain, key, freshness and columns, with types, units and meaning."""
    from journey_analytics.contracts import contract

    snapshot = snapshot_of(project)
    found = contract(mart)
    pattern = snapshot.pattern(mart)
    if as_json:
        described = found.model_dump(exclude_none=True)
        print_json({**described, "rows": snapshot.marts[mart], "files": pattern})
        return EXIT_DONE
    output().print(f"[bold]{mart}[/bold]: {found.description}")
    output().print(f"grain  {found.grain} ({', '.join(found.key)})")
    output().print(f"rows   {snapshot.marts[mart]:,}, as of {snapshot.manifest['as_of']}")
    output().print(f"files  {pattern}", soft_wrap=True, highlight=False)
    table = Table(Column("column", no_wrap=True), "type", "unit", "meaning")
    for column in found.columns:
        kind = column.type + (", may be null" if column.nullable else "")
        table.add_row(column.name, kind, column.unit or "", column.description)
    output().print(table)
    return EXIT_DONE
