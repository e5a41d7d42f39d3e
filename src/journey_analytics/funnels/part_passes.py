"""The compiled passes that put rows in order: spread over parts, then sorted within one.

A row goes by its customer's number times an odd constant, which sends neighbouring numbers far apart: the
highest bits choose the part, the next ones a bin of about one customer within it. Bins are sorted by
insertion, which costs next to nothing when rows come in the order of time; a bin where that gets dear is
sorted by merging.

Until all rows are there a row waits packed into two whole numbers. The one has the customer's number without
the bits that chose the part, and marks in place of its lowest bits; the other has the time, and below it the
bits that the marks took the place of, so that none is lost, and as many of the check as there is room for.
Rows with many marks, or a time too far away, are wide: number, time, and check above marks.

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

PACKED, WIDE = 2, 3
"""How many whole numbers such a row has."""

_CHECK_BITS = 11
"""The lower bits of a packed time; the others hold 142 years before and after 1970."""

_MIXER, _UNMIXER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xF1DE83E19937733D)
_ROWS_OF_A_BIN = 2
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
    mark_bits: int,
    free: Ints,
    rows: Ints,
    of_values: Codes,
) -> bool:
    """Put the rows that matter where their part is free next; and their values.

    Of checks and values there are as many as rows, or none. Rows are packed, with so many bits for their
    marks, or wide, with none. Returns whether all times fit.
    """
    is_packed = mark_bits > 0
    shift, low = np.uint64(64 - part_bits), np.uint64((1 << mark_bits) - 1)
    pushed_aside = np.uint64(max(mark_bits - part_bits, 0))
    further = 0
    for row in range(len(customers)):
        mask = marks[row]
        if mask == 0 and not keeps_every_row:
            continue
        mixed = customers[row] * _MIXER
        number = mixed << np.uint64(part_bits)
        check = checks[row] >> np.uint64(MASK_BITS + 1) if len(checks) else np.uint64(0)
        part = mixed >> shift
        place = free[part]
        free[part] = place + 1
        if is_packed:
            check = (check << pushed_aside) | ((number & low) >> np.uint64(part_bits))
            rows[place, 0] = np.int64((number & ~low) | np.uint64(mask))
            rows[place, 1] = (times[row] << _CHECK_BITS) | np.int64(check & np.uint64((1 << _CHECK_BITS) - 1))
            further |= times[row] ^ (times[row] >> 63)  # the bits that the time takes, whatever its sign
        else:
            rows[place, 0] = np.int64(number)
            rows[place, 1] = times[row]
            rows[place, 2] = mask | (np.int64(check) << MASK_BITS)
        if len(values):
            of_values[place] = values[row]
    return bool(further >> (63 - _CHECK_BITS) == 0)


@compiled
def place_of_name(number: np.uint64, asked: Numbers, marks_of_asked: Ints) -> np.uint64:
    """Where a name stands in the table, or a free place when it is not there."""
    last = np.uint64(len(asked) - 1)
    place = number & last
    while marks_of_asked[place] != 0 and asked[place] != number:
        place = (place + np.uint64(1)) & last
    return place


@compiled
def arrange(
    rows: Ints, values: Codes, part: int, part_bits: int, mark_bits: int
) -> tuple[bool, Ints, Numbers, Ints, Ints, Codes]:
    """A part's rows by customer, time, value and mask.

    Args:
        rows: as `spread` put them.
        values: as many, or none.
        part: its number.
        part_bits: how many bits of a customer's number chose the part.
        mark_bits: how many bits packed rows have for their marks; none when they are wide.

    Returns:
        Whether no two customers share a number, where each customer begins and the last one ends, and by row
        customer, time, mask and value.
    """
    is_packed, low = mark_bits > 0, np.uint64((1 << mark_bits) - 1)
    count = len(rows)
    bin_bits = 1
    while bin_bits < _MOST_BIN_BITS and (_ROWS_OF_A_BIN << bin_bits) < count:
        bin_bits += 1
    bins, shift = 1 << bin_bits, np.uint64(64 - bin_bits)
    begins = np.zeros(bins + 1, np.int64)
    for row in range(count):
        begins[(np.uint64(rows[row, 0]) >> shift) + np.uint64(1)] += 1
    for number in range(bins):
        begins[number + 1] += begins[number]
    free = begins.copy()
    # a part stays in the cache, so columns may be apart here, and are as the chains want them
    customers, times, masks = np.empty(count, np.uint64), np.empty(count, np.int64), np.empty(count, np.int64)
    by_values = np.empty_like(values)
    for row in range(count):
        its_number = np.uint64(rows[row, 0])
        its_bin = its_number >> shift
        place = free[its_bin]
        free[its_bin] = place + 1
        customers[place] = its_number & ~low
        if is_packed:
            check = rows[row, 1] & ((1 << _CHECK_BITS) - 1)
            times[place] = rows[row, 1] >> _CHECK_BITS
            masks[place] = np.int64(its_number & low) | (check << MASK_BITS)
        else:
            times[place] = rows[row, 1]
            masks[place] = rows[row, 2]
        if len(values):
            by_values[place] = values[row]
    borders = np.empty(count + 1, np.int64)
    is_sound, known = True, 0
    chosen, aside = np.uint64(part) << np.uint64(64 - part_bits), (1 << max(mark_bits - part_bits, 0)) - 1
    for number in range(bins):
        begin, end = begins[number], begins[number + 1]
        if begin == end:
            continue
        is_sorted = _rise(customers, times, begin, end)
        if not is_sorted and not _insert(customers, times, by_values, masks, begin, end):
            _merge(customers, times, by_values, masks, begin, end)
        customer, check = customers[begin], masks[begin] >> MASK_BITS
        borders[known] = begin
        known += 1
        for row in range(begin, end):
            before, check_before = customer, check
            customer, check = customers[row], masks[row] >> MASK_BITS
            if customer != before:
                borders[known] = row
                known += 1
            elif check != check_before:
                is_sound = False
            customers[row] = (
                chosen | (customer >> np.uint64(part_bits)) | np.uint64(check & aside)
            ) * _UNMIXER
            masks[row] &= (1 << MASK_BITS) - 1
    borders[known] = count
    return is_sound, borders[: known + 1], customers, times, masks, by_values


@compiled
def _rise(customers: Numbers, times: Ints, begin: int, end: int) -> bool:
    """Whether these rows stand in order, no two alike, as in most bins: to see it costs less than to sort."""
    for row in range(begin + 1, end):
        if customers[row] < customers[row - 1]:
            return False
        if customers[row] == customers[row - 1] and times[row] <= times[row - 1]:
            return False
    return True


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
