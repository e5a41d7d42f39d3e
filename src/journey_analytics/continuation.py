"""The share of journeys that goes on from a stage; those still open count as far as they were watched.

Belongs here: int_stage_continuations, from the durations that int_stage_durations counts.
Does not belong here: the estimate itself (statistics).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.statistics import grouped_survival

INPUT_TABLE = "int_stage_durations"
OUTPUT_TABLE = "int_stage_continuations"

_CELL = ("stage_model", "funnel_kind", "channel_role", "channel", "stage")
_LIST = ", ".join(_CELL)
_CELLS = "continuation_cells"
_ROWS_AT_ONCE = 1_000_000


def estimate_continuations(engine: DuckDBEngine) -> int:
    """Make int_stage_continuations from int_stage_durations and return how many rows it has."""
    engine.execute(
        f"create or replace temp table {_CELLS} as "
        f"select {_LIST}, cast(row_number() over (order by {_LIST}) - 1 as integer) as cell, "
        f"count(*) as durations, cast(sum(journeys) as bigint) as journeys "
        f"from {INPUT_TABLE} group by {_LIST}"
    )
    cells = engine.frame(f"select * from {_CELLS} order by cell")
    estimates = [_estimates(engine, group) for group in _groups(cells)]
    engine.load(OUTPUT_TABLE, pl.concat([_nothing(cells), *estimates]))
    engine.execute(f"drop table {_CELLS}")
    return engine.count(OUTPUT_TABLE)


def _groups(cells: pl.DataFrame) -> list[pl.DataFrame]:
    """The cells in runs that have together few enough durations to be looked at at once, or one each."""
    before = pl.col("durations").cum_sum() - pl.col("durations")
    return cells.with_columns(run=before // _ROWS_AT_ONCE).partition_by(
        "run", maintain_order=True, include_key=False
    )


def _estimates(engine: DuckDBEngine, cells: pl.DataFrame) -> pl.DataFrame:
    """The estimates of cells whose numbers follow one another."""
    same = " and ".join(f"{INPUT_TABLE}.{name} = {_CELLS}.{name}" for name in _CELL)
    # by their numbers, because the names would take more room than everything else
    rows = engine.frame(
        f"select {INPUT_TABLE}.journeys, {INPUT_TABLE}.journeys_continued from {INPUT_TABLE} "
        f"inner join {_CELLS} on {same} where cell between {cells['cell'][0]} and {cells['cell'][-1]} "
        "order by cell, watched_us"
    )
    starts = np.concatenate([[0], np.cumsum(cells["durations"].to_numpy())[:-1]])
    survival, low, high = grouped_survival(
        starts, cells["journeys"], rows["journeys"], rows["journeys_continued"]
    )
    # where all or none went on there is nothing to form an interval from
    has_interval = (survival > 0.0) & (survival < 1.0)
    return cells.select(_CELL).with_columns(
        continuation_rate=1.0 - survival,
        continuation_rate_low=pl.Series(1.0 - high).set(pl.Series(~has_interval), None),
        continuation_rate_high=pl.Series(1.0 - low).set(pl.Series(~has_interval), None),
    )


def _nothing(cells: pl.DataFrame) -> pl.DataFrame:
    """No estimate, with the columns of one."""
    rate = pl.lit(None, pl.Float64)
    return cells.select(
        *_CELL, continuation_rate=rate, continuation_rate_low=rate, continuation_rate_high=rate
    ).clear()
