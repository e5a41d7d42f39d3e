"""The event store: a file is loaded once, a grown one for its new lines; modes say what another file does."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from journey_analytics.contracts import contracts
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import SourceError
from journey_analytics.local_days import to_us
from journey_analytics.sources.batches import batches
from journey_analytics.sources.channels.rules import read_channels
from journey_analytics.sources.files import find_files
from journey_analytics.sources.load import SourceTotals, load_new, show_events
from journey_analytics.sources.mapping import read_mapping
from journey_analytics.sources.store import Store
from tests.unit.files import write

_HEADER = "id,ts,name,who\n"
_MAPPING = """\
source: web
format: csv
files: "*.csv"
columns: {occurred_at: ts, event_id: id, event_name: name, customer_ref: who}
"""


def night(folder: Path, day: int, more: str = "") -> tuple[SourceTotals, list[str]]:
    """One load of everything in `folder` on a day of January, and the events in force after it."""
    source = read_mapping(write(folder / "web.yaml", _MAPPING + more), read_channels(None))
    store = Store(folder / "store")
    now = to_us(datetime(2026, 1, day, tzinfo=UTC))
    with DuckDBEngine() as engine:
        new = load_new(engine, store, batches(source, find_files(folder, source)), now, folder / "scratch")
        store.commit(new)
        (totals,) = show_events(engine, store, [source], new)
        rows = engine.rows("select event_id, event_name from events order by event_id, received_us")
        return totals, [f"{row['event_id']} {row['event_name']}" for row in rows]


def test_the_same_content_is_loaded_once_whatever_its_name(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", f"{_HEADER}1,2025-12-01,view,c\n")
    assert night(tmp_path, 1)[0].new_loads == 1
    assert night(tmp_path, 2)[0].new_loads == 0
    (tmp_path / "a.csv").rename(tmp_path / "b.csv")
    totals, events = night(tmp_path, 3)
    assert (totals.new_loads, totals.loads, events) == (0, 1, ["1 view"])


def test_of_a_file_that_grew_only_the_new_lines_are_loaded(tmp_path: Path) -> None:
    """A bad line before the end counts as a line."""
    text = f"{_HEADER}1,2025-12-01,view,c\n2,2025-12-01\n"
    write(tmp_path / "a.csv", text)
    assert night(tmp_path, 1)[0].rows == 2
    write(tmp_path / "a.csv", f"{text}3,2025-12-02,view,c\n4,soon,view,c\n")
    totals, events = night(tmp_path, 2)
    assert (totals.new_loads, totals.new_rows, totals.new_quarantined) == (1, 2, 1)
    assert (totals.rows, totals.events, totals.quarantined) == (4, 2, 2)
    assert events == ["1 view", "3 view"]


def test_a_last_line_that_was_cut_short_is_no_growth(tmp_path: Path) -> None:
    """`2025-12-0` without its end was half a line: the file is loaded whole again."""
    (tmp_path / "a.csv").write_text(f"{_HEADER}1,2025-12-01,view,c\n2,2025-12-01,vi", encoding="utf-8")
    night(tmp_path, 1)
    write(tmp_path / "a.csv", f"{_HEADER}1,2025-12-01,view,c\n2,2025-12-01,view,c\n")
    totals, events = night(tmp_path, 2)
    assert totals.new_rows == 2
    assert "2 view" in events


def test_a_file_that_is_gone_is_remembered(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", f"{_HEADER}1,2025-12-01,view,c\n")
    night(tmp_path, 1)
    (tmp_path / "a.csv").unlink()
    write(tmp_path / "b.csv", f"{_HEADER}2,2025-12-02,view,c\n")
    assert night(tmp_path, 2)[1] == ["1 view", "2 view"]


def test_replace_day_takes_each_day_from_the_last_file_that_holds_it(tmp_path: Path) -> None:
    more = "mode: replace_day\n"
    write(tmp_path / "a.csv", f"{_HEADER}1,2025-12-01,old,c\n2,2025-12-02,old,c\n")
    night(tmp_path, 1, more)
    write(tmp_path / "b.csv", f"{_HEADER}2,2025-12-02,new,c\n3,2025-12-02,new,c\n")
    assert night(tmp_path, 2, more)[1] == ["1 old", "2 new", "3 new"]


def test_replace_day_takes_a_file_that_is_what_it_was_before(tmp_path: Path) -> None:
    """First, second, first under one name; the file that came with the first stays, and it happens once."""
    more = "mode: replace_day\n"
    first = f"{_HEADER}1,2025-12-01,first,c\n"
    write(tmp_path / "a.csv", first)
    write(tmp_path / "b.csv", f"{_HEADER}9,2025-12-09,other,c\n")
    night(tmp_path, 1, more)
    write(tmp_path / "a.csv", f"{_HEADER}1,2025-12-01,second,c\n")
    assert night(tmp_path, 2, more)[1] == ["1 second", "9 other"]
    write(tmp_path / "a.csv", first)
    totals, events = night(tmp_path, 3, more)
    assert (totals.new_loads, events) == (1, ["1 first", "9 other"])
    totals, events = night(tmp_path, 4, more)
    assert (totals.new_loads, events) == (0, ["1 first", "9 other"])


def test_replace_day_leaves_files_of_one_name_in_their_order(tmp_path: Path) -> None:
    """Both are there every night, so neither came back; nor does one that comes under another name."""
    mapping = _MAPPING.replace("*.csv", "*/*.csv") + "mode: replace_day\n"
    source = read_mapping(write(tmp_path / "web.yaml", mapping), read_channels(None))
    for month, name in (("june", "june"), ("may", "may")):
        (tmp_path / month).mkdir()
        write(tmp_path / month / "a.csv", f"{_HEADER}1,2025-12-01,{name},c\n")
    for _ in range(2):
        store = Store(tmp_path / "store")
        with DuckDBEngine() as engine:
            found = batches(source, find_files(tmp_path, source))
            store.commit(load_new(engine, store, found, 1_767_225_600_000_000, tmp_path / "scratch"))
            show_events(engine, store, [source], [])
            assert [row["event_name"] for row in engine.rows("from events")] == ["may"]
        (tmp_path / "may" / "b.csv").write_bytes((tmp_path / "june" / "a.csv").read_bytes())


def test_replace_day_goes_by_name_among_files_that_came_together(tmp_path: Path) -> None:
    """They lie in one segment, and each still gives up only its own rows of the day."""
    write(tmp_path / "a.csv", f"{_HEADER}1,2025-12-01,old,c\n2,2025-12-02,old,c\n")
    write(tmp_path / "b.csv", f"{_HEADER}3,2025-12-02,new,c\n4,2025-12-03,old,c\n")
    write(tmp_path / "c.csv", f"{_HEADER}5,2025-12-03,new,c\n")
    assert night(tmp_path, 1, "mode: replace_day\n")[1] == ["1 old", "3 new", "5 new"]
    assert len(list((tmp_path / "store" / "events").rglob("*.parquet"))) == 1


def test_files_that_come_together_are_loads_of_their_own(tmp_path: Path) -> None:
    """Read in one go; the rows, bad ones too, and their counts are told apart by file."""
    write(tmp_path / "a.csv", f"{_HEADER}1,2025-12-01,view,c\n2,soon,view,c\n")
    write(tmp_path / "b.csv", f"{_HEADER}3,2025-12-01,view,c\n4,2025-12-01\n5,2025-12-01,view,c\n")
    totals, events = night(tmp_path, 1)
    assert (totals.new_loads, totals.rows, totals.events, totals.quarantined) == (2, 5, 3, 2)
    assert events == ["1 view", "3 view", "5 view"]
    store = Store(tmp_path / "store")
    assert len({load.segment for load in store.loads}) == 1
    assert [(load.files[0].name, load.rows, load.events, load.quarantined) for load in store.loads] == [
        ("a.csv", 2, 1, 1),
        ("b.csv", 3, 2, 1),
    ]
    source = read_mapping(tmp_path / "web.yaml", read_channels(None))
    with DuckDBEngine() as engine:
        show_events(engine, store, [source], [])
        bad = engine.rows("select batch_id, file, row_number from quarantine_touchpoints order by file")
        good = engine.rows("select batch_id, count(*) as n from events group by batch_id")
    first, second = (load.batch_id for load in store.loads)
    assert [tuple(row.values()) for row in bad] == [(first, "a.csv", 2), (second, "b.csv", 2)]
    assert {row["batch_id"]: row["n"] for row in good} == {first: 1, second: 2}


def test_one_of_two_equal_names_is_read_by_itself(tmp_path: Path) -> None:
    """A row is told by the name of its file, so files of one name are never read together."""
    (tmp_path / "may").mkdir()
    (tmp_path / "june").mkdir()
    write(tmp_path / "may" / "a.csv", f"{_HEADER}1,2025-12-01,view,c\n")
    write(tmp_path / "june" / "a.csv", f"{_HEADER}2,2025-12-01,view,c\n3,2025-12-01,view,c\n")
    source = read_mapping(
        write(tmp_path / "web.yaml", _MAPPING.replace("*.csv", "*/a.csv")), read_channels(None)
    )
    store = Store(tmp_path / "store")
    with DuckDBEngine() as engine:
        found = batches(source, find_files(tmp_path, source))
        new = load_new(engine, store, found, 1_767_225_600_000_000, tmp_path / "scratch")
    assert [load.events for load in new] == [2, 1]
    assert len({load.segment for load in new}) == 2


def test_parquet_files_are_read_together_as_far_as_they_are_alike(tmp_path: Path) -> None:
    """A number that became text is another layout; its neighbours on both sides are not one group."""
    for name, ids in (("a", [1, 2]), ("b", [3]), ("c", ["4"]), ("d", [5])):
        rows = {"id": ids, "ts": ["2025-12-01"] * len(ids), "name": "view", "who": "c"}
        pl.DataFrame(rows).write_parquet(tmp_path / f"{name}.parquet")
    mapping = _MAPPING.replace("csv", "parquet")
    source = read_mapping(write(tmp_path / "web.yaml", mapping), read_channels(None))
    store = Store(tmp_path / "store")
    with DuckDBEngine() as engine:
        found = batches(source, find_files(tmp_path, source))
        new = load_new(engine, store, found, 1_767_225_600_000_000, tmp_path / "scratch")
        show_events(engine, store, [source], new)
        ids = [row["event_id"] for row in engine.rows("select event_id from events order by event_id")]
    assert ids == ["1", "2", "3", "4", "5"]
    assert [load.segment == new[0].segment for load in new] == [True, True, False, False]
    assert new[2].segment != new[3].segment


def test_a_snapshot_replaces_everything(tmp_path: Path) -> None:
    more = "mode: snapshot\n"
    write(tmp_path / "a.csv", f"{_HEADER}1,2025-12-01,old,c\n2,2025-12-02,old,c\n")
    night(tmp_path, 1, more)
    write(tmp_path / "a.csv", f"{_HEADER}2,2025-12-02,new,c\n")
    assert night(tmp_path, 2, more)[1] == ["2 new"]


def test_another_mapping_reads_the_files_that_are_there_again(tmp_path: Path) -> None:
    """The load under the old mapping gives way; a file that is gone keeps what the old one made of it."""
    write(tmp_path / "a.csv", f"{_HEADER}1,2025-12-01,view,c\n")
    write(tmp_path / "b.csv", f"{_HEADER}2,2025-12-01,view,c\n")
    night(tmp_path, 1)
    (tmp_path / "b.csv").unlink()
    changed = _MAPPING.replace("event_name: name", "event_name: upper(name)")
    write(tmp_path / "web.yaml", changed)
    source = read_mapping(tmp_path / "web.yaml", read_channels(None))
    store = Store(tmp_path / "store")
    with DuckDBEngine() as engine:
        found = batches(source, find_files(tmp_path, source))
        new = load_new(engine, store, found, to_us(datetime(2026, 1, 2, tzinfo=UTC)), tmp_path / "scratch")
        show_events(engine, store, [source], new)
        rows = engine.rows("select event_name from events order by event_id")
    assert [row["event_name"] for row in rows] == ["VIEW", "view"]


def test_what_was_not_committed_never_counts(tmp_path: Path) -> None:
    """As when a run is killed between writing the events and the ledger entry."""
    write(tmp_path / "a.csv", f"{_HEADER}1,2025-12-01,view,c\n")
    source = read_mapping(write(tmp_path / "web.yaml", _MAPPING), read_channels(None))
    with DuckDBEngine() as engine:
        found = batches(source, find_files(tmp_path, source))
        load_new(engine, Store(tmp_path / "store"), found, 1_767_225_600_000_000, tmp_path / "scratch")
    assert Store(tmp_path / "store").loads == []
    assert night(tmp_path, 2)[0].new_loads == 1


def test_a_ledger_entry_that_is_cut_short_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", f"{_HEADER}1,2025-12-01,view,c\n")
    night(tmp_path, 1)
    (entry,) = (tmp_path / "store" / "ledger").glob("*.json")
    entry.write_text(entry.read_text(encoding="utf-8")[:40], encoding="utf-8")
    with pytest.raises(SourceError, match=entry.name):
        Store(tmp_path / "store")


def test_a_file_of_events_holds_what_its_mapping_fills_and_the_view_all_columns(tmp_path: Path) -> None:
    """What is the same in every row is the ledger's, what the mapping does not fill is null."""
    write(tmp_path / "a.csv", f"{_HEADER}1,2025-12-01,view,c\n")
    night(tmp_path, 1)
    (path,) = (tmp_path / "store" / "events").rglob("*.parquet")
    assert pq.read_schema(path).names == ["event_id", "occurred_us", "customer_ref", "event_name", "channel"]
    source = read_mapping(tmp_path / "web.yaml", read_channels(None))
    store = Store(tmp_path / "store")
    with DuckDBEngine() as engine:
        show_events(engine, store, [source], [])
        (event,) = engine.rows("select * from events")
    assert list(event) == contracts()["events"].column_names
    (load,) = store.loads
    assert {name: value for name, value in event.items() if value is not None} == {
        "source": "web",
        "event_id": "1",
        "occurred_us": to_us(datetime(2025, 12, 1, tzinfo=UTC)),
        "received_us": to_us(datetime(2026, 1, 1, tzinfo=UTC)),
        "customer_ref": "c",
        "event_name": "view",
        "channel": "unassigned",
        "batch_id": load.batch_id,
    }
