"""The step that reads the sources: new files into the store, and the events of all shown.

Belongs here: what is told of the loads, and counted for the gate. Does not belong here: loading (sources).
"""

from __future__ import annotations

import polars as pl

from journey_analytics.run.state import Run
from journey_analytics.sources.batches import must_be_unchanged
from journey_analytics.sources.load import load_new, show_events


def load(run: Run) -> str:
    """Read the new files into the store, and show all events in force; what came in, in words."""
    # loads of an earlier try of this run stay in the store's memory; only their commit is still to come
    to_load = run.new_batches
    # of copies the one received first stays, so no load counts as received before another, whatever the clock
    received_us = max((load.received_us + 1 for load in run.store.loads), default=run.received_us)
    run.new_loads += load_new(
        run.engine,
        run.store,
        run.batches,
        max(run.received_us, received_us),
        run.project.spill_folder / "unpacked",
    )
    must_be_unchanged(to_load)
    run.totals = show_events(run.engine, run.store, list(run.project.sources), run.new_loads)
    for total in run.totals:
        # a source that brought nothing new has nothing new to be judged by
        new_rows = total.new_rows if total.new_loads else None
        rate = total.new_quarantined / total.new_rows if total.new_rows else 0.0
        row = {"rows": total.rows, "new_rows": new_rows, "new_quarantined_rate": rate}
        schema = {"rows": pl.Int64, "new_rows": pl.Int64, "new_quarantined_rate": pl.Float64}
        run.engine.load(load_table(total.source), pl.DataFrame([row], schema=schema))
    events = sum(total.events for total in run.totals)
    notes = [
        f"{count:,} {what}"
        for count, what in (
            (sum(total.quarantined for total in run.totals), "rows in quarantine"),
            (sum(total.erased for total in run.totals), "rows of customers who were erased"),
            (sum(total.times_ambiguous for total in run.totals), "local times that stand twice"),
            (sum(total.times_shifted for total in run.totals), "local times that no clock showed"),
        )
        if count
    ]
    copies = len(run.batches) - len({batch.batch_id for batch in run.batches})
    notes += [f"{copies:,} files that are copies of others"] if copies else []
    notes += [f"no file of {total.source} yet" for total in run.totals if not total.loads]
    return ", ".join([f"{events:,} events, {len(run.new_loads)} new loads", *notes])


def load_table(source: str) -> str:
    """The one-row table of what a source's loads hold, as the gate checks it."""
    return f"load_{source}"
