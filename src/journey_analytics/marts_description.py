"""One mart, or one table of the record of runs, as an analyst asks about it: meaning, freshness, examples.

Belongs here: what the contract says joined with what is published. Does not belong here: printing it (cli).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from journey_analytics.contracts import Contract, contract
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted
from journey_analytics.local_days import to_moment
from journey_analytics.marts import current
from journey_analytics.record import RECORD_FOLDER, record_files, record_sql

EXAMPLES = 3


@dataclass(frozen=True)
class Description:
    """What a table is and holds.

    Attributes:
        rows: how many there are.
        files: the pattern of its files, for any Parquet reader.
        as_of: the day the live snapshot stands at the end of; None for a table of the record.
        published_at: when its newest file was published; None before the first.
        age: how long ago that was.
        examples: the first rows of a mart, the last ones of the record.
    """

    contract: Contract
    rows: int
    files: str
    as_of: str | None
    published_at: datetime | None
    age: timedelta | None
    examples: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values; the keys of the contract stand at the top."""
        rest = {name: value for name, value in asdict(self).items() if name not in ("contract", "age")}
        seconds = None if self.age is None else self.age.total_seconds()
        return {**self.contract.model_dump(exclude_none=True), **rest, "age_seconds": seconds}


def describe(marts_folder: Path, table: str, now: datetime) -> Description:
    """Describe a published mart or a table of the record.

    Args:
        marts_folder: the project's.
        table: its name.
        now: the clock, aware, to tell the age.

    Raises:
        MartError: no table has that name, or nothing has been published yet.
    """
    found = contract(table)
    order = ", ".join(f'"{name}"' for name in found.key)
    if found.record:
        written = record_files(marts_folder, table)
        published_us = int(written[-1].name.partition("-")[0]) if written else None
        files, as_of = str(marts_folder / RECORD_FOLDER / table / "*.parquet"), None
        rows_sql = record_sql(marts_folder, table)
        order = ", ".join(f"{name} desc" for name in order.split(", "))
    else:
        snapshot = current(marts_folder)
        files, as_of = snapshot.pattern(table), snapshot.as_of.isoformat()
        published_us = snapshot.published_us
        rows_sql = f"select * from read_parquet({quoted(files)}, hive_partitioning = false)"
    published_at = None if published_us is None else to_moment(published_us)
    with DuckDBEngine() as engine:
        return Description(
            contract=found,
            rows=engine.rows(f"select count(*) as n from ({rows_sql})")[0]["n"],
            files=files,
            as_of=as_of,
            published_at=published_at,
            age=None if published_at is None else now - published_at,
            examples=engine.rows(f"{rows_sql} order by {order} limit {EXAMPLES}"),
        )
