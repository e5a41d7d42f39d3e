"""Stage models: the shipped ones, and what a project's own may not be."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from journey_analytics.errors import StageRuleError
from journey_analytics.stages.conditions import Comparison
from journey_analytics.stages.rules import StageRule
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.stages.stage_models import Stage, StageModel, shipped, shipped_names
from journey_analytics.stages.stages_file import read_stages
from journey_analytics.stages.tables import rule_table, stage_table
from tests.unit.files import told, write

_VIEW = Comparison("event_name", "equals", "view")


def _model(name: str, *stages: str) -> StageModel:
    return StageModel(name=name, stages=tuple(Stage(stage=stage) for stage in stages))


def test_the_default_model_has_its_seven_stages_in_order() -> None:
    """From the first time a customer hears of us to the day they bring others."""
    model = shipped("seven_stage")
    assert model.names == [
        "awareness", "interest", "consideration", "purchase", "usage", "loyalty", "advocacy",
    ]  # fmt: skip
    assert [model.ordinal(name) for name in model.names] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_model_is_complete(name: str) -> None:
    """Its file is named as it is, and each stage says what for and whose."""
    model = shipped(name)
    assert model.name == name
    assert all(stage.purpose and stage.owner for stage in model.stages)
    assert any(stage.required for stage in model.stages)


@pytest.mark.parametrize(
    ("stages", "place", "what"),
    [
        ("[{stage: a}, {stage: a}]", "stages.yaml:2:3", "stage_model: stage 'a' is listed twice"),
        ("[{stage: a}]", "stages.yaml:3:11", "stages: Tuple should have at least 2 items"),
        ("[{stage: a}, {stag: b}]", "stages.yaml:3:25", "unknown key 'stag'"),
        ("[{stage: a}, {stage: ''}]", "stages.yaml:3:32", "stage: String should have at least 1"),
    ],
)
def test_a_model_of_ones_own_is_checked(tmp_path: Path, stages: str, place: str, what: str) -> None:
    """At its place in stages.yaml."""
    path = write(tmp_path / "stages.yaml", f"stage_model:\n  name: own\n  stages: {stages}\nrules: []\n")
    with pytest.raises(StageRuleError) as caught:
        read_stages(path, None)
    found = told(caught.value)
    assert any(where == place and text.startswith(what) for where, text in found), found


def test_the_stage_table_knows_what_can_be_seen_and_what_restarts() -> None:
    """One row per stage of the model, also for those that no rule gives."""
    rules = (StageRule("buys", "b", _VIEW), StageRule("sees", "a", _VIEW))
    maps = [
        StageMap(_model("m", "a", "b", "c"), rules),
        StageMap(_model("further", "a", "z"), rules[1:]),  # restarts nothing, whatever its stages are called
    ]
    rows = stage_table(maps, ["a"]).rows(named=True)
    told_of = ("stage_model", "stage", "stage_ordinal", "is_observed", "is_restart")
    assert [tuple(row[name] for name in told_of) for row in rows] == [
        ("m", "a", 1, True, True),
        ("m", "b", 2, True, False),
        ("m", "c", 3, False, False),
        ("further", "a", 1, True, False),
        ("further", "z", 2, False, False),
    ]


def test_the_rule_table_counts_from_one_and_keeps_its_types_without_rows() -> None:
    """An empty table can be joined too."""
    types = {
        "stage_model": pl.String,
        "rule_number": pl.Int64,
        "rule": pl.String,
        "stage": pl.String,
        "is_ignored": pl.Boolean,
    }
    assert dict(rule_table([]).schema) == types
    rules = (StageRule("seen", "a", _VIEW), StageRule("noise", None, _VIEW))
    maps = [StageMap(_model("m", "a", "b"), rules), StageMap(_model("n", "a", "b"), rules[:1])]
    assert rule_table(maps).rows() == [
        ("m", 1, "seen", "a", False),
        ("m", 2, "noise", None, True),
        ("n", 1, "seen", "a", False),
    ]
