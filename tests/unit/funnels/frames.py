"""Events made by hand: who, when, what, and the channel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
TYPES = {
    "customer_id": pl.String,
    "occurred_at": pl.Datetime("us", "UTC"),
    "event_name": pl.String,
    "channel": pl.String,
}


def at(**since_monday: float) -> datetime:
    """A moment after midnight of Monday."""
    return MONDAY + timedelta(**since_monday)


def events(
    *rows: tuple[str | None, datetime | float | None, str] | tuple[Any, Any, str, str | None],
) -> pl.DataFrame:
    """Rows of (customer, moment or minutes after Monday's midnight, event name, channel or nothing)."""
    return pl.DataFrame(
        [
            (
                row[0],
                at(minutes=row[1]) if isinstance(row[1], int | float) else row[1],
                row[2],
                row[3] if len(row) > 3 else None,
            )
            for row in rows
        ],
        schema=TYPES,
        orient="row",
    )
