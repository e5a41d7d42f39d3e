"""Sessions, days and named lists in stage rules: what is read, and every complaint with its place."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from textwrap import indent
from time import process_time

import pytest

from journey_analytics.errors import StageRuleError
from journey_analytics.stages.conditions import Comparison
from journey_analytics.stages.rules import Earlier, Occurrence, Reach, StageRule
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.stages.stage_models import Stage, StageModel
from journey_analytics.stages.stages_file import read_stages
from tests.unit.files import advice, told

_MODEL = StageModel(
    name="tiny", stages=tuple(Stage(stage=name) for name in ("awareness", "purchase", "loyalty"))
)
_ORDER = "- rule: order\n  stage: purchase\n  when: {event_name: order}\n"


def _read(tmp_path: Path, rules: str, before: str = "") -> StageMap:
    path = tmp_path / "stages.yaml"
    path.write_text(before + "rules:\n" + indent(rules, "  "), encoding="utf-8")
    return read_stages(path, _MODEL)


def _refused(tmp_path: Path, rules: str, before: str = "") -> StageRuleError:
    with pytest.raises(StageRuleError) as caught:
        _read(tmp_path, rules, before)
    return caught.value


# ---- sessions


def test_every_context_may_keep_to_the_session(tmp_path: Path) -> None:
    """Alone, and together with `within`."""
    rules = _ORDER + (
        "  after: {event_name: cart, same_session: true}\n"
        "  not_after: {event_name: order, same_session: true, within: 10m}\n"
        "  occurrence: {gte: 3, same_session: true}\n"
    )
    (rule,) = _read(tmp_path, rules).rules
    ten_minutes = Reach(timedelta(minutes=10), same_session=True)
    assert rule.earlier == (
        Earlier(None, Comparison("event_name", "equals", "cart"), Reach(same_session=True)),
        Earlier(None, Comparison("event_name", "equals", "order"), ten_minutes, is_wanted=False),
    )
    assert rule.occurrence == Occurrence(3, Reach(same_session=True))


@pytest.mark.parametrize("value", ["yes", "1", "maybe"])
def test_same_session_is_true_or_false(tmp_path: Path, value: str) -> None:
    """At the value."""
    error = _refused(tmp_path, _ORDER + f"  after: {{event_name: cart, same_session: {value}}}\n")
    assert told(error) == [("stages.yaml:5:45", "same_session is true or false")]


# ---- days


@pytest.mark.parametrize("written", ["2026-03-01", "'2026-03-01'"])
def test_a_rule_has_a_first_day_and_a_day_on_which_it_no_longer_holds(tmp_path: Path, written: str) -> None:
    """As YAML reads a date, or as text."""
    (rule,) = _read(tmp_path, _ORDER + f"  from: {written}\n  until: 2026-04-01\n").rules
    assert (rule.from_day, rule.until_day) == (date(2026, 3, 1), date(2026, 4, 1))


@pytest.mark.parametrize("written", ["2026-03-01 10:00:00", "yesterday", "20", "'2026-13-01'", "null"])
def test_a_day_is_no_time(tmp_path: Path, written: str) -> None:
    """Days begin in the project's zone; a time of day would not say in which."""
    error = _refused(tmp_path, _ORDER + f"  from: {written}\n")
    assert told(error) == [("stages.yaml:5:11", f"from is a day, not {written}")]
    assert advice(error) == "write it as 2026-03-01, without a time"


def test_a_date_that_is_none_is_told_when_the_file_is_read(tmp_path: Path) -> None:
    """YAML takes it for a date, wherever it stands."""
    error = _refused(tmp_path, _ORDER + "  from: 2026-13-01\n")
    assert told(error) == [("stages.yaml", "a value is not what it looks like: month must be in 1..12")]


@pytest.mark.parametrize("until", ["2026-03-01", "2026-02-28"])
def test_a_rule_that_ends_before_it_begins_is_refused(tmp_path: Path, until: str) -> None:
    """The day of `until` is not included, so the same day is none."""
    error = _refused(tmp_path, _ORDER + f"  from: 2026-03-01\n  until: {until}\n")
    ((place, what),) = told(error)
    assert place == "stages.yaml:6:12"
    assert what == "stage rule 'order' takes nothing: it begins on the day it ends, or later"


# ---- named lists


def test_a_named_list_stands_for_its_values(tmp_path: Path) -> None:
    """In conditions and in contexts, wanted or not; a name that begins with a dollar sign is only a name."""
    rules = (
        "- rule: r\n  stage: purchase\n"
        "  when: {event_name: {in_list: buying}, channel: {not_in_list: own}, page_path: $buying}\n"
        "  after: {revenue: {in_list: sizes}}\n"
    )
    lists = "lists: {buying: [order, $order], own: [direct], sizes: [1, 2.5], spare: [x]}\n"
    found = _read(tmp_path, rules, lists)
    (rule,) = found.rules
    assert rule.when.parts == (
        Comparison("event_name", "in", ["order", "$order"]),
        Comparison("channel", "not", ["direct"]),
        Comparison("page_path", "equals", "$buying"),
    )
    assert rule.earlier[0].when == Comparison("revenue", "in", [1, 2.5])
    assert found.unused_lists == ("spare",)


def test_an_unknown_list_is_named_with_the_closest(tmp_path: Path) -> None:
    """At its name."""
    rules = "- rule: r\n  stage: purchase\n  when: {channel: {in_list: piad}}\n"
    error = _refused(tmp_path, rules, "lists: {paid: [ads]}\n")
    assert told(error) == [("stages.yaml:5:31", "unknown list 'piad'")]
    assert advice(error).startswith("use 'paid' (closest known list)")


@pytest.mark.parametrize(
    ("lists", "place", "what"),
    [
        ("{paid: []}", "stages.yaml:1:9", "list 'paid' holds no values"),
        ("{paid: ads}", "stages.yaml:1:9", "list 'paid' holds no values"),
        ("{paid: [ads, 404]}", "stages.yaml:1:21", "channel is text, and YAML reads 404 as a number"),
        ("{paid: [ads, [x]]}", "stages.yaml:1:21", "channel is text, and YAML reads [x as a list"),
    ],
)
def test_a_list_must_fit_the_column_it_is_compared_with(
    tmp_path: Path, lists: str, place: str, what: str
) -> None:
    """At the value in the list."""
    rules = "- rule: r\n  stage: purchase\n  when: {channel: {in_list: paid}}\n"
    assert told(_refused(tmp_path, rules, f"lists: {lists}\n")) == [(place, what)]


def test_lists_are_names_with_lists(tmp_path: Path) -> None:
    """And nothing else."""
    assert told(_refused(tmp_path, _ORDER, "lists: [paid]\n")) == [
        ("stages.yaml:1:1", "'lists' is names with lists")
    ]


# ---- what must end in time


def test_conditions_may_be_nested_so_deep(tmp_path: Path) -> None:
    """50 pass, one more does not, and the end of all stacks is told too."""

    def nested(depth: int) -> str:
        inner = "{event_name: order}"
        for _ in range(depth - 1):
            inner = f"{{not: {inner}}}"
        return f"- rule: r\n  stage: purchase\n  when: {inner}\n"

    assert _read(tmp_path, nested(50)).rules[0].name == "r"
    assert "nested more than 50 deep" in str(_refused(tmp_path, nested(51)))
    assert "nested too deeply to be read" in str(_refused(tmp_path, nested(5_000)))


def test_a_regular_expression_of_two_megabytes_is_refused_at_once(tmp_path: Path) -> None:
    """Unread."""
    rules = f"- rule: r\n  stage: purchase\n  when: {{page_path: {{matches: {'a' * 2_000_000}}}}}\n"
    ((place, what),) = told(_refused(tmp_path, rules))
    assert (place, what) == ("stages.yaml:4:24", "the regular expression is 2,000,000 characters long")


def test_so_many_rules_may_have_a_context(tmp_path: Path) -> None:
    """1,000; each of them costs a look at histories."""
    rule = "- {{rule: r{}, stage: purchase, when: {{event_name: e{}}}, occurrence: {{gte: 2}}}}\n"
    rules = "".join(rule.format(number, number) for number in range(1_001))
    ((place, what),) = told(_refused(tmp_path, rules))
    assert place == "stages.yaml:1:1"
    assert what.startswith("1,001 stage rules have a context")
    assert len(_read(tmp_path, rules[: rules.index("- {rule: r1000")]).rules) == 1_000


@pytest.mark.slow
def test_ten_thousand_rules_are_read_compiled_and_checked_in_time(tmp_path: Path) -> None:
    """In seconds of this process, whatever else the machine does."""
    from journey_analytics.stages.check import check_rules
    from journey_analytics.stages.compile import compile_rules
    from tests.unit.stages.test_compile import _TIME

    rule = "- {{rule: r{}, stage: purchase, when: {{event_name: e{}, page_path: /x{}}}}}\n"
    for names in (10_000, 1):
        begun = process_time()
        found = _read(tmp_path, "".join(rule.format(n, n % names, n) for n in range(10_000)))
        assert len(found.rules) == 10_000
        assert compile_rules([found], _TIME).count("THEN") >= 10_000
        findings = check_rules(found)
        # 50 million pairs of rules of one event are not compared, and that is said
        assert [finding.kind for finding in findings] == ["not_all_compared"] * (names == 1)
        assert process_time() - begun < 120


def test_a_place_is_told_of_every_rule(tmp_path: Path) -> None:
    """The line of its name."""
    (rule,) = _read(tmp_path, _ORDER).rules
    assert rule.place is not None
    assert (rule.place.line, rule.place.column) == (2, 5)
    assert rule == StageRule("order", "purchase", Comparison("event_name", "equals", "order"))
