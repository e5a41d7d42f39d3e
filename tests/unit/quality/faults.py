"""Faults that a night may bring, each as SQL over the touchpoints of that night.

Belongs here: the catalogue, and planting one in a staged night. Does not belong here: what should notice it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from journey_analytics.engine.models import models
from journey_analytics.journeys import model_parameters
from journey_analytics.local_days import end_of_day_us
from journey_analytics.project import read_project
from journey_analytics.quality.measures import daily_measures
from journey_analytics.quality.results import CheckResult
from journey_analytics.quality.staged import COUNTS, STAGES, Days, counted_days, learned_checks
from journey_analytics.run import STEPS, Run, make_tables, start

NOW = datetime(2026, 6, 1, tzinfo=UTC)
_WORK = {step.name: step.work for step in STEPS}
_HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class Fault:
    """One fault: what becomes of the rows of `tonight`, and the checks that may be the one to tell."""

    kind: str
    sql: str
    told_by: tuple[str, ...]


def _without(condition: str) -> str:
    return f"from tonight where not coalesce({condition}, false)"


def _changed(changes: str, where: str) -> str:
    rows = f"select * replace ({changes}) from tonight where {where}"
    return f"{rows} union all by name from tonight where not coalesce({where}, false)"


def _twice(condition: str) -> str:
    again = f"select * replace ('again-' || event_id as event_id) from tonight where {condition}"
    return f"from tonight union all by name {again}"


_SOME = "hash(event_id) % 100"
_OF_WEB = "source = 'web'"
FAULTS = (
    Fault("a source without a file", _without("source = 'orders'"), ("events of orders",)),
    Fault("half of the rows", _without("source = 'web' and hash(event_id) % 2 = 0"), ("events of web",)),
    Fault(
        "a file that ends at noon",
        _without("source = 'web' and occurred_us >= {begin} + 12 * 3600000000"),
        ("events of web", "hours of web"),
    ),
    Fault("all rows twice under other ids", _twice(_OF_WEB), ("events of web",)),
    Fault(
        "two small files twice",
        _twice("source in ('email', 'orders')"),
        ("events of email", "events of orders"),
    ),
    Fault("everything twice under other ids", _twice("true"), ("events of all sources",)),
    Fault("half of everything", _without("hash(event_id) % 2 = 0"), ("events of all sources",)),
    Fault(
        "a robot's visits, twice those of all people",
        f"{_twice(_OF_WEB)} union all by name "
        f"select * replace ('again-again-' || event_id as event_id) from tonight where {_OF_WEB}",
        ("events of web",),
    ),
    Fault("an hour late", _changed(f"occurred_us + {_HOUR_US} as occurred_us", _OF_WEB), ("clock of web",)),
    Fault("an hour early", _changed(f"occurred_us - {_HOUR_US} as occurred_us", _OF_WEB), ("clock of web",)),
    Fault(
        "another time zone",
        _changed(f"occurred_us - 6 * {_HOUR_US} as occurred_us", _OF_WEB),
        ("clock of web", "hours of web"),
    ),
    Fault(
        "a channel vanishes",
        _without("source = 'web' and channel = 'paid_search'"),
        ("channel paid_search of web",),
    ),
    Fault(
        "channels not found any more",
        _changed("'unassigned' as channel", _OF_WEB),
        ("channel organic_search of web", "channel unassigned of web"),
    ),
    Fault(
        "a tag stops firing", _without("event_name = 'checkout_started'"), ("event checkout_started of web",)
    ),
    Fault(
        "an event renamed",
        _changed("'view_item' as event_name", "event_name = 'product_view'"),
        ("event product_view of web", "stage (unmapped) of web"),
    ),
    Fault("opens not counted", _without("event_name = 'email_opened'"), ("event email_opened of email",)),
    Fault(
        "3 % null ids",
        _changed("null as anonymous_ref", f"source = 'web' and {_SOME} < 3"),
        ("missing anonymous_ref in page_view of web",),
    ),
    Fault("a column emptied", _changed("null as device", _OF_WEB), ("missing device in page_view of web",)),
    Fault(
        "amounts not read",
        _changed("null as revenue", "source = 'orders'"),
        ("missing revenue in order_placed of orders",),
    ),
    Fault(
        "negative revenue", _changed("-revenue as revenue", "revenue > 0"), ("negative revenue of orders",)
    ),
    Fault(
        "cents for euros",
        _changed("revenue * 100 as revenue", "revenue is not null"),
        ("mean revenue of orders",),
    ),
)


class Shop:
    """A shop whose clean nights are measured once, to look at any of them with or without a fault."""

    def __init__(self, run: Run) -> None:
        self._run, self._engine = run, run.engine
        make_tables(run, "int_touchpoints")
        run.engine.execute("alter table stg_touchpoints rename to clean_touchpoints")
        run.engine.execute("alter table int_touchpoints rename to clean_staged")
        run.engine.execute("create table stg_touchpoints as from clean_touchpoints")
        run.engine.execute("create table int_touchpoints as from clean_staged")
        # a night looks back less far than the nights lie apart
        measured = [self._measure(run.as_of_day - timedelta(days=back)) for back in (0, 20)]
        self._counts, self._stages = (pl.concat(frames).unique() for frames in zip(*measured, strict=True))

    def results(self, night: date, fault: Fault | None = None) -> list[CheckResult]:
        """What the learned checks say of a night after nothing but clean ones."""
        project, engine = self._run.project, self._engine
        begin, end = (end_of_day_us(day, project.zone) for day in (night - timedelta(days=1), night))
        engine.execute(
            "create or replace table tonight as from clean_touchpoints "
            f"where occurred_us >= {begin} and occurred_us < {end}"
        )
        rows = fault.sql.format(begin=begin) if fault else "from tonight"
        engine.execute(
            f"create or replace table stg_touchpoints as select * from ({rows}) where occurred_us < {end}"
        )
        # the stage that the event had, unless its name is a new one
        engine.execute(
            "create or replace table int_touchpoints as select faulty.source, faulty.occurred_us, "
            f"date '{night}' as occurred_date, "
            "case when faulty.event_name = clean.event_name then stage end as stage "
            "from stg_touchpoints as faulty join clean_staged as clean "
            "on faulty.source = clean.source and replace(faulty.event_id, 'again-', '') = clean.event_id"
        )
        counts, stages = self._measure(night)
        midnight = pl.datetime(night.year, night.month, night.day)
        before = pl.from_epoch("local_hour_us", time_unit="us") < midnight
        measures = daily_measures(
            pl.concat([self._counts.filter(before), counts]),
            pl.concat([self._stages.filter(pl.col("occurred_date") < night), stages]),
            [source.name for source in project.sources],
            night,
        )
        days = {source.name: Days((night,), night) for source in project.sources}
        return learned_checks(project, measures, days)

    def _measure(self, night: date) -> tuple[pl.DataFrame, pl.DataFrame]:
        project = self._run.project
        parameters = {**model_parameters(project, night), **counted_days(project, night)}
        for table in (COUNTS, STAGES):
            self._engine.run_model(models()[table], parameters)
        return self._engine.frame(f"from {COUNTS}"), self._engine.frame(f"from {STAGES}")


@contextmanager
def staged(folder: Path) -> Iterator[Shop]:
    """The shop in `folder`, loaded and staged once."""
    with start(read_project(folder), now=NOW) as run:
        for name in ("load", "identity", "stage"):
            _WORK[name](run)
        yield Shop(run)
