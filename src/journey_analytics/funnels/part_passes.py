"""The compiled passes that put rows in order: spread over parts, then sorted within one.

A row goes by its customer's number times an odd constant, which sends neighbouring numbers far apart: the
highest bits choose the part, the next ones a bin of about one customer within it. Bins are sorted by
insertion, which costs next to nothing when rows come in the order of time; a bin where that gets dear is
sorted by merging.

All of it is one file, because numba's cache looks at no other.

Belongs here: what runs once per row before the chain. Does not belong here: the chain (`passes`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from journey_analytics.funnels.passes import Flags, Ints, compiled

Numbers = NDArray[np.uint64]
Codes = NDArray[np.uint32]

MASK_BITS = 32
"""The lower bits of a row's marks: its steps and exclusions. Above them is the check of its customer."""

CUSTOMER, TIME, MARKS = 0, 1, 2
"""The columns of a row."""

_MIXER = np.uint64(0x9E3779B97F4A7C15)
_ROWS_OF_A_BIN = 8
_MOST_BIN_BITS = 16
_MOST_MOVES = 16  # for each row of a bin, by insertion


@compiled
def spread(
    customers: Numbers,
    times: Ints,
    names: Numbers,
    checks: Numbers,
    conditions: Ints,
    values: Codes,
    asked: Numbers,
    marks_of_asked: Ints,
    keeps_every_row: bool,
    part_bits: int,
    occurs: Flags,
) -> tuple[Ints, Ints, Codes]:
    """Where each part begins, and the rows that matter, by part: customer, time, marks; and their values.

    Of checks, conditions and values there are as many as rows, or none. `asked` and its marks are a table of
    names; `occurs` is set at the places of those that were met.
    """
    parts, shift = 1 << part_bits, np.uint64(64 - part_bits)
    marks = np.empty(len(customers), np.int64)
    begins = np.zeros(parts + 1, np.int64)
    for row in range(len(customers)):
        its_name = place_of_name(names[row], asked, marks_of_asked)
        occurs[its_name] = True
        mask = marks_of_asked[its_name]
        if len(conditions):
            mask |= conditions[row]
        marks[row] = mask
        if mask != 0 or keeps_every_row:
            begins[((customers[row] * _MIXER) >> shift) + np.uint64(1)] += 1
    for part in range(parts):
        begins[part + 1] += begins[part]
    free, count = begins.copy(), begins[parts]
    # what belongs to a row stands side by side, so that to move it touches one place of memory and not three
    rows, of_values = np.empty((count, 3), np.int64), np.empty(count if len(values) else 0, np.uint32)
    for row in range(len(customers)):
        mask = marks[row]
        if mask == 0 and not keeps_every_row:
            continue
        if len(checks):
            mask |= np.int64(checks[row] >> np.uint64(MASK_BITS + 1)) << MASK_BITS
        part = (customers[row] * _MIXER) >> shift
        place = free[part]
        free[part] = place + 1
        rows[place, CUSTOMER] = np.int64(customers[row])
        rows[place, TIME] = times[row]
        rows[place, MARKS] = mask
        if len(values):
            of_values[place] = values[row]
    return begins, rows, of_values


@compiled
def place_of_name(number: np.uint64, asked: Numbers, marks_of_asked: Ints) -> np.uint64:
    """Where a name stands in the table, or a free place when it is not there."""
    last = np.uint64(len(asked) - 1)
    place = number & last
    while marks_of_asked[place] != 0 and asked[place] != number:
        place = (place + np.uint64(1)) & last
    return place


@compiled
def arrange(rows: Ints, values: Codes, part_bits: int) -> tuple[bool, Numbers, Ints, Ints, Codes]:
    """Whether no two customers share a number, and the part's rows by customer, time, value and mask.

    Args:
        rows: customer, time and marks.
        values: as many, or none.
        part_bits: how many bits of a customer's number chose the part.
    """
    count = len(rows)
    bin_bits = 1
    while bin_bits < _MOST_BIN_BITS and (_ROWS_OF_A_BIN << bin_bits) < count:
        bin_bits += 1
    bins, shift = 1 << bin_bits, np.uint64(64 - part_bits - bin_bits)
    last = np.uint64(bins - 1)
    begins = np.zeros(bins + 1, np.int64)
    for row in range(count):
        begins[(((np.uint64(rows[row, CUSTOMER]) * _MIXER) >> shift) & last) + np.uint64(1)] += 1
    for number in range(bins):
        begins[number + 1] += begins[number]
    free = begins.copy()
    by_rows, by_values = np.empty_like(rows), np.empty_like(values)
    for row in range(count):
        its_bin = ((np.uint64(rows[row, CUSTOMER]) * _MIXER) >> shift) & last
        place = free[its_bin]
        free[its_bin] = place + 1
        by_rows[place, CUSTOMER] = rows[row, CUSTOMER]
        by_rows[place, TIME] = rows[row, TIME]
        by_rows[place, MARKS] = rows[row, MARKS]
        if len(values):
            by_values[place] = values[row]
    customers, times, masks = np.empty(count, np.uint64), np.empty(count, np.int64), np.empty(count, np.int64)
    is_sound, before = True, 0
    for number in range(bins):
        begin, end = begins[number], begins[number + 1]
        if not _insert(by_rows, by_values, begin, end):
            _merge(by_rows, by_values, begin, end)
        for row in range(begin, end):
            marks = by_rows[row, MARKS]
            is_same = row > begin and by_rows[row, CUSTOMER] == by_rows[row - 1, CUSTOMER]
            if is_same and marks >> MASK_BITS != before:
                is_sound = False
            before = marks >> MASK_BITS
            customers[row] = np.uint64(by_rows[row, CUSTOMER])
            times[row] = by_rows[row, TIME]
            masks[row] = marks & ((1 << MASK_BITS) - 1)
    return is_sound, customers, times, masks, by_values


@compiled
def _insert(rows: Ints, values: Codes, begin: int, end: int) -> bool:
    """Sort these rows; or give up, with the rows in some order, when it takes too many moves."""
    moves = _MOST_MOVES * (end - begin)
    for row in range(begin + 1, end):
        customer, time, marks = rows[row, CUSTOMER], rows[row, TIME], rows[row, MARKS]
        value = values[row] if len(values) else np.uint32(0)
        place = row
        while place > begin and _stands_after(rows, values, place - 1, customer, time, marks, value):
            rows[place, CUSTOMER] = rows[place - 1, CUSTOMER]
            rows[place, TIME] = rows[place - 1, TIME]
            rows[place, MARKS] = rows[place - 1, MARKS]
            if len(values):
                values[place] = values[place - 1]
            place -= 1
        if place < row:
            rows[place, CUSTOMER], rows[place, TIME], rows[place, MARKS] = customer, time, marks
            if len(values):
                values[place] = value
        moves -= row - place
        if moves < 0:
            return False
    return True


@compiled
def _stands_after(
    rows: Ints, values: Codes, row: int, customer: int, time: int, marks: int, value: np.uint32
) -> bool:
    """Whether this row belongs behind one with these values."""
    if rows[row, CUSTOMER] != customer:
        return bool(rows[row, CUSTOMER] > customer)
    if rows[row, TIME] != time:
        return bool(rows[row, TIME] > time)
    if len(values) and values[row] != value:
        return bool(values[row] > value)
    return bool(rows[row, MARKS] > marks)


@compiled
def _merge(rows: Ints, values: Codes, begin: int, end: int) -> None:
    """Sort these rows, by one column after the other from the least to the most important."""
    order = np.argsort(rows[begin:end, MARKS], kind="mergesort")
    if len(values):
        order = order[np.argsort(values[begin:end][order], kind="mergesort")]
    order = order[np.argsort(rows[begin:end, TIME][order], kind="mergesort")]
    order = order[np.argsort(rows[begin:end, CUSTOMER][order], kind="mergesort")]
    rows[begin:end] = rows[begin:end][order]
    if len(values):
        values[begin:end] = values[begin:end][order]
