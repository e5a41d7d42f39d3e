"""One million rows of CSV, one in a hundred with a planted fault: each is named, and no row is lost."""

from __future__ import annotations

from pathlib import Path

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.local_days import to_us
from journey_analytics.sources.batches import batches
from journey_analytics.sources.channels.rules import read_channels
from journey_analytics.sources.files import find_files
from journey_analytics.sources.load import load_new, show_events
from journey_analytics.sources.mapping import read_mapping
from journey_analytics.sources.store import Store
from tests.planted_faults import KINDS, MAPPING, NOW, write_with_faults

ROWS = 1_000_000


def test_every_planted_fault_is_named_and_no_row_is_lost(tmp_path: Path) -> None:
    planted = write_with_faults(tmp_path / "events.csv", ROWS)
    (tmp_path / "web.yaml").write_text(MAPPING, encoding="utf-8")
    source = read_mapping(tmp_path / "web.yaml", read_channels(None))
    store = Store(tmp_path / "store")
    with DuckDBEngine() as engine:
        found = batches(source, find_files(tmp_path, source))
        new = load_new(engine, store, found, to_us(NOW), tmp_path / "scratch")
        (totals,) = show_events(engine, store, [source], new)
        found = engine.rows("select row_number, reason from quarantine_touchpoints order by row_number")
        kept = engine.rows("select count(distinct event_id) as n from events")[0]["n"]
    assert [(row["row_number"], row["reason"]) for row in found] == planted.bad
    assert (totals.rows, totals.events, totals.quarantined) == (
        planted.records,
        planted.events,
        len(planted.bad),
    )
    assert kept == planted.events - planted.copies
    assert set(planted.reasons) == {reason for _, reasons in KINDS.values() for reason in reasons if reason}
