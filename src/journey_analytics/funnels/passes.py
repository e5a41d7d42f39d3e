"""The compiled passes of the kernel over the rows of one batch.

A moment is the run of one customer's rows with one timestamp. The ordered pass keeps, for each step, the
latest entry with which the step can be reached; a later moment never reaches it with an earlier entry, so one
entry per step is enough. What a moment can fill is a matching of its rows to steps, found by augmenting
paths; for the usual moment of one row it is that row.

All of it is one file, because numba's cache looks at no other. Types are what numba infers: whole arrays of
int64, one of flags, numbers.

Belongs here: what runs once per row. Does not belong here: anything that could run once per batch (`kernel`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

UNBOUNDED = int(np.iinfo(np.int64).max)
"""The window of a funnel without one."""


def compiled(function: FunctionT) -> FunctionT:
    """The function in machine code, kept on disk between processes where a folder can be written."""
    try:
        return cast("FunctionT", numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # numba found no folder for its cache
        return cast("FunctionT", numba.njit(nogil=True)(function))


@compiled
def _end_of_moment(times: Ints, row: int, end: int) -> int:
    """The position after the last row with the time of `row`."""
    after = row + 1
    while after < end and times[after] == times[row]:
        after += 1
    return after


@compiled
def _give_row(
    masks: Ints,
    begin: int,
    end: int,
    bits: Ints,
    level: int,
    top: int,
    taken: Flags,
    held: Ints,
    wanted_by: Ints,
    queue: Ints,
) -> bool:
    """Find a row for step `top`; rows that steps from `level` on hold may change hands (augmenting path)."""
    queue[0] = top
    queued = 1
    for step in range(level, top + 1):
        wanted_by[step] = -1
    place = 0
    while place < queued:
        step = queue[place]
        place += 1
        for row in range(begin, end):
            if taken[row] or masks[row] & bits[step] == 0:
                continue
            holder = -1
            for other in range(level, top):
                if held[other] == row:
                    holder = other
            if holder >= 0:
                if wanted_by[holder] < 0:
                    wanted_by[holder] = step
                    queue[queued] = holder
                    queued += 1
                continue
            while step != top:
                held[step], row = row, held[step]  # noqa: PLW2901 - the row goes down the path
                step = wanted_by[step]
            held[top] = row
            return True
    return False


@compiled
def _fills_to(masks: Ints, begin: int, end: int, bits: Ints, level: int, taken: Flags, scratch: Ints) -> int:
    """How many steps are filled when a moment's free rows go on from `level` steps as far as they can."""
    if end - begin == 1:
        if not taken[begin] and level < len(bits) and masks[begin] & bits[level]:
            return level + 1
        return level
    top = level
    while top < len(bits) and _give_row(
        masks, begin, end, bits, level, top, taken, scratch[0], scratch[1], scratch[2]
    ):
        top += 1
    return top


@compiled
def _furthest(
    times: Ints,
    masks: Ints,
    begin: int,
    end: int,
    bits: Ints,
    window: int,
    gaps: Ints,
    strict: bool,
    taken: Flags,
    scratch: Ints,
) -> tuple[int, int, int]:
    """How many steps the best chain fills, the time of its last row, and of the latest entry to get there."""
    entry, last, moment = scratch[3], scratch[4], scratch[5]
    best, completed, entered = 0, 0, 0
    row, number = begin, 0
    while row < end and best < len(bits):
        after, offered = row + 1, masks[row]
        now = times[row]
        while after < end and times[after] == now:
            offered |= masks[after]
            after += 1
        number += 1
        reached = best
        # from the highest level down, so that nothing goes on from what this moment filled; a lower level
        # never has an earlier entry, so the last to write is the latest
        for level in range(min(best, len(bits) - 1), -1, -1):
            if offered & bits[level] == 0:
                continue
            if level > 0 and (
                now - entry[level] > window
                or now - last[level] > gaps[level]
                or (strict and moment[level] != number - 1)
            ):
                continue
            since = now if level == 0 else entry[level]
            top = level + 1
            if after - row > 1:
                top = _fills_to(masks, row, after, bits, level, taken, scratch)
            for filled in range(level + 1, top + 1):
                entry[filled] = since
                last[filled] = now
                moment[filled] = number
            reached = max(reached, top)
        if reached > best:
            best, completed, entered = reached, now, entry[reached]
        row = after
    return best, completed, entered


@compiled
def _mark_ways(
    times: Ints,
    masks: Ints,
    first: int,
    end: int,
    bits: Ints,
    gaps: Ints,
    strict: bool,
    taken: Flags,
    scratch: Ints,
    ways: Ints,
) -> None:
    """For each moment: the levels that, left there, still lead to all of `bits` at the last moment."""
    next_moment = scratch[3]  # by level: the nearest later moment from which the way goes on
    next_moment[:] = -1
    after = end
    while after > first:
        row = after - 1
        while row > first and times[row - 1] == times[after - 1]:
            row -= 1
        ways[row] = 0
        if after == end:
            ways[row] = 1 << len(bits)
        else:
            for level in range(1, len(bits)):
                following = next_moment[level]
                if (
                    following >= 0
                    and times[following] - times[row] <= gaps[level]
                    and (not strict or following == after)
                ):
                    ways[row] |= 1 << level
        for level in range(1, len(bits)):
            top = _fills_to(masks, row, after, bits, level, taken, scratch)
            for filled in range(level + 1, top + 1):
                if ways[row] >> filled & 1:
                    next_moment[level] = row
        after = row


@compiled
def _trace(
    times: Ints,
    masks: Ints,
    first: int,
    end: int,
    bits: Ints,
    gaps: Ints,
    strict: bool,
    is_checked: bool,
    taken: Flags,
    scratch: Ints,
    ways: Ints,
    rows: Ints,
) -> None:
    """The rows of the chain from the moment of `first` to the last one: each step as early as it can be."""
    if is_checked:
        _mark_ways(times, masks, first, end, bits, gaps, strict, taken, scratch, ways)
    level, row, last = 0, first, times[first]
    while level < len(bits):
        after = _end_of_moment(times, row, end)
        if times[row] - last <= gaps[level]:
            top = _fills_to(masks, row, after, bits, level, taken, scratch)
            while is_checked and top > level and not ways[row] >> top & 1:
                top -= 1
            if top > level:
                last = times[row]
                _assign(masks, row, after, bits[:top], level, taken, scratch, rows)
                level = top
        row = after


@compiled
def _assign(
    masks: Ints, begin: int, end: int, bits: Ints, level: int, taken: Flags, scratch: Ints, rows: Ints
) -> None:
    """Give the steps from `level` on their rows of one moment: each in turn the first that can be spared."""
    for step in range(level, len(bits)):
        for row in range(begin, end):
            if taken[row] or masks[row] & bits[step] == 0:
                continue
            taken[row] = True
            if _fills_to(masks, begin, end, bits, step + 1, taken, scratch) == len(bits):
                rows[step] = row
                break
            taken[row] = False
    for step in range(level, len(bits)):
        taken[rows[step]] = False


@compiled
def _is_forbidden(
    times: Ints, masks: Ints, begin: int, end: int, rows: Ints, window: int, exclusions: Ints
) -> bool:
    """Whether an excluded row lies between its two steps of the chain, or after the first of them."""
    until_end = times[rows[0]] + window if window < UNBOUNDED - times[rows[0]] else UNBOUNDED
    for number in range(len(exclusions)):
        bit, start, stop = exclusions[number]
        since, until, is_begun = times[rows[0]], UNBOUNDED, False
        for step in range(len(rows)):
            if rows[step] < 0:
                continue
            if step < start:
                since = times[rows[step]]
            if step >= start - 1:
                is_begun = True
            if step >= stop - 1:
                until = times[rows[step]]
                break
        if not is_begun:
            continue
        for row in range(begin, end):
            if masks[row] & bit and times[row] > since:
                is_between = times[row] < until if until < UNBOUNDED else times[row] <= until_end
                if is_between:
                    return True
    return False


@compiled
def _chain_without_ties(
    times: Ints, masks: Ints, begin: int, end: int, steps: Ints, window: int, entries: Ints, chain: Ints
) -> int:
    """The chain of a customer no two of whose rows share a time, and its steps; -1 at the first tie.

    With one row in a moment there is nothing to choose: each row goes on from the latest entry that led to
    the step before, and the rows between entry and end are taken as early as they come. Steps have the lowest
    bits, in order.
    """
    best, first = 0, begin
    every_step = (1 << len(steps)) - 1
    for row in range(begin, end):
        now = times[row]
        if row + 1 < end and times[row + 1] == now:
            return -1
        open_steps = masks[row] & every_step & ((2 << best) - 1)
        reached, level, entry = best, 0, row
        while open_steps:
            following = entries[level + 1]  # as it was before this row, which fills one step alone
            if open_steps & 1 and now - times[entry] <= window:
                entries[level + 1] = entry
                reached = max(reached, level + 1)
            level, entry, open_steps = level + 1, following, open_steps >> 1
        if reached > best:
            best, first = reached, entries[reached]
            if best == len(steps):
                break
    level, row = 0, first
    while level < best:
        if masks[row] & steps[level]:
            chain[level] = row
            level += 1
        row += 1
    return best


@compiled
def _best_chain(
    times: Ints,
    masks: Ints,
    begin: int,
    end: int,
    steps: Ints,
    lengths: Ints,
    kept: Ints,
    bits: Ints,
    limits: Ints,
    window: int,
    strict: bool,
    needs_ways: bool,
    taken: Flags,
    scratch: Ints,
    ways: Ints,
    rows: Ints,
    chain: Ints,
) -> int:
    """The chain of a customer, the best of all ways to leave out optional steps, and how many it fills."""
    offered = 0
    for row in range(begin, end):
        offered |= masks[row]
    if offered & steps[0] == 0:
        return 0
    best_pattern, best_level, best_step, best_filled = -1, 0, -1, 0
    completed, entered = 0, 0
    for pattern in range(len(lengths)):
        size = lengths[pattern]
        level, when, since = _furthest(
            times,
            masks,
            begin,
            end,
            bits[pattern, :size],
            window,
            limits[pattern, :size],
            strict,
            taken,
            scratch,
        )
        furthest = kept[pattern, level - 1]
        filled = 0
        for place in range(level):
            filled |= 1 << (len(steps) - kept[pattern, place])
        is_better = (
            furthest > best_step
            or (furthest == best_step and when < completed)
            or (furthest == best_step and when == completed and filled > best_filled)
        )
        if is_better:
            best_pattern, best_level, best_step, best_filled = pattern, level, furthest, filled
            completed, entered = when, since
    first = begin + int(np.searchsorted(times[begin:end], entered))
    last = begin + int(np.searchsorted(times[begin:end], completed, side="right"))
    _trace(
        times, masks, first, last, bits[best_pattern, :best_level], limits[best_pattern, :best_level],
        strict, needs_ways, taken, scratch, ways, rows,
    )  # fmt: skip
    for place in range(best_level):
        chain[kept[best_pattern, place]] = rows[place]
    return best_level


@compiled
def ordered_chains(
    borders: Ints,
    times: Ints,
    masks: Ints,
    steps: Ints,
    lengths: Ints,
    kept: Ints,
    window: int,
    gaps: Ints,
    exclusions: Ints,
    strict: bool,
    has_gaps: bool,
) -> Ints:
    """The rows of each customer's chain when steps come in order, one column per step; -1 where none does."""
    count = len(steps)
    found = np.full((len(borders) - 1, count), -1, np.int64)
    taken = np.zeros(len(times), np.bool_)
    needs_ways = strict or has_gaps
    ways = np.zeros(len(times) if needs_ways else 0, np.int64)
    scratch = np.zeros((6, count + 1), np.int64)
    rows, entries = np.zeros(count, np.int64), np.zeros(count + 1, np.int64)
    has_one_way = len(lengths) == 1 and not needs_ways
    bits, limits = np.zeros_like(kept), np.zeros_like(kept)
    for pattern in range(len(kept)):
        bits[pattern], limits[pattern] = steps[kept[pattern]], gaps[kept[pattern]]
    chains = 0
    for customer in range(len(borders) - 1):
        begin, end = borders[customer], borders[customer + 1]
        chain = found[chains]
        filled = -1
        if has_one_way:
            filled = _chain_without_ties(times, masks, begin, end, steps, window, entries, chain)
        if filled < 0:
            filled = _best_chain(
                times, masks, begin, end, steps, lengths, kept, bits, limits, window, strict, needs_ways,
                taken, scratch, ways, rows, chain,
            )  # fmt: skip
        if filled == 0:
            continue
        if len(exclusions) and _is_forbidden(times, masks, begin, end, chain, window, exclusions):
            chain[:] = -1
        else:
            chains += 1
    return found[:chains]


@compiled
def _count(
    kind: int, change: int, kinds: Ints, counts: Ints, limits: Ints, size: int, steps: Ints, scratch: Ints
) -> int:
    """Add a row of a kind to a window, or take one out: how many steps its rows can fill at once."""
    before = min(counts[kind], limits[kind])
    counts[kind] += change
    after = min(counts[kind], limits[kind])
    if before == after:
        return size
    if limits.max() <= 1:  # no row can fill two steps, so each kind is one step
        return int(size + after - before)
    rows = np.empty(limits.sum(), np.int64)
    free = 0
    for other in range(len(kinds)):
        for _ in range(min(counts[other], limits[other])):
            rows[free] = kinds[other]
            free += 1
    taken = np.zeros(free, np.bool_)
    bits = np.empty(len(steps), np.int64)
    filled = 0
    for step in steps:
        bits[filled] = step
        if _give_row(rows, 0, free, bits, 0, filled, taken, scratch[0], scratch[1], scratch[2]):
            filled += 1
    return filled


@compiled
def _kinds_of_rows(masks: Ints, begin: int, end: int, steps: Ints, kind_of: Ints) -> tuple[Ints, Ints]:
    """The different sets of steps that a customer's rows can fill, and how many steps are in each."""
    every_step = 0
    for step in steps:
        every_step |= step
    kinds = np.empty(end - begin, np.int64)
    known = 0
    for row in range(begin, end):
        mask = masks[row] & every_step
        kind = 0
        while kind < known and kinds[kind] != mask:
            kind += 1
        if kind == known:
            kinds[kind] = mask
            known += 1
        kind_of[row] = kind
    limits = np.zeros(known, np.int64)
    for kind in range(known):
        for step in steps:
            if kinds[kind] & step:
                limits[kind] += 1
    return kinds[:known], limits


@compiled
def unordered_chains(
    borders: Ints, times: Ints, masks: Ints, steps: Ints, window: int, exclusions: Ints
) -> Ints:
    """The rows of each customer's chain when any step may be first, in the order they come."""
    found = np.full((len(borders) - 1, len(steps)), -1, np.int64)
    scratch = np.zeros((3, len(steps) + 1), np.int64)
    kind_of = np.zeros(len(times), np.int64)
    chains = 0
    for customer in range(len(borders) - 1):
        begin, end = borders[customer], borders[customer + 1]
        kinds, limits = _kinds_of_rows(masks, begin, end, steps, kind_of)
        counts = np.zeros(len(kinds), np.int64)
        best, size, first, row = 0, 0, begin, begin
        best_first, best_end = begin, begin
        while row < end and best < len(steps):
            after = _end_of_moment(times, row, end)
            while times[row] - times[first] > window:
                size = _count(kind_of[first], -1, kinds, counts, limits, size, steps, scratch)
                first += 1
            for added in range(row, after):
                size = _count(kind_of[added], 1, kinds, counts, limits, size, steps, scratch)
            if size > best:
                best, best_first, best_end = size, first, after
            row = after
        if best == 0:
            continue
        # the latest start that still gives as many: take rows in from the end backwards
        counts[:] = 0
        size, first = 0, best_end
        while size < best:
            first -= 1
            size = _count(kind_of[first], 1, kinds, counts, limits, size, steps, scratch)
        while first > best_first and times[first - 1] == times[first]:
            first -= 1
        counts[:] = 0
        size = 0
        chain = found[chains]
        for row in range(first, best_end):
            more = _count(kind_of[row], 1, kinds, counts, limits, size, steps, scratch)
            if more > size:
                chain[size] = row
            size = more
        if len(exclusions) and _is_forbidden(times, masks, begin, end, chain, window, exclusions):
            chain[1:] = -1
        chains += 1
    return found[:chains]
