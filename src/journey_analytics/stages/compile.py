"""Stage rules to SQL: one statement over stg_touchpoints, in the portable subset, built as a syntax tree.

The statement gives each touchpoint, in every stage model, the number of the first rule that takes it
(null: unmapped), beside the columns that journeys are made of. Its CTEs, for each stage model:

    asked       the first rule without a context that takes the touchpoint, and whether it meets what contexts
                and rules with a context ask; without `same_session` only touchpoints that meet any of it
    gaps        only with `same_session`: does a session begin here
    histories   the times that contexts look back at, by windows that share one sort
    numbered    the first rule with a context that holds, else the one without a context; and, the others'
                stage being settled without a look at histories, all other touchpoints

Without a rule that has a context there is only the last. Rules without a context become one case expression;
many of them name their events, so it first finds its way by the event's name: see numbering_sql.py.

Belongs here: what a rule means in SQL. Does not belong here: conditions (condition_sql.py), running it.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    key = _journey_ref(journey_key)
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


def journey_key_sql(journey_key: str) -> str:
    """The SQL text of a journey's own key, null where an event has none."""
    return _journey_ref(journey_key).sql("duckdb", normalize_functions="lower")


def _journey_ref(journey_key: str | None) -> exp.Expr:
    empty = exp.Literal.string("")
    return exp.func("nullif", empty if journey_key is None else text_column(journey_key), empty)


class _Compiler:
    """Collects the flags and windows the rules of one stage model need, each once, then writes its CTEs."""

    def __init__(self, stage_map: StageMap, number: int, project_time: ProjectTime) -> None:
        self.stage_model = stage_map.model.name
        self.rules = list(enumerate(stage_map.rules, start=1))
        self.suffix = "" if number == 1 else f"_{number}"
        self.time = project_time
        plain = [(number, rule) for number, rule in self.rules if not rule.has_context]
        self.plainly = numbering_sql(
            [Numbered(number, event_names(rule.when), self.holds_here(rule)) for number, rule in plain]
        )
        self.asked: dict[str, tuple[str, exp.Expr]] = {}
        self.stages_asked: dict[str, None] = {}
        self.windows: dict[str, tuple[str, exp.Expr]] = {}
        self.uses_sessions = False

    @property
    def output(self) -> str:
        """The name of the last CTE."""
        return f"numbered{self.suffix}"

    def ctes(self, journey_ref: exp.Expr) -> dict[str, exp.Query]:
        """The CTEs by name, each after those it reads."""
        others = self.select(*_KEPT, journey_ref, number=self.plainly).from_(TOUCHPOINTS)
        if not any(rule.has_context for _, rule in self.rules):
            return {self.output: others}
        # what the contexts ask about is known only when all of them are written
        case = exp.Case()
        for number, rule in self.rules:
            if rule.has_context:
                case = case.when(self.takes(number, rule), exp.Literal.number(number), copy=False)
        case = case.else_(exp.column(_PLAIN), copy=False)
        asked, gaps, histories = (f"{name}{self.suffix}" for name in ("asked", "gaps", "histories"))
        numbered = self.select(*_PASSED_ON, number=case).from_(histories)
        if self.uses_sessions:
            return {
                asked: self.ask_all(journey_ref),
                gaps: self.gaps().from_(asked),
                histories: self.histories().from_(gaps),
                self.output: numbered,
            }
        others = others.where(exp.not_(exp.paren(self.matters())))
        return {
            asked: self.ask_all(journey_ref).where(self.matters()),
            histories: self.histories().from_(asked),
            self.output: exp.union(numbered, others, distinct=False),
        }

    def select(self, *columns: str | exp.Expr, number: exp.Expr) -> exp.Select:
        """The output: the stage model, the columns that journeys are made of, the rule's number."""
        model = text_literal(self.stage_model).as_("stage_model")
        return exp.select(model, *columns, _bigint(number).as_("rule_number"))

    def ask_all(self, journey_ref: exp.Expr) -> exp.Select:
        """Everything that is asked of the touchpoint's own columns."""
        asked = exp.select(*_KEPT, journey_ref, _bigint(self.plainly).as_(_PLAIN))
        for name, condition in self.asked.values():
            asked = asked.select(condition.as_(name), copy=False)
        return asked.from_(TOUCHPOINTS)

    def matters(self) -> exp.Expr:
        """Whether a context, or a rule with one, has anything to do with the touchpoint."""
        stages = (self.gives(str(stage), self.plainly.copy()) for stage in self.stages_asked)
        return exp.or_(*(condition.copy() for _, condition in self.asked.values()), *stages)

    def histories(self) -> exp.Select:
        """What contexts look back at."""
        histories = exp.select(*_PASSED_ON, _PLAIN, *(name for name, _ in self.asked.values()))
        if self.uses_sessions:
            histories = histories.select(_session_start().as_(_SESSION_START), copy=False)
        for name, window in self.windows.values():
            histories = histories.select(window.as_(name), copy=False)
        return histories

    def holds_here(self, rule: StageRule) -> exp.Expr:
        """Whether the touchpoint meets the rule by its own columns, on its day."""
        parts = []
        for day, kind in ((rule.from_day, exp.GTE), (rule.until_day, exp.LT)):
            if day is not None:
                instant = exp.Literal.number(self.time.first_instant_us(day))
                parts.append(kind(this=exp.column("occurred_us"), expression=instant))
        return exp.and_(*parts, condition_sql(rule.when))

    def takes(self, number: int, rule: StageRule) -> exp.Expr:
        """Whether the rule takes a touchpoint, with its context, before a rule without one does."""
        meets = exp.column(self.ask(self.holds_here(rule)))
        before = exp.column(_PLAIN) > exp.Literal.number(number)
        parts: list[exp.Expr] = [meets, exp.paren(exp.or_(exp.column(_PLAIN).is_(exp.null()), before))]
        parts.extend(self.earlier_holds(earlier) for earlier in rule.earlier)
        if rule.occurrence is not None:
            kind = exp.column(self.ask(condition_sql(rule.when)))
            parts.append(self.seen_before(kind, rule.occurrence.at_least - 1, rule.occurrence.reach))
        return exp.and_(*parts)

    def earlier_holds(self, earlier: Earlier) -> exp.Expr:
        """Whether the touchpoint that a context speaks of is there, or is not there."""
        found = self.seen_before(self.kind_of(earlier), 1, earlier.reach)
        return found if earlier.is_wanted else exp.not_(exp.paren(exp.func("coalesce", found, exp.false())))

    def kind_of(self, earlier: Earlier) -> exp.Expr:
        """What the earlier touchpoint must be, by what is asked of its own columns."""
        if earlier.when is not None:
            return exp.column(self.ask(condition_sql(earlier.when)))
        self.stages_asked[str(earlier.stage)] = None
        return self.gives(str(earlier.stage), exp.column(_PLAIN))

    def gives(self, stage: str | None, number: exp.Expr) -> exp.Expr:
        """Whether the rule of this number, one without a context, gives the stage; None for being ignored."""
        numbers = [
            exp.Literal.number(other)
            for other, rule in self.rules
            if rule.stage == stage and not rule.has_context
        ]
        return exp.func("coalesce", exp.In(this=number, expressions=numbers), exp.false())

    def seen_before(self, kind: exp.Expr, times: int, reach: Reach) -> exp.Expr:
        """Whether the customer's history holds the kind so often before the touchpoint, within reach."""
        self.uses_sessions |= reach.same_session
        if times > 1 and reach == Reach():
            seen = self.window("count", kind, _bigint(_over(_count(kind), upto="the row before")))
            return exp.column(seen) >= exp.Literal.number(times)
        if times == 1:
            seen = self.window("last", kind, _over(_last_us(kind), upto="the row before"))
        else:
            # back by rows of the kind alone, so it needs a sort of its own
            back = exp.Lag(this=exp.column("occurred_us"), offset=exp.Literal.number(times))
            seen = self.window(f"{times} back", kind, _over(back, alike_in=kind))
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
        last_kept = exp.Lag(this=exp.column("occurred_us"), offset=exp.Literal.number(1))
        last = _over(last_kept)
        if any(rule.ignores and not rule.has_context for _, rule in self.rules):
            kept = exp.not_(exp.paren(self.gives(None, exp.column(_PLAIN))))
            last = _over(_last_us(kept), upto="the row before")
        gap = exp.Sub(this=exp.column("occurred_us"), expression=last)
        timeout = exp.Literal.number(microseconds(self.time.session_timeout))
        # nothing before: nothing to be near to
        starts = exp.func("coalesce", exp.GT(this=gap, expression=timeout), exp.true())
        return exp.select(
            *_PASSED_ON, _PLAIN, *(name for name, _ in self.asked.values()), starts.as_(_STARTS)
        )

    def ask(self, condition: exp.Expr) -> str:
        """The column of `asked` that says whether the condition holds, made once per condition."""
        known = exp.func("coalesce", condition, exp.false())
        return self.asked.setdefault(condition.sql(), (f"is_met_{len(self.asked) + 1}", known))[0]

    def window(self, what: str, kind: exp.Expr, made: exp.Expr) -> str:
        """The column of `histories` that holds the window, made once for what it says of a kind."""
        key = f"{what} {kind.sql()}"
        return self.windows.setdefault(key, (f"seen_{len(self.windows) + 1}", made))[0]


def _last_us(kind: exp.Expr) -> exp.Expr:
    return exp.Max(this=exp.Case().when(kind.copy(), exp.column("occurred_us")))


def _count(kind: exp.Expr) -> exp.Expr:
    one_or_none = exp.Case().when(kind.copy(), exp.Literal.number(1)).else_(exp.Literal.number(0))
    return exp.Sum(this=one_or_none)


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
    alike_in: exp.Expr | None = None,
) -> exp.Window:
    """The function over a customer's history in the total order of events, up to a row.

    Args:
        function: an aggregate, or `lag`.
        upto: the last row an aggregate looks at.
        alike_in: look only at touchpoints that are alike in this.
    """
    partition = [exp.column("customer_id"), *([alike_in.copy()] if alike_in is not None else [])]
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
