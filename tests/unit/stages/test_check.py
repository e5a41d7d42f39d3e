"""Rules that can be read and take nothing: what is proved, what is not claimed, and what events show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import pytest

from journey_analytics.marts import current
from journey_analytics.project import read_project
from journey_analytics.stages.check import Finding, check_rules
from journey_analytics.stages.check_data import check_event_names, check_on_touchpoints
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.stages.stage_models import Stage, StageModel
from journey_analytics.stages.stages_file import read_stages
from tests.conftest import run_project

_MODEL = StageModel(
    name="tiny", stages=tuple(Stage(stage=name) for name in ("awareness", "purchase", "loyalty"))
)


def _read(tmp_path: Path, *rules: str) -> StageMap:
    """Rules `r1`, `r2` and so on; each text is the rest of a rule."""
    lines = [f"- {{rule: r{number}, stage: purchase, {text}}}" for number, text in enumerate(rules, 1)]
    path = tmp_path / "stages.yaml"
    path.write_text("rules:\n" + indent("\n".join(lines), "  "), encoding="utf-8")
    return read_stages(path, _MODEL)


def _found(tmp_path: Path, *rules: str) -> list[tuple[str, str | None]]:
    return [(finding.kind, finding.rule) for finding in check_rules(_read(tmp_path, *rules))]


@pytest.mark.parametrize(
    "when",
    [
        "{revenue: {gt: 10, lt: 5}}",
        "{revenue: {gt: 5, lt: 5}}",
        "{revenue: {gte: 5, lt: 5}}",
        "{revenue: {gte: 5, lte: 5, not: 5}}",
        "{revenue: {equals: 5, gt: 5}}",
        "{event_name: {in: [a, b], not: [b, a]}}",
        "{all: [{event_name: [a, b]}, {event_name: [c]}]}",
        "{event_name: {equals: view, starts_with: order}}",
        "{event_name: {starts_with: a, contains: b, exists: false}}",
        "{page_path: {starts_with: /a}, any: [{page_path: /b}, {page_path: {starts_with: /c}}]}",
        "{page_path: {matches: ^/a}, not: {page_path: {starts_with: /}}}",
        "{page_path: /a, all: [{page_path: {matches: ^/b}}]}",
        "{channel: ads, not: {channel: {not: [email]}}}",
        "{properties.n: {gt: 5}, all: [{properties.n: many}]}",
        "{properties.n: ['3', '4'], all: [{properties.n: {gte: 5}}]}",
        "{not: {any: [{event_name: a}, {event_name: {not: a}}]}}",
    ],
)
def test_conditions_that_exclude_each_other_are_found(tmp_path: Path, when: str) -> None:
    """Nothing can meet them."""
    assert _found(tmp_path, f"when: {when}") == [("never_matches", "r1")]


@pytest.mark.parametrize(
    "when",
    [
        "{revenue: {gte: 5, lte: 5}}",
        "{revenue: {not: 5}, all: [{revenue: {lte: 5}}]}",
        "{not: {revenue: {gt: 10}}, all: [{not: {revenue: {lte: 10}}}]}",  # a touchpoint without revenue
        "{event_name: {starts_with: a, contains: b}}",
        "{page_path: {starts_with: /a}, all: [{page_path: {starts_with: /ab}}]}",
        "{page_path: {matches: 'a$'}, not: {page_path: {matches: '^a'}}}",
        "{properties.n: {gt: 5}, all: [{properties.n: ['3', '7.5']}]}",
        "{properties.n: {exists: true}, not: {properties.n: {lt: 5}}}",
        "{properties.n: {exists: true}, not: {any: [{properties.n: {lt: 5}}, {properties.n: {gte: 5}}]}}",
    ],
)
def test_nothing_is_said_of_conditions_that_something_meets(tmp_path: Path, when: str) -> None:
    """A missing value meets no test, and so every denied one."""
    assert _found(tmp_path, f"when: {when}") == []


@pytest.mark.parametrize(
    "context",
    [
        "after: {event_name: a, within: 3d}, not_after: {event_name: [a, b], within: 3d}",
        "after: {event_name: a, same_session: true}, not_after: {event_name: a}",
        "after: {stage: purchase}, not_after: {stage: purchase}",
        "occurrence: {gte: 2, within: 3d}, not_after: {event_name: order}",
    ],
)
def test_a_context_that_forbids_what_it_wants_is_found(tmp_path: Path, context: str) -> None:
    """Whatever comes in."""
    rules = (f"when: {{event_name: order}}, {context}", "when: {event_name: view}")
    assert _found(tmp_path, *rules) == [("never_matches", "r1")]


@pytest.mark.parametrize(
    "context",
    [
        "after: {event_name: [a, b], within: 3d}, not_after: {event_name: a, within: 3d}",
        "after: {event_name: a, within: 3d}, not_after: {event_name: a, within: 2d}",
        "after: {event_name: a}, not_after: {event_name: a, same_session: true}",
        "occurrence: {gte: 2}, not_after: {event_name: order, within: 3d}",
    ],
)
def test_a_context_that_leaves_room_is_not(tmp_path: Path, context: str) -> None:
    """Something may lie farther back, or be of the other kind."""
    assert _found(tmp_path, f"when: {{event_name: order}}, {context}") == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("when: {event_name: order}", "when: {event_name: order, revenue: {gt: 0}}"),
        ("when: {event_name: [a, b]}", "when: {event_name: b}"),
        ("when: {revenue: {gt: 5}}", "when: {revenue: {gte: 6}}"),
        ("when: {page_path: {starts_with: /a}}", "when: {page_path: {matches: ^/ab}}"),
        ("when: {page_path: {contains: pri}}", "when: {page_path: {starts_with: /pricing}}"),
        ("when: {page_path: {matches: '^/(a|b)$'}}", "when: {page_path: [/a, /b]}"),
        ("when: {any: [{channel: ads}, {device: bot}]}", "when: {device: bot}"),
        ("when: {not: {channel: ads}}", "when: {channel: [email, direct]}"),
        ("when: {channel: {not: ads}}", "when: {channel: {exists: false}}"),
        ("when: {event_name: a}", "when: {event_name: a}, after: {event_name: b}"),
        (
            "when: {event_name: a}, after: {event_name: [b, c]}",
            "when: {event_name: a}, after: {event_name: b}",
        ),
        (
            "when: {event_name: a}, after: {event_name: b, within: 3d}",
            "when: {event_name: a}, after: {event_name: b, within: 2d, same_session: true}",
        ),
        (
            "when: {event_name: a}, not_after: {event_name: b, within: 2d}",
            "when: {event_name: a}, not_after: {event_name: [b, c]}",
        ),
        ("when: {event_name: a}, occurrence: {gte: 2}", "when: {event_name: a}, occurrence: {gte: 3}"),
        (
            "when: {event_name: a}, after: {event_name: a, within: 9d}",
            "when: {event_name: a}, occurrence: {gte: 2, within: 8d}",
        ),
        (
            "when: {event_name: a}, from: 2026-01-01",
            "when: {event_name: a}, from: 2026-02-01, until: 2026-03-01",
        ),
    ],
)
def test_a_rule_behind_one_that_takes_all_of_it_is_found(tmp_path: Path, first: str, second: str) -> None:
    """And not the other way round."""
    assert _found(tmp_path, first, second) == [("shadowed", "r2")]
    assert _found(tmp_path, second, first) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("when: {event_name: a}, after: {event_name: b}", "when: {event_name: a}"),
        (
            "when: {event_name: a}, occurrence: {gte: 2, within: 2d}",
            "when: {event_name: a}, occurrence: {gte: 2, within: 3d}",
        ),
        ("when: {event_name: a}, until: 2026-01-01", "when: {event_name: a}"),
        (
            "when: {event_name: a, revenue: {gt: 1}}, occurrence: {gte: 2}",
            "when: {event_name: a}, occurrence: {gte: 2}",
        ),
        ("when: {event_name: [a, b], channel: ads}", "when: {event_name: [a, b]}"),
        (
            "when: {event_name: a}, after: {event_name: b, same_session: true}",
            "when: {event_name: a}, after: {event_name: b, within: 1m}",
        ),
    ],
)
def test_a_rule_with_something_left_to_it_is_not(tmp_path: Path, first: str, second: str) -> None:
    """Nothing is claimed that is not proved."""
    assert _found(tmp_path, first, second) == []


def test_several_rules_can_take_all_of_one_together(tmp_path: Path) -> None:
    """Event name by event name; the finding names them with their lines."""
    rules = _read(
        tmp_path, "when: {event_name: a}", "when: {event_name: [b, c]}", "when: {event_name: [a, b]}"
    )
    (finding,) = check_rules(rules)
    assert (
        finding.what == "stage rule 'r3' takes nothing: 'r1' (line 2) and 'r2' (line 3) take all of it first"
    )
    assert finding.where.endswith("stages.yaml:4:6")
    assert finding.level == "warning"
    left = ("when: {event_name: a}", "when: {event_name: [b, c]}", "when: {event_name: [a, b, d]}")
    assert _found(tmp_path, *left) == []


def test_a_rule_that_matches_nothing_shadows_nothing_and_is_told_once(tmp_path: Path) -> None:
    """An impossible condition implies everything."""
    impossible = "when: {event_name: a, revenue: {gt: 10, lt: 5}}"
    assert _found(tmp_path, impossible, "when: {event_name: a}") == [("never_matches", "r1")]
    assert _found(tmp_path, "when: {event_name: a}", impossible) == [("never_matches", "r2")]


@pytest.mark.parametrize(
    ("pattern", "is_slow"),
    [
        ("(a+)+$", True),
        ("(a*b)*", True),
        ("((a+)b)+", True),
        ("(a+)", False),
        ("(a)+", False),
        ("([a+])+", False),
        ("[(]+[)]+", False),
        ("(ab)+c*", False),
    ],
)
def test_a_repeat_of_a_repeat_is_noted(tmp_path: Path, pattern: str, is_slow: bool) -> None:
    """No fault on the engine that runs here."""
    found = _found(tmp_path, f"when: {{page_path: {{matches: '{pattern}'}}}}")
    assert found == ([("slow_regex", "r1")] if is_slow else [])


def test_many_choices_are_given_up_and_not_waited_for(tmp_path: Path) -> None:
    """There are 2^40 ways to meet this; nothing is claimed of it."""
    choice = "{any: [{revenue: {gt: %d}}, {score: {lt: %d}}]}"
    choices = ", ".join(choice % (number, number) for number in range(40))
    assert (
        _found(tmp_path, f"when: {{not: {{revenue: 0.5}}, all: [{choices}]}}", "when: {score: {lt: -9}}")
        == []
    )


def test_an_unused_list_is_noted(tmp_path: Path) -> None:
    """It may be a slip."""
    path = tmp_path / "stages.yaml"
    path.write_text(
        "lists: {paid: [ads]}\nrules:\n  - {rule: r, stage: purchase, when: {channel: ads}}\n",
        encoding="utf-8",
    )
    (finding,) = check_rules(read_stages(path, _MODEL))
    assert (finding.level, finding.kind) == ("note", "unused_list")


# ---- with events


def test_names_of_events_that_never_came_are_told_with_the_closest(tmp_path: Path) -> None:
    """A warning when no rule asks for the close one; in a context too."""
    rules = _read(
        tmp_path,
        "when: {event_name: [ordr, view]}",
        "when: {event_name: vew}, after: {event_name: [cart, zebra]}",
    )
    found = check_event_names(rules, {"order", "view", "cart"})
    assert [(finding.level, finding.rule, finding.do) for finding in found] == [
        ("warning", "r1", "use 'order' (closest known name)"),
        ("note", "r2", "use 'view' (closest known name)"),
        ("note", "r2", "wait for it, or remove it"),
    ]


def _on_touchpoints(folder: Path) -> list[Finding]:
    project = read_project(folder)
    return check_on_touchpoints(project.stage_map, project.time, current(project.marts_folder))


def test_rules_that_stay_silent_on_the_data_are_told_why(
    tiny: Path, edit: Callable[[Path, str, str], None]
) -> None:
    """Outrun by others, with a context that never held, or with conditions that nothing meets."""
    run_project(tiny)
    assert _on_touchpoints(tiny) == []
    edit(
        tiny / "stages.yaml",
        "tests:\n",
        "  - {rule: outrun, stage: usage, when: {event_name: cart}, not_after: {event_name: refund}}\n"
        "  - {rule: no_history, stage: usage, when: {event_name: order}, after: {event_name: refund}}\n"
        "  - {rule: no_event, stage: usage, when: {event_name: refund}}\n"
        "  - {rule: silent, ignore: true, when: {event_name: beat}}\n"
        "  - {rule: unseen, stage: usage, when: {customer_ref: x}}\n"
        "tests:\n",
    )
    found = {finding.rule: (finding.level, finding.kind, finding.what) for finding in _on_touchpoints(tiny)}
    assert set(found) == {"outrun", "no_history", "no_event"}
    assert found["outrun"][:2] == ("warning", "shadowed_on_data")
    assert "'cart' took all" in found["outrun"][2]
    assert found["no_event"][:2] == ("note", "never_fires")
    assert "no touchpoint meets its conditions" in found["no_event"][2]
