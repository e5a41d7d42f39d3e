"""Rows that come in any order, put together by customer, in bounded memory.

Rows are spread over parts by their customer's number: a customer is in one part, and a part is small enough
to be sorted in the processor's cache. Rows beyond those that memory is given wait on disk, so memory grows
with a part, or the largest customer, and not with the rows.

Belongs here: how rows are kept until all are there. Does not belong here: where they come from (`events`),
and what is done row by row (`part_passes`).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from journey_analytics.funnels.part_passes import Codes, Numbers, arrange, spread
from journey_analytics.funnels.passes import Flags, Ints

PARTS = range(64)
MOST_ROWS_IN_MEMORY = 16_000_000
"""Of 24 to 28 bytes each."""

_PART_BITS = 6
_Columns = tuple[Numbers, Ints, Ints, Codes]
_NOTHING = np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint32)


class NumbersCollideError(Exception):
    """Two customers have one number: their events cannot be told apart by it. Never leaves this package."""


@dataclass(frozen=True)
class Rows:
    """Events as they are read; all columns are equally long, or empty where a funnel does not need them.

    Attributes:
        customers: the customer's number.
        times: microseconds.
        names: the code of the event's name.
        checks: bits that are the same in all rows of a customer, and hardly in those of another.
        conditions: the marks that conditions give.
        values: the code of the break-down's value.
    """

    customers: Numbers
    times: Ints
    names: Codes
    checks: Numbers
    conditions: Ints
    values: Codes


@dataclass(frozen=True)
class Batch:
    """Rows of whole customers, sorted by customer, time, value and mask; no values without a break-down."""

    customers: Numbers
    times: Ints
    masks: Ints
    values: Codes


class Parts:
    """Takes rows in and gives them part by part.

    Args:
        mask_of_name: the marks that each name gives, by its code.
        keeps_every_row: whether rows without a mark matter.

    Attributes:
        occurs: whether each name was met, by its code.
    """

    def __init__(self, mask_of_name: Ints, *, keeps_every_row: bool) -> None:
        self.occurs: Flags = np.zeros(len(mask_of_name), np.bool_)
        self._mask_of_name = mask_of_name
        self._keeps_every_row = keeps_every_row
        self._held: list[tuple[Ints, _Columns]] = []
        self._rows = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._pieces_on_disk = 0

    def add(self, rows: Rows) -> None:
        """Take rows in any order."""
        begins, customers, times, marks, values = spread(
            rows.customers, rows.times, rows.names, rows.checks, rows.conditions, rows.values,
            self._mask_of_name, self._keeps_every_row, _PART_BITS, self.occurs,
        )  # fmt: skip
        self._held.append((begins, (customers, times, marks, values)))
        self._rows += len(customers)
        if self._rows > MOST_ROWS_IN_MEMORY:
            self._spill()

    def batch(self, part: int) -> Batch:
        """The rows of a part. May be asked for by many threads.

        Raises:
            NumbersCollideError: two customers have one number.
        """
        pieces = [_NOTHING, *self._spilled(part), *(self._piece(held, part) for held in self._held)]
        customers, times, marks, values = (np.concatenate(columns) for columns in zip(*pieces, strict=True))
        is_sound, customers, times, masks, values = arrange(customers, times, marks, values, _PART_BITS)
        if not is_sound:
            raise NumbersCollideError
        return Batch(customers, times, masks, values)

    def _piece(self, held: tuple[Ints, _Columns], part: int) -> _Columns:
        begins, (customers, times, marks, values) = held
        rows = slice(begins[part], begins[part + 1])
        return customers[rows], times[rows], marks[rows], values[rows]

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
        self._held, self._rows = [], 0

    def _spilled(self, part: int) -> list[_Columns]:
        """The pieces of a part that are on disk."""
        if self._folder is None:
            return []
        with (Path(self._folder.name) / f"{part}.npy").open("rb") as file:
            columns = [[np.load(file) for _ in range(4)] for _ in range(self._pieces_on_disk)]
        return [(customers, times, marks, values) for customers, times, marks, values in columns]
