"""The shipped stage models and their starter rules: complete, tested, taken when a project has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from journey_analytics.errors import ConfigError, StageRuleError
from journey_analytics.project import read_project
from journey_analytics.query import query
from journey_analytics.stages import stages_file
from journey_analytics.stages.check import check_rules
from journey_analytics.stages.compile import ProjectTime
from journey_analytics.stages.conditions import Comparison, Condition
from journey_analytics.stages.rule_test_run import rules_without_test, run_rule_tests
from journey_analytics.stages.stage_models import shipped, shipped_names
from journey_analytics.stages.stages_file import read_stages, starter_names, starter_rules
from journey_analytics.yaml_file import YamlFile, plain
from tests.conftest import run_project
from tests.unit.files import told, write

_TIME = ProjectTime(ZoneInfo("Europe/Berlin"), timedelta(minutes=30))
_EVENT_NAMES = Path(stages_file.__file__).parent / "starter_rules" / "event_names.yaml"

# https://support.google.com/analytics/answer/9267735, the events that say something of a customer's way
_GA4 = """
    add_payment_info add_shipping_info add_to_cart add_to_wishlist begin_checkout generate_lead
    login purchase refund remove_from_cart search select_content select_item select_promotion share
    sign_up tutorial_begin tutorial_complete view_cart view_item view_item_list view_promotion
    join_group level_end level_start level_up post_score earn_virtual_currency
    spend_virtual_currency unlock_achievement qualify_lead working_lead close_convert_lead
    first_visit first_open session_start page_view screen_view user_engagement scroll click
    file_download video_start video_progress video_complete view_search_results form_start
    form_submit
"""
# https://segment.com/docs/connections/spec/ecommerce/v2/
_SEGMENT = """Products Searched,Product List Viewed,Product List Filtered,Promotion Viewed,Promotion Clicked,
    Product Clicked,Product Viewed,Product Added,Product Removed,Cart Viewed,Checkout Started,
    Checkout Step Viewed,Checkout Step Completed,Payment Info Entered,Order Updated,Order Completed,
    Order Refunded,Order Cancelled,Coupon Entered,Coupon Applied,Coupon Denied,Coupon Removed,
    Product Added to Wishlist,Product Removed from Wishlist,Wishlist Product Added to Cart,Product Shared,
    Cart Shared,Product Reviewed,page,screen,identify"""


def _names(condition: Condition) -> set[str]:
    if not isinstance(condition, Comparison):
        return set().union(*map(_names, condition.parts))
    if condition.column != "event_name" or condition.operator not in ("equals", "in"):
        return set()
    return set(condition.value if isinstance(condition.value, list) else [condition.value])


def test_the_shipped_models_are_the_four() -> None:
    """With their stages in order."""
    assert {name: shipped(name).names for name in shipped_names()} == {
        "aida_ra": ["awareness", "interest", "desire", "action", "retention", "advocacy"],
        "cx_lifecycle": ["awareness", "trial", "purchase", "retention", "advocacy"],
        "five_stage": ["awareness", "consideration", "decision", "purchase", "post_purchase"],
        "seven_stage": [
            "awareness", "interest", "consideration", "purchase", "usage", "loyalty", "advocacy",
        ],
    }  # fmt: skip
    assert starter_names() == shipped_names()
    assert all(stage.touchpoints for name in shipped_names() for stage in shipped(name).stages)


@pytest.mark.parametrize("name", starter_names())
def test_starter_rules_are_tested_and_clean(name: str) -> None:
    """Every rule has a test, every test passes, every stage has a rule, nothing is shadowed."""
    found = starter_rules(name)
    verdicts = run_rule_tests(found, _TIME)
    assert [verdict.in_words for verdict in verdicts if not verdict.passed] == []
    assert rules_without_test(found, verdicts) == []
    assert found.observed_stages == found.model.names
    assert check_rules(replace(found, starter_rules=0)) == []


@pytest.mark.parametrize("name", starter_names())
def test_starter_rules_know_every_name_of_the_specifications(name: str) -> None:
    """GA4's recommended events and Segment's e-commerce events."""
    known = set().union(*(_names(rule.when) for rule in starter_rules(name).rules))
    specified = {*_GA4.split(), *(word.strip() for word in _SEGMENT.replace("\n", "").split(","))}
    assert specified - known == set()


def test_an_event_name_stands_in_one_list(tmp_path: Path) -> None:
    """Else its stage would depend on the order of the rules."""
    lists = plain(YamlFile(_EVENT_NAMES).content)["lists"]
    names = [name for values in lists.values() for name in values]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_a_project_without_rules_uses_those_of_its_stage_model(tiny: Path) -> None:
    """And is another project when they change: their text is part of its hash."""
    with_rules = read_project(tiny).config_sha256
    (tiny / "stages.yaml").unlink()
    project = read_project(tiny)
    assert project.stage_map == starter_rules("seven_stage")
    assert project.stage_map.own_rules == ()
    assert YamlFile(_EVENT_NAMES).says() in project.stage_map.written
    assert project.config_sha256 != with_rules


def test_a_stages_file_that_is_named_must_be_there(
    tiny: Path, edit: Callable[[Path, str, str], None]
) -> None:
    """A misspelt name is no wish for starter rules."""
    edit(tiny / "journey.yaml", "project: tiny\n", "project: tiny\nstages: stage.yaml\n")
    with pytest.raises(ConfigError) as caught:
        read_project(tiny)
    assert ("stage.yaml", "the file does not exist") in told(caught.value)


def test_own_rules_come_first_and_replace_those_of_their_name(tmp_path: Path) -> None:
    """The others stand behind, in their order; a context may look back at what they give."""
    text = """\
        starter_rules: true
        rules:
          - {rule: tasting, stage: interest, when: {event_name: tasting}, after: {stage: purchase}}
          - {rule: page, stage: awareness, when: {event_name: page_view}}
        tests:
          - {event: {event_name: page_view}, stage: awareness, rule: page}
          - {event: {event_name: view_item}, stage: consideration, rule: product}
        """
    found = read_stages(write(tmp_path / "stages.yaml", text), shipped("seven_stage"))
    starters = [rule.name for rule in starter_rules("seven_stage").rules if rule.name != "page"]
    assert [rule.name for rule in found.rules] == ["tasting", "page", *starters]
    assert [rule.name for rule in found.own_rules] == ["tasting", "page"]
    assert all(verdict.passed for verdict in run_rule_tests(found, _TIME))
    assert check_rules(found) == []


def test_a_stages_file_may_name_a_shipped_model(tmp_path: Path) -> None:
    """With its starter rules that is all it needs to say."""
    path = write(tmp_path / "stages.yaml", "stage_model: aida_ra\nstarter_rules: true\n")
    found = read_stages(path, shipped("seven_stage"))
    assert (found.model, found.rules) == (shipped("aida_ra"), starter_rules("aida_ra").rules)
    path = write(tmp_path / "stages.yaml", "stage_model: aida\nstarter_rules: true\n")
    with pytest.raises(StageRuleError) as caught:
        read_stages(path, shipped("seven_stage"))
    assert told(caught.value) == [("stages.yaml:1:14", "unknown stage model 'aida'")]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            "stage_model: {name: own, stages: [{stage: a}, {stage: b}]}\nstarter_rules: true\n",
            "stage model 'own' has no starter rules",
        ),
        ("starter_rules: yes\n", "starter_rules: Input should be a valid boolean"),
    ],
)
def test_starter_rules_that_there_are_none_of_are_refused(tmp_path: Path, text: str, what: str) -> None:
    """Where they are asked for."""
    with pytest.raises(StageRuleError) as caught:
        read_stages(write(tmp_path / "stages.yaml", text), shipped("seven_stage"))
    assert what in [complaint for _, complaint in told(caught.value)]


def test_a_run_with_starter_rules_shows_only_the_stages_that_events_show(tiny: Path) -> None:
    """A rule that waits for events which never come makes no stage that everybody dropped before."""
    (tiny / "stages.yaml").unlink()
    csv = tiny / "input" / "web.csv"
    text = csv.read_text(encoding="utf-8")
    renamed = text.replace("visit", "page_view").replace("cart", "add_to_cart").replace("order", "purchase")
    csv.write_text(renamed, encoding="utf-8")
    snapshot = run_project(tiny)
    assert snapshot.manifest["stages_not_observed"] == ["interest", "usage", "advocacy"]
    stages = query(snapshot, "select distinct stage from mart_stage_funnel order by stage")["stage"]
    assert stages.to_list() == ["awareness", "consideration", "loyalty", "purchase"]
