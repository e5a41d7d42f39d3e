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
from journey_analytics.stages.compile import compile_overlaps
from journey_analytics.stages.rules import StageRule

MART = "mart_rule_coverage"


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
    """A rule that takes no event, and why.

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


def measure_coverage(rehearsal: Rehearsal, project: Project) -> Coverage:
    """The coverage of the project's rules over the touchpoints of the last run."""
    run = rehearsal.stage(project)
    make_tables(run, MART)
    rows = rehearsal.engine.rows(f"select * from {MART} order by rule_number, events desc, name")
    events = Counter[str]()
    for row in rows:
        events[row["coverage"]] += row["events"]
    patterns = _patterns(rehearsal.engine, project.rules)
    rules = tuple(_covered(row) for row in rows if row["coverage"] != "unmapped")
    return Coverage(
        stage_model=project.stage_model.name,
        as_of=rehearsal.as_of,
        events=events.total(),
        mapped=events["mapped"],
        ignored=events["ignored"],
        unmapped=events["unmapped"],
        unmapped_names=tuple(_covered(row) for row in rows if row["coverage"] == "unmapped"),
        rules=rules,
        silent_rules=tuple(
            _silent(number, project.rules, patterns)
            for number, rule in enumerate(rules, start=1)
            if not rule.events
        ),
        events_of_several_rules=sum(count for numbers, count in patterns.items() if len(numbers) > 1),
        overlaps=_overlaps(project.rules, patterns),
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


def _patterns(engine: DuckDBEngine, rules: Sequence[StageRule]) -> dict[tuple[int, ...], int]:
    """The rules that would take an event, as numbers in order, to how many events they are."""
    return {
        tuple(int(number) for number in row["rule_numbers"].split(",") if number): row["events"]
        for row in engine.rows(compile_overlaps(rules))
    }


def _silent(number: int, rules: Sequence[StageRule], patterns: dict[tuple[int, ...], int]) -> SilentRule:
    before = Counter[str]()
    for numbers, count in patterns.items():
        if number in numbers:
            before[rules[numbers[0] - 1].name] += count
    rule = rules[number - 1]
    return SilentRule(rule.name, rule.stage, dict(before.most_common()))


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
