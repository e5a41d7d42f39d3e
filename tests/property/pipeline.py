"""Runs the product's models over a handful of events: the side of a comparison that is under test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from journey_analytics.alerts.period import TREND_DAYS
from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from journey_analytics.engine.models import LAYERS, models
from journey_analytics.local_days import local_day, utc_offsets
from journey_analytics.stages.compile import OUTPUT_TABLE, ProjectTime, compile_rules
from journey_analytics.stages.conditions import Comparison
from journey_analytics.stages.rules import StageRule
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.stages.stage_models import Stage, StageModel
from journey_analytics.stages.tables import rule_table, stage_table
from journey_analytics.tables import make, needed_for

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

STAGES = ("awareness", "interest", "purchase", "loyalty")
JOURNEYS = ("staging", "intermediate")
"""The layers up to journeys and their stages, without the marts."""

IGNORED = "heartbeat"
"""The event name that a rule takes out of journeys."""

EVENT_SCHEMA: dict[str, Any] = {
    "source": pl.String,
    "event_id": pl.String,
    "occurred_us": pl.Int64,
    "received_us": pl.Int64,
    "customer_ref": pl.String,
    "anonymous_ref": pl.String,
    "alias_ref": pl.String,
    "session_ref": pl.String,
    "event_name": pl.String,
    "channel": pl.String,
    "utm_source": pl.String,
    "utm_medium": pl.String,
    "utm_campaign": pl.String,
    "referrer_host": pl.String,
    "page_path": pl.String,
    "device": pl.String,
    "country": pl.String,
    "revenue": pl.Decimal(18, 4),
    "currency": pl.String,
    "score": pl.Float64,
    "score_kind": pl.String,
    "properties": pl.String,
    "batch_id": pl.String,
}


@dataclass(frozen=True)
class Event:
    """One event as delivered. Its name is the stage it belongs to, or a name that no rule takes."""

    customer: str
    us: int
    name: str
    source: str
    event_id: str
    channel: str = "ads"
    revenue: Decimal | None = None
    received_us: int = 0
    ticket: str | None = None
    """The journey's own key, delivered as the session's id."""


@dataclass(frozen=True)
class Restart:
    """A restart rule of a project."""

    after: str
    on: tuple[str, ...]
    cool_down_us: int


@dataclass(frozen=True)
class Setup:
    """What a project would say in journey.yaml and stages.yaml."""

    as_of_us: int
    observed: tuple[str, ...] = STAGES
    required: tuple[str, ...] = STAGES
    session_timeout_us: int = 30 * MINUTE
    inactivity_us: int = 2 * DAY
    restart: Restart | None = None
    conversion_stage: str = "purchase"
    conversion_window_us: int = DAY
    zone: str = "UTC"

    def ordinal(self, stage: str) -> int:
        """The place of a stage in the model, from 1."""
        return STAGES.index(stage) + 1


def new_engine() -> DuckDBEngine:
    """An engine in memory; one thread is the fastest for a handful of rows."""
    return DuckDBEngine(limits=Limits(memory_limit="1GB", threads=1))


def run(
    engine: DuckDBEngine,
    events: Sequence[Event],
    setup: Setup,
    layers: Sequence[str] = LAYERS,
    *,
    twin: str | None = None,
) -> None:
    """Fill every table from `events` to the last of the layers, by default the marts.

    Args:
        engine: where the tables are made.
        events: as delivered, in any order.
        setup: what the project says.
        layers: which models run.
        twin: name of a further stage model with the same stages and rules.
    """
    rules = stage_rules(setup.observed)
    stages = StageModel(
        name="tiny", stages=tuple(Stage(stage=name, required=name in setup.required) for name in STAGES)
    )
    restart = setup.restart
    maps = [StageMap(stages, tuple(rules))]
    if twin is not None:
        maps.append(StageMap(StageModel(name=twin, stages=stages.stages), tuple(rules)))
    known = {
        "stage_model": stages.name,
        "as_of_us": setup.as_of_us,
        "as_of_date": local_day(setup.as_of_us - 1, ZoneInfo(setup.zone)).isoformat(),
        "trend_from_us": setup.as_of_us - TREND_DAYS * DAY,
        "counted_from_us": setup.as_of_us - TREND_DAYS * DAY,
        "counted_to_us": setup.as_of_us,
        "max_ids": 50,
        "session_timeout_us": setup.session_timeout_us,
        "inactivity_us": setup.inactivity_us,
        "restart_after_ordinal": setup.ordinal(restart.after) if restart else None,
        "restart_cool_down_us": restart.cool_down_us if restart else None,
        "conversion_stage": setup.conversion_stage,
        "conversion_window_us": setup.conversion_window_us,
    }
    engine.load("events", event_frame(events))
    engine.load("seed_stages", stage_table(maps, restart.on if restart else ()))
    engine.load("seed_stage_rules", rule_table(maps))
    times = [event.us for event in events]
    engine.load("seed_utc_offsets", utc_offsets(ZoneInfo(setup.zone), min(times), max(times)))
    first = needed_for(["stg_touchpoints"])
    for name in first:
        make(engine, name, known)
    engine.create_table(OUTPUT_TABLE, _compiled(tuple(maps)))
    wanted = needed_for(name for name, model in models().items() if model.layer in layers)
    for name in wanted:
        if name not in first:
            make(engine, name, known)


def stage_rules(observed: Sequence[str]) -> list[StageRule]:
    """One rule per observed stage that takes events of its name, and one that ignores."""
    taken = [StageRule(f"is_{stage}", stage, _named(stage)) for stage in observed]
    return [*taken, StageRule("noise", None, _named(IGNORED))]


def event_frame(events: Sequence[Event]) -> pl.DataFrame:
    """The table `events` in the order given."""
    rows = [
        {
            "source": event.source,
            "event_id": event.event_id,
            "occurred_us": event.us,
            "received_us": event.received_us,
            "customer_ref": event.customer,
            "session_ref": event.ticket,
            "event_name": event.name,
            "channel": event.channel,
            "revenue": event.revenue,
            "batch_id": "b",
        }
        for event in events
    ]
    return pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row")


def contents(engine: DuckDBEngine, table: str) -> list[tuple[Any, ...]]:
    """The rows of a table in an order that depends on nothing but their values."""
    return sorted((tuple(row.values()) for row in engine.rows(f'select * from "{table}"')), key=repr)


@cache
def _compiled(maps: tuple[StageMap, ...]) -> str:
    return compile_rules(maps, ProjectTime(ZoneInfo("UTC"), timedelta(minutes=30)), "session_ref")


def _named(name: str) -> Comparison:
    return Comparison("event_name", "equals", name)
