"""Any frame of events, sorted by DuckDB and handed out in batches that end where a customer ends.

Sorting spills to disk when memory is full, and batches are of bounded size, so memory grows with the largest
customer and not with the events. A customer is known by a number: an id that is a whole number is its own, of
any other the 64-bit hash. Part of a second hash tells whether two customers fell on one number; then all customers are
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
from journey_analytics.touchpoints import RULE_COLUMNS, Kind

UNKNOWN = "unknown"
_TIME, _NAME = "occurred_at", "event_name"
_BATCH_ROWS = 1_000_000
# a mask of up to 8 bits and its check fit 32, others 64
_NARROW_MASK, _NARROW_CHECK, _WIDE_CHECK = 8, 24, 32
_MOST_WORDS = 40
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
            them, a pattern, or a CSV file).
        entity: the column of the customer.
        question: what will be asked.

    Attributes:
        without_customer: rows left out because they have no customer.
        without_time: rows left out because they have no time.
        values: the break-down's values in the order of their codes.
    """

    def __init__(self, source: Any, entity: str, question: Question) -> None:
        self.entity = f'"{entity}"'
        self.mask = question.mask
        self.mask_bits = len(question.rules.steps) + len(question.rules.exclusions)
        self.keeps_every_event = question.rules.mode == "strict"
        columns = [entity, _TIME, _NAME, *question.columns_read]
        if question.breakdown is not None:
            columns.append(question.breakdown)
        self._spill = tempfile.TemporaryDirectory(prefix="journey-funnel-")
        self.engine = DuckDBEngine(spill_folder=Path(self._spill.name))
        self.engine.execute("set preserve_insertion_order = false")
        types = self._open(source, list(dict.fromkeys(columns)))
        self._check_time(types[_TIME])
        self.without_customer = self._count(f"{self.entity} is null")
        self.without_time = self._count(
            f"{self.entity} is not null and ({_TIME} is null or {_TIME} in ('infinity', '-infinity'))"
        )
        moment = f"cast({_TIME} as timestamp)" if types[_TIME] == "DATE" else _TIME
        self.time = f"epoch_us({moment})"  # nothing for an endless time
        is_whole = types[entity] in _WHOLE_NUMBERS
        text = f"cast({self.entity} as varchar)"
        self.number = f"cast({self.entity} as bigint)" if is_whole else f"hash({text})"
        check_bits = _NARROW_CHECK if self.mask_bits <= _NARROW_MASK else _WIDE_CHECK
        self.check = None if is_whole else f"(hash(reverse({text})) & {(1 << check_bits) - 1})"
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
        is_csv = path.suffix == ".csv"
        pattern = str(path / "**" / "*.parquet") if path.is_dir() else str(path)
        reader = "read_csv({}, all_varchar = true)" if is_csv else "read_parquet({}, hive_partitioning = false)"
        try:
            self.engine.execute(f"create view files as from {reader.format(quoted(pattern))}")
            if not is_csv:
                return "files"
            known = [row["column_name"] for row in self.engine.rows("describe files")]
            typed = {_TIME: "timestamptz"} | {
                name: "double" for name, kind in RULE_COLUMNS.items() if kind is Kind.NUMBER
            }
            casts = [f'cast("{name}" as {typed[name]}) as "{name}"' for name in known if name in typed]
            replaced = f"replace ({', '.join(casts)})" if casts else ""
            self.engine.execute(f"create table typed as select * {replaced} from files")
        except duckdb.Error as cause:
            raise ConfigError(
                Problem(
                    f"the file cannot be read: {' '.join(str(cause).split()[:_MOST_WORDS])}",
                    str(path),
                    "give a Parquet file, a folder of them, a pattern such as events/*.parquet, or a CSV file",
                )
            ) from cause
        return "typed"

    def _check_time(self, kind: str) -> None:
        if kind not in (*_MOMENTS, "DATE"):
            raise ConfigError(
                Problem(
                    f"{_TIME} is {kind}, not a point in time",
                    "the funnel's events",
                    f"cast it, for example with Polars: pl.col({_TIME!r}).str.to_datetime()",
                )
            )

    def _count(self, condition: str) -> int:
        """How many events are so; statistics of Parquet files answer most of this without reading."""
        return int(self.engine.rows(f"select count(*) as n from events where {condition}")[0]["n"])

    def _sorted_columns(self) -> Iterator[list[NDArray[Any]]]:
        """Number, time, marks and value of the rows that matter, as they come out of the sort.

        Marks are the mask below the check: one column less to sort, and a check that is the same on all rows of
        a customer changes no order.
        """
        parts = {"number": self.number, "us": self.time, "mask": self.mask}
        marks = "mask"
        if self.check is not None:
            parts["check"] = self.check
            marks = f'("check" << {self.mask_bits}) | mask'
        if self.value is not None:
            parts["value"] = self.value
        kind = "uinteger" if self.mask_bits <= _NARROW_MASK else "ubigint"
        listed = ", ".join(f'{sql} as "{name}"' for name, sql in parts.items())
        value = "value" if self.value is not None else ""
        columns = ", ".join(filter(None, ("number", "us", f"cast({marks} as {kind}) as marks", value)))
        order = ", ".join(filter(None, ("number", "us", value, "marks")))
        sql = (
            f"select {columns} from (select {listed} from {self._table} where {self.entity} is not null) "
            f"where us is not null {'' if self.keeps_every_event else 'and mask <> 0'} order by {order}"
        )
        for batch in self.engine.connection.sql(sql).to_arrow_reader(_BATCH_ROWS):
            yield [column.to_numpy(zero_copy_only=False) for column in batch.columns]

    def _batch(self, pieces: list[list[NDArray[Any]]]) -> Batch:
        columns = [same[0] if len(same) == 1 else np.concatenate(same) for same in zip(*pieces, strict=True)]
        numbers, times, marks = columns[:3]
        if self.check is not None:
            checks = marks >> self.mask_bits
            if ((numbers[1:] == numbers[:-1]) & (checks[1:] != checks[:-1])).any():
                raise NumbersCollideError
        masks = (marks & ((1 << self.mask_bits) - 1)).astype(np.int64)
        return Batch(numbers, times, masks, columns[3] if self.value is not None else None)


def _check_columns(columns: Sequence[str], known: Any) -> None:
    problems = [
        Problem(f"there is no column {name!r}", "the funnel's events", advise(name, known, "column"))
        for name in columns
        if name not in known
    ]
    if problems:
        raise ConfigError(problems)
