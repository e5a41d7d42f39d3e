"""What changed: the alerts, each with its days, its causes and the journeys behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from journey_analytics.alerts.published import Alert, Alerts
from journey_analytics.alerts.wording import doubts, headline, sentences, title
from journey_analytics.marts import Snapshot
from journey_analytics.reports.samples import Sample, alert_sample
from journey_analytics.reports.section import Column, Figure, Section, Table
from journey_analytics.reports.sections.trends import trend
from journey_analytics.reports.wording import Kind, count, money, percent

_RATE, _USUAL = Column("rate", "did not go on", Kind.SHARE), Column("usual", "usual", Kind.SHARE)
_CAUSES = (
    Column("dimension", "dimension", Kind.TEXT),
    Column("value", "value", Kind.TEXT),
    Column("channel", "in channel", Kind.TEXT),
    Column("journeys", "journeys"),
    _RATE,
    _USUAL,
    Column("share", "share of the loss", Kind.SHARE),
)
_EXITS = (
    Column("event", "next within the horizon", Kind.TEXT),
    Column("journeys", "journeys"),
    Column("share", "share", Kind.SHARE),
    Column("usual", "usual", Kind.SHARE),
)


_CAUSE_VALUES = (
    "dimension",
    "value",
    "cause_channel",
    "journeys_reached",
    "early_drop_off_rate",
    "baseline_rate",
    "excess_share",
)
_MOST_DOUBTS = 3
_EXIT_VALUES = ("event_name", "journeys", "journeys_share", "baseline_share")


@dataclass(frozen=True)
class AlertCard:
    """One alert as the page shows it.

    Attributes:
        title: where and since when.
        sentences: what changed, what it cost, what carries it.
        is_data_suspect: whether the data itself seems to have changed: to be asked before the world is.
        numbers: name and words of its key figures.
        figures: its days, and the tables of its causes and of what was done instead.
        sample: some of the journeys that did not go on.
    """

    title: str
    sentences: list[str]
    is_data_suspect: bool
    numbers: dict[str, str]
    figures: tuple[Figure, ...]
    sample: Sample


def alerts(found: Alerts) -> Section:
    """The heading of the alerts; the page shows their cards below it."""
    return Section(
        "alerts",
        "What changed",
        headline(found),
        note=_doubts(found),
    )


def _doubts(found: Alerts) -> str:
    """Which checks did not hold: those of the run have a section of their own, those before are named."""
    own = sum(row["is_own"] for row in found.doubts)
    told = [f"Checks of this run that did not hold: {own:,}, see below."] if own else []
    if before := doubts(replace(found, doubts=[row for row in found.doubts if not row["is_own"]])):
        more = f"; and {len(before) - _MOST_DOUBTS:,} more" if len(before) > _MOST_DOUBTS else ""
        told.append(
            "Checks that did not hold since the first of these days: "
            f"{'; '.join(before[:_MOST_DOUBTS])}{more}."
        )
    return " ".join([*told, "Ask first whether the data changed."]) if told else ""


def cards(snapshot: Snapshot, found: Alerts) -> list[AlertCard]:
    """The alerts, the one that cost most first."""
    return [_card(snapshot, alert, found.currency) for alert in found.alerts]


def _card(snapshot: Snapshot, alert: Alert, currency: str | None) -> AlertCard:
    row = alert.figures
    numbers = {
        "did not go on": f"{percent(row['early_drop_off_rate'])} instead of {percent(row['baseline_rate'])}",
        "journeys lost beyond expectation": count(row["excess_drops"]),
    }
    if row["value_at_risk"] is not None:
        numbers["value at risk"] = money(row["value_at_risk"], currency)
    causes = [_values(cause, _CAUSE_VALUES) for cause in alert.causes]
    exits = [_values(way, _EXIT_VALUES) for way in alert.exits]
    return AlertCard(
        title(alert),
        sentences(alert, currency),
        bool(row["is_data_suspect"]),
        numbers,
        (
            trend(snapshot, row["stage"], row["channel_role"], row["channel"]),
            Figure(Table("What carries it, the likeliest first", _CAUSES, causes)),
            Figure(Table("What those who did not go on did next", _EXITS, exits)),
        ),
        alert_sample(snapshot, row),
    )


def _values(row: dict[str, Any], names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)
