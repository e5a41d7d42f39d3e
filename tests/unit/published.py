"""Mart tables with a few rows by hand, and snapshots made from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from journey_analytics import marts
from journey_analytics.contracts import Contract, contracts
from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from journey_analytics.engine.models import marts as mart_names
from journey_analytics.marts import Snapshot, current, write_snapshot

Row = dict[str, Any]

_DEFAULTS: dict[str, Any] = {
    "VARCHAR": "x",
    "BIGINT": 1,
    "DOUBLE": 0.5,
    "BOOLEAN": True,
    "DATE": "2024-05-01",
    "TIMESTAMP WITH TIME ZONE": "2024-05-01 10:00:00+00",
}


def tables(**rows: list[Row]) -> DuckDBEngine:
    """An engine with every table that checks of the marts read; one that is not named has one plain row."""
    engine = DuckDBEngine(limits=Limits(threads=1))
    for name in (*mart_names(), "int_staged_revenue"):
        fill(engine, contracts()[name], rows.get(name, [{}]))
    return engine


def fill(engine: DuckDBEngine, contract: Contract, rows: list[Row]) -> None:
    """Make a table of a contract anew; what a row does not name is a plain value the contract allows."""
    columns = ", ".join(f'"{column.name}" {column.type}' for column in contract.columns)
    engine.execute(f"create or replace table {contract.table} ({columns})")
    for row in rows:
        unknown = row.keys() - set(contract.column_names)
        if unknown:
            message = f"{contract.table} has no column {sorted(unknown)}"
            raise KeyError(message)
        values = {
            column.name: row.get(column.name, column.values[0] if column.values else _plain(column.type))
            for column in contract.columns
        }
        names = ", ".join(f"${name}" for name in values)
        engine.execute(f"insert into {contract.table} values ({names})", values)


def publish(
    folder: Path, run_id: str = "run1", *, as_of: str = "2024-05-31", now_us: int = 0, **rows: list[Row]
) -> Snapshot:
    """Publish mart tables with these rows and return the live snapshot; the newest, whatever the time."""
    about = {
        "project": "shop",
        "timezone": "UTC",
        "as_of": as_of,
        "stage_model": _DEFAULTS["VARCHAR"],
        "conversion_stage": "purchase",
    }
    with tables(**rows) as engine:
        write_snapshot(engine, folder, run_id, {**about, "stages_not_observed": [], "warnings": []})
    marts.publish(folder, run_id, now_us)
    return current(folder)


def _plain(kind: str) -> Any:
    return "1.00" if kind.startswith("DECIMAL") else _DEFAULTS[kind]
