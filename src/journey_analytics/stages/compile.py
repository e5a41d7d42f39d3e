"""Stage rules to SQL: one statement over stg_touchpoints, in the portable subset, built as a syntax tree.

The statement gives each touchpoint, in every stage model, the number of the first rule that takes it
(null: unmapped), beside the columns that journeys are made of. Its CTEs, for each stage model:

    matched     for every condition that a context asks about: does this touchpoint meet it
    histories   for every context: the time of the earlier touchpoint it speaks of, by one window each
    numbered    one case expression over the rules, in order

Belongs here: what a rule means in SQL. Does not belong here: running it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sqlglot import exp

from journey_analytics.durations import microseconds
from journey_analytics.stages.rules import (
    Comparison,
    Condition,
    Earlier,
    Occurrence,
    StageMap,
    StageRule,
)
from journey_analytics.touchpoints import PROPERTY_PREFIX, RULE_COLUMNS, Kind

TOUCHPOINTS = "stg_touchpoints"
OUTPUT_TABLE = "int_touchpoint_rules"

_NUMBER = "^-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$"
_SPELLED_OUT = {"'": 39, "\\": 92}
_ORDERINGS: dict[str, type[exp.Binary]] = {
    "equals": exp.EQ,
    "gt": exp.GT,
    "gte": exp.GTE,
    "lt": exp.LT,
    "lte": exp.LTE,
}
_KEPT = ("source", "event_id", "customer_id", "occurred_us", "event_name", "channel", "revenue")
_JOURNEY_REF = "journey_ref"
_HEADER = f"""\
-- {OUTPUT_TABLE}: the number of the first stage rule that takes each touchpoint. Made from stages.yaml.
-- Grain:  one row per stage_model, source, event_id; rule_number is null when no rule takes it.
-- Reads:  {TOUCHPOINTS}.
"""


def compile_rules(maps: Sequence[StageMap], journey_key: str | None = None) -> str:
    """The SQL text that numbers every touchpoint with the first rule that takes it, in each stage model.

    Args:
        maps: the stage models with their rules; rule_number counts the rules of each from 1.
        journey_key: the text column, or `properties.<name>`, that holds a journey's own key.

    Returns:
        One SELECT with columns stage_model, source, event_id, customer_id, journey_ref (text, null without
        a key), occurred_us, event_name, channel, revenue and rule_number (BIGINT, null when unmapped), the
        same text for DuckDB and Spark.
    """
    empty = exp.Literal.string("")
    key = exp.func("nullif", empty if journey_key is None else _text_column(journey_key), empty)
    models = [_Compiler(found, number) for number, found in enumerate(maps, start=1)]
    statement = exp.select("*").from_("final")
    numbered: list[exp.Query] = []
    for model in models:
        for cte, select in model.ctes(key.as_(_JOURNEY_REF)):
            statement = statement.with_(cte, as_=select)
        columns = ("stage_model", *_KEPT[:3], _JOURNEY_REF, *_KEPT[3:], "rule_number")
        numbered.append(exp.select(*columns).from_(model.output))
    final = numbered[0] if len(numbered) == 1 else exp.union(*numbered, distinct=False)
    statement = statement.with_("final", as_=final)
    return _HEADER + statement.sql("duckdb", pretty=True, normalize_functions="lower") + "\n"


def condition_sql(condition: Condition) -> exp.Expr:
    """The condition as a boolean expression over the touchpoint's own columns; null counts as not met."""
    if isinstance(condition, Comparison):
        return _comparison(condition)
    parts = [condition_sql(part) for part in condition.parts]
    if condition.kind == "not":
        return exp.not_(exp.paren(exp.func("coalesce", parts[0], exp.false())))
    combined = exp.and_(*parts) if condition.kind == "all" else exp.or_(*parts)
    return exp.paren(combined)


def _comparison(test: Comparison) -> exp.Expr:
    column = _column(test)
    as_number = RULE_COLUMNS.get(test.column) is Kind.NUMBER or (
        test.column not in RULE_COLUMNS and _is_number_test(test)
    )
    missing = exp.Is(this=column.copy(), expression=exp.null())
    match test.operator:
        case "equals" | "gt" | "gte" | "lt" | "lte":
            return _ORDERINGS[test.operator](
                this=column, expression=_literal(test.value, as_number=as_number)
            )
        case "exists":
            return exp.not_(missing) if test.value else missing
        case "in":
            return _is_one_of(column, test.value, as_number=as_number)
        case "not":
            return exp.paren(exp.or_(missing, exp.not_(_is_one_of(column, test.value, as_number=as_number))))
        case "matches":
            return exp.Anonymous(this="rlike", expressions=[column, _text_literal(str(test.value))])
        case "contains":
            pattern = f"%{_escaped(test.value)}%"
        case _:
            pattern = f"{_escaped(test.value)}%"
    like = exp.Like(this=column, expression=_text_literal(pattern))
    return exp.Escape(this=like, expression=exp.Literal.string("!"))


def _is_one_of(column: exp.Expr, values: object, *, as_number: bool) -> exp.Expr:
    literals = [_literal(value, as_number=as_number) for value in _as_list(values)]
    return exp.In(this=column, expressions=literals)


def _column(test: Comparison) -> exp.Expr:
    text = _text_column(test.column)
    if test.column in RULE_COLUMNS or not _is_number_test(test):
        return text
    # engines disagree on what else a cast to a number takes
    looks_like_one = exp.Anonymous(this="rlike", expressions=[text.copy(), _text_literal(_NUMBER)])
    return exp.Case().when(looks_like_one, exp.cast(text, "double"))


def _text_column(name: str) -> exp.Expr:
    """A column of the touchpoint, or the text of one of its properties."""
    if name in RULE_COLUMNS:
        return exp.column(name)
    path = _text_literal(f"$.{name.removeprefix(PROPERTY_PREFIX)}")
    return exp.Anonymous(this="get_json_object", expressions=[exp.column("properties"), path])


def _is_number_test(test: Comparison) -> bool:
    """Whether a property, which is text, is compared as a number."""
    if test.operator == "exists":
        return False
    return all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in _as_list(test.value)
    )


def _escaped(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _literal(value: object, *, as_number: bool) -> exp.Expr:
    if as_number:
        return exp.Literal.number(str(value))
    return _text_literal(str(value).lower() if isinstance(value, bool) else str(value))


def _text_literal(text: str) -> exp.Expr:
    """The text as SQL; quotes and backslashes mean other things to other engines inside a literal."""
    parts: list[exp.Expr] = []
    for piece in re.split(r"(['\\])", text):
        if piece in _SPELLED_OUT:
            parts.append(exp.Anonymous(this="chr", expressions=[exp.Literal.number(_SPELLED_OUT[piece])]))
        elif piece:
            parts.append(exp.Literal.string(piece))
    whole: exp.Expr = parts[0] if parts else exp.Literal.string("")
    for part in parts[1:]:
        whole = exp.DPipe(this=whole, expression=part)
    return exp.paren(whole) if len(parts) > 1 else whole


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


class _Compiler:
    """Collects the flags and windows the rules of one stage model need, each once, then writes its CTEs."""

    def __init__(self, stage_map: StageMap, number: int) -> None:
        self.stage_model = stage_map.model.name
        self.rules = stage_map.rules
        self.suffix = "" if number == 1 else f"_{number}"
        self.flags: dict[str, str] = {}
        self.windows: dict[str, tuple[str, exp.Expr]] = {}

    @property
    def output(self) -> str:
        """The name of the last CTE."""
        return f"numbered{self.suffix}"

    def ctes(self, journey_ref: exp.Expr) -> list[tuple[str, exp.Select]]:
        """The CTEs by name, each after those it reads."""
        case = exp.Case()
        for number, rule in enumerate(self.rules, start=1):
            case = case.when(self.taken_by(rule), exp.Literal.number(number), copy=False)
        read = sorted(self.columns_read())
        matched = exp.select(*_KEPT, journey_ref, *read).from_(TOUCHPOINTS)
        for condition, name in self.flags.items():
            flag = exp.Case().when(condition, exp.Literal.number(1)).else_(exp.Literal.number(0))
            matched = matched.select(flag.as_(name), copy=False)
        histories = exp.select(*_KEPT, _JOURNEY_REF, *read).from_(f"matched{self.suffix}")
        for name, window in self.windows.values():
            histories = histories.select(window.as_(name), copy=False)
        numbered = exp.select(
            _text_literal(self.stage_model).as_("stage_model"),
            *_KEPT,
            _JOURNEY_REF,
            exp.cast(case, "bigint").as_("rule_number"),
        ).from_(f"histories{self.suffix}")
        return [
            (f"matched{self.suffix}", matched),
            (f"histories{self.suffix}", histories),
            (self.output, numbered),
        ]

    def taken_by(self, rule: StageRule) -> exp.Expr:
        """Whether the rule takes the touchpoint, read in the CTE `numbered`."""
        parts = [condition_sql(rule.when)]
        parts.extend(self.earlier_holds(earlier) for earlier in rule.earlier)
        if rule.occurrence is not None:
            parts.append(self.occurrence_holds(rule.when, rule.occurrence))
        return exp.and_(*parts) if len(parts) > 1 else parts[0]

    def earlier_holds(self, earlier: Earlier) -> exp.Expr:
        flag = self.flag(self.kind_of(earlier))
        last = self.window(
            f"last {flag}",
            lambda: _over(
                exp.Max(
                    this=exp.Case().when(
                        exp.column(flag).eq(exp.Literal.number(1)), exp.column("occurred_us")
                    )
                ),
                partition=[exp.column("customer_id")],
                preceding_rows=True,
            ),
        )
        found: exp.Expr = exp.not_(exp.column(last).is_(exp.null()))
        if earlier.within is not None:
            found = exp.paren(exp.and_(found, _not_longer_ago(last, microseconds(earlier.within))))
        return found if earlier.is_wanted else exp.not_(exp.paren(found))

    def kind_of(self, earlier: Earlier) -> exp.Expr:
        """What the earlier touchpoint must be, by its own columns."""
        if earlier.when is not None:
            return condition_sql(earlier.when)
        return self.stage_without_context(str(earlier.stage))

    def stage_without_context(self, stage: str) -> exp.Expr:
        """Whether the first rule without a context that takes the touchpoint gives `stage`."""
        case = exp.Case()
        for rule in self.rules:
            if not rule.has_context:
                gives = exp.true() if rule.stage == stage else exp.false()
                case = case.when(condition_sql(rule.when), gives, copy=False)
        return case.else_(exp.false(), copy=False)

    def occurrence_holds(self, when: Condition, occurrence: Occurrence) -> exp.Expr:
        flag = self.flag(condition_sql(when))
        back = exp.Literal.number(occurrence.at_least - 1)
        nth = self.window(
            f"{occurrence.at_least} {flag}",
            lambda: _over(
                exp.Lag(this=exp.column("occurred_us"), offset=back),
                partition=[exp.column("customer_id"), exp.column(flag)],
            ),
        )
        found: exp.Expr = exp.not_(exp.column(nth).is_(exp.null()))
        if occurrence.within is not None:
            found = exp.and_(found, _not_longer_ago(nth, microseconds(occurrence.within)))
        return found

    def flag(self, condition: exp.Expr) -> str:
        """The column of `matched` that is 1 where the condition holds, made once per condition."""
        return self.flags.setdefault(condition.sql(), f"is_kind_{len(self.flags) + 1}")

    def window(self, key: str, make: Callable[[], exp.Expr]) -> str:
        """The column of `histories` that holds the window, made once per key."""
        if key not in self.windows:
            self.windows[key] = (f"earlier_us_{len(self.windows) + 1}", make())
        return self.windows[key][0]

    def columns_read(self) -> set[str]:
        """The touchpoint columns the rules ask about, besides the keys every CTE carries."""
        names: set[str] = set()
        for rule in self.rules:
            for column in condition_sql(rule.when).find_all(exp.Column):
                names.add(column.name)
        return names - set(_KEPT)


def _not_longer_ago(column: str, duration_us: int) -> exp.Expr:
    gap = exp.Sub(this=exp.column("occurred_us"), expression=exp.column(column))
    return exp.LTE(this=gap, expression=exp.Literal.number(duration_us))


def _over(
    function: exp.Expr,
    partition: list[exp.Expr],
    *,
    preceding_rows: bool = False,
) -> exp.Window:
    """The function over a customer's history in the total order of events."""
    order = exp.Order(
        expressions=[
            exp.Ordered(this=exp.column(name), desc=False, nulls_first=True)
            for name in ("occurred_us", "source", "event_id")
        ]
    )
    spec = None
    if preceding_rows:
        spec = exp.WindowSpec(
            kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="1", end_side="PRECEDING"
        )
    return exp.Window(this=function, partition_by=partition, order=order, spec=spec)
