"""Rule tests: what is read, every complaint with its place, and verdicts by the compiled rules."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from textwrap import dedent, indent
from zoneinfo import ZoneInfo

import pytest

from journey_analytics.errors import StageRuleError
from journey_analytics.stages.compile import ProjectTime
from journey_analytics.stages.rule_test_run import rules_without_test, run_rule_tests
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.stages.stage_models import Stage, StageModel
from journey_analytics.stages.stages_file import read_stages
from tests.unit.files import advice, told

_MODEL = StageModel(
    name="tiny", stages=tuple(Stage(stage=name) for name in ("awareness", "purchase", "loyalty"))
)
_TIME = ProjectTime(ZoneInfo("Europe/Berlin"), timedelta(minutes=30))
_RULES = """\
rules:
  - {rule: noise, ignore: true, when: {event_name: beat}}
  - {rule: again, stage: loyalty, when: {event_name: order}, after: {stage: purchase, within: 30d}}
  - {rule: order, stage: purchase, when: {event_name: order, revenue: {gt: 0}}}
  - {rule: vip, stage: loyalty, when: {properties.plan: pro, properties.vip: true}}
  - {rule: spring, stage: awareness, when: {event_name: view}, from: 2026-03-01, until: 2026-04-01}
tests:
"""
_FIRST = _RULES.count("\n") + 1


def _read(tmp_path: Path, tests: str) -> StageMap:
    path = tmp_path / "stages.yaml"
    path.write_text(_RULES + indent(dedent(tests), "  "), encoding="utf-8")
    return read_stages(path, _MODEL)


def _refused(tmp_path: Path, tests: str) -> StageRuleError:
    with pytest.raises(StageRuleError) as caught:
        _read(tmp_path, tests)
    return caught.value


def _passed(tmp_path: Path, tests: str) -> list[bool]:
    return [verdict.passed for verdict in run_rule_tests(_read(tmp_path, tests), _TIME)]


def test_a_test_passes_when_the_compiled_rules_do_what_it_expects(tmp_path: Path) -> None:
    """Stage, rule, both, to be ignored, no rule at all."""
    tests = """\
    - {event: {event_name: order, revenue: 5}, stage: purchase}
    - {event: {event_name: order, revenue: 5}, rule: order}
    - {event: {event_name: order, revenue: 5}, stage: purchase, rule: order}
    - {event: {event_name: beat}, ignore: true}
    - {event: {event_name: beat}, ignore: true, rule: noise}
    - {event: {event_name: order}, unmapped: true}
    - {event: {event_name: x, properties.plan: pro, properties.vip: true}, rule: vip}
    """
    assert _passed(tmp_path, tests) == [True] * 7


def test_a_test_fails_when_they_do_not(tmp_path: Path) -> None:
    """And says what it got."""
    tests = """\
    - {event: {event_name: order, revenue: 5}, stage: loyalty}
    - {event: {event_name: order, revenue: 5}, rule: again}
    - {event: {event_name: order, revenue: 5}, ignore: true}
    - {event: {event_name: order, revenue: 5}, unmapped: true}
    - {event: {event_name: order}, stage: purchase}
    - {event: {event_name: beat}, stage: purchase}
    """
    found = _read(tmp_path, tests)
    words = [verdict.in_words for verdict in run_rule_tests(found, _TIME)]
    assert [(word["passed"], word["expected"], word["got"]) for word in words] == [
        (False, "loyalty", "purchase, rule order"),
        (False, "rule again", "purchase, rule order"),
        (False, "ignored", "purchase, rule order"),
        (False, "unmapped", "purchase, rule order"),
        (False, "purchase", "unmapped"),
        (False, "purchase", "ignored, rule noise"),
    ]
    assert str(words[0]["where"]).endswith(f"stages.yaml:{_FIRST}:5")


def test_a_history_is_one_customers(tmp_path: Path) -> None:
    """Each test has a customer of its own; `within` includes its limit."""
    tests = """\
    - history:
        - {event_name: order, revenue: 5}
      event: {event_name: order, revenue: 5, after: 30d}
      rule: again
    - history:
        - {event_name: order, revenue: 5}
        - {event_name: view, after: 1s}
      event: {event_name: order, revenue: 5, after: 30d}
      rule: order
    - {event: {event_name: order, revenue: 5}, rule: order}
    """
    assert _passed(tmp_path, tests) == [True] * 3


def test_times_are_local_and_said_in_several_ways(tmp_path: Path) -> None:
    """A time alone is on the day of the event before; without one a minute passes."""
    found = _read(
        tmp_path,
        """\
        - history:
            - {event_name: a}
            - {event_name: b, at: 10:00}
            - {event_name: c}
            - {event_name: d, at: 2026-03-29 01:30}
            - {event_name: e, at: 2026-03-30}
          event: {event_name: f, after: 2h}
          unmapped: true
        """,
    )
    assert [(str(event.at), event.since) for event in found.tests[0].events] == [
        ("2026-01-01 00:00:00", timedelta()),
        ("2026-01-01 10:00:00", timedelta()),
        ("2026-01-01 10:00:00", timedelta(minutes=1)),
        ("2026-03-29 01:30:00", timedelta()),
        ("2026-03-30 00:00:00", timedelta()),
        ("2026-03-30 00:00:00", timedelta(hours=2)),
    ]


def test_days_begin_at_the_projects_midnight(tmp_path: Path) -> None:
    """The first day is included, the last is not; summer time begins in between."""
    tests = "".join(
        f"- {{event: {{event_name: view, at: {at}}}, {expected}}}\n"
        for at, expected in (
            ("2026-02-28 23:59:59", "unmapped: true"),
            ("2026-03-01 00:00:00", "rule: spring"),
            ("2026-03-31 23:59:59", "rule: spring"),
            ("2026-04-01 00:00:00", "unmapped: true"),
        )
    )
    assert _passed(tmp_path, tests) == [True] * 4


def test_rules_that_no_passing_test_falls_to_are_named(tmp_path: Path) -> None:
    """A failing test tests nothing."""
    found = _read(
        tmp_path,
        """\
        - {event: {event_name: order, revenue: 5}, rule: order}
        - {event: {event_name: beat}, stage: purchase}
        """,
    )
    missing = rules_without_test(found, run_rule_tests(found, _TIME))
    assert [rule.name for rule in missing] == ["noise", "again", "vip", "spring"]


def test_no_tests_are_no_fault(tmp_path: Path) -> None:
    """An empty key and none at all."""
    found = _read(tmp_path, "")
    assert found.tests == ()
    assert run_rule_tests(found, _TIME) == []


@pytest.mark.parametrize(
    ("test", "column", "what"),
    [
        ("{event: {event_name: a}, stage: purchse}", 37, "unknown stage 'purchse' in stage model 'tiny'"),
        ("{event: {event_name: a}, rule: oder}", 36, "the test names no rule: there is no 'oder'"),
        (
            "{event: {event_name: a}, rule: order, stage: loyalty}",
            36,
            "stage rule 'order' gives 'purchase', not 'loyalty'",
        ),
        (
            "{event: {event_name: a}, rule: noise, stage: loyalty}",
            36,
            "stage rule 'noise' ignores, not 'loyalty'",
        ),
        ("{event: {event_name: a}}", 5, "a test expects one outcome"),
        ("{event: {event_name: a}, stage: purchase, ignore: true}", 5, "a test expects one outcome"),
        ("{event: {event_name: a}, rule: order, unmapped: true}", 5, "a test expects one outcome"),
        ("{event: {event_name: a}, ignore: no}", 38, "ignore is true, or is left out"),
        ("{stage: purchase}", 5, "a test needs an event"),
        ("{event: {revenue: 5}, stage: purchase}", 6, "an event needs an event_name"),
        ("{event: order, stage: purchase}", 6, "an event needs an event_name"),
        ("{event: {event_name: a, chanel: b}, stage: purchase}", 29, "unknown column 'chanel'"),
        ("{event: {event_name: a, event_id: b}, stage: purchase}", 29, "unknown column 'event_id'"),
        ("{event: {event_name: a, revenue: b}, stage: purchase}", 38, "revenue is a number, not 'b'"),
        (
            "{event: {event_name: a, revenue: 1e15}, stage: purchase}",
            38,
            "1e15 is more than a column can hold",
        ),
        ("{event: {event_name: a, channel: 5}, stage: purchase}", 38, "channel is text, and 5 is not"),
        ("{event: {event_name: a, properties.x: [1]}, stage: purchase}", 43, "[1 is no value of a property"),
        ("{event: {event_name: a, at: 25:00}, stage: purchase}", 33, "25:00 is not a time"),
        ("{event: {event_name: a, at: noon}, stage: purchase}", 33, "noon is not a time"),
        (
            "{event: {event_name: a, at: 10:00, after: 3d}, stage: purchase}",
            29,
            "'at' and 'after' exclude each other",
        ),
        ("{evnt: {event_name: a}, event: {event_name: a}, stage: purchase}", 6, "unknown key 'evnt'"),
        (
            "{history: {event_name: a}, event: {event_name: a}, stage: purchase}",
            6,
            "'history' is a list of events",
        ),
        ("order", 5, "a test is a list of keys"),
    ],
)
def test_a_test_that_cannot_be_used_is_told_with_its_place(
    tmp_path: Path, test: str, column: int, what: str
) -> None:
    """Line, column and what is wrong."""
    assert told(_refused(tmp_path, f"- {test}\n")) == [(f"stages.yaml:{_FIRST}:{column}", what)]


def test_a_duration_of_a_test_carries_a_unit(tmp_path: Path) -> None:
    """As everywhere."""
    ((place, what),) = told(_refused(tmp_path, "- {event: {event_name: a, after: 3}, stage: purchase}\n"))
    assert place == f"stages.yaml:{_FIRST}:36"
    assert what.startswith("3 is not a duration")


def test_events_stand_in_the_order_of_time(tmp_path: Path) -> None:
    """A time before the event before is a slip."""
    tests = """\
    - history:
        - {event_name: a, at: 10:00}
      event: {event_name: b, at: 09:00}
      unmapped: true
    """
    ((place, what),) = told(_refused(tmp_path, tests))
    assert (place, what) == (
        f"stages.yaml:{_FIRST + 2}:32",
        "2026-01-01 09:00:00 is before the event that stands before it",
    )


def test_tests_are_a_list(tmp_path: Path) -> None:
    """Whatever else is there."""
    assert told(_refused(tmp_path, "event: {event_name: a}\n")) == [
        (f"stages.yaml:{_FIRST - 1}:1", "'tests' is a list of tests")
    ]


def test_faults_of_rules_and_tests_come_together(tmp_path: Path) -> None:
    """A test is not blamed for the fault of the rule it names."""
    path = tmp_path / "stages.yaml"
    tests = "  - {event: {event_name: a}, rule: order}\n  - {event: {event_name: a}, stage: purchse}\n"
    path.write_text(_RULES.replace("revenue: {gt", "revenu: {gt") + tests, encoding="utf-8")
    with pytest.raises(StageRuleError) as caught:
        read_stages(path, _MODEL)
    assert [what for _, what in told(caught.value)] == [
        "unknown column 'revenu'",
        "unknown stage 'purchse' in stage model 'tiny'",
    ]


def test_the_closest_rule_is_named(tmp_path: Path) -> None:
    """With all the others."""
    error = _refused(tmp_path, "- {event: {event_name: a}, rule: oder}\n")
    assert advice(error) == "use 'order' (closest known rule); known: noise, again, order, vip, spring"
