"""Compiled rules on DuckDB: hostile values stay values, nulls are not met, numbers are numbers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from textwrap import indent
from zoneinfo import ZoneInfo

import pytest

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import StageRuleError
from journey_analytics.stages.compile import OUTPUT_TABLE, ProjectTime, compile_rules
from journey_analytics.stages.conditions import Comparison
from journey_analytics.stages.rules import StageRule
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.stages.stage_models import Stage, StageModel
from journey_analytics.stages.stages_file import read_stages
from tests.unit.files import write

_MODEL = StageModel(
    name="tiny", stages=tuple(Stage(stage=name) for name in ("awareness", "purchase", "loyalty"))
)
_MINUTE = 60_000_000
_TIME = ProjectTime(ZoneInfo("Europe/Berlin"), timedelta(minutes=30))


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    """One engine in memory; every test makes its touchpoints anew."""
    with DuckDBEngine() as opened:
        yield opened


def _touchpoints(engine: DuckDBEngine, *rows: dict[str, object]) -> None:
    """Make stg_touchpoints; what a row does not name is null, or a plain default."""
    engine.execute(
        "create or replace table stg_touchpoints (source varchar, event_id varchar, customer_id varchar, "
        "occurred_us bigint, event_name varchar, channel varchar, page_path varchar, "
        "revenue decimal(18, 4), properties varchar)"
    )
    for number, row in enumerate(rows, start=1):
        known = {
            "source": "web",
            "event_id": f"e{number}",
            "customer_id": "c1",
            "occurred_us": number * _MINUTE,
            "event_name": "view",
            "channel": "ads",
            "page_path": None,
            "revenue": None,
            "properties": None,
            **row,
        }
        names = ", ".join(f"${name}" for name in known)
        engine.execute(f"insert into stg_touchpoints values ({names})", known)


def _taken(engine: DuckDBEngine, tmp_path: Path, rules: str) -> list[int | None]:
    """The rule that takes each touchpoint, in the order of their ids."""
    text = "rules:\n" + indent(rules, "  ")
    read = read_stages(write(tmp_path / "stages.yaml", text), _MODEL)
    engine.create_table(OUTPUT_TABLE, compile_rules([read], _TIME))
    rows = engine.rows(f"select rule_number from {OUTPUT_TABLE} order by event_id")
    return [row["rule_number"] for row in rows]


def _taken_when(engine: DuckDBEngine, tmp_path: Path, when: str) -> list[int | None]:
    return _taken(engine, tmp_path, f"- rule: r\n  stage: purchase\n  when: {when}\n")


@pytest.mark.parametrize(
    "hostile",
    [
        "'); drop table stg_touchpoints; --",
        "' or '1'='1",
        "o'neil",
        "back\\slash",
        "back\\'slash",
        "-- comment",
        "/* comment */",
        "$parameter",
        "%s",
        '"double"',
        "é😀",
        "line\nbreak",
    ],
)
@pytest.mark.parametrize("test", ["equals", "not", "contains", "starts_with"])
def test_a_value_is_only_ever_a_value(engine: DuckDBEngine, hostile: str, test: str) -> None:
    """Whatever it looks like; in `when` and in a context, where it is written a second time."""
    _touchpoints(engine, {"page_path": hostile}, {"page_path": "harmless"})
    taken = Comparison("page_path", test, hostile)
    rules = [StageRule("r", "purchase", taken)]
    engine.create_table(OUTPUT_TABLE, compile_rules([StageMap(_MODEL, tuple(rules))], _TIME))
    found = engine.rows(f"select rule_number from {OUTPUT_TABLE} order by event_id")
    expected = [None, 1] if test == "not" else [1, None]
    assert [row["rule_number"] for row in found] == expected
    assert engine.count("stg_touchpoints") == 2


def test_a_hostile_value_in_a_context_is_only_a_value(engine: DuckDBEngine, tmp_path: Path) -> None:
    """The condition of a context is parsed again on its way into the SQL."""
    _touchpoints(engine, {"page_path": "it's a \\ 'quote'"}, {}, {"customer_id": "c2"})
    rules = (
        "- rule: r\n  stage: purchase\n  when: {event_name: view}\n"
        "  after: {page_path: \"it's a \\\\ 'quote'\"}\n"
    )
    assert _taken(engine, tmp_path, rules) == [None, 1, None]


def test_percent_and_underscore_are_plain_characters(engine: DuckDBEngine, tmp_path: Path) -> None:
    """So is the sign that escapes them."""
    paths = ["/100%_off", "/100xyoff", "/a!b", "/a!!b", "/axb", "/100%_offer/now"]
    _touchpoints(engine, *({"page_path": path} for path in paths))
    assert _taken_when(engine, tmp_path, "{page_path: {starts_with: '/100%_off'}}") == [
        1, None, None, None, None, 1,
    ]  # fmt: skip
    assert _taken_when(engine, tmp_path, "{page_path: {contains: 'a!b'}}") == [
        None, None, 1, None, None, None,
    ]  # fmt: skip


def test_text_is_compared_with_its_case(engine: DuckDBEngine, tmp_path: Path) -> None:
    """As delivered."""
    _touchpoints(engine, {"event_name": "Order"}, {"event_name": "order"})
    assert _taken_when(engine, tmp_path, "{event_name: order}") == [None, 1]


def test_exists_asks_for_a_value(engine: DuckDBEngine, tmp_path: Path) -> None:
    """A property that is null or not there does not exist."""
    _touchpoints(
        engine,
        {"page_path": "/", "properties": '{"a": 1}'},
        {"properties": '{"a": null}'},
        {"properties": '{"b": 1}'},
        {},
    )
    assert _taken_when(engine, tmp_path, "{page_path: {exists: true}}") == [1, None, None, None]
    assert _taken_when(engine, tmp_path, "{page_path: {exists: false}}") == [None, 1, 1, 1]
    assert _taken_when(engine, tmp_path, "{properties.a: {exists: true}}") == [1, None, None, None]
    assert _taken_when(engine, tmp_path, "{properties.a: {exists: false}}") == [None, 1, 1, 1]


def test_a_missing_value_is_not_the_forbidden_one(engine: DuckDBEngine, tmp_path: Path) -> None:
    """`not` holds for null, as a test, as a list and as a group."""
    _touchpoints(engine, {"page_path": "/"}, {"page_path": "/b"}, {})
    for when in (
        "{page_path: {not: /}}",
        "{page_path: {not: [/, /c]}}",
        "{not: {page_path: /}}",
        "{not: {any: [{page_path: /}, {revenue: {gt: 5}}]}}",
    ):
        assert _taken_when(engine, tmp_path, when) == [None, 1, 1], when
    assert _taken_when(engine, tmp_path, "{not: {not: {page_path: /}}}") == [1, None, None]


def test_a_missing_value_meets_no_other_test(engine: DuckDBEngine, tmp_path: Path) -> None:
    """Null is not less than anything."""
    _touchpoints(engine, {"revenue": 1}, {})
    assert _taken_when(engine, tmp_path, "{revenue: {lt: 5}}") == [1, None]
    assert _taken_when(engine, tmp_path, "{revenue: {gte: -5}}") == [1, None]


def test_properties_compare_as_numbers_with_a_number(engine: DuckDBEngine, tmp_path: Path) -> None:
    """10 is more than 9, written as number or as text; words are not numbers."""
    documents = ['{"n": 10}', '{"n": "10"}', '{"n": 9}', '{"n": "many"}', '{"n": 10.0}', None]
    _touchpoints(engine, *({"properties": document} for document in documents))
    assert _taken_when(engine, tmp_path, "{properties.n: {gt: 9}}") == [1, 1, None, None, 1, None]
    assert _taken_when(engine, tmp_path, "{properties.n: 10}") == [1, 1, None, None, 1, None]
    assert _taken_when(engine, tmp_path, "{properties.n: '10'}") == [1, 1, None, None, None, None]


def test_a_property_that_is_true_is_found(engine: DuckDBEngine, tmp_path: Path) -> None:
    """Or the rule is refused; to be accepted and never to hold is neither."""
    _touchpoints(engine, {"properties": '{"vip": true}'}, {"properties": '{"vip": false}'}, {})
    try:
        taken = _taken_when(engine, tmp_path, "{properties.vip: true}")
    except StageRuleError:
        return
    assert taken == [1, None, None]


def test_the_first_rule_wins(engine: DuckDBEngine, tmp_path: Path) -> None:
    """A rule that ignores is a rule like any other."""
    _touchpoints(engine, {"channel": "ads"}, {"channel": "bot"}, {"event_name": "other"})
    rules = (
        "- rule: noise\n  ignore: true\n  when: {channel: bot}\n"
        "- rule: a\n  stage: purchase\n  when: {event_name: view}\n"
        "- rule: b\n  stage: loyalty\n  when: {event_name: view}\n"
    )
    assert _taken(engine, tmp_path, rules) == [2, 1, None]


def test_a_context_looks_back_in_the_same_customers_history(engine: DuckDBEngine, tmp_path: Path) -> None:
    """Never at itself, never at later touchpoints, never at other customers."""
    order = {"event_name": "order"}
    _touchpoints(engine, order, order, {**order, "customer_id": "c2"}, {"customer_id": "c2"})
    rules = (
        "- rule: again\n  stage: loyalty\n  when: {event_name: order}\n  after: {stage: purchase}\n"
        "- rule: order\n  stage: purchase\n  when: {event_name: order}\n"
        "- rule: after_sale\n  stage: loyalty\n  when: {event_name: view}\n  after: {event_name: order}\n"
    )
    assert _taken(engine, tmp_path, rules) == [2, 1, 2, 3]


def test_within_includes_its_limit(engine: DuckDBEngine, tmp_path: Path) -> None:
    """One microsecond later is too late."""
    _touchpoints(
        engine,
        {"event_name": "order", "occurred_us": 0},
        {"occurred_us": 5 * _MINUTE},
        {"occurred_us": 5 * _MINUTE + 1},
    )
    rules = (
        "- rule: soon\n  stage: loyalty\n  when: {event_name: view}\n"
        "  after: {event_name: order, within: 5m}\n"
        "- rule: late\n  stage: purchase\n  when: {event_name: view}\n"
        "  not_after: {event_name: order, within: 5m}\n"
    )
    assert _taken(engine, tmp_path, rules) == [None, 1, 2]


def test_an_occurrence_counts_its_own_kind(engine: DuckDBEngine, tmp_path: Path) -> None:
    """The touchpoint itself is one of them; what lies between does not count."""
    _touchpoints(
        engine,
        {"event_name": "order"},
        {},
        {"event_name": "order"},
        {"event_name": "order"},
        {"event_name": "order", "occurred_us": 60 * _MINUTE},
    )
    rules = (
        "- rule: third\n  stage: loyalty\n  when: {event_name: order}\n"
        "  occurrence: {gte: 3, within: 10m}\n"
        "- rule: second\n  stage: purchase\n  when: {event_name: order}\n  occurrence: {gte: 2}\n"
    )
    assert _taken(engine, tmp_path, rules) == [None, None, 2, 1, 2]


def test_no_touchpoints_give_no_rows(engine: DuckDBEngine, tmp_path: Path) -> None:
    """The table is there, with its columns."""
    _touchpoints(engine)
    assert _taken_when(engine, tmp_path, "{event_name: view}") == []


def test_the_text_is_the_same_each_time(tmp_path: Path) -> None:
    """And says what it is in its header."""
    rules = [StageRule("r", "purchase", Comparison("event_name", "equals", "order"))]
    text = compile_rules([StageMap(_MODEL, tuple(rules))], _TIME)
    assert text == compile_rules([StageMap(_MODEL, tuple(rules))], _TIME)
    assert text.startswith(f"-- {OUTPUT_TABLE}:")


def test_many_rules_by_name_are_found_in_their_order(engine: DuckDBEngine, tmp_path: Path) -> None:
    """Every name, the first and the last of a half too; rules of any name keep their place among them."""
    names = [f"e{number:03}" for number in range(99)] + ["it's"]
    rules = [StageRule(name, "purchase", Comparison("event_name", "equals", name)) for name in names]
    rules[50:50] = [StageRule("bots", None, Comparison("channel", "equals", "bot"))]
    rules.append(StageRule("again", "loyalty", Comparison("event_name", "in", [names[3], names[97], "rest"])))
    _touchpoints(engine, *({"event_name": name} for name in [*names, "rest", "zzz", ""]))
    engine.create_table(OUTPUT_TABLE, compile_rules([StageMap(_MODEL, tuple(rules))], _TIME))
    found = engine.rows(f"select event_name, rule_number from {OUTPUT_TABLE}")
    expected = {name: number + (2 if number >= 50 else 1) for number, name in enumerate(names)}
    assert {row["event_name"]: row["rule_number"] for row in found} == {
        **expected, "rest": 102, "zzz": None, "": None,
    }  # fmt: skip
    _touchpoints(engine, *({"event_name": name, "channel": "bot"} for name in (names[49], names[50], "zzz")))
    engine.create_table(OUTPUT_TABLE, compile_rules([StageMap(_MODEL, tuple(rules))], _TIME))
    found = engine.rows(f"select event_name, rule_number from {OUTPUT_TABLE}")
    assert {row["event_name"]: row["rule_number"] for row in found} == {
        names[49]: 50,
        names[50]: 51,
        "zzz": 51,
    }


def test_a_session_is_what_it_is_in_the_marts(engine: DuckDBEngine, tmp_path: Path) -> None:
    """A gap of 30 minutes stays inside, one microsecond more does not; what is ignored is no step between."""
    beat = {"event_name": "beat"}
    times = (0, 30, 60, 90.0000001, 110, 125, 141)
    rows = [{"occurred_us": int(time * _MINUTE)} for time in times]
    for number in (4, 5):
        rows[number] |= beat
    rows[3]["occurred_us"] = 90 * _MINUTE + 1
    _touchpoints(engine, *rows)
    rules = (
        "- rule: noise\n  ignore: true\n  when: {event_name: beat}\n"
        "- rule: inside\n  stage: loyalty\n  when: {event_name: view}\n"
        "  after: {event_name: view, same_session: true}\n"
        "- rule: begins\n  stage: purchase\n  when: {event_name: view}\n"
    )
    assert _taken(engine, tmp_path, rules) == [3, 2, 2, 3, 1, 1, 3]


def test_a_regular_expression_that_explodes_elsewhere_takes_linear_time(
    engine: DuckDBEngine, tmp_path: Path
) -> None:
    """The engine's own takes no steps back."""
    _touchpoints(engine, {"page_path": "a" * 1_000_000 + "b"}, {"page_path": "a" * 1_000_000})
    assert _taken_when(engine, tmp_path, "{page_path: {matches: '^(a+)+$'}}") == [None, 1]
