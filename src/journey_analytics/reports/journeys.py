"""The journeys behind a number of the marts, and one journey touchpoint by touchpoint.

Belongs here: choosing published journeys and putting one together for a reader.
Does not belong here: how they are printed (cli), what a journey is (sql/intermediate).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import polars as pl
import polars.selectors as cs

from journey_analytics.contracts import contract
from journey_analytics.engine.sql_text import quoted
from journey_analytics.errors import ConfigError, MartError, Problem, advise
from journey_analytics.marts import Snapshot
from journey_analytics.query import query

_ROLE_COLUMNS = {
    "first_touch": "first_touch_channel",
    "stage_entry": "stage_entry_channel",
    "last_touch": "last_touch_channel",
}
_NEEDS_A_STAGE = ("outcome", "funnel_kind", "stage_model")
_ALIKE = 0.8
"""Jaro-Winkler similarity from which on another id is named as the one that may be meant."""


@dataclass(frozen=True)
class Wanted:
    """Which journeys: with a stage those of its row in mart_stage_dropoff, without one all that fit the rest.

    Attributes:
        stage: reached in the funnel.
        channel: in the channel role.
        outcome: at the stage.
        stage_model: the one that cuts journeys when None.
        funnel_kind: progressive when None.
        channel_role: first_touch when None and there is a channel; of `all` the only channel is `all`.
        state: of the journey.
        entered_from, entered_to: days on which the journey began, both included.
    """

    stage: str | None = None
    channel: str | None = None
    outcome: str | None = None
    stage_model: str | None = None
    funnel_kind: str | None = None
    channel_role: str | None = None
    state: str | None = None
    entered_from: date | None = None
    entered_to: date | None = None


@dataclass(frozen=True)
class Timeline:
    """One journey: its row of mart_journeys, the stages it reached, and its touchpoints in order.

    Times are in the project's zone.

    Attributes:
        journey: the one row of mart_journeys.
        stages: rows of the progressive funnel in order, of every stage model.
        touchpoints: touchpoint_number, occurred_at, gap_seconds (since the one before, null on the first),
            starts_session, customer_id, event_name, channel, stage, rule, page_path, revenue, currency,
            source, event_id.
    """

    journey: pl.DataFrame
    stages: pl.DataFrame
    touchpoints: pl.DataFrame


def list_journeys(snapshot: Snapshot, wanted: Wanted, limit: int) -> tuple[int, pl.DataFrame]:
    """How many journeys there are, and the latest of them.

    Args:
        snapshot: the published set to read.
        wanted: which journeys.
        limit: at most so many rows, the journeys that began last.

    Returns:
        The count of all, and one row per journey, times in the project's zone: journey_id, customer_id,
        entered_at, last_touchpoint_at, touchpoints, first_channel, last_channel, furthest_stage, state,
        revenue; with a stage also stage_entered_at, stage_left_at and outcome.

    Raises:
        ConfigError: a name that the marts do not hold, with the closest one; all of them together.
    """
    problems = list(_problems(snapshot, wanted))
    if problems:
        raise ConfigError(problems)
    conditions = [
        f"mart_journeys.{column} {operator} {quoted(str(value))}"
        for column, operator, value in (
            ("state", "=", wanted.state),
            ("entry_date", ">=", wanted.entered_from),
            ("entry_date", "<=", wanted.entered_to),
        )
        if value is not None
    ]
    columns = (
        "mart_journeys.journey_id, mart_journeys.customer_id, mart_journeys.entered_at, last_touchpoint_at, "
        "mart_journeys.touchpoints, first_channel, last_channel, furthest_stage, state, revenue"
    )
    tables = "mart_journeys"
    if wanted.stage is None:
        if wanted.channel is not None and wanted.channel_role != "all":
            conditions.append(f"first_channel = {quoted(wanted.channel)}")
    else:
        columns += (
            ", mart_journey_stages.entered_at as stage_entered_at, "
            "mart_journey_stages.left_at as stage_left_at, mart_journey_stages.outcome"
        )
        tables += (
            " inner join mart_journey_stages on mart_journeys.journey_id = mart_journey_stages.journey_id"
        )
        conditions += [
            f"mart_journey_stages.{column} = {quoted(value)}"
            for column, value in _stage_row(snapshot, wanted).items()
        ]
    found = query(
        snapshot,
        f"select count(*) over () as journeys, {columns} from {tables} "
        f"where {' and '.join(conditions) or 'true'} "
        f"order by mart_journeys.entered_at desc, mart_journeys.journey_id limit {limit}",
    )
    count = int(found["journeys"][0]) if found.height else 0
    return count, _in_zone(found.drop("journeys"), _zone(snapshot))


def read_timeline(snapshot: Snapshot, name: str) -> Timeline:
    """One journey by its id, or by its own key (journey.key).

    Raises:
        MartError: no published journey has that name; with the closest one.
    """
    journeys = query(
        snapshot,
        f"select * from mart_journeys where journey_id = {quoted(name)} or journey_ref = {quoted(name)} "
        f"order by journey_id = {quoted(name)} desc limit 1",
    )
    if journeys.is_empty():
        raise MartError(_unknown_journey(snapshot, name))
    journey = journeys.row(0, named=True)
    zone = _zone(snapshot)
    is_journey = f"journey_id = {quoted(journey['journey_id'])}"
    stages = query(
        snapshot,
        "select stage_model, stage, entered_at, left_at, dwell_seconds, touchpoints, is_skipped, outcome "
        f"from mart_journey_stages where {is_journey} and funnel_kind = 'progressive' "
        f"order by stage_model <> {quoted(journey['stage_model'])}, stage_model, stage_ordinal",
    )
    last_day = journey["last_touchpoint_at"].astimezone(zone).date()
    touchpoints = query(
        snapshot,
        "select touchpoint_number, occurred_at, "
        "(epoch_us(occurred_at) - epoch_us(lag(occurred_at) over in_order)) / 1e6 as gap_seconds, "
        "(customer_id, session_number) is distinct from lag((customer_id, session_number)) over in_order "
        "as starts_session, "
        "customer_id, event_name, channel, stage, rule, page_path, revenue, currency, source, event_id "
        # the days let the reader pass over the files of all others
        f"from mart_touchpoints where {is_journey} "
        f"and occurred_date between '{journey['entry_date']}' and '{last_day}' "
        "window in_order as (order by touchpoint_number) order by touchpoint_number",
    )
    return Timeline(*(_in_zone(frame, zone) for frame in (journeys, stages, touchpoints)))


def _zone(snapshot: Snapshot) -> ZoneInfo:
    return ZoneInfo(snapshot.manifest["timezone"])


def _in_zone(frame: pl.DataFrame, zone: ZoneInfo) -> pl.DataFrame:
    return frame.with_columns(cs.datetime().dt.convert_time_zone(str(zone)))


def _stage_row(snapshot: Snapshot, wanted: Wanted) -> dict[str, str]:
    """Column and value of mart_journey_stages for a row of mart_stage_dropoff."""
    row = {
        "stage_model": wanted.stage_model or str(snapshot.manifest["stage_model"]),
        "funnel_kind": wanted.funnel_kind or "progressive",
        "stage": wanted.stage,
        "outcome": wanted.outcome,
    }
    role = wanted.channel_role or "first_touch"
    if role in _ROLE_COLUMNS:
        row[_ROLE_COLUMNS[role]] = wanted.channel
    return {column: value for column, value in row.items() if value is not None}


def _problems(snapshot: Snapshot, wanted: Wanted) -> Iterator[Problem]:
    """What of the question the marts cannot answer."""
    cells = query(
        snapshot,
        "select distinct stage_model, channel_role, channel, stage, stage_ordinal from mart_stage_dropoff "
        "order by stage_ordinal, channel",
    )
    model = wanted.stage_model or str(snapshot.manifest["stage_model"])
    role = wanted.channel_role or "first_touch"
    known = {
        "stage_model": cells["stage_model"].unique(maintain_order=True).to_list(),
        "stage": cells.filter(pl.col("stage_model") == model)["stage"].unique(maintain_order=True).to_list(),
        "channel": cells.filter((pl.col("channel_role") == "all") == (role == "all"))["channel"]
        .unique()
        .sort()
        .to_list(),
        "outcome": _allowed("mart_journey_stages", "outcome"),
        "funnel_kind": _allowed("mart_journey_stages", "funnel_kind"),
        "channel_role": _allowed("mart_stage_dropoff", "channel_role"),
        "state": _allowed("mart_journeys", "state"),
    }
    faulty = set()
    for name, valid in known.items():
        if name == "stage" and "stage_model" in faulty:  # what are its stages, then?
            continue
        value = getattr(wanted, name)
        if value is not None and value not in valid:
            faulty.add(name)
            words = name.replace("_", " ")
            yield Problem(f"there is no {words} {value!r}", _flag(name), advise(value, valid, words))
    if wanted.stage is None:
        asked = [name for name in _NEEDS_A_STAGE if getattr(wanted, name) is not None]
        asked += ["channel_role"] if wanted.channel_role in ("stage_entry", "last_touch") else []
        if asked:
            yield Problem(
                "a journey has no outcome, funnel or channel of a stage without the stage",
                ", ".join(_flag(name) for name in asked),
                f"name one with --stage: {', '.join(known['stage'])}",
            )
    if wanted.entered_from and wanted.entered_to and wanted.entered_from > wanted.entered_to:
        yield Problem(
            f"no day is from {wanted.entered_from} to {wanted.entered_to}", "--from, --to", "swap them"
        )


def _allowed(table: str, column: str) -> Collection[str]:
    """The values a column may have by its contract."""
    return next(found.values or () for found in contract(table).columns if found.name == column)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _unknown_journey(snapshot: Snapshot, name: str) -> Problem:
    near = query(
        snapshot,
        "select coalesce(journey_ref, journey_id) as name, greatest("
        f"jaro_winkler_similarity(journey_id, {quoted(name)}), "
        f"coalesce(jaro_winkler_similarity(journey_ref, {quoted(name)}), 0)) as similarity "
        "from mart_journeys order by similarity desc, name limit 1",
    ).row(0, named=True)
    look = "list journeys with `journey journeys list`"
    do = f"use {near['name']!r} (closest known journey), or {look}" if near["similarity"] >= _ALIKE else look
    return Problem(f"no published journey is called {name!r}", str(snapshot.folder), do)
