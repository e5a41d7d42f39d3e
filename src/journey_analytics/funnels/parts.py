"""Rows that come in any order, put together by customer, in bounded memory.

Rows are spread over parts by their customer's number: a customer is in one part, and a part is small enough
to be sorted in the processor's cache. Rows beyond those that memory is given wait on disk, so memory grows
with a part, or the largest customer, and not with the rows.

Belongs here: how rows are kept until all are there. Does not belong here: where they come from (`events`),
and what is done row by row (`part_passes`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from journey_analytics.funnels.names import Names
from journey_analytics.funnels.part_passes import (
    PACKED,
    WIDE,
    Codes,
    Numbers,
    arrange,
    mark,
    spread,
)
from journey_analytics.funnels.passes import Flags, Ints

_PART_BITS = 7
PARTS = range(1 << _PART_BITS)
"""Of ten million rows a part has one or two megabytes, which stay in the processor's cache."""

MOST_BYTES_IN_MEMORY = 384_000_000
"""A row has 16 when it is packed, 24 when it is wide, and 4 more with a break-down."""

MOST_PACKED_MARKS = 12
"""They leave six bits for the check: of ten million customers two pass for one with a chance of 1 in 10^7."""

_ROWS_AT_ONCE = 1_000_000

_Piece = tuple[Ints, Codes]


class NumbersCollideError(Exception):
    """Two customers have one number: their events cannot be told apart by it. Never leaves this package."""


class TimeTooFarError(Exception):
    """A time does not fit into a packed row. Never leaves this package."""


@dataclass(frozen=True)
class Rows:
    """Events as they are read; all columns are equally long, or empty where a funnel does not need them.

    Attributes:
        customers: the customer's number.
        times: microseconds.
        names: the number of the event's name.
        checks: bits that are the same in all rows of a customer, and hardly in those of another.
        conditions: the marks that conditions give.
        values: the code of the break-down's value.
    """

    customers: Numbers
    times: Ints
    names: Numbers
    checks: Numbers
    conditions: Ints
    values: Codes


@dataclass(frozen=True)
class Batch:
    """Rows of whole customers, sorted by customer, time, value and mask; no values without a break-down.

    Attributes:
        borders: where each customer begins, and where the last one ends.
    """

    borders: Ints
    customers: Numbers
    times: Ints
    masks: Ints
    values: Codes


class Parts:
    """Takes rows in and gives them part by part.

    Args:
        names: those that a funnel asks about.
        keeps_every_row: whether rows without a mark matter.
        packed_marks: how many marks there are, at most MOST_PACKED_MARKS; None not to pack rows.

    Attributes:
        occurs: whether each of them was met, by its place.
    """

    def __init__(self, names: Names, *, keeps_every_row: bool, packed_marks: int | None) -> None:
        self.occurs: Flags = np.zeros(len(names.marks), np.bool_)
        self._names = names
        self._keeps_every_row = keeps_every_row
        self._words, self._mark_bits = (WIDE, 0) if packed_marks is None else (PACKED, packed_marks)
        self._held: list[tuple[Ints, _Piece]] = []
        self._bytes = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._pieces_on_disk = 0

    def take(self, events: Iterable[Rows]) -> None:
        """Take rows in, in any order, until there are no more.

        Raises:
            TimeTooFarError: rows are to be packed, and one has a time that leaves no room for its check.
        """
        for together in _blocks(events):
            self._spread(together)
            if self._bytes > MOST_BYTES_IN_MEMORY:
                self._spill()

    def batch(self, part: int) -> Batch:
        """The rows of a part. May be asked for by many threads.

        Raises:
            NumbersCollideError: two customers have one number.
        """
        nothing = np.empty((0, self._words), np.int64), np.empty(0, np.uint32)
        pieces = [nothing, *self._spilled(part), *(self._piece(held, part) for held in self._held)]
        rows, values = (np.concatenate(columns) for columns in zip(*pieces, strict=True))
        is_sound, borders, customers, times, masks, values = arrange(
            rows, values, part, _PART_BITS, self._mark_bits
        )
        if not is_sound:
            raise NumbersCollideError
        return Batch(borders, customers, times, masks, values)

    def _spread(self, together: list[Rows]) -> None:
        """Hold the rows that matter, each beside those of its part."""
        begins = np.zeros(len(PARTS) + 1, np.int64)
        marks = [
            mark(
                rows.customers, rows.names, rows.conditions, self._names.numbers, self._names.marks,
                self._keeps_every_row, _PART_BITS, self.occurs, begins,
            )
            for rows in together
        ]  # fmt: skip
        begins = begins.cumsum()
        # what belongs to a row stands side by side, so that to move it touches one place of memory
        kept = np.empty((begins[-1], self._words), np.int64)
        values = np.empty(begins[-1] if len(together[0].values) else 0, np.uint32)
        free = begins.copy()
        for rows, of_rows in zip(together, marks, strict=True):
            do_fit = spread(
                rows.customers, rows.times, of_rows, rows.checks, rows.values, self._keeps_every_row,
                _PART_BITS, self._mark_bits, free, kept, values,
            )  # fmt: skip
            if not do_fit:
                raise TimeTooFarError
        self._held.append((begins, (kept, values)))
        self._bytes += kept.nbytes + values.nbytes

    def _piece(self, held: tuple[Ints, _Piece], part: int) -> _Piece:
        begins, (rows, values) = held
        its_own = slice(begins[part], begins[part + 1])
        return rows[its_own], values[its_own]

    def _spill(self) -> None:
        """Put what is held on disk, each part in a file of its own."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="journey-funnel-")
        for part in PARTS:
            with (Path(self._folder.name) / f"{part}.npy").open("ab") as file:
                for held in self._held:
                    for column in self._piece(held, part):
                        np.save(file, column)
        self._pieces_on_disk += len(self._held)
        self._held, self._bytes = [], 0

    def _spilled(self, part: int) -> list[_Piece]:
        """The pieces of a part that are on disk."""
        if self._folder is None:
            return []
        with (Path(self._folder.name) / f"{part}.npy").open("rb") as file:
            return [(np.load(file), np.load(file)) for _ in range(self._pieces_on_disk)]


def _blocks(events: Iterable[Rows]) -> Iterator[list[Rows]]:
    """The rows in lists of so many that each part gets some thousands."""
    together: list[Rows] = []
    count = 0
    for rows in events:
        together.append(rows)
        count += len(rows.times)
        if count >= _ROWS_AT_ONCE:
            yield together
            together, count = [], 0
    if together:
        yield together
