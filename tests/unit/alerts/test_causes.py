"""What carries a change: a shop of two channels, two devices and a thousand journeys a day, made by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from journey_analytics.alerts.causes import find_causes
from journey_analytics.alerts.cells import find_changes, find_limits, read_cells
from journey_analytics.alerts.changes import deviance
from journey_analytics.alerts.period import TREND_DAYS
from journey_analytics.alerts.slices import DIMENSIONS

AS_OF = date(2026, 3, 29)
_DAYS = [AS_OF - timedelta(days=TREND_DAYS - 1 - day) for day in range(TREND_DAYS)]
_JOURNEYS = {
    ("ads", "mobile"): 400,
    ("ads", "desktop"): 100,
    ("email", "mobile"): 200,
    ("email", "desktop"): 300,
}

Share = Callable[[int, str, str], float]
"""Of the journeys of a day (0 is the last), channel and device: the share that goes on."""


def _entries(share: Share) -> pl.DataFrame:
    rows = [
        {
            **dict.fromkeys(DIMENSIONS),
            "entered_date": day,
            "channel": channel,
            "first_touch_channel": "direct",
            "device": device,
            "event_name": "view",
            "journeys_reached": count,
            "journeys_continued": round(count * share(TREND_DAYS - 1 - number, channel, device)),
        }
        for number, day in enumerate(_DAYS)
        for (channel, device), count in _JOURNEYS.items()
    ]
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.col(DIMENSIONS).cast(pl.String))


def _changes(entries: pl.DataFrame) -> pl.DataFrame:
    cells = [
        entries.with_columns(channel_role=pl.lit("all"), channel=pl.lit("all")),
        entries.with_columns(channel_role=pl.lit("stage_entry")),
        entries.with_columns(channel_role=pl.lit("first_touch"), channel=pl.col("first_touch_channel")),
    ]
    days = pl.concat(cells).group_by("channel_role", "channel", "entered_date").agg(
        pl.sum("journeys_reached", "journeys_continued")
    ).with_columns(
        stage_model=pl.lit("m"), stage=pl.lit("s"),
        revenue_continued=(pl.col("journeys_continued") * 20).cast(pl.Decimal(18, 4)),
    )  # fmt: skip
    return find_changes(read_cells(days, AS_OF), AS_OF)


def _alerts(share: Share) -> list[dict[str, Any]]:
    entries = _entries(share)
    return list(find_causes(_changes(entries), entries, AS_OF))


def _cause(alert: dict[str, Any]) -> tuple[str, str, str]:
    first = alert["causes"][0]
    return first["dimension"], first["value"], first["cause_channel"]


def test_nothing_changed_no_alert() -> None:
    assert _alerts(lambda ago, channel, device: 0.5) == []


def test_a_device_in_all_channels() -> None:
    (alert,) = _alerts(lambda ago, channel, device: 0.3 if ago < 6 and device == "mobile" else 0.5)
    assert _cause(alert) == ("device", "mobile", "all")
    assert (alert["channel_role"], alert["channel"]) == ("all", "all")
    assert alert["cells_alerting"] == 4  # all, both channels of entry, the one of first touch
    first = alert["causes"][0]
    assert first["excess_drops"] == pytest.approx(6 * 600 * 0.2, rel=0.01)
    assert first["excess_share"] == pytest.approx(1.0, rel=0.01)
    assert first["volume_share"] == pytest.approx(0.6)
    # 56 days of baseline against 6, and eight values of all dimensions to choose from
    surprise = float(deviance(*(np.array(number) for number in (3_600.0, 1_080.0, 1_800.0))))
    assert first["gain"] == pytest.approx(surprise * 56 / 62 - 2 * np.log(8), rel=0.01)


def test_a_channel_as_a_whole() -> None:
    (alert,) = _alerts(lambda ago, channel, device: 0.3 if ago < 6 and channel == "email" else 0.5)
    assert _cause(alert) == ("channel", "email", "email")
    assert (alert["channel_role"], alert["channel"]) == ("stage_entry", "email")


def test_a_device_in_one_channel() -> None:
    def share(ago: int, channel: str, device: str) -> float:
        return 0.3 if ago < 6 and (channel, device) == ("email", "mobile") else 0.5

    (alert,) = _alerts(share)
    assert _cause(alert) == ("device", "mobile", "email")
    assert alert["channel"] == "email"


def test_all_journeys_alike() -> None:
    (alert,) = _alerts(lambda ago, channel, device: 0.3 if ago < 6 else 0.5)
    assert _cause(alert) == ("all", "all", "all")


def test_two_changes_at_one_stage_are_two_alerts() -> None:
    """Desktop in ads since six days, mobile in email for four days that ended four days ago."""

    def share(ago: int, channel: str, device: str) -> float:
        hit = {("ads", "desktop"): ago < 6, ("email", "mobile"): 4 <= ago < 8}
        return 0.1 if hit.get((channel, device)) else 0.5

    found = {_cause(alert) for alert in _alerts(share)}
    assert found == {("device", "desktop", "ads"), ("device", "mobile", "email")}


def test_a_value_never_seen_before_is_held_against_the_others() -> None:
    """A campaign begins with the alert and brings journeys of which few go on."""
    entries = _entries(lambda ago, channel, device: 0.5)
    new = entries.filter(pl.col("entered_date") > AS_OF - timedelta(days=6)).with_columns(
        utm_campaign=pl.lit("cheap_clicks"), journeys_continued=pl.lit(20, dtype=pl.Int64)
    )
    entries = pl.concat([entries, new])
    (alert,) = find_causes(_changes(entries), entries, AS_OF)
    assert _cause(alert)[:2] == ("utm_campaign", "cheap_clicks")


def test_what_a_journey_is_worth_is_what_it_was_in_the_baseline() -> None:
    changes = _changes(_entries(lambda ago, channel, device: 0.3 if ago < 6 else 0.5))
    row = changes.row(by_predicate=pl.col("channel") == "email", named=True)
    assert row["excess_drops"] == pytest.approx(6 * 500 * 0.2, rel=0.001)
    assert row["value_at_risk"] == pytest.approx(20 * row["excess_drops"])
    assert (row["first_date"], row["last_date"], row["is_over"]) == (AS_OF - timedelta(days=5), AS_OF, False)


def test_the_days_of_an_alert_are_marked_and_no_others() -> None:
    entries = _entries(lambda ago, channel, device: 0.3 if ago < 6 and channel == "email" else 0.5)
    changes = _changes(entries)
    days = entries.group_by("channel", "entered_date").agg(
        pl.sum("journeys_reached", "journeys_continued")
    ).with_columns(
        stage_model=pl.lit("m"), stage=pl.lit("s"), channel_role=pl.lit("stage_entry"),
        revenue_continued=pl.lit(None, dtype=pl.Decimal(18, 4)),
    )  # fmt: skip
    found = find_limits(read_cells(days, AS_OF), changes, AS_OF).filter("is_alert_day")
    assert set(found["channel"]) == {"email"}
    assert sorted(found["entered_date"]) == _DAYS[-6:]


def test_the_order_of_rows_changes_nothing() -> None:
    entries = _entries(lambda ago, channel, device: 0.3 if ago < 6 and device == "mobile" else 0.5)
    changes = _changes(entries)
    mixed = entries[np.random.default_rng(1).permutation(entries.height)]
    assert list(find_causes(changes, mixed, AS_OF)) == list(find_causes(changes, entries, AS_OF))
    assert _changes(mixed).equals(changes)
