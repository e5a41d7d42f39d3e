"""What an explanation says: the comparison that failed with the value found, what a context looked for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from journey_analytics.lock import hold
from journey_analytics.marts import current
from journey_analytics.project import read_project
from journey_analytics.query import query
from journey_analytics.rehearsal import rehearse
from journey_analytics.stages.explanation import Explanation, explain_history
from tests.conftest import CHECKOUT, NOW, copy_project, journey, run_project
from tests.unit.files import write

Edit = Callable[[Path, str, str], None]

RULES = """\
rules:
  - rule: bot
    ignore: true
    when: {any: [{properties.agent: {contains: bot}}, {event_name: heartbeat}]}
  - rule: big_order
    stage: advocacy
    when: {event_name: order, revenue: {gte: 100}, not: {properties.plan: [free, trial]}}
  - rule: regular
    stage: loyalty
    when: {event_name: order}
    occurrence: {gte: 3, within: 10d}
  - rule: repeat_order
    stage: loyalty
    when: {event_name: order}
    after: {stage: purchase, within: 5d}
  - rule: first_cart
    stage: interest
    when: {event_name: cart}
    not_after: {event_name: cart}
  - rule: cart
    stage: consideration
    when: {event_name: cart, page_path: {matches: "^/cart"}}
  - rule: order
    stage: purchase
    when: {event_name: order, revenue: {gt: 0}}
"""
EVENTS = """\
id,ts,action,customer,amount,path,agent,plan
e1,2026-01-01 10:00:00,cart,ann,,/cart,,
e2,2026-01-01 10:05:00,cart,ann,,/basket,,
e3,2026-01-02 10:00:00,order,ann,120,,,trial
e4,2026-01-07 10:00:01,order,ann,20,,,
e5,2026-01-08 10:00:01,order,ann,20,,,
e6,2026-01-12 10:00:00,order,ann,0,,,
e7,2026-01-12 10:00:01,order,ann,0,,googlebot,
e8,2026-01-13 10:00:00,note,ann,,,,
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop whose events miss each rule by a little, after a run; not to be changed."""
    folder = copy_project(
        CHECKOUT / "tests" / "projects" / "tiny", tmp_path_factory.mktemp("explained") / "shop"
    )
    write(folder / "stages.yaml", RULES)
    write(folder / "input" / "web.csv", EVENTS)
    mapping = (folder / "sources" / "web.yaml").read_text(encoding="utf-8")
    mapping = mapping.replace("  channel: channel\n", "  page_path: path\n")
    mapping += "  properties.agent: agent\n  properties.plan: plan\n"
    write(folder / "sources" / "web.yaml", mapping)
    run_project(folder)
    return folder


@pytest.fixture
def own_shop(shop: Path, tmp_path: Path) -> Path:
    """A copy of the shop and of what its run made, to change at will."""
    return Path(shutil.copytree(shop, tmp_path / "shop"))


def explained(folder: Path, customer: str = "ann") -> dict[str, Explanation]:
    project = read_project(folder)
    with rehearse(project) as rehearsal:
        return {
            found.event_id: found
            for found in explain_history(rehearsal.engine, customer, project.stage_map, project.time)
        }


def reasons(explanation: Explanation) -> dict[str, list[tuple[str, str]]]:
    """The rules that failed for something else than the event's name, each with why."""
    return {
        outcome.rule: [(reason.condition, reason.found) for reason in outcome.reasons]
        for outcome in explanation.rules
        if outcome.reasons and not outcome.is_for_other_events
    }


BOT = (
    "(properties.agent contains 'bot' or event_name is 'heartbeat')",
    "properties.agent is missing, event_name is '{}'",
)


def not_bot(name: str) -> list[tuple[str, str]]:
    return [(BOT[0], BOT[1].format(name))]


def test_every_failed_rule_says_what_it_wanted_and_what_was_there(shop: Path) -> None:
    told = explained(shop)
    assert {event: (found.rule, found.outcome) for event, found in told.items()} == {
        "e1": ("first_cart", "mapped"),
        "e2": (None, "unmapped"),
        "e3": ("order", "mapped"),
        "e4": ("order", "mapped"),
        "e5": ("regular", "mapped"),
        "e6": ("regular", "mapped"),
        "e7": ("bot", "ignored"),
        "e8": (None, "unmapped"),
    }
    assert reasons(told["e2"]) == {
        "bot": not_bot("cart"),
        "first_cart": [("not after event_name is 'cart'", "the last was cart e1, 5 m before")],
        "cart": [("page_path matches '^/cart'", "page_path is '/basket'")],
    }
    assert reasons(told["e3"]) == {
        "bot": not_bot("order"),
        "big_order": [
            ("not (properties.plan is one of 'free', 'trial')", "properties.plan is 'trial'"),
        ],
        "regular": [("at least the 3rd of its kind within 10 d", "it is the 1st")],
        "repeat_order": [("after stage purchase within 5 d", "nothing of the kind came before")],
    }
    # a second more than five days after e3
    assert reasons(told["e4"])["repeat_order"] == [
        ("after stage purchase within 5 d", "the last was order e3, 5 d 1 s before")
    ]
    assert reasons(told["e4"])["big_order"] == [("revenue >= 100", "revenue is 20")]
    # ten days after e3 and no more: it counts e3 no longer, e4 and e5 it does
    assert [rule.rule for rule in told["e6"].rules] == ["bot", "big_order", "regular"]
    assert told["e7"].stage is None
    assert not reasons(told["e7"])
    assert set(reasons(told["e8"])) == {"bot"}


def test_an_occurrence_that_is_too_old_names_the_first_it_counts(own_shop: Path, edit: Edit) -> None:
    edit(own_shop / "stages.yaml", "within: 10d", "within: 6d")
    assert reasons(explained(own_shop)["e5"])["regular"] == [
        (
            "at least the 3rd of its kind within 6 d",
            "counted back, the first of them was order e3, 6 d 1 s before",
        )
    ]


def test_an_occurrence_exactly_as_long_ago_as_the_limit_counts(own_shop: Path, edit: Edit) -> None:
    edit(own_shop / "stages.yaml", "within: 10d", "within: 518401s")
    assert explained(own_shop)["e5"].rule == "regular"


def test_days_and_sessions_are_told(own_shop: Path, edit: Edit) -> None:
    edit(own_shop / "stages.yaml", "    occurrence: {gte: 3, within: 10d}", "    from: 2026-01-08")
    edit(own_shop / "stages.yaml", "within: 5d}", "same_session: true}")
    told = explained(own_shop)
    assert reasons(told["e4"])["regular"] == [("from 2026-01-08", "it happened on 2026-01-07")]
    assert reasons(told["e4"])["repeat_order"] == [
        (
            "after stage purchase in the same session",
            "the last was order e3, 5 d 1 s before, in an earlier session",
        )
    ]


def test_the_rules_told_are_those_of_the_marts(shop: Path) -> None:
    snapshot = current(shop / "marts")
    published = dict(query(snapshot, "select event_id, rule from mart_touchpoints").iter_rows())
    told = explained(shop)
    assert published == {event: found.rule for event, found in told.items() if found.outcome != "ignored"}


def test_an_event_is_found_by_its_id_and_a_customer_by_any_of_theirs(shop: Path) -> None:
    (event,) = json.loads(journey("rules", "explain", "e7", "-p", str(shop), "--json").stdout)
    assert (event["outcome"], event["rule"], event["rules"][0]["is_taken"]) == ("ignored", "bot", True)
    told = journey("rules", "explain", "--customer", "ann", "-p", str(shop)).stdout
    assert "ignored by rule bot, so it is in no journey" in told
    assert "2026-01-01 11:05:00+01:00  cart e2  unmapped: no rule takes it" in told
    assert "not first_cart: not after event_name is 'cart' (the last was cart e1, 5 m before)" in told
    assert "4 earlier rules are for other events" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["e77"], ["there is no event 'e77'", "8 events up to 2026-01-13", "the closest id is 'e7'"]),
        (["--customer", "anne"], ["there is no customer 'anne'", "the closest id is 'ann'"]),
        ([], ["takes the id of an event or a --customer"]),
        (["e1", "--customer", "ann"], ["not both"]),
    ],
)
def test_an_id_that_is_not_there_is_told_with_the_closest(
    shop: Path, words: list[str], told: list[str]
) -> None:
    result = journey("rules", "explain", *words, "-p", str(shop))
    assert result.returncode == 2, result.stderr
    for word in told:
        assert word in result.stderr


def test_an_event_after_the_as_of_day_is_told(own_shop: Path) -> None:
    assert journey("run", "-p", str(own_shop), "--date", "2026-01-07").returncode == 0
    result = journey("rules", "explain", "e8", "-p", str(own_shop))
    assert result.returncode == 2
    assert "happened on 2026-01-13, after the last run's as-of day" in result.stderr


def test_an_anonymous_id_of_one_customer_is_enough_and_of_several_is_not(tiny: Path) -> None:
    write(
        tiny / "input" / "web.csv",
        """\
        id,ts,action,customer,amount,channel
        e1,2026-01-01 10:00:00,visit,ann,,phone
        e2,2026-01-01 10:05:00,visit,bob,,tablet
        e3,2026-01-01 10:06:00,visit,ann,,tablet
        """,
    )
    mapping = (tiny / "sources" / "web.yaml").read_text(encoding="utf-8")
    write(tiny / "sources" / "web.yaml", mapping.replace("  channel: channel", "  anonymous_ref: channel"))
    run_project(tiny)
    told = json.loads(journey("rules", "explain", "--customer", "phone", "-p", str(tiny), "--json").stdout)
    assert [event["event_id"] for event in told] == ["e1", "e3"]
    result = journey("rules", "explain", "--customer", "tablet", "-p", str(tiny))
    assert result.returncode == 2
    assert "was used by 2 customers" in result.stderr
    assert "'ann', 'bob'" in result.stderr


def test_nothing_published_and_an_emptied_store_are_told(tiny: Path) -> None:
    result = journey("rules", "explain", "e1", "-p", str(tiny))
    assert (result.returncode, "no marts have been published" in result.stderr) == (2, True)
    run_project(tiny)
    for entry in (tiny / "store" / "ledger").iterdir():
        entry.unlink()
    result = journey("rules", "explain", "e1", "-p", str(tiny))
    assert (result.returncode, "the store holds no events" in result.stderr) == (3, True)


def test_a_rehearsal_needs_no_lock_and_writes_nothing(own_shop: Path, edit: Edit) -> None:
    project = read_project(own_shop)
    edit(own_shop / "stages.yaml", "stage: advocacy", "stage: usage")
    with hold(project.lock_file, NOW):
        before = {path: path.stat().st_mtime_ns for path in own_shop.rglob("*")}
        result = journey("rules", "coverage", "-p", str(own_shop), "--json")
        assert {path: path.stat().st_mtime_ns for path in own_shop.rglob("*")} == before
    assert result.returncode == 0, result.stderr
    (coverage,) = json.loads(result.stdout)
    assert "usage" in {rule["stage"] for rule in coverage["rules"]}
