"""Stage rules as stages.yaml writes them, applied to a whole table with Polars.

A third reading, beside the compiled SQL and the reader of single touchpoints. Nothing of the product is used
here; of the reader only how a file and a touchpoint look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import date, timedelta
from functools import reduce
from operator import and_, or_
from typing import Any

import polars as pl

from tests.property.rule_reader import RuleFile, Touch

SCHEMA: dict[str, Any] = {
    **{field.name: pl.String for field in fields(Touch)},
    "us": pl.Int64,
    "revenue": pl.Decimal(18, 4),
    "score": pl.Float64,
}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_CONTEXTS = ("after", "not_after", "occurrence")
_IS_NUMBER = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"


def first_rules(file: RuleFile, touches: Sequence[Touch]) -> dict[str, int | None]:
    """Event id to the number of the first rule that takes it; None when none does."""
    rules = file.named_lists_written_out()
    frame = pl.DataFrame([asdict(touch) for touch in touches], schema=SCHEMA, orient="row")
    frame = frame.sort("customer", "us", "source", "event_id")
    day = pl.from_epoch("us", time_unit="us").dt.replace_time_zone("UTC")
    frame = frame.with_columns(day=day.dt.convert_time_zone(file.zone).dt.date())
    plain = {number: rule for number, rule in enumerate(rules, 1) if not set(_CONTEXTS) & rule.keys()}
    frame = frame.with_columns(plain=_first({n: _takes_here(rule) for n, rule in plain.items()}))
    ignored = [number for number, rule in plain.items() if rule.get("ignore")]
    frame = frame.with_columns(kept=~pl.col("plain").is_in(ignored).fill_null(value=False))
    before = _last(pl.col("kept"))
    starts = ((pl.col("us") - before) > _us(file.session_timeout)).fill_null(value=True)
    frame = frame.with_columns(starts=starts)
    begun = pl.when(pl.col("kept") & pl.col("starts")).then("us").forward_fill().over("customer")
    frame = frame.with_columns(session=pl.when("starts").then("us").otherwise(begun))
    taken = {number: _takes(rule, plain) for number, rule in enumerate(rules, 1)}
    frame = frame.with_columns(taken=_first(taken))
    return dict(frame.select("event_id", "taken").iter_rows())


def _first(conditions: Mapping[int, pl.Expr]) -> pl.Expr:
    chosen = [pl.when(condition).then(pl.lit(number)) for number, condition in conditions.items()]
    return pl.coalesce(*chosen, pl.lit(None, dtype=pl.Int32)).cast(pl.Int64)


def _takes_here(rule: Mapping[str, Any]) -> pl.Expr:
    holds = _meets(rule["when"])
    if "from" in rule:
        holds &= pl.col("day") >= _day(rule["from"])
    if "until" in rule:
        holds &= pl.col("day") < _day(rule["until"])
    return holds


def _takes(rule: Mapping[str, Any], plain: Mapping[int, Mapping[str, Any]]) -> pl.Expr:
    holds = _takes_here(rule)
    for key in ("after", "not_after"):
        if key in rule:
            context = rule[key]
            columns = {k: v for k, v in context.items() if k not in ("stage", "within", "same_session")}
            if "stage" in context:
                giving = [number for number, other in plain.items() if other.get("stage") == context["stage"]]
                kind = pl.col("plain").is_in(giving).fill_null(value=False)
            else:
                kind = _meets(columns)
            found = _is_near(_last(kind), context)
            holds &= found if key == "after" else ~found
    if "occurrence" in rule:
        context = rule["occurrence"]
        kind = _meets(rule["when"])
        back = pl.col("us").shift(context["gte"] - 1).over("customer", kind)
        holds &= _is_near(back, context)
    return holds


def _last(kind: pl.Expr) -> pl.Expr:
    """When the customer's last touchpoint of the kind before this one was."""
    return pl.when(kind).then("us").forward_fill().shift(1).over("customer")


def _is_near(earlier_us: pl.Expr, context: Mapping[str, Any]) -> pl.Expr:
    near = earlier_us.is_not_null()
    if "within" in context:
        near &= (pl.col("us") - earlier_us) <= _us(context["within"])
    if context.get("same_session"):
        near &= earlier_us >= pl.col("session")
    return near.fill_null(value=False)


def _us(duration: str) -> int:
    return timedelta(**{_UNITS[duration[-1]]: int(duration[:-1])}) // timedelta(microseconds=1)


def _meets(conditions: Mapping[str, Any]) -> pl.Expr:
    parts = []
    for key, value in conditions.items():
        if key == "any":
            parts.append(reduce(or_, map(_meets, value)))
        elif key == "all":
            parts.append(reduce(and_, map(_meets, value)))
        elif key == "not":
            parts.append(~_meets(value))
        elif isinstance(value, dict):
            parts.extend(_test(key, name, wanted) for name, wanted in value.items())
        else:
            parts.append(_test(key, "in", value))
    return reduce(and_, parts)


def _test(column: str, name: str, wanted: Any) -> pl.Expr:
    values = [
        str(v).lower() if isinstance(v, bool) else v
        for v in (wanted if isinstance(wanted, list) else [wanted])
    ]
    found = pl.col(column)
    if column.startswith("properties."):
        found = pl.col("properties").str.json_path_match(f"$.{column.removeprefix('properties.')}")
        if name != "exists" and not isinstance(values[0], str):
            found = pl.when(found.str.contains(_IS_NUMBER)).then(found).cast(pl.Float64)
    elif column in ("revenue", "score"):
        found = found.cast(pl.Float64)
    if name == "exists":
        return found.is_not_null() if wanted else found.is_null()
    if not isinstance(values[0], str):
        values = [float(value) for value in values]
    tests = {
        "equals": lambda: found == values[0],
        "in": lambda: found.is_in(values),
        "not": lambda: ~found.is_in(values).fill_null(value=False),
        "gt": lambda: found > values[0],
        "gte": lambda: found >= values[0],
        "lt": lambda: found < values[0],
        "lte": lambda: found <= values[0],
        "contains": lambda: found.str.contains(values[0], literal=True),
        "starts_with": lambda: found.str.starts_with(values[0]),
        "matches": lambda: found.str.contains(values[0]),
    }
    return tests[name]().fill_null(value=False)


def _day(given: Any) -> pl.Expr:
    return pl.lit(given if isinstance(given, date) else date.fromisoformat(given))
