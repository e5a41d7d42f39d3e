"""Stage rules to SQL: one statement over stg_touchpoints, in the portable subset, built as a syntax tree.

The statement gives each touchpoint, in every stage model, the number of the first rule that takes it
(null: unmapped), beside the columns that journeys are made of. Its CTEs, for each stage model:

    asked       the first rule without a context that takes the touchpoint, and the conditions that contexts
                and rules with a context ask about
    flagged     for every context: is the touchpoint of the kind it speaks of; for every rule with a context:
                would it take the touchpoint if its context holds, no rule without a context going before it
    gaps        only with `same_session`: does a session begin here
    histories   the times that contexts look back at, by windows that share one sort; without `same_session`
                only over touchpoints with a flag, which are few
    numbered    the first rule with a context that holds, else the one without a context

Without a rule that has a context there is only the last. Rules without a context become one case expression;
many of them name their events, so it first finds its way by the event's name: see numbering_sql.py.

Belongs here: what a rule means in SQL. Does not belong here: conditions (condition_sql.py), running it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from sqlglot import exp

from journey_analytics.durations import microseconds
from journey_analytics.local_days import to_us
from journey_analytics.stages.condition_sql import condition_sql, text_column, text_literal
from journey_analytics.stages.numbering_sql import Numbered, event_names, numbering_sql
from journey_analytics.stages.rules import Earlier, Reach, StageRule
from journey_analytics.stages.stage_map import StageMap

TOUCHPOINTS = "stg_touchpoints"
OUTPUT_TABLE = "int_touchpoint_rules"

_KEPT = ("source", "event_id", "customer_id", "occurred_us", "event_name", "channel", "revenue")
_JOURNEY_REF = "journey_ref"
_PASSED_ON = (*_KEPT, _JOURNEY_REF)
_PLAIN = "plain_rule_number"
_IS_KEPT = "is_kept"
_STARTS = "starts_session"
_SESSION_START = "session_start_us"
_HEADER = f"""\
-- {OUTPUT_TABLE}: the number of the first stage rule that takes each touchpoint. Made from stages.yaml.
-- Grain:  one row per stage_model, source, event_id; rule_number is null when no rule takes it.
-- Reads:  {TOUCHPOINTS}.
"""


@dataclass(frozen=True)
class ProjectTime:
    """What a project says of time: the zone in which its days begin, and the longest gap inside a session."""

    zone: ZoneInfo
    session_timeout: timedelta

    def first_instant_us(self, day: date) -> int:
        """When the local day begins."""
        return to_us(datetime.combine(day, time(), tzinfo=self.zone))


def compile_rules(maps: Sequence[StageMap], project_time: ProjectTime, journey_key: str | None = None) -> str:
    """The SQL text that numbers every touchpoint with the first rule that takes it, in each stage model.

    Args:
        maps: the stage models with their rules; rule_number counts the rules of each from 1.
        project_time: what days and sessions are to the rules.
        journey_key: the text column, or `properties.<name>`, that holds a journey's own key.

    Returns:
        One SELECT with columns stage_model, source, event_id, customer_id, journey_ref (text, null without
        a key), occurred_us, event_name, channel, revenue and rule_number (BIGINT, null when unmapped), the
        same text for DuckDB and Spark.
    """
    empty = exp.Literal.string("")
    key = exp.func("nullif", empty if journey_key is None else text_column(journey_key), empty)
    statement = exp.select("*").from_("final")
    numbered: list[exp.Query] = []
    for number, found in enumerate(maps, start=1):
        model = _Compiler(found, number, project_time)
        for name, query in model.ctes(key.as_(_JOURNEY_REF)).items():
            statement = statement.with_(name, as_=query, copy=False)
        columns = ("stage_model", *_KEPT[:3], _JOURNEY_REF, *_KEPT[3:], "rule_number")
        numbered.append(exp.select(*columns).from_(model.output))
    final = numbered[0] if len(numbered) == 1 else exp.union(*numbered, distinct=False)
    statement = statement.with_("final", as_=final, copy=False)
    return _HEADER + statement.sql("duckdb", pretty=True, normalize_functions="lower") + "\n"


class _Compiler:
    """Collects the flags and windows the rules of one stage model need, each once, then writes its CTEs."""

    def __init__(self, stage_map: StageMap, number: int, project_time: ProjectTime) -> None:
        self.stage_model = stage_map.model.name
        self.rules = list(enumerate(stage_map.rules, start=1))
        self.suffix = "" if number == 1 else f"_{number}"
        self.time = project_time
        self.asked: dict[str, tuple[str, exp.Expr]] = {}
        self.flags: dict[str, tuple[str, exp.Expr]] = {}
        self.windows: dict[str, tuple[str, exp.Expr]] = {}
        self.candidates: dict[str, exp.Expr] = {}
        self.uses_sessions = False

    @property
    def output(self) -> str:
        """The name of the last CTE."""
        return f"numbered{self.suffix}"

    def ctes(self, journey_ref: exp.Expr) -> dict[str, exp.Query]:
        """The CTEs by name, each after those it reads."""
        plain = [(number, rule) for number, rule in self.rules if not rule.has_context]
        plainly = numbering_sql(
            [Numbered(number, event_names(rule.when), self.holds_here(rule)) for number, rule in plain]
        )
        if len(plain) == len(self.rules):
            return {self.output: self.select(*_KEPT, journey_ref, number=plainly).from_(TOUCHPOINTS)}
        # what the contexts ask about is known only when all of them are written
        case = exp.Case()
        for number, rule in self.rules:
            if rule.has_context:
                case = case.when(self.outcome(number, rule), exp.Literal.number(number), copy=False)
        case = case.else_(exp.column(_PLAIN), copy=False)
        numbered = self.select(*_PASSED_ON, number=case).from_(f"histories{self.suffix}")
        steps: dict[str, exp.Query] = {
            f"asked{self.suffix}": self.ask_all(plainly, journey_ref),
            f"flagged{self.suffix}": self.flagged(),
        }
        if self.uses_sessions:
            steps[f"gaps{self.suffix}"] = self.gaps()
            steps[f"histories{self.suffix}"] = self.histories(f"gaps{self.suffix}")
            return {**steps, self.output: numbered}
        flagged = f"flagged{self.suffix}"
        has_flag = exp.or_(*(exp.column(name) for name in self.flag_names()))
        steps[f"histories{self.suffix}"] = self.histories(flagged).where(has_flag)
        others = self.select(*_PASSED_ON, number=exp.column(_PLAIN)).from_(flagged)
        others = others.where(exp.not_(exp.paren(has_flag.copy())))
        return {**steps, self.output: exp.union(numbered, others, distinct=False)}

    def select(self, *columns: str | exp.Expr, number: exp.Expr) -> exp.Select:
        """The output: the stage model, the columns that journeys are made of, the rule's number."""
        model = text_literal(self.stage_model).as_("stage_model")
        return exp.select(model, *columns, _bigint(number).as_("rule_number"))

    def ask_all(self, plainly: exp.Expr, journey_ref: exp.Expr) -> exp.Select:
        """Everything that is asked of the touchpoint's own columns."""
        asked = exp.select(*_KEPT, journey_ref, _bigint(plainly).as_(_PLAIN))
        for name, condition in self.asked.values():
            asked = asked.select(condition.as_(name), copy=False)
        return asked.from_(TOUCHPOINTS)

    def flagged(self) -> exp.Select:
        """What the touchpoint is to contexts and to rules with a context."""
        flagged = exp.select(*_PASSED_ON, _PLAIN)
        for name, flag in (*self.flags.values(), *self.candidates.items()):
            flagged = flagged.select(flag.as_(name), copy=False)
        if self.uses_sessions:
            kept = exp.not_(exp.paren(self.taken_plainly(lambda rule: rule.ignores)))
            flagged = flagged.select(kept.as_(_IS_KEPT), copy=False)
        return flagged.from_(f"asked{self.suffix}")

    def histories(self, looked_at: str) -> exp.Select:
        """What contexts look back at."""
        histories = exp.select(*_PASSED_ON, _PLAIN, *self.candidates)
        if self.uses_sessions:
            histories = histories.select(_session_start().as_(_SESSION_START), copy=False)
        for name, window in self.windows.values():
            histories = histories.select(window.as_(name), copy=False)
        return histories.from_(looked_at)

    def holds_here(self, rule: StageRule) -> exp.Expr:
        """Whether the touchpoint meets the rule by its own columns, on its day."""
        parts = []
        for day, kind in ((rule.from_day, exp.GTE), (rule.until_day, exp.LT)):
            if day is not None:
                instant = exp.Literal.number(self.time.first_instant_us(day))
                parts.append(kind(this=exp.column("occurred_us"), expression=instant))
        return exp.and_(*parts, condition_sql(rule.when))

    def outcome(self, number: int, rule: StageRule) -> exp.Expr:
        """Whether the rule takes a touchpoint that no rule without a context takes before it."""
        candidate = f"is_candidate_{number}"
        meets = exp.column(self.ask(self.holds_here(rule)))
        before = exp.column(_PLAIN) > exp.Literal.number(number)
        is_free = exp.paren(exp.or_(exp.column(_PLAIN).is_(exp.null()), before))
        self.candidates[candidate] = exp.and_(meets, is_free)
        parts = [self.earlier_holds(earlier) for earlier in rule.earlier]
        if rule.occurrence is not None:
            kind = self.flag(exp.column(self.ask(condition_sql(rule.when))))
            parts.append(self.seen_before(kind, rule.occurrence.at_least - 1, rule.occurrence.reach))
        return exp.and_(exp.column(candidate), *parts)

    def earlier_holds(self, earlier: Earlier) -> exp.Expr:
        """Whether the touchpoint that a context speaks of is there, or is not there."""
        found = self.seen_before(self.flag(self.kind_of(earlier)), 1, earlier.reach)
        return found if earlier.is_wanted else exp.not_(exp.paren(exp.func("coalesce", found, exp.false())))

    def kind_of(self, earlier: Earlier) -> exp.Expr:
        """What the earlier touchpoint must be, by its own columns."""
        if earlier.when is not None:
            return exp.column(self.ask(condition_sql(earlier.when)))
        return self.taken_plainly(lambda rule: rule.stage == earlier.stage)

    def taken_plainly(self, is_meant: Callable[[StageRule], bool]) -> exp.Expr:
        """Whether the first rule without a context that takes the touchpoint is one of those meant."""
        numbers = [number for number, rule in self.rules if not rule.has_context and is_meant(rule)]
        if not numbers:
            return exp.false()
        listed = exp.In(
            this=exp.column(_PLAIN), expressions=[exp.Literal.number(number) for number in numbers]
        )
        return exp.func("coalesce", listed, exp.false())

    def seen_before(self, flag: str, times: int, reach: Reach) -> exp.Expr:
        """Whether the customer's history holds the kind so often before the touchpoint, within reach."""
        self.uses_sessions |= reach.same_session
        if times > 1 and reach == Reach():
            seen = self.window(f"count {flag}", lambda: _bigint(_over(_count(flag), upto="the row before")))
            return exp.column(seen) >= exp.Literal.number(times)
        if times == 1:
            seen = self.window(f"last {flag}", lambda: _over(_last_us(flag), upto="the row before"))
        else:
            # back by rows of the kind alone, so it needs a sort of its own
            back = exp.Lag(this=exp.column("occurred_us"), offset=exp.Literal.number(times))
            seen = self.window(f"{times} {flag}", lambda: _over(back, with_flag=flag))
        parts: list[exp.Expr] = [exp.not_(exp.column(seen).is_(exp.null()))]
        if reach.within is not None:
            gap = exp.Sub(this=exp.column("occurred_us"), expression=exp.column(seen))
            parts.append(exp.LTE(this=gap, expression=exp.Literal.number(microseconds(reach.within))))
        if reach.same_session:
            parts.append(exp.column(seen) >= exp.column(_SESSION_START))
        return exp.and_(*parts)

    def gaps(self) -> exp.Select:
        """Whether a session begins at the touchpoint, ignored ones before it not counted.

        Every touchpoint is there, for any may lie between two others.
        """
        last_kept = _over(_last_us(_IS_KEPT), upto="the row before")
        timeout = exp.Literal.number(microseconds(self.time.session_timeout))
        gap = exp.Sub(this=exp.column("occurred_us"), expression=last_kept)
        # no kept touchpoint before: nothing to be near to
        starts = exp.func("coalesce", exp.GT(this=gap, expression=timeout), exp.true())
        passed_on = (*_PASSED_ON, _PLAIN, *self.flag_names())
        return exp.select(*passed_on, starts.as_(_STARTS)).from_(f"flagged{self.suffix}")

    def flag_names(self) -> list[str]:
        """The columns of `flagged` that say true or false."""
        return [*(name for name, _ in self.flags.values()), *self.candidates]

    def ask(self, condition: exp.Expr) -> str:
        """The column of `numbered` that says whether the condition holds, made once per condition."""
        known = exp.func("coalesce", condition, exp.false())
        return self.asked.setdefault(condition.sql(), (f"is_met_{len(self.asked) + 1}", known))[0]

    def flag(self, kind: exp.Expr) -> str:
        """The column of `flagged` that is true for touchpoints of the kind, made once per kind."""
        return self.flags.setdefault(kind.sql(), (f"is_kind_{len(self.flags) + 1}", kind))[0]

    def window(self, key: str, make: Callable[[], exp.Expr]) -> str:
        """The column of `histories` that holds the window, made once per key."""
        if key not in self.windows:
            self.windows[key] = (f"seen_{len(self.windows) + 1}", make())
        return self.windows[key][0]


def _last_us(flag: str) -> exp.Expr:
    return exp.Max(this=exp.Case().when(exp.column(flag), exp.column("occurred_us")))


def _count(flag: str) -> exp.Expr:
    return exp.Sum(this=exp.Case().when(exp.column(flag), exp.Literal.number(1)).else_(exp.Literal.number(0)))


def _session_start() -> exp.Expr:
    """When the touchpoint's session began.

    Where an ignored touchpoint begins one, the next kept one begins another: it is no nearer to the last.
    """
    begun = exp.Max(this=exp.Case().when(exp.column(_STARTS), exp.column("occurred_us")))
    return _over(begun, upto="this row")


def _over(
    function: exp.Expr,
    *,
    upto: Literal["this row", "the row before"] | None = None,
    with_flag: str | None = None,
) -> exp.Window:
    """The function over a customer's history in the total order of events, up to a row.

    Args:
        function: an aggregate, or `lag`.
        upto: the last row an aggregate looks at.
        with_flag: look only at touchpoints that are alike in this.
    """
    partition = [exp.column("customer_id"), *([exp.column(with_flag)] if with_flag else [])]
    order = exp.Order(
        expressions=[
            exp.Ordered(this=exp.column(name), desc=False, nulls_first=True)
            for name in ("occurred_us", "source", "event_id")
        ]
    )
    spec = None
    if upto is not None:
        end = ("CURRENT ROW", None) if upto == "this row" else ("1", "PRECEDING")
        spec = exp.WindowSpec(
            kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end=end[0], end_side=end[1]
        )
    return exp.Window(this=function, partition_by=partition, order=order, spec=spec)


def _bigint(expression: exp.Expr) -> exp.Expr:
    return exp.cast(expression, "bigint")
