"""What is asked: steps, exclusions and windows, checked, and turned into the kernel's rules and one SQL mask.

Belongs here: every complaint about a funnel's arguments. Does not belong here: events (`events`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, get_args

from sqlglot import exp

from journey_analytics.durations import microseconds
from journey_analytics.errors import ConfigError, JourneyError, Problem, advise
from journey_analytics.funnels.kernel import Rules
from journey_analytics.funnels.passes import UNBOUNDED
from journey_analytics.stages.condition_sql import condition_sql
from journey_analytics.stages.conditions import read_condition

Mode = Literal["ordered", "strict", "unordered"]
Attribution = Literal["first_touch", "last_touch", "step", "all_steps"]
Step = str | Sequence[str] | Mapping[str, Any]
Exclusion = tuple[Step, int, int]

MOST_STEPS = 24
MOST_EXCLUSIONS = 8
MOST_OPTIONAL = 8
_WHERE = "the funnel's arguments"


@dataclass(frozen=True)
class Question:
    """A funnel that can be counted.

    Attributes:
        labels: the steps as people read them.
        rules: what the kernel needs.
        mask_of_name: the bits that an event has by its name.
        condition_mask: SQL for the bits that it has by conditions; None without any.
        columns_read: columns of the events that conditions ask about.
        breakdown: the column of the groups, if any.
        attribution: which event of a chain gives it its group.
        attribution_step: the step for attribution by `step`.
    """

    labels: tuple[str, ...]
    rules: Rules
    mask_of_name: Mapping[str, int]
    condition_mask: str | None
    columns_read: tuple[str, ...]
    breakdown: str | None
    attribution: Attribution
    attribution_step: int | None


def ask(
    steps: Sequence[Step],
    *,
    mode: Mode,
    window: timedelta | None,
    step_windows: Mapping[int, timedelta] | None,
    exclusions: Iterable[Exclusion],
    optional: Iterable[int],
    breakdown: str | None,
    attribution: Attribution,
    attribution_step: int | None,
) -> Question:
    """The question that the arguments of `funnel` ask.

    Raises:
        ConfigError: every problem of the arguments together.
    """
    asked = _Arguments()
    if isinstance(steps, str) or not 1 <= len(steps) <= MOST_STEPS:
        raise ConfigError(
            Problem(
                f"a funnel is a list of 1 to {MOST_STEPS} steps, not {steps!r}",
                _WHERE,
                "write for example ['view', ['cart', 'basket'], 'purchase']",
            )
        )
    count = len(steps)
    labels = tuple(asked.matcher(step, f"step {number}") for number, step in enumerate(steps, start=1))
    asked.known(mode, get_args(Mode), "mode")
    asked.known(attribution, get_args(Attribution), "attribution")
    if mode == "unordered" and step_windows:
        asked.complain("an unordered funnel has no step before", "use 'window' instead of step windows")
    gaps = asked.gaps(step_windows or {}, count)
    left_out = sorted({number for number in optional if asked.step(number, 2, count, "optional step")})
    if len(left_out) > MOST_OPTIONAL:
        asked.complain(f"there are {len(left_out)} optional steps", f"keep it to {MOST_OPTIONAL}")
    between = asked.exclusions(list(exclusions), count)
    if attribution_step is not None:
        asked.step(attribution_step, 1, count, "attribution step")
    if (attribution == "step") != (attribution_step is not None):
        asked.complain(
            "attribution by 'step' and 'attribution_step' need each other",
            "give both, for example attribution='step', attribution_step=2",
        )
    span = UNBOUNDED if window is None else asked.duration(window, "the window")
    if asked.problems:
        raise ConfigError(asked.problems)
    rules = Rules(
        steps=tuple(1 << number for number in range(count)),
        mode=mode,
        window=span,
        gaps=gaps,
        optional=tuple(left_out) if mode != "unordered" else (),
        exclusions=between,
    )
    return Question(
        labels=labels,
        rules=rules,
        mask_of_name=asked.of_name,
        condition_mask=asked.condition_mask(),
        columns_read=tuple(sorted(asked.columns)),
        breakdown=breakdown,
        attribution=attribution,
        attribution_step=attribution_step,
    )


class _Arguments:
    """Collects what matches which bit, and every problem instead of the first."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.columns: set[str] = set()
        self.marks = 0
        self.of_name: dict[str, int] = {}
        self.of_condition: list[tuple[str, int]] = []

    def complain(self, what: str, do: str) -> None:
        self.problems.append(Problem(what, _WHERE, do))

    def matcher(self, step: Any, place: str) -> str:
        """Take what a step or an exclusion matches under the next bit, and return its label."""
        bit = 1 << self.marks
        self.marks += 1
        if isinstance(step, Mapping):
            try:
                condition = condition_sql(read_condition(step, f"{place} of {_WHERE}"))
            except JourneyError as error:
                self.problems.extend(error.problems)
                return ""
            self.columns.update(column.name for column in condition.find_all(exp.Column))
            self.of_condition.append((condition.sql("duckdb"), bit))
            return ", ".join(f"{column} {test}" for column, test in step.items())
        names = [step] if isinstance(step, str) else step
        if not isinstance(names, Sequence) or not names or not all(isinstance(name, str) for name in names):
            self.complain(
                f"{place} is {step!r}", "write an event name, a list of names, or a condition in a mapping"
            )
            return ""
        for name in dict.fromkeys(names):
            self.of_name[name] = self.of_name.get(name, 0) | bit
        return "|".join(names)

    def gaps(self, windows: Mapping[int, timedelta], count: int) -> tuple[int, ...]:
        """The longest time before each step, in microseconds."""
        gaps = [UNBOUNDED] * count
        for number, duration in windows.items():
            if self.step(number, 2, count, "step window"):
                gaps[number - 1] = self.duration(duration, f"the window of step {number}")
        return tuple(gaps)

    def exclusions(self, given: Sequence[Any], count: int) -> tuple[tuple[int, int, int], ...]:
        """The exclusions as the kernel wants them; their bits are above those of the steps."""
        if len(given) > MOST_EXCLUSIONS:
            self.complain(f"there are {len(given)} exclusions", f"keep it to {MOST_EXCLUSIONS}")
        found = []
        for number, exclusion in enumerate(given, start=1):
            place = f"exclusion {number}"
            if not isinstance(exclusion, Sequence) or isinstance(exclusion, str) or len(exclusion) != 3:
                self.complain(f"{place} is {exclusion!r}", "write (event, from_step, to_step)")
                continue
            event, start, stop = exclusion
            bit = 1 << self.marks
            self.matcher(event, place)
            if self.step(start, 1, count - 1, place) and self.step(stop, start + 1, count, place):
                found.append((bit, start, stop))
        return tuple(found)

    def condition_mask(self) -> str | None:
        """SQL for an event's bits by conditions."""
        parts = [f"case when {condition} then {bit} else 0 end" for condition, bit in self.of_condition]
        return f"cast({' + '.join(parts)} as bigint)" if parts else None

    def known(self, name: Any, valid: Sequence[str], kind: str) -> None:
        if name not in valid:
            self.complain(f"there is no {kind} {name!r}", advise(str(name), valid, kind))

    def step(self, number: Any, first: int, last: int, place: str) -> bool:
        """Whether the number is that of a step which may stand here."""
        if isinstance(number, int) and not isinstance(number, bool) and first <= number <= last:
            return True
        allowed = f"{first} to {last}" if first < last else str(first) if first == last else "no step at all"
        self.complain(f"{place}: {number!r} is no step that can stand here", f"possible: {allowed}")
        return False

    def duration(self, value: Any, place: str) -> int:
        """The duration in microseconds."""
        if isinstance(value, timedelta) and value >= timedelta(0):
            return microseconds(value)
        self.complain(f"{place} is {value!r}", "give a timedelta that is not negative")
        return 0
