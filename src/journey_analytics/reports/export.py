"""Rows of a query as JSON or CSV text, for other programs and for spreadsheets."""

from __future__ import annotations

import json

import polars as pl

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def as_json_text(frame: pl.DataFrame) -> str:
    """A JSON array of one object per row; times in ISO 8601, decimals as text, so nothing is rounded."""
    return json.dumps(frame.to_dicts(), default=str, ensure_ascii=False, indent=1)


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
