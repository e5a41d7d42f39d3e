"""How well the stage rules cover the events: shares, unmapped names, rules that never fire, overlaps.

Belongs here: the measure over the touchpoints of a rehearsal. Does not belong here: the counts by rule
(sql/marts/mart_rule_coverage.sql), how they are printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import combinations
from typing import Any

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.project import Project
from journey_analytics.rehearsal import Rehearsal
from journey_analytics.run import make_tables
from journey_analytics.stages.compile import ProjectTime, compile_rules
from journey_analytics.stages.rules import StageRule
from journey_analytics.stages.stage_map import StageMap

MART = "mart_rule_coverage"
_HITS = "rule_hits"


@dataclass(frozen=True)
class Covered:
    """What one rule takes, or one event name that no rule takes."""

    name: str
    stage: str | None
    events: int
    customers: int
    event_share: float
    first_seen_at: datetime | None
    last_seen_at: datetime | None


@dataclass(frozen=True)
class SilentRule:
    """A rule of the project's own that takes no event, and why.

    Attributes:
        taken_before: by which rules, with the events it would take that stand before it and take them first;
            empty when no event fits it at all.
    """

    name: str
    stage: str | None
    taken_before: dict[str, int]


@dataclass(frozen=True)
class Overlap:
    """Two rules that would both take some events; the first one does, unless a third stands before it."""

    first: str
    first_stage: str | None
    second: str
    second_stage: str | None
    events: int


@dataclass(frozen=True)
class Coverage:
    """The coverage of one stage model's rules: events = mapped + ignored + unmapped."""

    stage_model: str
    as_of: date
    events: int
    mapped: int
    ignored: int
    unmapped: int
    unmapped_names: tuple[Covered, ...]
    rules: tuple[Covered, ...]
    silent_rules: tuple[SilentRule, ...]
    events_of_several_rules: int
    overlaps: tuple[Overlap, ...]

    @property
    def share(self) -> float:
        """The share of events that some rule takes, ignored ones included."""
        return (self.mapped + self.ignored) / self.events


def measure_coverage(rehearsal: Rehearsal, project: Project) -> list[Coverage]:
    """The coverage of each stage model's rules over the last run's touchpoints, the project's own first."""
    make_tables(rehearsal.stage(project), MART)
    return [_measure(rehearsal, project, stage_map) for stage_map in project.stage_maps]


def _measure(rehearsal: Rehearsal, project: Project, stage_map: StageMap) -> Coverage:
    rows = rehearsal.engine.rows(
        f"select * from {MART} where stage_model = $stage_model order by rule_number, events desc, name",
        {"stage_model": stage_map.model.name},
    )
    events = Counter[str]()
    for row in rows:
        events[row["coverage"]] += row["events"]
    patterns = count_by_fitting_rules(rehearsal.engine, stage_map, project.time)
    rules = tuple(_covered(row) for row in rows if row["coverage"] != "unmapped")
    return Coverage(
        stage_model=stage_map.model.name,
        as_of=rehearsal.as_of,
        events=events.total(),
        mapped=events["mapped"],
        ignored=events["ignored"],
        unmapped=events["unmapped"],
        unmapped_names=tuple(_covered(row) for row in rows if row["coverage"] == "unmapped"),
        rules=rules,
        silent_rules=tuple(
            _silent(number, stage_map.rules, patterns)
            for number, rule in enumerate(rules, start=1)
            if not rule.events and number <= len(stage_map.own_rules)
        ),
        events_of_several_rules=sum(count for numbers, count in patterns.items() if len(numbers) > 1),
        overlaps=_overlaps(stage_map.rules, patterns),
    )


def _covered(row: dict[str, Any]) -> Covered:
    return Covered(
        name=row["name"],
        stage=row["stage"],
        events=row["events"],
        customers=row["customers"],
        event_share=row["event_share"],
        first_seen_at=row["first_seen_at"],
        last_seen_at=row["last_seen_at"],
    )


def count_by_fitting_rules(
    engine: DuckDBEngine, stage_map: StageMap, project_time: ProjectTime
) -> dict[tuple[int, ...], int]:
    """Events by all the rules that would take them whatever stands before, as rule numbers in order.

    Each rule is compiled with itself in front, so that it takes all it can. The rules without a context stand
    behind one with a context, in their order, because `after: {stage: ...}` speaks of them. Events that no
    rule would take are not counted.
    """
    plain = tuple(rule for rule in stage_map.rules if not rule.has_context)
    engine.execute(
        f"create or replace temp table {_HITS} (rule_number bigint, source varchar, event_id varchar)"
    )
    for number, rule in enumerate(stage_map.rules, start=1):
        first = StageMap(stage_map.model, (rule, *plain) if rule.has_context else (rule,))
        sql = compile_rules([first], project_time)
        engine.execute(
            f"insert into {_HITS} select {number}, source, event_id from ({sql}) where rule_number = 1"
        )
    found = engine.rows(
        "select numbers, count(*) as events from (select string_agg(rule_number, ',' order by rule_number) "
        f"as numbers from {_HITS} group by source, event_id) group by numbers"
    )
    return {tuple(int(number) for number in row["numbers"].split(",")): row["events"] for row in found}


def _silent(number: int, rules: Sequence[StageRule], patterns: dict[tuple[int, ...], int]) -> SilentRule:
    before = Counter[str]()
    for numbers, count in patterns.items():
        if number in numbers:
            before[rules[numbers[0] - 1].name] += count
    rule = rules[number - 1]
    taken = sorted(before.items(), key=lambda item: (-item[1], item[0]))
    return SilentRule(rule.name, rule.stage, dict(taken))


def _overlaps(rules: Sequence[StageRule], patterns: dict[tuple[int, ...], int]) -> tuple[Overlap, ...]:
    """Every pair of rules that would take the same events, the commonest first."""
    pairs = Counter[tuple[int, int]]()
    for numbers, count in patterns.items():
        for pair in combinations(numbers, 2):
            pairs[pair] += count
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        Overlap(
            first=rules[first - 1].name,
            first_stage=rules[first - 1].stage,
            second=rules[second - 1].name,
            second_stage=rules[second - 1].stage,
            events=count,
        )
        for (first, second), count in ordered
    )
