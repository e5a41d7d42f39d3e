"""One million rows of CSV, one in a hundred with a planted fault: each is named, and no row is lost."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.local_days import to_us
from journey_analytics.sources.channels.rules import read_channels
from journey_analytics.sources.files import find_files
from journey_analytics.sources.load import batches, load_new, show_events
from journey_analytics.sources.mapping import read_mapping
from journey_analytics.sources.store import Store

ROWS = 1_000_000
NOW = datetime(2026, 6, 1, tzinfo=UTC)
MAPPING = """\
source: web
format: csv
files: events.csv
columns:
  event_id: id
  occurred_at: ts
  event_name: name
  customer_ref: who
  revenue: amount
  properties.note: note
"""
# kind of fault: the row as it stands in the file, and the reason of each record it makes (None: an event)
KINDS: dict[str, tuple[str, tuple[str | None, ...]]] = {
    "too few fields": ("{id},{ts},view", ("too few fields",)),
    "too many fields": ("{id},{ts},view,c,,,x", ("too many fields",)),
    "broken quoting": ('{id},{ts},"vi"ew,c,,', ("broken quoting",)),
    "split over two lines": ("{id},{ts},vi\new,c,,", ("too few fields", "too few fields")),
    "not utf-8": ("{id},{ts},vi\udce9w,c,,", ("not text in the declared encoding",)),
    "no time": ("{id},,view,c,,", ("no time",)),
    "not a time": ("{id},31/04/2026,view,c,,", ("not a time",)),
    "before 1990": ("{id},1970-01-01 00:00:00,view,c,,", ("before 1990",)),
    "in the future": ("{id},2099-01-01 00:00:00,view,c,,", ("in the future",)),
    "no event id": (",{ts},view,c,,", ("no event id",)),
    "no event name": ('{id},{ts},"  ",c,,', ("no event name",)),
    "no customer": ("{id},{ts},view,,,", ("no id",)),
    "not a number": ("{id},{ts},view,c,a lot,", ("not a number",)),
    "a copy": ("0,2026-01-01 00:00:00,view,c0,,", (None,)),
    "a quoted newline": ('{id},{ts},view,c,,"two\nlines"', (None,)),
}


def test_every_planted_fault_is_named_and_no_row_is_lost(tmp_path: Path) -> None:
    random.seed(7)
    # some beside each other, so that a bad row is counted right behind another
    planted = set(range(100, 200)) | set(random.sample(range(1, ROWS), ROWS // 100))
    kinds = list(KINDS)
    expected: Counter[str] = Counter()
    places: list[tuple[int, str]] = []
    events = copies = record = 0
    start = datetime(2026, 1, 1)  # noqa: DTZ001 the file's times carry no zone
    with (tmp_path / "events.csv").open("w", encoding="utf-8", errors="surrogateescape") as file:
        file.write("id,ts,name,who,amount,note\n")
        for number in range(ROWS):
            ts = start + timedelta(seconds=number * 10)
            text, reasons = f"{number},{ts},view,c{number % 5000},,", (None,)
            if number in planted:
                kind = kinds[number * 7 % len(kinds)]
                pattern, reasons = KINDS[kind]
                text = pattern.format(id=number, ts=ts)
                copies += kind == "a copy"
            file.write(text + "\n")
            for reason in reasons:
                record += 1
                if reason is None:
                    events += 1
                else:
                    expected[reason] += 1
                    places.append((record, reason))
    (tmp_path / "web.yaml").write_text(MAPPING, encoding="utf-8")
    source = read_mapping(tmp_path / "web.yaml", read_channels(None))
    store = Store(tmp_path / "store")
    with DuckDBEngine() as engine:
        (batch,) = batches(source, find_files(tmp_path, source))
        load = load_new(engine, store, batch, to_us(NOW), tmp_path / "scratch")
        assert load is not None
        (totals,) = show_events(engine, store, [source], [load])
        found = engine.rows("select row_number, reason from quarantine_touchpoints order by row_number")
        kept = engine.rows("select count(distinct event_id) as n from events")[0]["n"]
    assert [(row["row_number"], row["reason"]) for row in found] == places
    assert (totals.rows, totals.events, totals.quarantined) == (record, events, sum(expected.values()))
    assert kept == events - copies
    assert set(expected) == {reason for _, reasons in KINDS.values() for reason in reasons if reason}
