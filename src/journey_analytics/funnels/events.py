"""The events of one question, as arrays.

Polars reads the few columns that are needed, in batches, and gives each customer a number: an id that is a
whole number is its own, of any other it is the 64-bit hash. A second hash tells whether two customers fell on
one number; then all customers are counted through instead, which is exact and slower.

Belongs here: what the columns mean. Does not belong here: what holds them (`frames`), the order of rows
(`parts`), and what a funnel is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from journey_analytics.errors import closest
from journey_analytics.funnels.frames import CONDITIONS, NAME, TIME, lazy_frame, unreadable
from journey_analytics.funnels.names import Names, number
from journey_analytics.funnels.parts import Rows
from journey_analytics.funnels.passes import Flags
from journey_analytics.funnels.question import Question

UNKNOWN = "unknown"

_BATCH_ROWS: int | None = None
"""As they are read, which is about 100,000 at once: to cut them anew is to copy them."""

_COUNTED = "counted customer"
_US_OF_A_DAY = 86_400_000_000
_ENDLESS = int(np.iinfo(np.int64).max)


class Events:
    """The events that a funnel is counted over.

    Args:
        source: as `lazy_frame` takes it.
        entity: the column of the customer.
        question: what will be asked.

    Attributes:
        names: those asked for, and the marks they give.
        without_customer: rows left out because they have no customer; known when `rows` has come to its end.
        without_time: rows left out because they have no time; likewise.
        values: the break-down's values in the order of their codes.
    """

    def __init__(self, source: Any, entity: str, question: Question) -> None:
        columns = [entity, TIME, NAME, *question.columns_read]
        if question.breakdown is not None:
            columns.append(question.breakdown)
        self._frame = lazy_frame(source, list(dict.fromkeys(columns)), question.condition_mask)
        self._entity = entity
        self.names = Names.asked(question.mask_of_name)
        types = self._frame.collect_schema()
        self._columns = {
            **_number(entity, types[entity]),
            "us": _microseconds(types[TIME]),
            "name": number(pl.col(NAME)),
        }
        if question.condition_mask is not None:
            self._columns["conditions"] = pl.col(CONDITIONS)
        self.without_customer, self.without_time = 0, 0
        self.values: list[str] = []
        if question.breakdown is not None:
            value = pl.col(question.breakdown).cast(pl.String).fill_null(UNKNOWN)
            self.values = sorted({*self._distinct(value), UNKNOWN})
            self._columns["value"] = _code(value, self.values)

    def rows(self) -> Iterator[Rows]:
        """All rows with a customer and a time, in batches, in any order."""
        self.without_customer, self.without_time = 0, 0
        try:
            for batch in self._frame.select(**self._columns).collect_batches(chunk_size=_BATCH_ROWS):
                found = {column.name: column.to_numpy() for column in self._usable(batch)}
                yield Rows(
                    customers=found["customer"],
                    times=found["us"],
                    names=found["name"],
                    checks=found.get("check", np.empty(0, np.uint64)),
                    conditions=found.get("conditions", np.empty(0, np.int64)),
                    values=found.get("value", np.empty(0, np.uint32)),
                )
        except pl.exceptions.PolarsError as cause:
            raise unreadable(
                "the funnel's events", cause, "see that all files have the same types"
            ) from cause

    def number_customers(self) -> None:
        """Count the customers through, so that each has a number of its own."""
        customers = pl.DataFrame({self._entity: self._distinct(pl.col(self._entity).drop_nulls())})
        self._frame = self._frame.join(
            customers.with_row_index(_COUNTED).lazy(), on=self._entity, how="left", maintain_order="left"
        )
        self._columns.pop("check", None)
        self._columns |= _number(_COUNTED, pl.UInt32())

    def ids(self, numbers: NDArray[Any]) -> list[Any]:
        """The ids of customers by their numbers, sorted."""
        is_wanted = self._columns["customer"].is_in(pl.Series(numbers).implode())
        return self._distinct(pl.col(self._entity).filter(is_wanted)).sort().to_list()

    def hints(self, occurs: Flags) -> list[str]:
        """A sentence for each name asked for that no event has, with the closest that one has.

        Args:
            occurs: by its place, whether a name was met.
        """
        absent = [name for name, place in self.names.place_of.items() if not occurs[place]]
        if not absent:
            return []
        known = sorted(self._distinct(pl.col(NAME).cast(pl.String).drop_nulls()))
        near = {name: closest(name, known) for name in absent}
        return [
            f"no event is called {name!r}"
            + (f"; the closest that occurs is {near[name]!r}" if near[name] else "")
            for name in absent
        ]

    def _usable(self, batch: pl.DataFrame) -> pl.DataFrame:
        """The rows with a customer and a time; the others are counted."""
        without_customer = batch["customer"].null_count()
        if without_customer:
            batch = batch.drop_nulls("customer")
        without_time = batch["us"].null_count()
        if without_time:
            batch = batch.drop_nulls("us")
        self.without_customer += without_customer
        self.without_time += without_time
        return batch

    def _distinct(self, value: pl.Expr) -> pl.Series:
        return self._frame.select(value.unique()).collect(engine="streaming").to_series()


def _number(name: str, kind: pl.DataType) -> dict[str, pl.Expr]:
    """The customer's number, with a check where it is a hash."""
    entity = pl.col(name)
    if kind in (pl.Int8, pl.Int16, pl.Int32, pl.Int64):
        return {"customer": entity.cast(pl.Int64).reinterpret(signed=False)}
    if kind in (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64):
        return {"customer": entity.cast(pl.UInt64)}
    check = entity.cast(pl.String).hash(2)
    return {"customer": pl.when(entity.is_not_null()).then(number(entity)), "check": check}


def _microseconds(kind: pl.DataType) -> pl.Expr:
    """The time in whole microseconds since 1970; nothing for an endless one."""
    time = pl.col(TIME).cast(pl.Int64)
    if isinstance(kind, pl.Date):
        return time * _US_OF_A_DAY
    time = pl.when((time < _ENDLESS) & (time > -_ENDLESS)).then(time)
    unit = kind.time_unit if isinstance(kind, pl.Datetime) else "us"
    return {"ms": time * 1_000, "us": time, "ns": time // 1_000}[unit]


def _code(value: pl.Expr, values: list[str]) -> pl.Expr:
    """The position of a text among these; nothing for another."""
    return value.cast(pl.String).cast(pl.Enum(values), strict=False).to_physical().cast(pl.UInt32)
