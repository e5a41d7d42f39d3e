"""The closed stage funnel: the touchpoints that lead a journey through every required stage in order.

It is an ordered funnel by the rule book of this package, with a journey for the customer, the required stages
for the steps and the conversion window: any touchpoint of the first stage may open the chain, the furthest
chain counts, then the one completed earliest.

Belongs here: int_closed_entries, the one table between touchpoints and stages reached that SQL cannot make.
Does not belong here: what comes of a journey at a stage (sql/intermediate/int_journey_stages.sql).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.funnels.kernel import NOT_FILLED, Rules, find_chains

OUTPUT_TABLE = "int_closed_entries"
INPUT_TABLES = ("int_journey_touchpoints", "int_further_touchpoints", "int_funnel_stages")

_BATCH_ROWS = 1_000_000
_TOUCHPOINTS = f"""
    with touchpoints as (
        select $own as stage_model, journey_id, touchpoint_number, occurred_us, channel, stage
        from {INPUT_TABLES[0]}
        union all
        select stage_model, journey_id, touchpoint_number, occurred_us, channel, stage
        from {INPUT_TABLES[1]}
    )
    select journey_id, touchpoint_number, occurred_us, channel, stage_ordinal
    from touchpoints
    inner join {INPUT_TABLES[2]} using (stage_model, stage)
    where stage_model = $model and funnel_kind = 'closed'
    order by journey_id, touchpoint_number
"""


def find_closed_entries(engine: DuckDBEngine, own_model: str, window_us: int) -> int:
    """Make int_closed_entries from the touchpoints of journeys: one row per required stage a journey reached.

    Args:
        engine: holds the tables read, INPUT_TABLES.
        own_model: the stage model of int_journey_touchpoints.
        window_us: longest time from the touchpoint of the first stage to that of the last, included.

    Returns:
        How many rows it has.
    """
    engine.execute(
        f"create or replace table {OUTPUT_TABLE} (stage_model varchar, journey_id varchar, stage varchar, "
        "stage_ordinal bigint, entry_number bigint, entered_us bigint, entry_channel varchar)"
    )
    closed = engine.rows(
        "select stage_model, stage, stage_ordinal from int_funnel_stages where funnel_kind = 'closed' "
        "order by stage_model, stage_ordinal"
    )
    for model in dict.fromkeys(row["stage_model"] for row in closed):
        stages = {row["stage_ordinal"]: row["stage"] for row in closed if row["stage_model"] == model}
        asked = {"own": own_model, "model": model}
        for journeys in _whole_journeys(engine, asked):
            engine.connection.register("entries", _entries(journeys, model, stages, window_us))
            engine.execute(f"insert into {OUTPUT_TABLE} select * from entries")
            engine.connection.unregister("entries")
    return engine.count(OUTPUT_TABLE)


def _whole_journeys(engine: DuckDBEngine, parameters: dict[str, str]) -> Iterator[pa.Table]:
    """The touchpoints in order, in tables that end where a journey ends."""
    # a cursor of its own: the connection writes entries while this one is still being read
    asked = engine.cursor().sql(_TOUCHPOINTS, params=parameters)
    reader: pa.RecordBatchReader = asked.to_arrow_reader(_BATCH_ROWS)
    kept: list[pa.Table] = []
    for batch in reader:
        table = pa.Table.from_batches([batch])
        starts = np.flatnonzero(_starts_journey(table))
        if kept and kept[-1]["journey_id"][-1] != table["journey_id"][0]:
            yield pa.concat_tables(kept)
            kept = []
        border = int(starts[-1])
        if border:
            yield pa.concat_tables([*kept, table.slice(0, border)])
            kept = []
        kept.append(table.slice(border))
    if kept:
        yield pa.concat_tables(kept)


def _starts_journey(table: pa.Table) -> NDArray[np.bool_]:
    """Whether a row is of another journey than the one before it; the first row is."""
    ids = table["journey_id"].combine_chunks()
    changes = pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1)).to_numpy(zero_copy_only=False)
    starts: NDArray[np.bool_] = np.concatenate(([True], changes))
    return starts


def _entries(journeys: pa.Table, model: str, stages: dict[int, str], window_us: int) -> pa.Table:
    """The rows of the chains that count, with the stage each fills."""
    bits = {ordinal: 1 << place for place, ordinal in enumerate(stages)}
    ordinals = journeys["stage_ordinal"].to_numpy()
    masks = np.zeros(len(ordinals), dtype=np.int64)
    for ordinal, bit in bits.items():
        masks[ordinals == ordinal] = bit
    rules = Rules(steps=tuple(bits.values()), window=window_us)
    borders = np.append(np.flatnonzero(_starts_journey(journeys)), len(journeys))
    chains = find_chains(borders, journeys["occurred_us"].to_numpy(), masks, rules)
    rows = journeys.take(chains[chains != NOT_FILLED])
    names = pa.array([stages[ordinal] for ordinal in rows["stage_ordinal"].to_pylist()], pa.string())
    return pa.table(
        {
            "stage_model": pa.array([model] * len(rows), pa.string()),
            "journey_id": rows["journey_id"],
            "stage": names,
            "stage_ordinal": rows["stage_ordinal"],
            "entry_number": rows["touchpoint_number"],
            "entered_us": rows["occurred_us"],
            "entry_channel": rows["channel"],
        }
    )
