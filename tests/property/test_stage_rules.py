"""Compiled stage rules against a reader that applies them one touchpoint at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.stages.compile import OUTPUT_TABLE, compile_rules
from journey_analytics.stages.rules import read_stages
from journey_analytics.stages.stage_models import Stage, StageModel
from tests.property.pipeline import HOUR, MINUTE, STAGES, new_engine
from tests.property.rule_reader import Touch, first_rules

_MODEL = StageModel(name="tiny", stages=tuple(Stage(stage=name) for name in STAGES))

_NAMES = ("view", "cart", "order", "order_sent")
_CHANNELS = ("ads", "email", "unassigned")
_PATHS = ("/", "/pricing", "/pricing/eu", "/100%_off", "/o'neil", "/a!b")
_PLANS = ("pro", "basic", "5")
_NUMBERS = (-1, 0, 5, 9.5)
_CONTEXTS = ("after", "not_after", "occurrence")
_DURATIONS = ("1m", "2h", "1d")
_GAPS = (0, 0, MINUTE, MINUTE + 1, 2 * HOUR, 2 * HOUR - 1, 24 * HOUR, 24 * HOUR + 1)


def _text_tests(values: tuple[str, ...]) -> st.SearchStrategy[Any]:
    one = st.sampled_from(values)
    some = st.lists(one, min_size=1, max_size=3)
    part = st.sampled_from(("%", "_", "'", "!", "/", "pri", "order", "ing/"))
    regex = st.sampled_from(("^/pric", "ing$", "^(/|view)$", "[0-9]+", "o.n", "ord", "er_"))
    return st.one_of(
        one,
        some,
        st.fixed_dictionaries({"equals": one}),
        st.fixed_dictionaries({"in": some}),
        st.fixed_dictionaries({"not": st.one_of(one, some)}),
        st.fixed_dictionaries({"contains": part}),
        st.fixed_dictionaries({"starts_with": part}),
        st.fixed_dictionaries({"matches": regex}),
        st.fixed_dictionaries({"exists": st.booleans()}),
        st.fixed_dictionaries({"contains": part, "not": one}),
    )


def _number_tests() -> st.SearchStrategy[Any]:
    one = st.sampled_from(_NUMBERS)
    some = st.lists(one, min_size=1, max_size=3)
    return st.one_of(
        one,
        some,
        st.fixed_dictionaries({"not": st.one_of(one, some)}),
        st.fixed_dictionaries({"exists": st.booleans()}),
        *(st.fixed_dictionaries({name: one}) for name in ("equals", "gt", "gte", "lt", "lte")),
        st.fixed_dictionaries({"gte": one, "lt": one}),
    )


_TESTS: dict[str, st.SearchStrategy[Any]] = {
    "event_name": _text_tests(_NAMES),
    "channel": _text_tests(_CHANNELS),
    "page_path": _text_tests(_PATHS),
    "revenue": _number_tests(),
    "properties.plan": _text_tests(_PLANS),
    "properties.seats": st.one_of(_number_tests(), _text_tests(("5", "many", "9.5"))),
}

_columns = st.lists(st.sampled_from(sorted(_TESTS)), min_size=1, max_size=2, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: _TESTS[name] for name in names})
)
_conditions = st.recursive(
    _columns,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries({"not": inner, "any": st.lists(inner, min_size=1, max_size=2)}),
    ),
    max_leaves=4,
)


# what many touchpoints meet, so that the context decides whether the rule takes them
_common = st.one_of(
    st.sampled_from(_NAMES).map(lambda name: {"event_name": name}),
    st.sampled_from(_CHANNELS).map(lambda name: {"channel": {"not": name}}),
    st.just({"event_name": {"exists": True}}),
    st.fixed_dictionaries({"not": _columns}),
    _conditions,
)


@st.composite
def _rule_sets(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Plain rules and rules with a context in any order, as stages.yaml would hold them."""
    gives = st.sampled_from(({"ignore": True}, *({"stage": name} for name in STAGES)))
    plain = [
        {**draw(gives), "when": draw(st.one_of(_common, _conditions))} for _ in range(draw(st.integers(0, 3)))
    ]
    stages = sorted({rule["stage"] for rule in plain if "stage" in rule})
    with_context = []
    for _ in range(draw(st.integers(0 if plain else 1, 2))):
        rule = {**draw(gives), "when": draw(_common)}
        for kind in draw(st.sampled_from((("after",), ("not_after",), ("occurrence",), _CONTEXTS))):
            rule[kind] = _context(draw, kind, stages)
        with_context.append(rule)
    mixed = draw(st.permutations([*with_context, *plain]))
    return [{"rule": f"r{number}", **rule} for number, rule in enumerate(mixed)]


def _context(draw: st.DrawFn, kind: str, stages: list[str]) -> dict[str, Any]:
    found: dict[str, Any]
    if kind == "occurrence":
        found = {"gte": draw(st.integers(2, 3))}
    elif stages and draw(st.booleans()):
        found = {"stage": draw(st.sampled_from(stages))}
    else:
        found = dict(draw(_common))
    if draw(st.booleans()):
        found["within"] = draw(st.sampled_from(_DURATIONS))
    return found


@st.composite
def _touches(draw: st.DrawFn) -> list[Touch]:
    touches: list[Touch] = []
    ids = draw(st.permutations(range(12)))
    for customer in ("c1", "c2"):
        us = 0
        for _ in range(draw(st.integers(1, 6))):
            us += draw(st.sampled_from(_GAPS))
            touches.append(
                Touch(
                    customer=customer,
                    us=us,
                    source=draw(st.sampled_from(("app", "web"))),
                    event_id=f"e{ids[len(touches)]:02}",
                    event_name=draw(st.sampled_from(_NAMES)),
                    channel=draw(st.sampled_from(_CHANNELS)),
                    page_path=draw(st.sampled_from((None, *_PATHS))),
                    revenue=draw(st.sampled_from((None, *(Decimal(str(n)) for n in _NUMBERS)))),
                    properties=draw(_properties()),
                )
            )
    return draw(st.permutations(touches))


def _properties() -> st.SearchStrategy[str | None]:
    document = st.fixed_dictionaries(
        {},
        optional={
            "plan": st.sampled_from((None, *_PLANS)),
            "seats": st.sampled_from((None, 5, "5", 9.5, 0, "many", True)),
        },
    )
    return st.one_of(st.none(), document.map(json.dumps))


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    """One engine for all examples; every example makes its tables anew."""
    with new_engine() as opened:
        yield opened


@pytest.fixture(scope="module")
def stages_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each example writes its rules; JSON is YAML too."""
    return tmp_path_factory.mktemp("rules") / "stages.yaml"


@settings(max_examples=3 * settings.default.max_examples)
@given(rules=_rule_sets(), touches=_touches())
def test_compiled_rules_take_what_a_reader_of_the_rules_would(
    engine: DuckDBEngine, stages_file: Path, rules: list[dict[str, Any]], touches: list[Touch]
) -> None:
    """Every touchpoint gets the number of the first rule that takes it, or none."""
    stages_file.write_text(json.dumps({"rules": rules}), encoding="utf-8")
    engine.load("stg_touchpoints", _frame(touches))
    compiled = read_stages(stages_file, _MODEL)
    engine.create_table(OUTPUT_TABLE, compile_rules([compiled]))
    found = engine.rows(f"select event_id, rule_number from {OUTPUT_TABLE}")
    assert {row["event_id"]: row["rule_number"] for row in found} == first_rules(rules, touches)


@given(rules=_rule_sets())
def test_compiled_text_uses_only_the_names_both_engines_know(
    stages_file: Path, rules: list[dict[str, Any]]
) -> None:
    """What DuckDB alone calls by these names never gets into the text."""
    stages_file.write_text(json.dumps({"rules": rules}), encoding="utf-8")
    text = compile_rules([read_stages(stages_file, _MODEL)]).lower()
    assert "regexp_matches" not in text
    assert "json_extract" not in text
    assert "->>" not in text


def _frame(touches: list[Touch]) -> pl.DataFrame:
    rows = [
        {
            "source": touch.source,
            "event_id": touch.event_id,
            "customer_id": touch.customer,
            "occurred_us": touch.us,
            "event_name": touch.event_name,
            "channel": touch.channel,
            "page_path": touch.page_path,
            "revenue": touch.revenue,
            "properties": touch.properties,
        }
        for touch in touches
    ]
    schema = {
        "source": pl.String,
        "event_id": pl.String,
        "customer_id": pl.String,
        "occurred_us": pl.Int64,
        "event_name": pl.String,
        "channel": pl.String,
        "page_path": pl.String,
        "revenue": pl.Decimal(18, 4),
        "properties": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")
