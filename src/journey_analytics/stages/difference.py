"""What other stage rules would change: events, journeys and customers that move, and the funnel on each side.

Both sets of rules are given to the same touchpoints by the run's own steps, so the difference is that of two
whole runs.

Belongs here: the comparison. Does not belong here: where the touchpoints come from (rehearsal.py), printing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted
from journey_analytics.project import Project
from journey_analytics.rehearsal import Rehearsal
from journey_analytics.run import make_tables
from journey_analytics.stages.compile import OUTPUT_TABLE
from journey_analytics.touchpoints import UNMAPPED

Kind = Literal["events", "journeys", "customers"]

IGNORED = "(ignored)"
NO_STAGE = "(no stage)"
NOT_THERE = "(not there)"

_MARTS = ("mart_journeys", "mart_stage_dropoff")
_COUNTS = ("journeys_reached", "journeys_continued", "journeys_dropped", "journeys_open")
_KEYS: dict[Kind, str] = {
    "events": "source, event_id",
    "journeys": "journey_id",
    "customers": "customer_id",
}


@dataclass(frozen=True)
class Move:
    """So many events, journeys or customers go from one stage to another.

    Attributes:
        before: an event's stage, `(ignored)` or `(unmapped)`; of a journey or customer the furthest stage,
            `(no stage)`, or `(not there)` for one that only the other rules make.
        after: the same under the new rules.
    """

    before: str
    after: str
    count: int


@dataclass(frozen=True)
class Moves:
    """One kind of thing before and after, and what moved, the commonest move first."""

    kind: Kind
    before: int
    after: int
    moved: int
    moves: tuple[Move, ...]


@dataclass(frozen=True)
class FunnelStage:
    """One stage of one kind of funnel before and after; the counts are None where the stage is not in it."""

    stage_model: str
    funnel_kind: str
    stage: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True)
class Difference:
    """What the new rules change.

    Attributes:
        events_of_other_rules: events that another rule takes, whether or not their stage is another.
        states: journeys that are there under both rules and change their state.
    """

    as_of: date
    events: Moves
    events_of_other_rules: int
    journeys: Moves
    states: tuple[Move, ...]
    customers: Moves
    funnel: tuple[FunnelStage, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing moves."""
        moved = self.events.moved + self.journeys.moved + self.customers.moved
        return not (moved or self.states or self.events_of_other_rules)


def compare(rehearsal: Rehearsal, old: Project, new: Project) -> Difference:
    """The difference between the rules of two versions of a project over the touchpoints of the last run."""
    engine = rehearsal.engine
    funnels = []
    for side, project in (("before", old), ("after", new)):
        make_tables(rehearsal.stage(project), *_MARTS)
        for kind, sql in _placed(project.stage_model.name).items():
            engine.create_table(f"{kind}_{side}", sql)
        funnels.append(_funnel(engine))
    others = engine.rows(
        "select count(*) as n from events_before inner join events_after using (source, event_id) "
        "where events_before.rule is distinct from events_after.rule"
    )
    return Difference(
        as_of=rehearsal.as_of,
        events=_moves(engine, "events"),
        events_of_other_rules=others[0]["n"],
        journeys=_moves(engine, "journeys"),
        states=_changes(
            engine,
            "select b.state as before, a.state as after from journeys_before as b "
            "inner join journeys_after as a using (journey_id)",
        ),
        customers=_moves(engine, "customers"),
        funnel=_side_by_side(*funnels),
    )


def _placed(stage_model: str) -> dict[Kind, str]:
    """For each kind one row a thing, with the place it has under the rules of the moment."""
    model = quoted(stage_model)
    return {
        "events": (
            f"select n.source, n.event_id, n.customer_id, r.rule, "
            f"case when r.rule is null then '{UNMAPPED}' when r.is_ignored then '{IGNORED}' "
            f"else r.stage end as place "
            f"from {OUTPUT_TABLE} as n left join seed_stage_rules as r "
            f"on n.stage_model = r.stage_model and n.rule_number = r.rule_number "
            f"where n.stage_model = {model}"
        ),
        "journeys": (
            f"select journey_id, customer_id, state, coalesce(furthest_stage, '{NO_STAGE}') as place "
            f"from mart_journeys"
        ),
        "customers": (
            f"select customer_id, coalesce(max_by(s.stage, s.stage_ordinal), '{NO_STAGE}') as place "
            f"from mart_journeys as j left join seed_stages as s "
            f"on j.stage_model = s.stage_model and j.furthest_stage = s.stage group by customer_id"
        ),
    }


def _moves(engine: DuckDBEngine, kind: Kind) -> Moves:
    changes = _changes(
        engine,
        f"select coalesce(b.place, '{NOT_THERE}') as before, coalesce(a.place, '{NOT_THERE}') as after "
        f"from {kind}_before as b full join {kind}_after as a using ({_KEYS[kind]})",
    )
    return Moves(
        kind=kind,
        before=engine.count(f"{kind}_before"),
        after=engine.count(f"{kind}_after"),
        moved=sum(change.count for change in changes),
        moves=changes,
    )


def _changes(engine: DuckDBEngine, pairs: str) -> tuple[Move, ...]:
    rows = engine.rows(
        f"select before, after, count(*) as n from ({pairs}) where before <> after "
        "group by before, after order by n desc, before, after"
    )
    return tuple(Move(row["before"], row["after"], row["n"]) for row in rows)


def _funnel(engine: DuckDBEngine) -> dict[tuple[str, str, str], dict[str, Any]]:
    rows = engine.rows(
        "select * from mart_stage_dropoff where channel_role = 'all' "
        "order by stage_model, funnel_kind, stage_ordinal"
    )
    return {
        (row["stage_model"], row["funnel_kind"], row["stage"]): {
            name: row[name] for name in ("stage_ordinal", *_COUNTS, "drop_off_rate")
        }
        for row in rows
    }


def _side_by_side(
    before: dict[tuple[str, str, str], dict[str, Any]], after: dict[tuple[str, str, str], dict[str, Any]]
) -> tuple[FunnelStage, ...]:
    """Every stage that is in one of the funnels, in the order of its model."""

    def place(key: tuple[str, str, str]) -> tuple[str, str, int]:
        return (*key[:2], (after.get(key) or before[key])["stage_ordinal"])

    return tuple(
        FunnelStage(*key, before=before.get(key), after=after.get(key))
        for key in sorted(before.keys() | after.keys(), key=place)
    )
