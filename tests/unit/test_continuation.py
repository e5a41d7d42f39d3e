"""The share that goes on from a stage: counts by hand, and the estimate for single journeys."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey_analytics.continuation import INPUT_TABLE, OUTPUT_TABLE, estimate_continuations
from journey_analytics.contracts import contracts
from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from journey_analytics.statistics import kaplan_meier

WINDOW = 100


def _estimate(*rows: tuple[str, int, int, int]) -> dict[str, dict[str, Any]]:
    """By channel of the first touch: the estimate, from channel, watched_us, journeys and those that went on.

    The journeys enter the stage through that channel as well, and are last seen in another.
    """
    types = {"BIGINT": pl.Int64, "BOOLEAN": pl.Boolean}
    schema = {c.name: types.get(c.type, pl.String) for c in contracts()[INPUT_TABLE].columns}
    frame = pl.DataFrame(
        [
            ("m", f"j{number}", "touched", "purchase", channel, channel, "store", watched, number < gone)
            for channel, watched, count, gone in rows
            for number in range(count)
        ],
        schema=schema,
        orient="row",
    )
    with DuckDBEngine(limits=Limits(memory_limit="1GB", threads=1)) as engine:
        engine.load(INPUT_TABLE, frame)
        made = estimate_continuations(engine)
        found = engine.rows(f"select * from {OUTPUT_TABLE}")
    channels = {row[0] for row in rows}
    assert made == len(found) == (2 * len(channels) + 2 if rows else 0)
    by_role = {
        role: {row["channel"]: row for row in found if row["channel_role"] == role}
        for role in ("all", "first_touch", "stage_entry", "last_touch")
    }
    rates = ("continuation_rate", "continuation_rate_low", "continuation_rate_high")
    entered, first = by_role["stage_entry"], by_role["first_touch"]
    assert [[entered[c][rate] for rate in rates] for c in first] == [
        [row[rate] for rate in rates] for row in first.values()
    ]
    assert [row["continuation_rate"] for row in by_role["all"].values()] == [
        row["continuation_rate"] for row in by_role["last_touch"].values()
    ]
    return first


def test_an_open_journey_counts_until_it_was_last_seen() -> None:
    """Of four, one goes on at 10; one is open since 20; of the two left one goes on at 30."""
    found = _estimate(("ads", 10, 1, 1), ("ads", 20, 1, 0), ("ads", 30, 1, 1), ("ads", WINDOW + 1, 1, 0))
    assert found["ads"]["continuation_rate"] == pytest.approx(1 - 3 / 4 * 1 / 2)


def test_who_is_open_at_the_time_another_goes_on_is_still_watched_then() -> None:
    found = _estimate(("ads", 10, 2, 1), ("ads", WINDOW + 1, 2, 0))
    assert found["ads"]["continuation_rate"] == pytest.approx(1 / 4)


def test_where_all_or_none_go_on_there_is_no_interval() -> None:
    found = _estimate(("ads", 10, 3, 3), ("email", WINDOW + 1, 3, 0))
    told = [(row["continuation_rate"], row["continuation_rate_low"]) for row in found.values()]
    assert sorted(told) == [(0.0, None), (1.0, None)]


def test_no_journeys_at_all() -> None:
    assert _estimate() == {}


_WATCHED = st.tuples(st.sampled_from(("ads", "email")), st.integers(1, 9), st.booleans())


@given(journeys=st.lists(_WATCHED, min_size=1, max_size=30))
def test_counts_by_time_give_what_single_journeys_give(journeys: list[tuple[str, int, bool]]) -> None:
    """Each channel's estimate and bounds are the last ones of the curve of its journeys."""
    rows: dict[tuple[str, int], list[int]] = {}
    for channel, watched, goes_on in journeys:
        row = rows.setdefault((channel, watched), [0, 0])
        row[0] += 1
        row[1] += goes_on
    found = _estimate(*((*key, *counts) for key, counts in rows.items()))
    for channel, row in found.items():
        own = [(watched, goes_on) for name, watched, goes_on in journeys if name == channel]
        survival, low, high = kaplan_meier(*zip(*own, strict=True)).at(9)
        assert row["continuation_rate"] == pytest.approx(1 - survival)
        if 0 < survival < 1:
            bounds = (row["continuation_rate_low"], row["continuation_rate_high"])
            assert bounds == pytest.approx((1 - high, 1 - low))
