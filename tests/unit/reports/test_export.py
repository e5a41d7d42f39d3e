"""Exports: exact JSON, and CSV that a spreadsheet cannot be made to run."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from journey_analytics.reports.export import as_csv_text, as_json_text


def _cells(frame: pl.DataFrame) -> list[list[str]]:
    return list(csv.reader(io.StringIO(as_csv_text(frame))))


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")']
)
def test_a_text_that_would_run_as_a_formula_gets_an_apostrophe(text: str) -> None:
    """Campaign tags come from links that anybody can write."""
    assert _cells(pl.DataFrame({"campaign": [text]})) == [["campaign"], ["'" + text]]


@pytest.mark.parametrize("text", ["plain", "a=b", " spaced", "5", "'quoted", 'ä, "x"\ny'])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    """Commas, quotes and lines are quoted, not changed."""
    assert _cells(pl.DataFrame({"campaign": [text]})) == [["campaign"], [text]]


def test_numbers_keep_their_sign() -> None:
    """Only text is guarded; null is an empty cell."""
    frame = pl.DataFrame(
        {"n": [-5, None], "share": [-0.5, None], "day": [date(2024, 5, 1), None], "t": ["-", None]}
    )
    assert _cells(frame) == [["n", "share", "day", "t"], ["-5", "-0.5", "2024-05-01", "'-"], [""] * 4]


def test_no_rows_are_a_header_alone() -> None:
    """The columns are known all the same."""
    assert as_csv_text(pl.DataFrame({"a": [], "b": []}, schema={"a": pl.String, "b": pl.Int64})) == ("a,b\n")


def test_json_rounds_nothing() -> None:
    """Decimals are text, times are ISO, letters are letters."""
    frame = pl.DataFrame(
        {
            "money": [Decimal("0.10")],
            "at": [datetime(2024, 5, 1, tzinfo=UTC)],
            "name": ["Müller"],
            "n": [2**53 + 1],
            "none": [None],
        }
    )
    text = as_json_text(frame)
    assert "Müller" in text
    assert json.loads(text) == [
        {
            "money": "0.10",
            "at": "2024-05-01T00:00:00+00:00",
            "name": "Müller",
            "n": 2**53 + 1,
            "none": None,
        }
    ]


def test_json_times_are_iso_8601() -> None:
    """As the docstring says, and as parsers in browsers want them."""
    (row,) = json.loads(as_json_text(pl.DataFrame({"at": [datetime(2024, 5, 1, 9, tzinfo=UTC)]})))
    assert row["at"].startswith("2024-05-01T09:00:00")


def test_json_has_no_numbers_that_json_does_not_know() -> None:
    """A share of nothing is null."""
    assert json.loads(
        as_json_text(pl.DataFrame({"share": [float("nan")]})), parse_constant=lambda _: "not JSON"
    ) == [{"share": None}]
