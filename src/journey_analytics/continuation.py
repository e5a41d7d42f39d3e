"""The share of journeys that goes on from a stage; those still open count as far as they were watched.

Belongs here: int_stage_continuations, from the durations that int_stage_durations counts.
Does not belong here: the estimate itself (statistics).
"""

from __future__ import annotations

import polars as pl

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.statistics import grouped_survival

INPUT_TABLE = "int_stage_durations"
OUTPUT_TABLE = "int_stage_continuations"

_CELL = ("stage_model", "funnel_kind", "channel_role", "channel", "stage")
_LIST = ", ".join(_CELL)


def estimate_continuations(engine: DuckDBEngine) -> int:
    """Make int_stage_continuations from int_stage_durations and return how many rows it has."""
    rows = engine.frame(
        f"select {_LIST}, journeys, journeys_continued from {INPUT_TABLE} order by {_LIST}, watched_us"
    ).with_row_index("row")
    cells = rows.group_by(_CELL, maintain_order=True).agg(pl.first("row"), pl.sum("journeys"))
    survival, low, high = grouped_survival(
        cells["row"], cells["journeys"], rows["journeys"], rows["journeys_continued"]
    )
    # where all or none went on there is nothing to form an interval from
    has_interval = (survival > 0.0) & (survival < 1.0)
    estimates = cells.select(_CELL).with_columns(
        continuation_rate=1.0 - survival,
        continuation_rate_low=pl.Series(1.0 - high).set(pl.Series(~has_interval), None),
        continuation_rate_high=pl.Series(1.0 - low).set(pl.Series(~has_interval), None),
    )
    engine.load(OUTPUT_TABLE, estimates)
    return engine.count(OUTPUT_TABLE)
