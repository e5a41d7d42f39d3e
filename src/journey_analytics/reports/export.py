"""Rows of a query as JSON or CSV text, for other programs and for spreadsheets."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time
from typing import Any

import polars as pl

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def as_json_text(frame: pl.DataFrame) -> str:
    """A JSON array of one object per row.

    Times are ISO 8601, decimals are text so that nothing is rounded, and a number that JSON does not know
    (not a number, infinite) is null.
    """
    return json.dumps(plain_rows(frame), default=str, ensure_ascii=False, allow_nan=False, indent=1)


def plain_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows with times as ISO 8601 and null for a number JSON does not know; decimals as they are."""
    return [{name: _plain(value) for name, value in row.items()} for row in frame.to_dicts()]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def as_csv_text(frame: pl.DataFrame) -> str:
    """CSV with a header; a text cell that a spreadsheet would run as a formula gets an apostrophe."""
    guarded = [
        pl.when(pl.any_horizontal(*(pl.col(name).str.starts_with(s) for s in _FORMULA_STARTS)))
        .then("'" + pl.col(name))
        .otherwise(pl.col(name))
        .alias(name)
        for name, kind in frame.schema.items()
        if kind == pl.String
    ]
    return frame.with_columns(guarded).write_csv()
