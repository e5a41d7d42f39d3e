"""Explanations and overlaps against the compiled rules and against the slow reader of the tests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.stages.compile import OUTPUT_TABLE, compile_rules
from journey_analytics.stages.coverage import count_by_fitting_rules
from journey_analytics.stages.explanation import explain_history
from journey_analytics.stages.stages_file import read_stages
from tests.property import rule_reader
from tests.property import test_stage_rules as histories
from tests.property.pipeline import new_engine
from tests.property.rule_reader import RuleFile, Touch


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    """One engine for all examples; every example makes its tables anew."""
    with new_engine() as opened:
        yield opened


@pytest.fixture(scope="module")
def stages_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each example writes its rules; JSON is YAML too."""
    return tmp_path_factory.mktemp("rules") / "stages.yaml"


@given(data=st.data())
def test_the_rule_told_is_the_rule_given_and_every_earlier_one_has_a_reason(
    engine: DuckDBEngine, stages_file: Path, data: st.DataObject
) -> None:
    """For every touchpoint of every customer; rules are refused by the reader of the tests too."""
    rules: list[dict[str, Any]] = data.draw(histories._rule_sets())
    touches: list[Touch] = data.draw(histories._touches())
    stages_file.write_text(json.dumps({"rules": rules, "lists": histories._LISTS}), encoding="utf-8")
    reader = rule_reader._Reader(RuleFile(rules, histories._LISTS))
    stage_map = read_stages(stages_file, histories._MODEL)
    compiled = stage_map.rules
    engine.load("stg_touchpoints", histories._frame(touches))
    engine.create_table(OUTPUT_TABLE, compile_rules([stage_map], histories._TIME))
    given_numbers = {
        row["event_id"]: row["rule_number"]
        for row in engine.rows(f"select event_id, rule_number from {OUTPUT_TABLE}")
    }
    told = [
        found
        for customer in ("c1", "c2")
        for found in explain_history(engine, customer, stage_map, histories._TIME)
    ]
    assert {found.event_id for found in told} == given_numbers.keys()
    touch_of = {touch.event_id: touch for touch in touches}
    for found in told:
        number = given_numbers[found.event_id]
        assert found.rule == (None if number is None else compiled[number - 1].name)
        assert len(found.rules) == (len(compiled) if number is None else number)
        before = _before(touch_of[found.event_id], touches)
        for outcome, rule in zip(found.rules, reader.rules, strict=False):
            is_taken = reader.takes(rule, touch_of[found.event_id], before)
            assert outcome.is_taken == is_taken
            assert bool(outcome.reasons) != is_taken


@given(data=st.data())
def test_events_are_counted_under_every_rule_that_would_take_them(
    engine: DuckDBEngine, stages_file: Path, data: st.DataObject
) -> None:
    """The rules by which coverage finds overlaps, against the reader of the tests."""
    rules: list[dict[str, Any]] = data.draw(histories._rule_sets())
    touches: list[Touch] = data.draw(histories._touches())
    stages_file.write_text(json.dumps({"rules": rules, "lists": histories._LISTS}), encoding="utf-8")
    reader = rule_reader._Reader(RuleFile(rules, histories._LISTS))
    engine.load("stg_touchpoints", histories._frame(touches))
    found = count_by_fitting_rules(engine, read_stages(stages_file, histories._MODEL), histories._TIME)
    fitting = (
        tuple(
            number
            for number, rule in enumerate(reader.rules, start=1)
            if reader.takes(rule, touch, _before(touch, touches))
        )
        for touch in touches
    )
    assert found == Counter(numbers for numbers in fitting if numbers)


def _before(touch: Touch, touches: list[Touch]) -> list[Touch]:
    place = (touch.us, touch.source, touch.event_id)
    return sorted(
        (
            other
            for other in touches
            if other.customer == touch.customer and (other.us, other.source, other.event_id) < place
        ),
        key=lambda other: (other.us, other.source, other.event_id),
    )
