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

_MIXER = np.uint64(0x9E3779B97F4A7C15)
_ROWS_OF_A_BIN = 8
_MOST_BIN_BITS = 16
_MOST_MOVES = 16  # for each row of a bin, by insertion


@compiled
def spread(
    customers: Numbers,
    times: Ints,
    names: Codes,
    checks: Numbers,
    conditions: Ints,
    values: Codes,
    mask_of_name: Ints,
    keeps_every_row: bool,
    part_bits: int,
    occurs: Flags,
) -> tuple[Ints, Numbers, Ints, Ints, Codes]:
    """Where each part begins, and the customers, times, marks and values of the rows that matter, by part.

    Of checks, conditions and values there are as many as rows, or none. `occurs` is set for the names met.
    """
    parts, shift = 1 << part_bits, np.uint64(64 - part_bits)
    marks = np.empty(len(customers), np.int64)
    begins = np.zeros(parts + 1, np.int64)
    for row in range(len(customers)):
        mask = mask_of_name[names[row]]
        occurs[names[row]] = True
        if len(conditions):
            mask |= conditions[row]
        marks[row] = mask
        if mask != 0 or keeps_every_row:
            begins[((customers[row] * _MIXER) >> shift) + np.uint64(1)] += 1
    for part in range(parts):
        begins[part + 1] += begins[part]
    free, count = begins.copy(), begins[parts]
    of_customers, of_times = np.empty(count, np.uint64), np.empty(count, np.int64)
    of_marks, of_values = np.empty(count, np.int64), np.empty(count if len(values) else 0, np.uint32)
    for row in range(len(customers)):
        if marks[row] == 0 and not keeps_every_row:
            continue
        part = (customers[row] * _MIXER) >> shift
        place = free[part]
        free[part] = place + 1
        of_customers[place] = customers[row]
        of_times[place] = times[row]
        of_marks[place] = marks[row]
        if len(checks):
            of_marks[place] |= np.int64(checks[row] >> np.uint64(MASK_BITS + 1)) << MASK_BITS
        if len(values):
            of_values[place] = values[row]
    return begins, of_customers, of_times, of_marks, of_values


@compiled
def arrange(
    customers: Numbers, times: Ints, marks: Ints, values: Codes, part_bits: int
) -> tuple[bool, Numbers, Ints, Ints, Codes]:
    """Whether no two customers share a number, and the part's rows by customer, time, value and mask."""
    rows = len(customers)
    bin_bits = 1
    while bin_bits < _MOST_BIN_BITS and (_ROWS_OF_A_BIN << bin_bits) < rows:
        bin_bits += 1
    bins, shift = 1 << bin_bits, np.uint64(64 - part_bits - bin_bits)
    last = np.uint64(bins - 1)
    begins = np.zeros(bins + 1, np.int64)
    for row in range(rows):
        begins[(((customers[row] * _MIXER) >> shift) & last) + np.uint64(1)] += 1
    for number in range(bins):
        begins[number + 1] += begins[number]
    free = begins.copy()
    by_customers, by_times, by_marks = np.empty_like(customers), np.empty_like(times), np.empty_like(marks)
    by_values = np.empty_like(values)
    for row in range(rows):
        number = ((customers[row] * _MIXER) >> shift) & last
        place = free[number]
        free[number] = place + 1
        by_customers[place] = customers[row]
        by_times[place] = times[row]
        by_marks[place] = marks[row]
        if len(values):
            by_values[place] = values[row]
    for number in range(bins):
        begin, end = begins[number], begins[number + 1]
        if not _insert(by_customers, by_times, by_marks, by_values, begin, end):
            _merge(by_customers, by_times, by_marks, by_values, begin, end)
    is_sound, check_before = True, np.int64(0)
    for row in range(rows):
        check = by_marks[row] >> MASK_BITS
        if row and by_customers[row] == by_customers[row - 1] and check != check_before:
            is_sound = False
        check_before = check
        by_marks[row] &= (1 << MASK_BITS) - 1
    return is_sound, by_customers, by_times, by_marks, by_values


@compiled
def _insert(customers: Numbers, times: Ints, marks: Ints, values: Codes, begin: int, end: int) -> bool:
    """Sort these rows; or give up, with the rows in some order, when it takes too many moves."""
    moves = _MOST_MOVES * (end - begin)
    for row in range(begin + 1, end):
        customer, time, mark = customers[row], times[row], marks[row]
        value = values[row] if len(values) else np.uint32(0)
        place = row
        while place > begin and _stands_after(
            customers, times, marks, values, place - 1, customer, time, mark, value
        ):
            customers[place], times[place] = customers[place - 1], times[place - 1]
            marks[place] = marks[place - 1]
            if len(values):
                values[place] = values[place - 1]
            place -= 1
        customers[place], times[place], marks[place] = customer, time, mark
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
    marks: Ints,
    values: Codes,
    row: int,
    customer: np.uint64,
    time: int,
    mark: int,
    value: np.uint32,
) -> bool:
    """Whether this row belongs behind one with these values."""
    if customers[row] != customer:
        return bool(customers[row] > customer)
    if times[row] != time:
        return bool(times[row] > time)
    if len(values) and values[row] != value:
        return bool(values[row] > value)
    return bool(marks[row] > mark)


@compiled
def _merge(customers: Numbers, times: Ints, marks: Ints, values: Codes, begin: int, end: int) -> None:
    """Sort these rows, by one column after the other from the least to the most important."""
    order = np.argsort(marks[begin:end], kind="mergesort")
    if len(values):
        order = order[np.argsort(values[begin:end][order], kind="mergesort")]
    order = order[np.argsort(times[begin:end][order], kind="mergesort")]
    order = order[np.argsort(customers[begin:end][order], kind="mergesort")]
    customers[begin:end] = customers[begin:end][order]
    times[begin:end] = times[begin:end][order]
    marks[begin:end] = marks[begin:end][order]
    if len(values):
        values[begin:end] = values[begin:end][order]
