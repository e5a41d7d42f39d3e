"""Errors: places, closest names, several problems together, exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from journey_analytics import errors
from journey_analytics.errors import ConfigError, JourneyError, Place, Problem, advise, closest


def test_a_place_names_file_line_and_column_as_far_as_known() -> None:
    """In the form that editors jump to."""
    assert str(Place(Path("a.yaml"), 3, 7)) == "a.yaml:3:7"
    assert str(Place(Path("a.yaml"), 3)) == "a.yaml:3"
    assert str(Place(Path("a.yaml"))) == "a.yaml"
    assert str(Place(Path("a.yaml"), None, 7)) == "a.yaml"


def test_one_problem_is_three_lines() -> None:
    """What, where, do."""
    error = ConfigError(Problem("it broke", "a.yaml:1:1", "mend it"))
    assert str(error) == "ConfigError: it broke\n  where: a.yaml:1:1\n  do:    mend it"
    assert error.problems == (Problem("it broke", "a.yaml:1:1", "mend it"),)


def test_several_problems_are_counted_and_keep_their_order() -> None:
    """Nobody runs a command once per fault."""
    error = ConfigError([Problem("one", "a:1", "x"), Problem("two", "a:2", "y")])
    lines = str(error).splitlines()
    assert lines[0] == "2 problems:"
    assert [line for line in lines if line.startswith("ConfigError")] == [
        "ConfigError: one",
        "ConfigError: two",
    ]


def test_the_closest_name_is_found_or_none() -> None:
    """Near is near: an unrelated name is not offered."""
    assert closest("purchse", ["awareness", "purchase"]) == "purchase"
    assert closest("zzz", ["awareness", "purchase"]) is None


def test_advice_names_all_valid_names_once() -> None:
    """Also when there is none."""
    assert advise("zzz", ["a", "b", "a"], "key") == "use a known key; known: a, b"
    assert advise("zzz", [], "file") == "use a known file; no file is known here"
    assert advise("purchse", ["purchase"], "stage").startswith("use 'purchase' (closest known stage)")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ConfigError", 2),
        ("StageRuleError", 2),
        ("MartError", 2),
        ("QueryError", 2),
        ("SourceError", 3),
        ("GateError", 3),
        ("NotEvaluatedError", 4),
        ("ModelError", 4),
        ("LockedError", 5),
    ],
)
def test_each_error_ends_with_its_exit_code(name: str, code: int) -> None:
    """What schedulers look at."""
    kind = getattr(errors, name)
    assert issubclass(kind, JourneyError)
    assert kind.exit_code == code
