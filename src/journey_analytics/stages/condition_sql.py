"""Conditions to SQL: a boolean expression over the touchpoint's own columns, in the portable subset.

Belongs here: what a condition means in SQL. Does not belong here: rules and their context (compile.py).
"""

from __future__ import annotations

import re

from sqlglot import exp

from journey_analytics.stages.conditions import Comparison, Condition
from journey_analytics.touchpoints import PROPERTY_PREFIX, RULE_COLUMNS, Kind

NUMBER = "^-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$"
"""The text of a property that is compared as a number; any other text is none."""

_SPELLED_OUT = {"'": 39, "\\": 92}
_ORDERINGS: dict[str, type[exp.Binary]] = {
    "equals": exp.EQ,
    "gt": exp.GT,
    "gte": exp.GTE,
    "lt": exp.LT,
    "lte": exp.LTE,
}


def condition_sql(condition: Condition) -> exp.Expr:
    """The condition as a boolean expression over the touchpoint's own columns; null counts as not met.

    What costs little is asked first; the order of `and` and `or` means nothing to the result.
    """
    if isinstance(condition, Comparison):
        return _comparison(condition)
    parts = [condition_sql(part) for part in sorted(condition.parts, key=_cost)]
    if condition.kind == "not":
        return exp.not_(exp.paren(exp.func("coalesce", parts[0], exp.false())))
    combined = exp.and_(*parts) if condition.kind == "all" else exp.or_(*parts)
    return exp.paren(combined)


def is_number_test(test: Comparison) -> bool:
    """Whether the column, if it is a property and so text, is compared as a number."""
    if test.operator == "exists":
        return False
    values = test.value if isinstance(test.value, list) else [test.value]
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def text_of(value: object) -> str:
    """A value as the text it is compared as; a truth value as JSON writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cost(condition: Condition) -> int:
    if not isinstance(condition, Comparison):
        return max(map(_cost, condition.parts))
    if condition.operator == "matches":
        return 4
    if condition.column not in RULE_COLUMNS:
        return 3
    if condition.operator in ("contains", "starts_with"):
        return 2
    return 0 if condition.column == "event_name" else 1


def _comparison(test: Comparison) -> exp.Expr:
    column = _column(test)
    as_number = RULE_COLUMNS.get(test.column) is Kind.NUMBER or (
        test.column not in RULE_COLUMNS and is_number_test(test)
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
            return exp.Anonymous(this="rlike", expressions=[column, text_literal(str(test.value))])
        case "contains":
            pattern = f"%{_escaped(test.value)}%"
        case _:
            pattern = f"{_escaped(test.value)}%"
    like = exp.Like(this=column, expression=text_literal(pattern))
    return exp.Escape(this=like, expression=exp.Literal.string("!"))


def _is_one_of(column: exp.Expr, values: object, *, as_number: bool) -> exp.Expr:
    listed = values if isinstance(values, list) else [values]
    return exp.In(this=column, expressions=[_literal(value, as_number=as_number) for value in listed])


def text_column(name: str) -> exp.Expr:
    """A column of the touchpoint, or the text of one of its properties."""
    if name in RULE_COLUMNS:
        return exp.column(name)
    path = text_literal(f"$.{name.removeprefix(PROPERTY_PREFIX)}")
    return exp.Anonymous(this="get_json_object", expressions=[exp.column("properties"), path])


def _column(test: Comparison) -> exp.Expr:
    text = text_column(test.column)
    if test.column in RULE_COLUMNS or not is_number_test(test):
        return text
    # engines disagree on what else a cast to a number takes
    looks_like_one = exp.Anonymous(this="rlike", expressions=[text.copy(), text_literal(NUMBER)])
    return exp.Case().when(looks_like_one, exp.cast(text, "double"))


def _escaped(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _literal(value: object, *, as_number: bool) -> exp.Expr:
    return exp.Literal.number(str(value)) if as_number else text_literal(text_of(value))


def text_literal(text: str) -> exp.Expr:
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
