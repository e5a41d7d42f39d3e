"""Any frame of events, sorted by DuckDB and handed out in batches that end where a customer ends.

Sorting spills to disk when memory is full, and batches are of bounded size, so memory grows with the largest
customer and not with the events. A customer is known by a number: an id that is a whole number is its own, of
any other the 64-bit hash. A second hash tells whether two customers fell on one number; then all customers are
counted through instead, which is exact and slower.

Belongs here: what may hold events, and their way into arrays. Does not belong here: what a funnel is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted
from journey_analytics.errors import ConfigError, Problem, advise
from journey_analytics.funnels.question import Question

UNKNOWN = "unknown"
_TIME, _NAME = "occurred_at", "event_name"
_BATCH_ROWS = 1_000_000
_WHOLE_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_MOMENTS = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")


class NumbersCollideError(Exception):
    """Two customers have one number: their events cannot be told apart by it. Never leaves this package."""


@dataclass(frozen=True)
class Batch:
    """Rows of whole customers, sorted by customer, time, value and mask."""

    customers: NDArray[Any]
    times: NDArray[np.int64]
    masks: NDArray[np.int64]
    values: NDArray[Any] | None


class Events:
    """The events of one question, as a view in a DuckDB database of their own.

    Args:
        source: a Polars frame or lazy frame, Arrow table, DuckDB relation, or path (a Parquet file, a folder of
            them or a pattern).
        entity: the column of the customer.
        question: what will be asked.

    Attributes:
        without_customer: rows left out because they have no customer; known once all batches were read.
        without_time: rows left out because they have no time.
        values: the break-down's values in the order of their codes.
    """

    def __init__(self, source: Any, entity: str, question: Question) -> None:
        self.without_customer = 0
        self.without_time = 0
        self.entity = f'"{entity}"'
        self.mask = question.mask
        self.keeps_every_event = question.rules.mode == "strict"
        columns = [entity, _TIME, _NAME, *question.columns_read]
        if question.breakdown is not None:
            columns.append(question.breakdown)
        self._spill = tempfile.TemporaryDirectory(prefix="journey-funnel-")
        self.engine = DuckDBEngine(spill_folder=Path(self._spill.name))
        self.engine.execute("set preserve_insertion_order = false")
        types = self._open(source, list(dict.fromkeys(columns)))
        self._check_time(types[_TIME])
        moment = f"cast({_TIME} as timestamp)" if types[_TIME] == "DATE" else _TIME
        self.time = f"case when isfinite({_TIME}) then epoch_us({moment}) end"
        is_whole = types[entity] in _WHOLE_NUMBERS
        text = f"cast({self.entity} as varchar)"
        self.number = f"cast({self.entity} as bigint)" if is_whole else f"hash({text})"
        self.check = None if is_whole else f"cast(hash(reverse({text})) & 4294967295 as uinteger)"
        self.values: list[str] = []
        self.value: str | None = None
        if question.breakdown is not None:
            value = f"coalesce(cast(\"{question.breakdown}\" as varchar), '{UNKNOWN}')"
            self.engine.execute(
                "create type breakdown_value as enum "
                f"(select {value} from events union select '{UNKNOWN}' order by 1)"
            )
            listed = "select cast(unnest(enum_range(null::breakdown_value)) as varchar) as value"
            self.values = [row["value"] for row in self.engine.rows(listed)]
            self.value = f"enum_code(cast({value} as breakdown_value))"

    def batches(self) -> Iterator[Batch]:
        """The rows that matter, sorted, whole customers at a time.

        Raises:
            NumbersCollideError: call `number_customers`, and begin again.
        """
        self.without_customer = self.without_time = 0
        kept: list[list[NDArray[Any]]] = []
        for columns in self._sorted_columns():
            numbers = columns[0]
            changes = np.flatnonzero(numbers[1:] != numbers[:-1])
            if kept and len(numbers) and kept[-1][0][-1] != numbers[0]:
                yield self._batch(kept)
                kept = []
            if len(changes):
                border = int(changes[-1]) + 1
                yield self._batch([*kept, [column[:border] for column in columns]])
                kept = []
                columns = [column[border:] for column in columns]  # noqa: PLW2901 - what is left of it
            if len(columns[0]):
                kept.append(columns)
        if kept:
            yield self._batch(kept)

    def number_customers(self) -> None:
        """Count the customers through, so that each has a number of its own."""
        self.engine.execute(
            f"create table numbered as select {self.entity} as id, row_number() over () as number "
            f"from (select distinct {self.entity} from events where {self.entity} is not null)"
        )
        self.engine.execute(
            "create view numbered_events as select events.*, numbered.number as customer_number "
            f"from events left join numbered on events.{self.entity} = numbered.id"
        )
        self._table, self.number, self.check = "numbered_events", "customer_number", None

    def ids(self, numbers: NDArray[Any]) -> list[Any]:
        """The ids of customers by their numbers, sorted."""
        wanted = pa.table({"number": numbers})
        self.engine.connection.register("wanted", wanted)
        rows = self.engine.rows(
            f"select distinct {self.entity} as id from {self._table} "
            f"where {self.entity} is not null and {self.number} in (select number from wanted) order by id"
        )
        self.engine.connection.unregister("wanted")
        return [row["id"] for row in rows]

    def _open(self, source: Any, columns: Sequence[str]) -> dict[str, str]:
        """Make the view `events` of the columns that are needed; their types."""
        connection = self.engine.connection
        self._table = "events"
        if isinstance(source, str | Path):
            origin = self._file(Path(source))
        elif isinstance(source, duckdb.DuckDBPyRelation):
            _check_columns(columns, source.columns)
            names = ", ".join(f'"{name}"' for name in columns)
            connection.register("incoming", source.project(names).to_arrow_reader(_BATCH_ROWS))
            # a relation belongs to another connection, and can be read from it just once
            connection.execute("create table taken_over as select * from incoming")
            origin = "taken_over"
        else:
            if isinstance(source, pl.LazyFrame):
                _check_columns(columns, source.collect_schema().names())
                source = source.select(columns).collect()
            if isinstance(source, pl.DataFrame):
                source = source.to_arrow()
            if not isinstance(source, pa.Table):
                raise ConfigError(
                    Problem(
                        f"events in a {type(source).__name__} cannot be read",
                        "the funnel's events",
                        "give a Polars frame, an Arrow table, a DuckDB relation or the path of Parquet files",
                    )
                )
            connection.register("incoming", source)
            origin = "incoming"
        described = {row["column_name"]: row["column_type"] for row in self.engine.rows(f"describe {origin}")}
        _check_columns(columns, described)
        names = ", ".join(f'"{name}"' for name in columns)
        connection.execute(f"create view events as select {names} from {origin}")
        return described

    def _file(self, path: Path) -> str:
        pattern = str(path / "**" / "*.parquet") if path.is_dir() else str(path)
        origin = f"read_parquet({quoted(pattern)}, hive_partitioning = false)"
        try:
            self.engine.execute(f"create view files as from {origin}")
        except duckdb.Error as cause:
            raise ConfigError(
                Problem(
                    f"no Parquet file can be read: {str(cause).splitlines()[0]}",
                    str(path),
                    "give a Parquet file, a folder of them, or a pattern such as events/*.parquet",
                )
            ) from cause
        return "files"

    def _check_time(self, kind: str) -> None:
        if kind not in (*_MOMENTS, "DATE"):
            raise ConfigError(
                Problem(
                    f"{_TIME} is {kind}, not a point in time",
                    "the funnel's events",
                    f"cast it, for example with Polars: pl.col({_TIME!r}).str.to_datetime()",
                )
            )

    def _sorted_columns(self) -> Iterator[list[NDArray[Any]]]:
        # a hash of nothing is a number too
        number = f"case when {self.entity} is not null then {self.number} end"
        parts = {"number": number, "us": self.time, "mask": self.mask}
        if self.value is not None:
            parts["value"] = self.value
        if self.check is not None:
            parts["check"] = self.check
        listed = ", ".join(f'{sql} as "{name}"' for name, sql in parts.items())
        matters = "" if self.keeps_every_event else "where mask <> 0 or us is null or number is null"
        order = ", ".join(name for name in ("number", "us", "value", "mask") if name in parts)
        sql = f"select * from (select {listed} from {self._table}) {matters} order by {order}"
        for batch in self.engine.connection.sql(sql).to_arrow_reader(_BATCH_ROWS):
            yield self._without_gaps(batch)

    def _without_gaps(self, batch: pa.RecordBatch) -> list[NDArray[Any]]:
        """The columns as arrays, without rows that lack a customer or a time."""
        if batch.column(0).null_count or batch.column(1).null_count:
            has_customer, has_time = batch.column(0).is_valid(), batch.column(1).is_valid()
            self.without_customer += batch.column(0).null_count
            self.without_time += pa.compute.sum(pa.compute.and_not(has_customer, has_time)).as_py() or 0
            batch = batch.filter(pa.compute.and_(has_customer, has_time))
        return [column.to_numpy(zero_copy_only=False) for column in batch.columns]

    def _batch(self, pieces: list[list[NDArray[Any]]]) -> Batch:
        columns = [
            same[0] if len(same) == 1 else np.concatenate(same) for same in zip(*pieces, strict=True)
        ]
        numbers = columns[0]
        if self.check is not None:
            checks = columns[-1]
            if ((numbers[1:] == numbers[:-1]) & (checks[1:] != checks[:-1])).any():
                raise NumbersCollideError
        return Batch(numbers, columns[1], columns[2], columns[3] if self.value is not None else None)


def _check_columns(columns: Sequence[str], known: Any) -> None:
    problems = [
        Problem(f"there is no column {name!r}", "the funnel's events", advise(name, known, "column"))
        for name in columns
        if name not in known
    ]
    if problems:
        raise ConfigError(problems)
