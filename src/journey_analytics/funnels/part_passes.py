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
def mark(
    customers: Numbers,
    names: Numbers,
    conditions: Ints,
    asked: Numbers,
    marks_of_asked: Ints,
    keeps_every_row: bool,
    part_bits: int,
    occurs: Flags,
    sizes: Ints,
) -> Ints:
    """The marks of each row; and `sizes` grows by the rows that matter, in the place behind their part's.

    Of conditions there are as many as rows, or none. `asked` and its marks are a table of names; `occurs` is
    set at the places of those that were met.
    """
    shift = np.uint64(64 - part_bits)
    marks = np.empty(len(customers), np.int64)
    for row in range(len(customers)):
        its_name = place_of_name(names[row], asked, marks_of_asked)
        occurs[its_name] = True
        mask = marks_of_asked[its_name]
        if len(conditions):
            mask |= conditions[row]
        marks[row] = mask
        if mask != 0 or keeps_every_row:
            sizes[((customers[row] * _MIXER) >> shift) + np.uint64(1)] += 1
    return marks


@compiled
def spread(
    customers: Numbers,
    times: Ints,
    marks: Ints,
    checks: Numbers,
    values: Codes,
    keeps_every_row: bool,
    part_bits: int,
    free: Ints,
    rows: Ints,
    of_values: Codes,
) -> None:
    """Put the rows that matter where their part is free next: customer, time, marks; and their values.

    Of checks and values there are as many as rows, or none.
    """
    shift = np.uint64(64 - part_bits)
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


@compiled
def place_of_name(number: np.uint64, asked: Numbers, marks_of_asked: Ints) -> np.uint64:
    """Where a name stands in the table, or a free place when it is not there."""
    last = np.uint64(len(asked) - 1)
    place = number & last
    while marks_of_asked[place] != 0 and asked[place] != number:
        place = (place + np.uint64(1)) & last
    return place


@compiled
def arrange(rows: Ints, values: Codes, part_bits: int) -> tuple[bool, Ints, Numbers, Ints, Ints, Codes]:
    """The part's rows by customer, time, value and mask.

    Args:
        rows: customer, time and marks.
        values: as many, or none.
        part_bits: how many bits of a customer's number chose the part.

    Returns:
        Whether no two customers share a number, where each customer begins and the last one ends, and by row
        customer, time, mask and value.
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
    # a part stays in the cache, so columns may be apart here, and are as the chains want them
    customers, times, masks = np.empty(count, np.uint64), np.empty(count, np.int64), np.empty(count, np.int64)
    by_values = np.empty_like(values)
    for row in range(count):
        its_bin = ((np.uint64(rows[row, CUSTOMER]) * _MIXER) >> shift) & last
        place = free[its_bin]
        free[its_bin] = place + 1
        customers[place] = np.uint64(rows[row, CUSTOMER])
        times[place] = rows[row, TIME]
        masks[place] = rows[row, MARKS]
        if len(values):
            by_values[place] = values[row]
    borders = np.empty(count + 1, np.int64)
    is_sound, before, known = True, 0, 0
    for number in range(bins):
        begin, end = begins[number], begins[number + 1]
        if begin == end:
            continue
        if not _insert(customers, times, by_values, masks, begin, end):
            _merge(customers, times, by_values, masks, begin, end)
        for row in range(begin, end):
            check = masks[row] >> MASK_BITS
            if row == begin or customers[row] != customers[row - 1]:
                borders[known] = row
                known += 1
            elif check != before:
                is_sound = False
            before = check
            masks[row] &= (1 << MASK_BITS) - 1
    borders[known] = count
    return is_sound, borders[: known + 1], customers, times, masks, by_values


@compiled
def _insert(customers: Numbers, times: Ints, values: Codes, masks: Ints, begin: int, end: int) -> bool:
    """Sort these rows; or give up, with the rows in some order, when it takes too many moves."""
    moves = _MOST_MOVES * (end - begin)
    for row in range(begin + 1, end):
        customer, time, mask = customers[row], times[row], masks[row]
        value = values[row] if len(values) else np.uint32(0)
        place = row
        while place > begin and _stands_after(
            customers, times, values, masks, place - 1, customer, time, value, mask
        ):
            customers[place], times[place], masks[place] = (
                customers[place - 1], times[place - 1], masks[place - 1],
            )  # fmt: skip
            if len(values):
                values[place] = values[place - 1]
            place -= 1
        if place < row:
            customers[place], times[place], masks[place] = customer, time, mask
            if len(values):
                values[place] = value
        moves -= row - place
        if moves < 0:
            return False
    return True


@compiled
def _stands_after(
    customers: Numbers,
    times: Ints,
    values: Codes,
    masks: Ints,
    row: int,
    customer: np.uint64,
    time: int,
    value: np.uint32,
    mask: int,
) -> bool:
    """Whether this row belongs behind one with these values."""
    if customers[row] != customer:
        return bool(customers[row] > customer)
    if times[row] != time:
        return bool(times[row] > time)
    if len(values) and values[row] != value:
        return bool(values[row] > value)
    return bool(masks[row] > mask)


@compiled
def _merge(customers: Numbers, times: Ints, values: Codes, masks: Ints, begin: int, end: int) -> None:
    """Sort these rows, by one column after the other from the least to the most important."""
    order = np.argsort(masks[begin:end], kind="mergesort")
    if len(values):
        order = order[np.argsort(values[begin:end][order], kind="mergesort")]
    order = order[np.argsort(times[begin:end][order], kind="mergesort")]
    order = order[np.argsort(customers[begin:end][order], kind="mergesort")]
    customers[begin:end] = customers[begin:end][order]
    times[begin:end] = times[begin:end][order]
    masks[begin:end] = masks[begin:end][order]
    if len(values):
        values[begin:end] = values[begin:end][order]
