"""Arguments that make no funnel: all of them are named together, with what to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from journey_analytics import funnel
from journey_analytics.errors import ConfigError
from tests.unit.funnels.frames import events

ROWS = events(("ann", 0, "view"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"mode": "orderd"}, ["no mode 'orderd'", "use 'ordered'"]),
        ({"attribution": "first"}, ["no attribution 'first'", "first_touch"]),
        ({"attribution": "step"}, ["need each other"]),
        ({"attribution_step": 2}, ["need each other"]),
        ({"window": 14}, ["the window is 14", "timedelta"]),
        ({"window": timedelta(days=-1)}, ["not negative"]),
        ({"step_windows": {1: timedelta(1)}}, ["step window: 1 is no step", "possible: 2"]),
        (
            {"step_windows": {2: timedelta(1)}, "mode": "unordered"},
            ["an unordered funnel has no step before"],
        ),
        ({"optional": [1]}, ["optional step: 1", "possible: 2"]),
        ({"exclusions": [("refund", 2, 1)]}, ["exclusion 1: 2 is no step"]),
        ({"exclusions": ["refund"]}, ["exclusion 1 is 'refund'", "(event, from_step, to_step)"]),
        ({"steps": []}, ["a list of 1 to 24 steps"]),
        ({"steps": "view"}, ["a list of 1 to 24 steps"]),
        ({"steps": ["view", 7]}, ["step 2 is 7", "an event name"]),
        ({"steps": [{"event_nam": "view"}]}, ["unknown column 'event_nam'", "use 'event_name'", "step 1"]),
    ],
)
def test_arguments_that_make_no_funnel_are_refused(arguments: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        funnel(ROWS, **({"steps": ["view", "order"]} | arguments))
    for word in words:
        assert word in str(caught.value)


def test_all_problems_come_together() -> None:
    with pytest.raises(ConfigError) as caught:
        funnel(ROWS, ["view", {"nothing": 1}], mode="any", optional=[9])  # type: ignore[arg-type]
    assert len(caught.value.problems) == 3


def test_a_step_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="steps are 1 to 1"):
        funnel(ROWS, ["view"]).customers(2)
