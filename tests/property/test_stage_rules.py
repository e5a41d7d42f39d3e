"""Three readings of stage rules agree: the compiled SQL, a reader of single touchpoints, and Polars."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.stages.compile import OUTPUT_TABLE, ProjectTime, compile_rules
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.stages.stage_models import Stage, StageModel, shipped
from journey_analytics.stages.stages_file import read_stages, starter_names, starter_rules
from tests.property import rule_frame, rule_reader
from tests.property.pipeline import HOUR, MINUTE, STAGES, new_engine
from tests.property.rule_reader import RuleFile, Touch

_TIME = ProjectTime(ZoneInfo("Europe/Berlin"), timedelta(minutes=30))
_MODEL = StageModel(name="tiny", stages=tuple(Stage(stage=name) for name in STAGES))

_NAMES = ("view", "cart", "order", "order_sent")
_CHANNELS = ("ads", "email", "unassigned")
_PATHS = ("/", "/pricing", "/pricing/eu", "/100%_off", "/o'neil", "/a!b")
_PLANS = ("pro", "basic", "5")
_NUMBERS = (-1, 0, 5, 9.5)
_CONTEXTS = ("after", "not_after", "occurrence")
_DURATIONS = ("1m", "2h", "1d")
_GAPS = (
    0,
    0,
    MINUTE,
    MINUTE + 1,
    30 * MINUTE,
    30 * MINUTE + 1,
    2 * HOUR,
    2 * HOUR - 1,
    24 * HOUR,
    24 * HOUR + 1,
)
_LISTS = {"buying": ["order", "order_sent"], "paid": ["ads"], "sizes": [0, 5]}
_DAYS = ("1970-01-01", "1970-01-02", "1970-01-03", "1970-01-05")


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
        st.fixed_dictionaries({"in_list": st.sampled_from(("buying", "paid"))}),
        st.fixed_dictionaries({"not_in_list": st.sampled_from(("buying", "paid"))}),
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
        st.just({"in_list": "sizes"}),
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
    for rule in mixed:
        from_day, until_day = sorted(
            draw(st.lists(st.sampled_from(_DAYS), min_size=2, max_size=2, unique=True))
        )
        rule.update(draw(st.sampled_from(({}, {}, {"from": from_day}, {"until": until_day}))))
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
    if draw(st.booleans()):
        found["same_session"] = True
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
    stages_file.write_text(json.dumps({"rules": rules, "lists": _LISTS}), encoding="utf-8")
    found = _compiled(engine, read_stages(stages_file, _MODEL), touches)
    file = RuleFile(rules, _LISTS)
    assert found == rule_reader.first_rules(file, touches)
    assert found == rule_frame.first_rules(file, touches)


_CHECKOUT = Path(__file__).parents[2]
_SHIPPED = _CHECKOUT / "src" / "journey_analytics" / "stages" / "starter_rules"
_RULE_FILES = {
    **{f"shipped/{name}": _SHIPPED / f"{name}.yaml" for name in starter_names()},
    **{
        str(path.parent.relative_to(_CHECKOUT)): path
        for top in ("data", "tests")
        for path in sorted((_CHECKOUT / top).rglob("stages*.yaml"))
    },
}


def _said_in(node: Any, column: str) -> set[Any]:
    """The values that a file compares the column with."""
    if isinstance(node, list):
        return set().union(*(_said_in(item, column) for item in node))
    if not isinstance(node, dict):
        return set()
    found = set()
    for key, value in node.items():
        if key != column:
            found |= _said_in(value, column)
            continue
        for test in value.values() if isinstance(value, dict) else [value]:
            found |= set(test if isinstance(test, list) else [test])
    return {value for value in found if not isinstance(value, bool)}


@st.composite
def _touches_of(draw: st.DrawFn, file: RuleFile) -> list[Touch]:
    """Histories of the events that a file speaks of, with values at and beside those it compares with."""
    rules = list(file.named_lists_written_out())
    names = sorted({*_said_in(rules, "event_name"), "other"})
    channels = sorted({*_said_in(rules, "channel"), "unassigned"})
    paths = sorted(
        {path.strip("^%$") for path in _said_in(rules, "page_path")} | {"/", "/pricing", "/de/plans/x"}
    )
    numbers = {
        column: sorted({float(n) + d for n in _said_in(rules, column) for d in (-1, 0, 0.5)} | {0.0})
        for column in ("revenue", "score", "properties.items")
    }
    touches = []
    for customer in ("c1", "c2"):
        us = 0
        for _ in range(draw(st.integers(1, 10))):
            us += draw(st.sampled_from((*_GAPS, 27 * 24 * HOUR, 28 * 24 * HOUR, 366 * 24 * HOUR)))
            items = draw(st.sampled_from([None, *numbers["properties.items"]]))
            revenue = draw(st.sampled_from([None, *numbers["revenue"]]))
            touches.append(
                Touch(
                    customer=customer,
                    us=us,
                    source="web",
                    event_id=f"e{len(touches):02}",
                    event_name=draw(st.sampled_from(names)),
                    channel=draw(st.sampled_from(channels)),
                    page_path=draw(st.sampled_from([None, *paths])),
                    revenue=None if revenue is None else Decimal(str(revenue)),
                    properties=json.dumps({"items": items, "plan": draw(st.sampled_from(_PLANS))}),
                    score=draw(st.sampled_from([None, *numbers["score"]])),
                    score_kind=draw(st.sampled_from((None, "nps", "csat"))),
                    device=draw(st.sampled_from((None, "bot", "phone"))),
                    country=draw(st.sampled_from((None, "DE"))),
                )
            )
    return touches


@pytest.mark.parametrize("name", _RULE_FILES)
@settings(max_examples=settings.default.max_examples // 6)
@given(data=st.data())
def test_every_rule_file_is_read_alike(engine: DuckDBEngine, name: str, data: st.DataObject) -> None:
    """The shipped starter rules, and those of every project and test here."""
    path = _RULE_FILES[name]
    content = YAML(typ="safe").load(path)
    lists = content.get("lists", {})
    if name.startswith("shipped/"):
        lists = YAML(typ="safe").load(_SHIPPED / "event_names.yaml")["lists"]
        stages = starter_rules(path.stem)
    else:
        stages = read_stages(path, shipped("seven_stage"))
    file = RuleFile(content["rules"], lists)
    touches = data.draw(_touches_of(file))
    found = _compiled(engine, stages, touches)
    assert found == rule_reader.first_rules(file, touches)
    assert found == rule_frame.first_rules(file, touches)


@given(rules=_rule_sets())
def test_compiled_text_uses_only_the_names_both_engines_know(
    stages_file: Path, rules: list[dict[str, Any]]
) -> None:
    """What DuckDB alone calls by these names never gets into the text."""
    stages_file.write_text(json.dumps({"rules": rules, "lists": _LISTS}), encoding="utf-8")
    text = compile_rules([read_stages(stages_file, _MODEL)], _TIME).lower()
    assert "regexp_matches" not in text
    assert "json_extract" not in text
    assert "->>" not in text


def _compiled(engine: DuckDBEngine, found: StageMap, touches: list[Touch]) -> dict[str, int | None]:
    """What the compiled rules make of the touchpoints."""
    engine.load("stg_touchpoints", _frame(touches))
    engine.create_table(OUTPUT_TABLE, compile_rules([found], _TIME))
    rows = engine.rows(f"select event_id, rule_number from {OUTPUT_TABLE}")
    return {row["event_id"]: row["rule_number"] for row in rows}


def _frame(touches: list[Touch]) -> pl.DataFrame:
    frame = pl.DataFrame([asdict(touch) for touch in touches], schema=rule_frame.SCHEMA, orient="row")
    return frame.rename({"customer": "customer_id", "us": "occurred_us"})
