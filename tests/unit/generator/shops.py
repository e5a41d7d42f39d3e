"""Small shops for tests, and the files of a folder."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from journey_analytics.generator.shop import Arguments, generate

START = date(2025, 3, 28)
"""Two days before the clocks of Berlin go forward."""


def make_up(folder: Path, *, incidents_file: Path | None = None, **asked: Any) -> dict[str, Any]:
    """A shop of 2,000 events in `folder` unless asked for otherwise; the truth about it."""
    small: dict[str, Any] = {
        "events": 2_000, "customers": 100, "days": 4, "seed": 1, "start": START, "format": "csv",
    }  # fmt: skip
    return generate(Arguments(**{**small, **asked}), folder, lambda what, rows: None, incidents_file)


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file below the folder, by path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows(folder: Path, source: str, ask: str) -> list[tuple[Any, ...]]:
    """What DuckDB says of the CSV files of a source; the query reads them as `landed`, with `day`."""
    with duckdb.connect() as engine:
        engine.execute(
            "create view landed as select *, cast(parse_filename(filename)[:10] as date) as day from "
            f"read_csv('{folder}/landing/{source}/*.csv.gz', filename = true, all_varchar = true, "
            "union_by_name = true)"
        )
        return engine.execute(ask).fetchall()
