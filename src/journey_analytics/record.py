"""The record of runs: tables that grow by a file with every run, beside the snapshots, and never change.

    marts/record/<table>/<when>-<run_id>.parquet    what one run has to say, written once
    marts/record/<table>/columns.parquet            its columns without a row: *.parquet can always be read

A mart is made anew by every run and holds nothing of how it came about. What a run says of itself (its steps,
its checks, what it restated) is appended here, for runs that published and for runs that stopped.

Belongs here: appending and reading. Does not belong here: what a table says (its contract, and the room that
appends to it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from journey_analytics import failpoints
from journey_analytics.contracts import Contract, contracts
from journey_analytics.disk import sync
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted, quoted_path

RECORD_FOLDER = "record"
_COLUMNS = "columns.parquet"


def append(
    marts_folder: Path, table: str, rows: Sequence[Mapping[str, Any]], *, run_id: str, begun_us: int
) -> Path | None:
    """Add a run's rows to a table of the record, on disk when this returns; a second call replaces them.

    Args:
        marts_folder: the project's.
        table: one with a contract under `record: true`.
        rows: with a value for every column of the contract that may not be null.
        run_id: of the run that says so.
        begun_us: when that run began, microseconds since 1970 UTC; another try of it has another file.

    Returns:
        The file, None when there was nothing to add.
    """
    if not rows:
        return None
    contract = contracts()[table]
    folder = _folder(marts_folder, table)
    path = folder / f"{begun_us:017d}-{run_id}.parquet"
    scratch = path.with_suffix(".tmp")
    frame = pl.DataFrame(
        [{name: row.get(name) for name in contract.column_names} for row in rows],
        infer_schema_length=None,
    )
    with DuckDBEngine() as engine:
        engine.load("appended", frame)
        rows_sql, place = _select(contract, "appended"), quoted(str(scratch))
        engine.execute(f"copy ({rows_sql}) to {place} (format parquet, compression zstd)")
    sync(scratch)
    failpoints.reach("record.written")
    scratch.rename(path)
    failpoints.reach("record.named")
    sync(folder)
    return path


def write_columns(marts_folder: Path) -> None:
    """Give every table of the record a file of its columns, also before a run has anything to say in it."""
    with DuckDBEngine() as engine:
        for table in record_tables():
            path = _folder(marts_folder, table) / _COLUMNS
            scratch = path.with_suffix(".tmp")
            engine.execute(
                f"copy ({_no_rows(contracts()[table])}) to {quoted(str(scratch))} (format parquet)"
            )
            scratch.rename(path)


def record_tables() -> list[str]:
    """The names of the tables of the record."""
    return sorted(name for name, contract in contracts().items() if contract.record)


def record_files(marts_folder: Path, table: str) -> list[Path]:
    """A table's files, oldest run first; none before the first run."""
    return sorted((marts_folder / RECORD_FOLDER / table).glob("[0-9]*.parquet"))


def record_sql(marts_folder: Path, table: str) -> str:
    """A SELECT of everything a table of the record holds; no row before the first run."""
    contract = contracts()[table]
    files = ", ".join(quoted_path(path) for path in record_files(marts_folder, table))
    if files:
        return _select(contract, f"read_parquet([{files}], union_by_name = true)")
    return _no_rows(contract)


def _folder(marts_folder: Path, table: str) -> Path:
    folder = marts_folder / RECORD_FOLDER / table
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _no_rows(contract: Contract) -> str:
    nothing = ", ".join(f'cast(null as {column.type}) as "{column.name}"' for column in contract.columns)
    return f"select {nothing} where false"


def _select(contract: Contract, rows: str) -> str:
    columns = (f'cast("{column.name}" as {column.type}) as "{column.name}"' for column in contract.columns)
    return f"select {', '.join(columns)} from {rows}"
