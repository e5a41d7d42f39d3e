"""Runs rule tests through the compiled rules, on an engine in memory.

Belongs here: example events to a verdict. Does not belong here: the grammar of tests (rule_tests.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from journey_analytics.durations import microseconds
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.local_days import to_us
from journey_analytics.stages.compile import OUTPUT_TABLE, TOUCHPOINTS, ProjectTime, compile_rules
from journey_analytics.stages.rule_tests import ExampleEvent, RuleTest
from journey_analytics.stages.rules import StageRule
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.touchpoints import PROPERTY_PREFIX, RULE_COLUMNS, UNASSIGNED_CHANNEL, Kind

_SOURCE = "test"


@dataclass(frozen=True)
class Verdict:
    """What the rules made of a test's event, beside what the test expects."""

    test: RuleTest
    got: StageRule | None

    @property
    def passed(self) -> bool:
        """Whether the rules did what the test expects."""
        test, got = self.test, self.got
        if test.rule is not None and (got is None or got.name != test.rule):
            return False
        if test.outcome == "unmapped":
            return got is None
        if test.outcome == "ignored":
            return got is not None and got.ignores
        return test.outcome == "rule" or (got is not None and got.stage == test.stage)

    @property
    def in_words(self) -> dict[str, str | bool]:
        """The test's name, whether it passed, what it expects, what it got, and where it is written."""
        test, got = self.test, self.got
        expected = {"stage": str(test.stage), "ignored": "ignored", "unmapped": "unmapped", "rule": ""}
        return {
            "test": test.name,
            "passed": self.passed,
            "expected": _told(expected[test.outcome], test.rule),
            "got": "unmapped" if got is None else _told(got.stage or "ignored", got.name),
            "where": str(test.place or ""),
        }


def run_rule_tests(stages: StageMap, project_time: ProjectTime) -> list[Verdict]:
    """A verdict on every test, in their order."""
    if not stages.tests:
        return []
    with DuckDBEngine() as engine:
        engine.load(TOUCHPOINTS, _touchpoints(stages.tests, project_time))
        engine.create_table(OUTPUT_TABLE, compile_rules([stages], project_time))
        numbers = {
            row["event_id"]: row["rule_number"]
            for row in engine.rows(f"select event_id, rule_number from {OUTPUT_TABLE}")
        }
    verdicts = []
    for number, test in enumerate(stages.tests):
        taken_by = numbers[_event_id(number, len(test.events) - 1)]
        verdicts.append(Verdict(test, None if taken_by is None else stages.rules[taken_by - 1]))
    return verdicts


def rules_without_test(stages: StageMap, verdicts: Sequence[Verdict]) -> list[StageRule]:
    """The rules that no event of a test falls to, the project's own alone when it has any."""
    tested = {verdict.got.name for verdict in verdicts if verdict.got is not None and verdict.passed}
    rules = stages.own_rules or stages.rules
    return [rule for rule in rules if rule.name not in tested]


def _touchpoints(tests: Sequence[RuleTest], project_time: ProjectTime) -> pl.DataFrame:
    """The events of all tests as touchpoints, each test's as those of a customer of its own."""
    columns = {name: pl.Float64 if kind is Kind.NUMBER else pl.String for name, kind in RULE_COLUMNS.items()}
    rows = [
        {
            **dict.fromkeys(columns),
            "source": _SOURCE,
            "channel": UNASSIGNED_CHANNEL,
            **{column: value for column, value in event.values.items() if column in columns},
            "event_id": _event_id(number, place),
            "customer_id": f"customer {number}",
            "occurred_us": _us(event, project_time),
            "properties": json.dumps(_properties(event)),
        }
        for number, test in enumerate(tests)
        for place, event in enumerate(test.events)
    ]
    schema = {
        **columns,
        "event_id": pl.String,
        "customer_id": pl.String,
        "occurred_us": pl.Int64,
        "properties": pl.String,
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(pl.col("revenue").cast(pl.Decimal(18, 4)))


def _properties(event: ExampleEvent) -> dict[str, Any]:
    return {
        column.removeprefix(PROPERTY_PREFIX): value
        for column, value in event.values.items()
        if column.startswith(PROPERTY_PREFIX)
    }


def _us(event: ExampleEvent, project_time: ProjectTime) -> int:
    return to_us(event.at.replace(tzinfo=project_time.zone)) + microseconds(event.since)


def _event_id(test: int, place: int) -> str:
    return f"{test:06}_{place:06}"


def _told(outcome: str, rule: str | None) -> str:
    if rule is None:
        return outcome
    return f"{outcome}, rule {rule}" if outcome else f"rule {rule}"
