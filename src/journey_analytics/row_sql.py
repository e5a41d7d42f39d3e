"""SQL expressions that people write over the columns of one row: in mappings, and as rules of tables.

Belongs here: what such an expression may hold, and which columns it names.
Does not belong here: what it is used for (sources/mapping.py, contracts.py), or running it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types

from journey_analytics.errors import advise

_REACHES_OUTSIDE = re.compile(
    r"(read|sniff|write|pg|duckdb)_.*|.*_scan|glob|getenv|current_setting|getvariable|nextval|currval"
    r"|query|query_table|which_secret"
)
"""Functions over something else than the row: files, the environment, settings, other tables."""


def expression_fault(text: str) -> str | None:
    """Why `text` is not one scalar expression over a row, or None."""
    try:
        tree = sqlglot.parse_one(f"select {text}", read="duckdb")
    except SqlglotError as cause:
        return f"{text!r} is not an SQL expression ({str(cause).splitlines()[0]})"
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1:
        return f"{text!r} is more than one expression"
    if any(tree.args.get(part) for part in ("from_", "from", "where", "group", "order", "limit")):
        return f"{text!r} is a query, not an expression"
    body = tree.expressions[0]
    if isinstance(body, exp.Alias | exp.Star):
        return f"{text!r} is not one value"
    for kind, name in (
        (exp.Query, "a subquery"),
        (exp.Table, "a table"),
        (exp.Window, "a window"),
        (exp.AggFunc, "an aggregate"),
    ):
        if body.find(kind):
            return f"{text!r} holds {name}"
    outside = outside_function(body)
    return f"{text!r} calls {outside}, which does not read the row" if outside else None


def outside_function(tree: exp.Expr) -> str | None:
    """The first function in `tree` that reaches for a file, the environment, a setting or a table."""
    for function in tree.find_all(exp.Func):
        name = (function.name if isinstance(function, exp.Anonymous) else function.sql_name()).lower()
        if _REACHES_OUTSIDE.fullmatch(name):
            return name
    return None


def rule_fault(text: str, types: Mapping[str, str]) -> tuple[str, str] | None:
    """Why `text` is no condition over a row with columns of these types, and what to do about it; or None."""
    fault = expression_fault(text)
    if fault:
        return fault, "write one SQL condition over the columns of the row"
    named = columns_named(text)
    if not named:
        return f"{text!r} looks at no column", f"name one of {', '.join(types)}"
    unknown = next((name for name in named if name not in types), None)
    if unknown:
        return f"{text!r} names an unknown column {unknown!r}", advise(unknown, types, "column")
    kind = _type_of(text, types)
    # what a function gives may be unknown here; the engine knows
    if kind not in ("BOOLEAN", "UNKNOWN"):
        return f"{text!r} is a {kind}, not a condition", "compare it with something, so that it holds or not"
    return None


def columns_named(text: str) -> list[str]:
    """The columns an expression names, in the order in which they stand there.

    >>> columns_named("low <= rate and rate <= high")
    ['low', 'rate', 'high']
    """
    tree = sqlglot.parse_one(f"select {text}", read="duckdb")
    found = [column.name for column in tree.find_all(exp.Column, bfs=False)]
    return list(dict.fromkeys(found))


def _type_of(text: str, types: Mapping[str, str]) -> str:
    tree = sqlglot.parse_one(f"select {text} from rows", read="duckdb")
    for column in tree.find_all(exp.Column):
        column.set("table", exp.to_identifier("rows"))
    typed = annotate_types(tree, schema={"rows": dict(types)}, dialect="duckdb")
    kind = typed.expressions[0].type
    return kind.sql("duckdb") if kind is not None else "UNKNOWN"
