"""The tables that the statistics of alerts make, from daily counts and stage entries.

Belongs here: from tables of the engine to frames and back. Does not belong here: what is computed (cells.py,
causes.py).
"""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from journey_analytics.alerts.causes import find_causes
from journey_analytics.alerts.cells import Cells, find_changes, find_limits, read_cells
from journey_analytics.alerts.slices import DIMENSIONS
from journey_analytics.contracts import contracts
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted

_SCRATCH = "rows_of_alerts"


def make_changes(engine: DuckDBEngine, as_of: date) -> int:
    """Make int_stage_changes from int_stage_days and return how many rows it has."""
    return _make(engine, "int_stage_changes", find_changes(_cells(engine, as_of), as_of))


def make_limits(engine: DuckDBEngine, as_of: date) -> int:
    """Make int_stage_limits from int_stage_days and int_stage_changes and return how many rows it has."""
    changes = engine.frame("select * from int_stage_changes")
    return _make(engine, "int_stage_limits", find_limits(_cells(engine, as_of), changes, as_of))


def make_causes(engine: DuckDBEngine, as_of: date) -> int:
    """Make int_alert_causes from int_stage_changes and int_stage_entries and return how many rows it has."""
    changes = engine.frame("select * from int_stage_changes")
    alerts = [
        {"stage_model": model, "stage": stage, **alert}
        for (model, stage), of_stage in changes.group_by("stage_model", "stage", maintain_order=True)
        if of_stage["is_alert"].any()
        for alert in find_causes(of_stage, _entries(engine, str(model), str(stage)), as_of)
    ]
    alerts.sort(key=lambda alert: (alert["stage_model"], -alert["excess_drops"]))
    rows: list[dict[str, Any]] = []
    numbers: dict[str, int] = {}
    for alert in alerts:
        causes = alert.pop("causes")
        number = numbers[alert["stage_model"]] = numbers.get(alert["stage_model"], 0) + 1
        rows += [
            {**alert, "alert_number": number, "cause_rank": rank, **cause}
            for rank, cause in enumerate(causes, 1)
        ]
    names = contracts()["int_alert_causes"].column_names
    return _make(engine, "int_alert_causes", pl.DataFrame(rows, schema=names))


def _cells(engine: DuckDBEngine, as_of: date) -> Cells:
    return read_cells(engine.frame("select * from int_stage_days where funnel_kind = 'touched'"), as_of)


def _entries(engine: DuckDBEngine, stage_model: str, stage: str) -> pl.DataFrame:
    """The entries of a stage, one row per day, channel and combination of what is known of them."""
    columns = ", ".join(("entered_date", "channel", *DIMENSIONS))
    return engine.frame(
        f"select {columns}, count(*) as journeys_reached, "
        "count(*) filter (is_continued) as journeys_continued from int_stage_entries "
        f"where stage_model = {quoted(stage_model)} and stage = {quoted(stage)} group by all order by all"
    )


def _make(engine: DuckDBEngine, table: str, frame: pl.DataFrame) -> int:
    """Make a table of these rows, with the columns and types of its contract."""
    engine.load(_SCRATCH, frame)
    columns = ", ".join(
        f'cast("{column.name}" as {column.type}) as "{column.name}"' for column in contracts()[table].columns
    )
    rows = engine.create_table(table, f"select {columns} from {_SCRATCH}")
    engine.execute(f"drop table {_SCRATCH}")
    return rows
