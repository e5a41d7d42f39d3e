"""The share of journeys that goes on from a stage; those still open count as far as they were watched.

Belongs here: int_stage_continuations, from the durations of int_stage_durations.
Does not belong here: the estimate itself (statistics).
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.statistics import grouped_survival

INPUT_TABLE = "int_stage_durations"
OUTPUT_TABLE = "int_stage_continuations"

_STAGE = ("stage_model", "funnel_kind", "stage")
_ROLES = {"first_touch": "first_channel", "stage_entry": "entry_channel", "last_touch": "last_channel"}
_RATES = ("continuation_rate", "continuation_rate_low", "continuation_rate_high")
_BATCH_ROWS = 1_000_000
_Stage = tuple[str, str, str]


def estimate_continuations(engine: DuckDBEngine) -> int:
    """Make int_stage_continuations from int_stage_durations and return how many rows it has."""
    channels: list[str] = []
    estimates = [_nothing()]
    for stage, durations in _by_stage(engine, channels).items():
        in_order = durations.sort("watched_us")
        everybody = in_order.select("watched_us", "is_continued", channel=pl.lit(0, pl.UInt16))
        estimates.append(_estimates(stage, "all", everybody, ["all"]))
        for role, column in _ROLES.items():
            of_role = in_order.select("watched_us", "is_continued", channel=column)
            estimates.append(_estimates(stage, role, of_role, channels))
    engine.load(OUTPUT_TABLE, pl.concat(estimates))
    return engine.count(OUTPUT_TABLE)


def _by_stage(engine: DuckDBEngine, channels: list[str]) -> dict[_Stage, pl.DataFrame]:
    """The durations in each stage, with a channel's place in `channels` for its name, which is added there.

    A row takes 15 bytes this way; in any year there are millions.
    """
    columns = ", ".join((*_STAGE, *_ROLES.values(), "watched_us", "is_continued"))
    asked = engine.connection.sql(f"select {columns} from {INPUT_TABLE}")
    reader: pa.RecordBatchReader = asked.to_arrow_reader(_BATCH_ROWS)
    parts: dict[_Stage, list[pl.DataFrame]] = defaultdict(list)
    for arrow in reader:
        batch = pl.DataFrame(arrow)
        met = set().union(*(batch[column].unique() for column in _ROLES.values()))
        channels += sorted(met.difference(channels))
        numbers = [
            pl.col(column).cast(pl.Enum(channels)).to_physical().cast(pl.UInt16) for column in _ROLES.values()
        ]
        for (model, kind, stage), rows in batch.with_columns(numbers).group_by(_STAGE):
            parts[str(model), str(kind), str(stage)].append(rows.drop(_STAGE))
    return {stage: pl.concat(parts.pop(stage)) for stage in sorted(parts)}


def _estimates(stage: _Stage, role: str, durations: pl.DataFrame, channels: list[str]) -> pl.DataFrame:
    """The estimate for each channel of a role, from durations in the order of time."""
    channel = durations["channel"].to_numpy()
    rows: NDArray[np.int64] = np.argsort(channel, kind="stable")
    channel = channel[rows]
    watched = durations["watched_us"].to_numpy()[rows]
    # who went on at the same time as others is counted with them
    is_first = np.ones(len(rows), np.bool_)
    is_first[1:] = (channel[1:] != channel[:-1]) | (watched[1:] != watched[:-1])
    times = np.flatnonzero(is_first)
    gone = np.diff(np.append(times, len(rows)))
    came = np.add.reduceat(durations["is_continued"].to_numpy()[rows].astype(np.int64), times)
    starts = np.flatnonzero(np.append(True, channel[times][1:] != channel[times][:-1]))
    survival, low, high = grouped_survival(starts, np.add.reduceat(gone, starts), gone, came)
    # where all or none went on there is nothing to form an interval from
    has_no_interval = pl.Series((survival <= 0.0) | (survival >= 1.0))
    return pl.DataFrame(
        {
            **dict(zip(_STAGE, ([text] * len(starts) for text in stage), strict=True)),
            "channel_role": [role] * len(starts),
            "channel": [channels[code] for code in channel[times][starts]],
            "continuation_rate": 1.0 - survival,
            "continuation_rate_low": pl.Series(1.0 - high).set(has_no_interval, None),
            "continuation_rate_high": pl.Series(1.0 - low).set(has_no_interval, None),
        }
    )


def _nothing() -> pl.DataFrame:
    """No estimate, with the columns of one."""
    texts = dict.fromkeys((*_STAGE, "channel_role", "channel"), pl.String)
    return pl.DataFrame(schema={**texts, **dict.fromkeys(_RATES, pl.Float64)})
