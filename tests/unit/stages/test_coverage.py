"""Coverage of the rules over the data: shares, unmapped names, silent rules and why, overlaps."""

from __future__ import annotations

import json
from pathlib import Path

from journey_analytics.project import read_project
from journey_analytics.rehearsal import rehearse
from journey_analytics.stages.coverage import Coverage, Overlap, SilentRule, measure_coverage
from tests.conftest import journey, run_project
from tests.unit.files import write

EVENTS = """\
id,ts,action,customer,amount,channel
e1,2026-01-01 10:00:00,visit,ann,,ads
e2,2026-01-02 10:00:00,cart,ann,,ads
e3,2026-01-03 10:00:00,order,ann,20,ads
e4,2026-01-04 10:00:00,order,ann,20,ads
e5,2026-01-05 10:00:00,refund,ann,,ads
e6,2026-01-06 10:00:00,refund,bob,,ads
e7,2026-01-06 11:00:00,tick,bob,,ads
e8,2026-01-06 12:00:00,order,bob,0,ads
"""
RULES = """\
rules:
  - rule: tick
    ignore: true
    when: {event_name: tick}
  - rule: visit
    stage: awareness
    when: {event_name: [visit, cart]}
  - rule: cart
    stage: consideration
    when: {event_name: cart}
  - rule: renewal
    stage: loyalty
    when: {event_name: renewal}
  - rule: repeat_order
    stage: loyalty
    when: {event_name: order}
    after: {stage: purchase}
  - rule: paid_order
    stage: purchase
    when: {event_name: order, revenue: {gt: 0}}
  - rule: big_order
    stage: purchase
    when: {event_name: order, revenue: {gte: 20}}
"""


def covered(folder: Path, rules: str = RULES, events: str = EVENTS) -> list[Coverage]:
    write(folder / "stages.yaml", rules)
    write(folder / "input" / "web.csv", events)
    run_project(folder)
    project = read_project(folder)
    with rehearse(project) as rehearsal:
        return measure_coverage(rehearsal, project)


def test_shares_names_silent_rules_and_overlaps(tiny: Path) -> None:
    (found,) = covered(tiny)
    assert (found.events, found.mapped, found.ignored, found.unmapped) == (8, 4, 1, 3)
    assert found.share == 5 / 8
    assert [(row.name, row.events, row.customers) for row in found.unmapped_names] == [
        ("refund", 2, 2),
        ("order", 1, 1),  # the one that cost nothing
    ]
    assert [(rule.name, rule.events) for rule in found.rules] == [
        ("tick", 1), ("visit", 2), ("cart", 0), ("renewal", 0), ("repeat_order", 1), ("paid_order", 1),
        ("big_order", 0),
    ]  # fmt: skip
    assert found.silent_rules == (
        SilentRule("cart", "consideration", {"visit": 1}),
        SilentRule("renewal", "loyalty", {}),
        SilentRule("big_order", "purchase", {"paid_order": 1, "repeat_order": 1}),
    )
    assert found.events_of_several_rules == 3
    assert found.overlaps == (
        Overlap("paid_order", "purchase", "big_order", "purchase", 2),
        Overlap("visit", "awareness", "cart", "consideration", 1),
        Overlap("repeat_order", "loyalty", "paid_order", "purchase", 1),
        Overlap("repeat_order", "loyalty", "big_order", "purchase", 1),
    )


def test_a_second_model_is_covered_by_its_own_rules(tiny: Path) -> None:
    settings_file = tiny / "journey.yaml"
    settings_file.write_text(
        settings_file.read_text(encoding="utf-8") + "further_stages: [two.yaml]\n", encoding="utf-8"
    )
    write(
        tiny / "two.yaml",
        """\
        stage_model: {name: two, stages: [{stage: early}, {stage: late}]}
        rules:
          - {rule: any_order, stage: late, when: {event_name: order}}
        """,
    )
    own, further = covered(tiny)
    assert (own.stage_model, own.unmapped) == ("seven_stage", 3)
    assert (further.stage_model, further.mapped, further.unmapped) == ("two", 3, 5)
    assert [row.name for row in further.unmapped_names] == ["refund", "cart", "tick", "visit"]
    assert further.overlaps == ()


def test_min_decides_the_exit_code_and_markup_in_names_is_shown_as_it_is(tiny: Path) -> None:
    covered(tiny, events=EVENTS.replace("refund", "[red]refund"))
    enough = journey("rules", "coverage", "-p", str(tiny), "--min", "0.625")
    assert enough.returncode == 0, enough.stderr
    assert "of 8 events up to 2026-01-06 50.0 % mapped, 12.5 % ignored, 37.5 % unmapped" in enough.stdout
    assert "[red]refund" in enough.stdout
    assert "earlier rules take all that fits: paid_order (1), repeat_order (1)" in enough.stdout
    below = journey("rules", "coverage", "-p", str(tiny), "--min", "0.63", "--json")
    assert below.returncode == 1
    assert "5 of 8 events are mapped or ignored, 0.6250 of them, less than 0.63" in below.stderr
    (told,) = json.loads(below.stdout)
    assert told["share"] == 0.625
    assert told["silent_rules"][0] == {"name": "cart", "stage": "consideration", "taken_before": {"visit": 1}}
    refused = journey("rules", "coverage", "-p", str(tiny), "--min", "99")
    assert (refused.returncode, "a share from 0 to 1" in refused.stderr) == (2, True)
