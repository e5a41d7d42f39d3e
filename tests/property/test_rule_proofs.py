"""What is said of rules by proof holds for every touchpoint tried, and simple truths are proved."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from journey_analytics.stages.check import check_rules
from journey_analytics.stages.conditions import Comparison, Condition, Group
from journey_analytics.stages.implication import implies, is_impossible
from journey_analytics.stages.stages_file import read_stages
from tests.property.rule_reader import RuleFile, Touch, first_rules, meets
from tests.property.test_stage_rules import _LISTS, _MODEL, _context, _touches

_TEXTS = (None, "", "a", "ab", "abc", "b", "ba", "5", "9.5", "true")
_NUMBERS = (None, -1, 0, 0.5, 5, 7, 9.5, 10)
_text = st.sampled_from([text for text in _TEXTS if text is not None])
_number = st.sampled_from([number for number in _NUMBERS if number is not None])


def _one_of(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({name: values})


_exists = _one_of("exists", st.booleans())
_text_test = st.one_of(
    _text,
    st.lists(_text, min_size=1, max_size=4),
    _one_of("not", st.lists(_text, min_size=1, max_size=3)),
    _one_of("contains", st.sampled_from(("a", "b", "ab", ""))),
    _one_of("starts_with", st.sampled_from(("a", "b", "ab", ""))),
    _one_of("matches", st.sampled_from(("^a", "b", "^ab$", "^a|5", "[0-9]", "b$"))),
    _exists,
)
_number_test = st.one_of(
    _number,
    st.lists(_number, min_size=1, max_size=3),
    _one_of("not", st.lists(_number, min_size=1, max_size=3)),
    *(_one_of(name, _number) for name in ("gt", "gte", "lt", "lte")),
    st.fixed_dictionaries({"gte": _number, "lt": _number}),
    _exists,
)
_VALUES: dict[str, tuple[Any, ...]] = {
    "page_path": _TEXTS,
    "revenue": _NUMBERS,
    "properties.plan": (*_TEXTS, 5),
}
_TESTS = {"page_path": _text_test, "revenue": _number_test, "properties.plan": _text_test | _number_test}


def _conditions_on(columns: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    one = st.sampled_from(columns).flatmap(lambda column: st.fixed_dictionaries({column: _TESTS[column]}))
    return st.recursive(
        one,
        lambda inner: st.one_of(
            st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)}),
            st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)}),
            st.fixed_dictionaries({"not": inner}),
        ),
        max_leaves=4,
    )


_columns = st.lists(st.sampled_from(sorted(_TESTS)), min_size=1, max_size=2, unique=True)
_pairs = _columns.flatmap(
    lambda columns: st.tuples(st.just(columns), _conditions_on(columns), _conditions_on(columns))
)


def _read(conditions: dict[str, Any]) -> Condition:
    """The condition as the product holds it, without the way through a file."""
    parts: list[Condition] = []
    for key, value in conditions.items():
        if key in ("any", "all"):
            parts.append(Group(key, tuple(map(_read, value))))
        elif key == "not":
            parts.append(Group("not", (_read(value),)))
        else:
            tests = (
                value if isinstance(value, dict) else {"in" if isinstance(value, list) else "equals": value}
            )
            parts.extend(Comparison(key, operator, wanted) for operator, wanted in tests.items())
    return Group("all", tuple(parts))


def _touches_with(columns: list[str]) -> list[Touch]:
    """A touchpoint for every combination of values of the columns."""
    found = []
    for values in itertools.product(*(_VALUES[column] for column in columns)):
        row: dict[str, Any] = dict(zip(columns, values, strict=True))
        plan = row.pop("properties.plan", None)
        properties = None if plan is None else json.dumps({"plan": plan})
        known = {"page_path": None, "revenue": None, **row, "properties": properties}
        found.append(Touch("c", 0, "web", "e", "view", "ads", **known))
    return found


@settings(max_examples=10 * settings.default.max_examples)
@given(pair=_pairs)
def test_what_is_implied_is_met(pair: tuple[list[str], dict[str, Any], dict[str, Any]]) -> None:
    """No touchpoint meets a condition and not what it implies; none meets an impossible one."""
    columns, when, other = pair
    proved, impossible = implies(_read(when), _read(other)), is_impossible(_read(when))
    event(f"implied {proved}, impossible {impossible}")
    if proved or impossible:
        met = [touch for touch in _touches_with(columns) if meets(when, touch)]
        assert not (impossible and met)
        assert not proved or all(meets(other, touch) for touch in met)


@settings(max_examples=3 * settings.default.max_examples)
@given(pair=_pairs)
def test_a_condition_is_implied_by_itself_and_more(
    pair: tuple[list[str], dict[str, Any], dict[str, Any]],
) -> None:
    """And implies itself or something else; with its opposite it is impossible."""
    _, when, more = pair
    assert implies(_read({"all": [when, more]}), _read(when))
    assert implies(_read(when), _read({"any": [more, when]}))
    assert is_impossible(_read({"all": [more, when], "not": when}))


@st.composite
def _likely_shadowed(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Few rules about few events, so that one often takes what another would."""
    names = st.lists(st.sampled_from(("view", "order")), min_size=1, max_size=2, unique=True)
    rules = []
    for number in range(draw(st.integers(2, 4))):
        rule: dict[str, Any] = {
            "rule": f"r{number}",
            "stage": "purchase",
            "when": {"event_name": draw(names)},
        }
        if draw(st.booleans()):
            kind = draw(st.sampled_from(("after", "not_after", "occurrence")))
            rule[kind] = _context(draw, kind, [])
            if kind != "occurrence":
                reach = {key: rule[kind][key] for key in ("within", "same_session") if key in rule[kind]}
                rule[kind] = {"event_name": draw(names), **reach}
        rule.update(draw(st.sampled_from(({}, {}, {"from": "1970-01-02"}, {"until": "1970-01-03"}))))
        rules.append(rule)
    return rules


@pytest.fixture(scope="module")
def stages_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each example writes its rules; JSON is YAML too."""
    return tmp_path_factory.mktemp("proofs") / "stages.yaml"


@settings(max_examples=5 * settings.default.max_examples)
@given(rules=_likely_shadowed(), touches=_touches())
def test_a_rule_that_is_said_to_take_nothing_takes_nothing(
    stages_file: Path, rules: list[dict[str, Any]], touches: list[Touch]
) -> None:
    """With contexts and days."""
    stages_file.write_text(json.dumps({"rules": rules}), encoding="utf-8")
    findings = check_rules(read_stages(stages_file, _MODEL))
    warned = {finding.rule for finding in findings if finding.level == "warning"}
    event(f"warned of {len(warned)}")
    taken = set(first_rules(RuleFile(rules, _LISTS), touches).values())
    assert not {number for number, rule in enumerate(rules, 1) if rule["rule"] in warned} & taken
