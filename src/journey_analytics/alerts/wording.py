"""Alerts in words, the same on a terminal, in mail and on the page.

Belongs here: sentences from published figures. Does not belong here: how a medium lays them out.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from journey_analytics.alerts.published import Alert, Alerts
from journey_analytics.alerts.slices import ALL, CHANNEL
from journey_analytics.durations import duration_text

_NAMES = {
    "device": "device",
    "utm_campaign": "campaign",
    "page_path": "page",
    "event_name": "event",
    "rule": "rule",
    "country": "country",
    "first_touch_channel": "first channel",
}
_MOST_EXITS = 3
_REASONS = {
    "rule_change": "other rules or settings",
    "late_events": "events that came late",
    "identity_merge": "ids merged to one customer",
}
_DAYS = {
    "rule_change": "these days or those they are compared with",
    "late_events": "these days",
    "identity_merge": "these days",
}
TOO_LITTLE = "Too few days, or too few journeys a day, to say what is usual."
_LEAST_GROWTH = 0.05
"""What grew by less of those who stopped is a trifle."""
_SUSPECT_SHARE = 0.1
"""Fewer journeys restated than this share of those lost do not explain the loss."""


def headline(found: Alerts) -> str:
    """The first sentence: what changed, that nothing did, or that nobody can say."""
    if not found.cells:
        return TOO_LITTLE
    looked = f"{_count(found.cells, 'combination')} of stage and channel looked at"
    if not found.alerts:
        return f"Nothing changed: {looked}, none loses more journeys than it used to."
    lasting = [alert for alert in found.alerts if not alert.figures["is_over"]]
    return (
        f"{_count(len(found.alerts), 'alert')}, {len(lasting)} of them still going on: "
        f"{found.journeys_lost:,.0f} journeys lost beyond expectation ({looked})."
    )


def title(alert: Alert) -> str:
    """Where and since when."""
    figures = alert.figures
    channel = figures["channel"]
    where = "all channels" if channel == ALL else channel
    if figures["channel_role"] == "first_touch":
        where += " (first touch)"
    if figures["is_over"]:
        when = f"from {figures['first_date']} to {figures['last_date']}, over"
    else:
        when = f"since {figures['first_date']}, {_count(figures['alert_days'], 'day')} so far"
    return f"{figures['stage']}, {where}: {when}"


def places(found: Alerts, most: int) -> str:
    """Where and since when, of so many alerts: what still goes on first, then what cost most."""
    alerts = sorted(found.alerts, key=lambda alert: bool(alert.figures["is_over"]))
    return " ".join(f"{title(alert)}." for alert in alerts[:most])


def sentences(alert: Alert, currency: str | None) -> list[str]:
    """What changed, what it cost, what carries it, what was done instead, whether to doubt the data.

    Args:
        alert: one of those that are published.
        currency: of its revenue, where all revenue is of one.
    """
    return [
        _change(alert.figures),
        _cost(alert.figures, currency),
        _cause(alert),
        *_instead(alert),
        *_suspicions(alert),
    ]


def doubts(found: Alerts) -> list[str]:
    """Why the data itself may have changed, as the checks of this run and of the nights before saw it."""
    return [
        f"{row['table_name']}: {row['check_name']} ({row['status']}"
        + ("" if row["is_own"] else f" on {row['as_of']}")
        + ")"
        + (f": {row['sample']}" if row["sample"] else "")
        for row in found.doubts
    ]


def _change(figures: dict[str, Any]) -> str:
    horizon = duration_text(timedelta(seconds=figures["horizon_seconds"]))
    low, high = (f"{100 * figures[name]:+.1f}" for name in ("change_low", "change_high"))
    return (
        f"{_percent(figures['early_drop_off_rate'])} of {figures['journeys_reached']:,} journeys did not go "
        f"on within {horizon}, instead of {_percent(figures['baseline_rate'])} "
        f"({100 * figures['change']:+.1f} points, 95 % {low} to {high}; q = {figures['q_value']:.2g})."
    )


def _cost(figures: dict[str, Any], currency: str | None) -> str:
    value = figures["value_at_risk"]
    amount = "" if value is None else " ".join(filter(None, (f"{value:,.0f}", currency)))
    worth = amount and f", {amount} in revenue at risk"
    return f"{figures['excess_drops']:,.0f} journeys lost beyond expectation{worth}."


def _cause(alert: Alert) -> str:
    figures = alert.figures
    dimension, value, channel = (figures[f"cause_{name}"] for name in ("dimension", "value", "channel"))
    if dimension != ALL:
        shares = _shares(figures["cause_share"], figures["cause_volume_share"])
        return f"Carried by {_part(dimension, value, channel)}: {shares}."
    told = "No device, page, campaign or channel stands out from the others"
    nearest = next(
        (c for c in alert.causes if c["dimension"] != ALL and c["excess_share"] > c["volume_share"]), None
    )
    if nearest is None:
        return f"{told}."
    part = _part(nearest["dimension"], nearest["value"], nearest["cause_channel"])
    shares = _shares(nearest["excess_share"], nearest["volume_share"])
    return f"{told}; {part} comes nearest ({shares}), but these are too few to tell."


def _part(dimension: str, value: str, channel: str) -> str:
    """A cause in words."""
    if dimension == CHANNEL:
        return f"channel {value} as a whole"
    return f"{_NAMES[dimension]} {value}" + ("" if channel == ALL else f" in channel {channel}")


def _shares(of_loss: float, of_journeys: float) -> str:
    return f"{_percent(min(of_loss, 1.0), 0)} of the loss, {_percent(of_journeys, 0)} of the journeys"


def _instead(alert: Alert) -> list[str]:
    grown = [row for row in alert.exits if (row["share_change"] or 0) >= _LEAST_GROWTH]
    told = ", ".join(
        f"{row['event_name']} {_percent(row['journeys_share'], 0)} (was {_percent(row['baseline_share'], 0)})"
        for row in grown[:_MOST_EXITS]
    )
    return [f"What those who stopped did next: {told}."] if told else []


def _suspicions(alert: Alert) -> list[str]:
    words = {"fell_silent": "all but stopped", "appeared": "appeared"}
    told = [
        f"event {row['event_name']} {words[row['sign']]} "
        f"({row['events_per_day']:,.0f} a day, before {row['baseline_events_per_day'] or 0:,.0f})"
        for row in alert.signs
    ]
    told += [
        f"{'this run' if row['is_own'] else 'the run of ' + str(row['as_of'])} restated "
        f"{_count(row['journeys'], 'journey')} of {_DAYS[row['reason']]} ({_REASONS[row['reason']]})"
        for row in alert.restated
        if row["journeys"] >= _SUSPECT_SHARE * alert.figures["excess_drops"]
    ]
    return [f"Doubt the data first: {'; '.join(told)}."] if told else []


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
