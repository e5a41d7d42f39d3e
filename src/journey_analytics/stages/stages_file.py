"""A project's stages.yaml as a whole: stage model, named lists, rules, tests, and shipped starter rules.

    stage_model: {name: own, stages: [...]}   or the name of a shipped one, unless journey.yaml names it
    starter_rules: true                       the shipped model's rules stand behind the own ones
    lists: {paid: [cpc, ppc]}
    rules: [...]
    tests: [...]

A project without the file uses the starter rules of its stage model. With `starter_rules: true` own rules
come first, and an own rule that has the name of a starter rule stands in its place.

Belongs here: what the file holds and how its parts meet. Does not belong here: the grammar of any part.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from journey_analytics.errors import Problem, StageRuleError, advise
from journey_analytics.stages.conditions import Lists, read_lists
from journey_analytics.stages.rule_tests import TestReader
from journey_analytics.stages.rules import RuleReader
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.stages.stage_models import StageModel, shipped, shipped_names
from journey_analytics.yaml_file import YamlFile, plain

_STARTER = files("journey_analytics") / "stages" / "starter_rules"
_EVENT_NAMES = "event_names.yaml"


class _AnyStagesFile(BaseModel):
    """The keys of a stages.yaml; rules, lists and tests are read by rooms of their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    starter_rules: StrictBool = Field(
        default=False, description="Whether the starter rules of the stage model come behind these."
    )
    lists: Any = Field(None, description="Name to values, for the tests `in_list` and `not_in_list`.")
    rules: Any = Field(None, description="Stage rules in order; the first that takes a touchpoint wins.")
    tests: Any = Field(None, description="Example events, and what the rules should make of them.")


class StagesFile(_AnyStagesFile):
    """The stages of journeys, and the rules that give touchpoints their stage."""

    stage_model: StageModel | None = Field(
        None, description="A stage model of your own, or the name of a shipped one."
    )


class _WithNamedModel(_AnyStagesFile):
    stage_model: str


def read_stages(path: Path, model: StageModel | None) -> StageMap:
    """The stage model, the rules and the tests of a stages.yaml.

    Args:
        path: the file.
        model: the shipped model the project names; a `stage_model` in the file itself goes before it.

    Raises:
        StageRuleError: every problem of the file together, in file order.
    """
    file = YamlFile(path, StageRuleError)
    said = file.content.get("stage_model")
    if isinstance(said, str):
        _, problems = file.check(_WithNamedModel)
        model = shipped(said) if said in shipped_names() else None
        if model is None:
            advice = advise(said, shipped_names(), "stage model")
            problems.append(
                file.problem(f"unknown stage model {said!r}", ("stage_model",), advice, value=True)
            )
    else:
        content, problems = file.check(StagesFile)
        model = content.stage_model or model if content is not None else model
    if model is None:
        if "stage_model" not in file.content:
            do = "name a shipped one, or list the stages here"
            problems.append(file.problem("no stage model is given", ("stage_model",), do))
        raise StageRuleError(problems)
    starter = _starter_of(file, model, problems)
    if starter is None and not file.content.get("rules"):
        problems.append(
            file.problem(
                "there are no stage rules",
                ("rules",),
                "list at least one under 'rules', or take the shipped ones: 'starter_rules: true'",
            )
        )
        raise StageRuleError(problems)
    return _read(file, model, starter, {}, problems)


def _read(
    file: YamlFile, model: StageModel, starter: StageMap | None, shared: Lists, problems: list[Problem]
) -> StageMap:
    """The content of a file, with the starter rules behind its own."""
    lists = read_lists(file, problems.append)
    reader = RuleReader(file, model, {**shared, **lists})
    following = starter.rules if starter else ()
    own = reader.read(following) if file.content.get("rules") is not None else ()
    problems.extend(reader.problems)
    replaced = {rule.name for rule in own}
    behind = tuple(rule for rule in following if rule.name not in replaced)
    rules = (*own, *behind)
    # a rule that is refused may be the one that a test names
    tester = TestReader(file, model, None if reader.problems else rules)
    tests = tester.read()
    problems.extend(tester.problems)
    if problems:
        raise StageRuleError(problems)
    asked_for = _lists_named(file)
    unused = tuple(name for name in lists if name not in asked_for)
    written = (file.says(without=("tests",)), *(starter.written if starter else ()))
    return StageMap(model, rules, len(behind), tests, unused, written)


def starter_names() -> list[str]:
    """The stage models that come with starter rules: all that are shipped."""
    return [name for name in shipped_names() if (_STARTER / f"{name}.yaml").is_file()]


@cache
def starter_rules(name: str) -> StageMap:
    """The shipped rules of the shipped stage model `name`, with their tests."""
    own, event_names = (
        YamlFile(Path(str(_STARTER / file)), StageRuleError) for file in (f"{name}.yaml", _EVENT_NAMES)
    )
    problems: list[Problem] = []
    shared = read_lists(event_names, problems.append)
    found = _read(own, shipped(name), None, shared, problems)
    written = (*found.written, event_names.says())
    return StageMap(found.model, found.rules, len(found.rules), found.tests, written=written)


def _starter_of(file: YamlFile, model: StageModel, problems: list[Problem]) -> StageMap | None:
    """The starter rules, when the file asks for them and its stage model has some."""
    if file.content.get("starter_rules") is not True:
        return None
    if model.name in starter_names() and model == shipped(model.name):
        return starter_rules(model.name)
    problems.append(
        file.problem(
            f"stage model {model.name!r} has no starter rules",
            ("starter_rules",),
            advise(model.name, starter_names(), "stage model with starter rules"),
        )
    )
    return None


def _lists_named(file: YamlFile) -> set[str]:
    """Every list that a condition of the file asks for."""
    found: set[str] = set()
    pending = [plain(file.content.get("rules"))]
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            found.update(str(node[key]) for key in ("in_list", "not_in_list") if key in node)
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
    return found
