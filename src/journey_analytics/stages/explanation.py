"""Why a touchpoint has its rule: for each rule before it, the condition that failed and what was found.

Every part of every rule is put to the engine as one column over the customer's history, in the very SQL that
a run uses (compile.py), so an explanation cannot read a condition in another way than the run did. Only what
looks back in time is put together here, from those answers.

Belongs here: the explanation of one customer's history. Does not belong here: where the history comes from
(warehouse.py), how it is printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from journey_analytics.durations import duration_text, microseconds
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted
from journey_analytics.local_days import to_moment
from journey_analytics.stages.compile import TOUCHPOINTS, ProjectTime
from journey_analytics.stages.condition_sql import condition_sql
from journey_analytics.stages.conditions import Condition, Group
from journey_analytics.stages.rules import Earlier, Occurrence, Reach, StageRule
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.stages.wording import (
    columns_of,
    condition_text,
    earlier_text,
    occurrence_text,
    ordinal_text,
    value_text,
)
from journey_analytics.touchpoints import PROPERTY_PREFIX

_COLUMNS_A_QUERY = 400
_DIALECT = "duckdb"
_KEYS = "source, event_id, customer_id, occurred_us, event_name"
_ORDER = "order by occurred_us, source, event_id"


@dataclass(frozen=True)
class Reason:
    """One condition that failed, and what was there instead.

    Attributes:
        columns: what the condition asks of the touchpoint itself; nothing for one that looks back in time.
    """

    condition: str
    found: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class RuleOutcome:
    """One rule put to one touchpoint; the reasons are empty for the rule that takes it."""

    rule: str
    stage: str | None
    is_taken: bool
    reasons: tuple[Reason, ...]

    @property
    def is_for_other_events(self) -> bool:
        """Whether the rule failed by the event's name, whatever else failed too."""
        return any(reason.columns == ("event_name",) for reason in self.reasons)


@dataclass(frozen=True)
class Explanation:
    """One touchpoint and every rule up to the one that takes it; all rules when none does.

    Attributes:
        rule: the rule that takes it, None when it is unmapped.
        stage: the stage that rule gives, None when it ignores or the touchpoint is unmapped.
        outcome: mapped, ignored or unmapped.
    """

    stage_model: str
    source: str
    event_id: str
    customer_id: str
    occurred_at: datetime
    event_name: str
    rule: str | None
    stage: str | None
    outcome: str
    rules: tuple[RuleOutcome, ...]


def explain_history(
    engine: DuckDBEngine, customer_id: str, stage_map: StageMap, project_time: ProjectTime
) -> list[Explanation]:
    """Every touchpoint of a customer in order, each with the rules that were put to it.

    Args:
        engine: holds stg_touchpoints.
        customer_id: as identity has it; a customer without touchpoints has no explanations.
        stage_map: the stage model and its rules.
        project_time: what days and sessions are to the rules.
    """
    history = _History(engine, customer_id, stage_map, project_time)
    return [history.explain(place) for place in range(len(history.touches))]


@dataclass(frozen=True)
class _Touch:
    """One touchpoint: its keys, the values the rules ask about, and the conditions it meets."""

    keys: dict[str, Any]
    values: dict[str, Any]
    met: frozenset[str]

    @property
    def us(self) -> int:
        return int(self.keys["occurred_us"])


class _History:
    """One customer's touchpoints in order, with the engine's answer to every condition."""

    def __init__(
        self, engine: DuckDBEngine, customer_id: str, stage_map: StageMap, project_time: ProjectTime
    ) -> None:
        self.time = project_time
        self.stage_model = stage_map.model.name
        self.rules = stage_map.rules
        parts = [part for rule in self.rules for whole in _conditions(rule) for part in _parts(whole)]
        # made once: a condition is asked for at every touchpoint
        self.keys = {id(part): condition_sql(part).sql(_DIALECT) for part in parts}
        columns = list(dict.fromkeys(name for part in parts for name in columns_of(part)))
        self.touches = _read_touches(engine, customer_id, list(dict.fromkeys(self.keys.values())), columns)
        self.plain_rules = [self._plain_rule(touch) for touch in self.touches]
        self.session_starts = list(self._session_starts())

    def meets(self, condition: Condition, touch: _Touch) -> bool:
        return self.keys[id(condition)] in touch.met

    def explain(self, place: int) -> Explanation:
        touch = self.touches[place]
        outcomes: list[RuleOutcome] = []
        taken: StageRule | None = None
        for rule in self.rules:
            reasons = tuple(self._reasons(rule, place))
            outcomes.append(RuleOutcome(rule.name, rule.stage, not reasons, reasons))
            if not reasons:
                taken = rule
                break
        outcome = "unmapped" if taken is None else "ignored" if taken.ignores else "mapped"
        return Explanation(
            stage_model=self.stage_model,
            source=touch.keys["source"],
            event_id=touch.keys["event_id"],
            customer_id=touch.keys["customer_id"],
            occurred_at=to_moment(touch.us),
            event_name=touch.keys["event_name"],
            rule=taken.name if taken else None,
            stage=taken.stage if taken else None,
            outcome=outcome,
            rules=tuple(outcomes),
        )

    def _plain_rule(self, touch: _Touch) -> StageRule | None:
        """The first rule without a context that takes a touchpoint: what contexts know of it."""
        for rule in self.rules:
            if not rule.has_context and self.meets(rule.when, touch) and not any(self._days(rule, touch)):
                return rule
        return None

    def _session_starts(self) -> Iterator[int]:
        """When the session of each touchpoint began; ignored ones before it do not count."""
        timeout_us = microseconds(self.time.session_timeout)
        last_kept_us = begun_us = None
        for touch, rule in zip(self.touches, self.plain_rules, strict=True):
            is_kept = rule is None or not rule.ignores
            starts = last_kept_us is None or touch.us - last_kept_us > timeout_us
            if starts and is_kept:
                begun_us = touch.us
            yield touch.us if starts or begun_us is None else begun_us
            if is_kept:
                last_kept_us = touch.us

    def _reasons(self, rule: StageRule, place: int) -> Iterator[Reason]:
        """Why the rule does not take the touchpoint: its own columns and day first, then the history."""
        own = list(self._own_failures(rule, self.touches[place]))
        yield from own
        if own:
            return
        for earlier in rule.earlier:
            yield from self._earlier_failure(earlier, place)
        if rule.occurrence is not None:
            yield from self._occurrence_failure(rule.when, rule.occurrence, place)

    def _own_failures(self, rule: StageRule, touch: _Touch) -> Iterator[Reason]:
        if not self.meets(rule.when, touch):
            yield from self._failures(rule.when, touch)
        yield from self._days(rule, touch)

    def _days(self, rule: StageRule, touch: _Touch) -> Iterator[Reason]:
        """The limits of the days on which the rule takes touchpoints, when the touchpoint is past them."""
        if rule.from_day is None and rule.until_day is None:
            return
        day = to_moment(touch.us).astimezone(self.time.zone).date()
        if rule.from_day is not None and touch.us < self.time.first_instant_us(rule.from_day):
            yield Reason(f"from {rule.from_day}", f"it happened on {day}")
        if rule.until_day is not None and touch.us >= self.time.first_instant_us(rule.until_day):
            yield Reason(f"until {rule.until_day}", f"it happened on {day}")

    def _earlier_failure(self, earlier: Earlier, place: int) -> Iterator[Reason]:
        last = next((n for n in range(place - 1, -1, -1) if self._is_what(earlier, n)), None)
        if last is None:
            if earlier.is_wanted:
                yield Reason(earlier_text(earlier), "nothing of the kind came before")
        elif self._is_in_reach(earlier.reach, last, place) != earlier.is_wanted:
            yield Reason(earlier_text(earlier), f"the last was {self._before(last, place, earlier.reach)}")

    def _is_what(self, earlier: Earlier, place: int) -> bool:
        if earlier.when is not None:
            return self.meets(earlier.when, self.touches[place])
        rule = self.plain_rules[place]
        return rule is not None and rule.stage == earlier.stage

    def _occurrence_failure(self, when: Condition, occurrence: Occurrence, place: int) -> Iterator[Reason]:
        alike = [n for n in range(place + 1) if self.meets(when, self.touches[n])]
        if len(alike) < occurrence.at_least:
            yield Reason(occurrence_text(occurrence), f"it is the {ordinal_text(len(alike))}")
            return
        first = alike[-occurrence.at_least]
        if not self._is_in_reach(occurrence.reach, first, place):
            found = f"counted back, the first of them was {self._before(first, place, occurrence.reach)}"
            yield Reason(occurrence_text(occurrence), found)

    def _is_in_reach(self, reach: Reach, earlier: int, place: int) -> bool:
        us = self.touches[earlier].us
        is_near = reach.within is None or self.touches[place].us - us <= microseconds(reach.within)
        return is_near and (not reach.same_session or us >= self.session_starts[place])

    def _before(self, earlier: int, place: int, reach: Reach) -> str:
        """An earlier touchpoint as another one's reason names it."""
        keys = self.touches[earlier].keys
        ago = _ago(self.touches[place].us - self.touches[earlier].us)
        is_outside = reach.same_session and self.touches[earlier].us < self.session_starts[place]
        return f"{keys['event_name']} {keys['event_id']}, {ago}{', in an earlier session' * is_outside}"

    def _failures(self, condition: Condition, touch: _Touch) -> Iterator[Reason]:
        """The smallest parts that failed; of conditions that hold together, each one that does not."""
        if isinstance(condition, Group) and condition.kind == "all":
            for part in condition.parts:
                if not self.meets(part, touch):
                    yield from self._failures(part, touch)
            return
        names = tuple(dict.fromkeys(columns_of(condition)))
        found = ", ".join(f"{name} is {value_text(touch.values[name])}" for name in names)
        yield Reason(condition_text(condition), found, names)


def _ago(gap_us: int) -> str:
    return "at the same time" if gap_us == 0 else f"{duration_text(timedelta(microseconds=gap_us))} before"


def _read_touches(
    engine: DuckDBEngine, customer_id: str, conditions: Sequence[str], columns: Sequence[str]
) -> list[_Touch]:
    """The customer's touchpoints in order, with the conditions each meets and its values of the columns."""
    where = f"from {TOUCHPOINTS} where customer_id = $customer_id {_ORDER}"
    keys = engine.rows(f"select {_KEYS} {where}", {"customer_id": customer_id})

    def ask(expressions: Sequence[str]) -> list[list[Any]]:
        """One list of answers a touchpoint, asked in parts that a query can hold."""
        answers: list[list[Any]] = [[] for _ in keys]
        for start in range(0, len(expressions), _COLUMNS_A_QUERY):
            part = expressions[start : start + _COLUMNS_A_QUERY]
            select = ", ".join(f"{expression} as a{number}" for number, expression in enumerate(part))
            rows = engine.rows(f"select {select} {where}", {"customer_id": customer_id})
            for answer, row in zip(answers, rows, strict=True):
                answer.extend(row.values())
        return answers

    held = ask([f"coalesce({condition}, false)" for condition in conditions])
    values = ask([_value_sql(name) for name in columns])
    return [
        _Touch(
            keys=key,
            values=dict(zip(columns, found, strict=True)),
            met=frozenset(name for name, holds in zip(conditions, answer, strict=True) if holds),
        )
        for key, answer, found in zip(keys, held, values, strict=True)
    ]


def _conditions(rule: StageRule) -> Iterator[Condition]:
    """What a rule asks of touchpoints' own columns: of the one it takes, and of earlier ones."""
    yield rule.when
    for earlier in rule.earlier:
        if earlier.when is not None:
            yield earlier.when


def _parts(condition: Condition) -> Iterator[Condition]:
    yield condition
    if isinstance(condition, Group):
        for part in condition.parts:
            yield from _parts(part)


def _value_sql(column: str) -> str:
    if not column.startswith(PROPERTY_PREFIX):
        return column
    return f"get_json_object(properties, {quoted('$.' + column.removeprefix(PROPERTY_PREFIX))})"
