"""From rows to typed events: times, ids, numbers, and what goes to quarantine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import ConfigError
from journey_analytics.local_days import to_moment, to_us
from journey_analytics.project import read_project
from journey_analytics.sources.batches import batches
from journey_analytics.sources.channels.rules import read_channels
from journey_analytics.sources.files import find_files
from journey_analytics.sources.load import load_new, show_events
from journey_analytics.sources.mapping import read_mapping
from journey_analytics.sources.preview import preview_sources
from journey_analytics.sources.store import Store
from tests.unit.files import told, write

_NOW = to_us(datetime(2025, 1, 1, tzinfo=UTC))
_MAPPING = """\
source: web
format: csv
files: in.csv
timezone: Europe/Berlin
columns:
  occurred_at: ts
  event_id: id
  event_name: name
  customer_ref: who
"""


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    """An engine in memory."""
    with DuckDBEngine() as opened:
        yield opened


def _load(
    engine: DuckDBEngine, folder: Path, rows: str | pl.DataFrame, mapping: str = _MAPPING
) -> tuple[int, int, int]:
    """Write the rows and the mapping into `folder`, load them, and count rows, events and quarantine."""
    if isinstance(rows, str):
        write(folder / "in.csv", rows)
    else:
        rows.write_parquet(folder / "in.parquet")
        mapping = mapping.replace("csv", "parquet")
    source = read_mapping(write(folder / "web.yaml", mapping), read_channels(None))
    store = Store(folder / "store")
    new = load_new(engine, store, batches(source, find_files(folder, source)), _NOW, folder / "scratch")
    (totals,) = show_events(engine, store, [source], new)
    return totals.rows, totals.events, totals.quarantined


def _quarantined(engine: DuckDBEngine) -> list[tuple[object, ...]]:
    rows = engine.rows("select * from quarantine_touchpoints order by row_number")
    names = ("file", "row_number", "column_name", "value", "reason")
    return [tuple(row[name] for name in names) for row in rows]


def _times(engine: DuckDBEngine) -> dict[str, datetime]:
    rows = engine.rows("select event_id, occurred_us from events")
    return {row["event_id"]: to_moment(row["occurred_us"]) for row in rows}


def test_a_row_that_can_be_typed_is_an_event(engine: DuckDBEngine, tmp_path: Path) -> None:
    """Trimmed, with its source, its load and a channel even when none is named."""
    _load(engine, tmp_path, "id,ts,name,who\n 1 ,2024-05-01 12:00:00, view , c1 \n")
    (event,) = engine.rows("select * from events")
    assert event["source"] == "web"
    assert (event["event_id"], event["event_name"], event["customer_ref"]) == ("1", "view", "c1")
    assert event["channel"] == "unassigned"
    assert event["received_us"] == _NOW
    assert event["revenue"] is None
    assert event["properties"] is None


_KNOWN_KINDS = "score_kind_is_allowed: score_kind is one of nps, csat, ces, rating, sentiment"


def test_bad_rows_go_to_quarantine_with_file_row_column_value_and_reason(
    engine: DuckDBEngine, tmp_path: Path
) -> None:
    """Each for the most basic of its faults; the others are loaded."""
    mapping = _MAPPING + "  revenue: total\n  score: points\n  score_kind: kind\n"
    rows = """\
    id,ts,name,who,total,points,kind
    1,2024-05-01,view,c1,5,9,nps
    2,,view,c1,,,
    3,31/04/2024,view,c1,,,
    4,1970-01-01,view,c1,,,
    5,2025-01-03,view,c1,,,
    ,2024-05-01,view,c1,,,
    7,2024-05-01,"  ",c1,,,
    8,2024-05-01,view, ,,,
    9,2024-05-01,view,c1,a lot,,
    10,2024-05-01,view,c1,,good,
    11,2024-05-01,view,c1,,5,stars
    12,,,,,,
    """
    loaded = _load(engine, tmp_path, rows, mapping)
    assert loaded == (12, 1, 11)
    assert _quarantined(engine) == [
        ("in.csv", 2, "occurred_at", None, "no time"),
        ("in.csv", 3, "occurred_at", "31/04/2024", "not a time"),
        ("in.csv", 4, "occurred_at", "1970-01-01", "before 1990"),
        ("in.csv", 5, "occurred_at", "2025-01-03", "in the future"),
        ("in.csv", 6, "event_id", None, "no event id"),
        ("in.csv", 7, "event_name", "  ", "no event name"),
        ("in.csv", 8, "customer_ref", None, "no id"),
        ("in.csv", 9, "revenue", "a lot", "not a number"),
        ("in.csv", 10, "score", "good", "not a number"),
        ("in.csv", 11, "score_kind", "stars", _KNOWN_KINDS),
        ("in.csv", 12, "occurred_at", None, "no time"),
    ]


def test_a_time_may_be_a_day_ahead_of_the_load_and_no_more(engine: DuckDBEngine, tmp_path: Path) -> None:
    """Clocks of devices are wrong by hours; the limits themselves are inside."""
    rows = (
        "id,ts,name,who\n"
        "a,2025-01-02 00:00:00Z,v,c\nb,2025-01-02 00:00:00.000001Z,v,c\n"
        "c,1990-01-01 00:00:00Z,v,c\nd,1989-12-31 23:59:59.999999Z,v,c\n"
    )
    _load(engine, tmp_path, rows)
    assert sorted(_times(engine)) == ["a", "c"]
    assert [row[-1] for row in _quarantined(engine)] == ["in the future", "before 1990"]


def test_a_time_without_an_offset_is_in_the_sources_zone(engine: DuckDBEngine, tmp_path: Path) -> None:
    """One with an offset is where the offset says, whatever the zone; a day begins at its midnight."""
    written = {
        "naive": "2024-01-01 10:00:00",
        "summer": "2024-07-01T10:00:00",
        "z": "2024-01-01T10:00:00Z",
        "offset": "2024-01-01T10:00:00+02:00",
        "short": "2024-01-01 10:00-0530",
        "micro": "2024-01-01 10:00:00.123456+00",
        "day": "2024-07-01",
    }
    _load(engine, tmp_path, "id,ts,name,who\n" + "".join(f"{k},{v},v,c\n" for k, v in written.items()))
    berlin = ZoneInfo("Europe/Berlin")
    assert _times(engine) == {
        "naive": datetime(2024, 1, 1, 10, tzinfo=berlin),
        "summer": datetime(2024, 7, 1, 10, tzinfo=berlin),
        "z": datetime(2024, 1, 1, 10, tzinfo=UTC),
        "offset": datetime(2024, 1, 1, 8, tzinfo=UTC),
        "short": datetime(2024, 1, 1, 15, 30, tzinfo=UTC),
        "micro": datetime(2024, 1, 1, 10, 0, 0, 123456, tzinfo=UTC),
        "day": datetime(2024, 7, 1, tzinfo=berlin),
    }


@pytest.mark.parametrize(
    ("written", "utc_hour"),
    [
        ("2024-01-01 10:00:00 UTC", 10),
        ("2024-01-01 10:00:00+02:00:00", 8),
        ("2024-01-01 10:00:00 America/New_York", 15),
    ],
)
def test_a_zone_that_a_time_names_is_never_overlooked(
    engine: DuckDBEngine, tmp_path: Path, written: str, utc_hour: int
) -> None:
    """It is taken at its word, or set aside; never at another hour in silence."""
    _load(engine, tmp_path, f"id,ts,name,who\n1,{written},v,c\n")
    assert _times(engine) in ({}, {"1": datetime(2024, 1, 1, utc_hour, tzinfo=UTC)})


def test_a_space_before_the_offset_does_not_matter(engine: DuckDBEngine, tmp_path: Path) -> None:
    """Ruby, Rails and git write it so."""
    _load(engine, tmp_path, "id,ts,name,who\n1,2024-01-01 10:00:00 +02:00,v,c\n")
    assert _times(engine) == {"1": datetime(2024, 1, 1, 8, tzinfo=UTC)}


def test_an_hour_that_clocks_skip_is_taken_an_hour_later(engine: DuckDBEngine, tmp_path: Path) -> None:
    """02:30 does not exist in Berlin on that day: it counts as 03:30, which is 01:30 UTC."""
    _load(engine, tmp_path, "id,ts,name,who\n1,2024-03-31 02:30:00,v,c\n2,2024-03-31 03:30:00,v,c\n")
    skipped = datetime(2024, 3, 31, 1, 30, tzinfo=UTC)
    assert _times(engine) == {"1": skipped, "2": skipped}


def test_an_hour_that_clocks_repeat_is_one_of_the_two(engine: DuckDBEngine, tmp_path: Path) -> None:
    """And the same one each time."""
    _load(engine, tmp_path, "id,ts,name,who\n1,2024-10-27 02:30:00,v,c\n2,2024-10-27 02:30:00,v,c\n")
    first, second = _times(engine).values()
    assert first == second
    assert first in (datetime(2024, 10, 27, h, 30, tzinfo=UTC) for h in (0, 1))


def test_typed_times_of_parquet_are_taken_as_they_are(engine: DuckDBEngine, tmp_path: Path) -> None:
    """With a zone: the instant. Without: in the source's zone. A date: its midnight there."""
    at = datetime(2024, 7, 1, 10)  # noqa: DTZ001 a time without a zone is the point
    berlin = ZoneInfo("Europe/Berlin")
    for values, expected in (
        ([at.replace(tzinfo=UTC)], datetime(2024, 7, 1, 10, tzinfo=UTC)),
        ([at], datetime(2024, 7, 1, 10, tzinfo=berlin)),
        ([at.date()], datetime(2024, 7, 1, tzinfo=berlin)),
    ):
        folder = tmp_path / str(expected.day) / str(values[0])
        folder.mkdir(parents=True)
        frame = pl.DataFrame({"id": ["1"], "ts": values, "name": ["v"], "who": ["c"]})
        _load(engine, folder, frame)
        assert _times(engine) == {"1": expected}


def test_a_number_is_no_time_unless_its_unit_is_said(engine: DuckDBEngine, tmp_path: Path) -> None:
    """Seconds and milliseconds look alike."""
    frame = pl.DataFrame({"id": ["1"], "ts": [1_704_103_200], "name": ["v"], "who": ["c"]})
    with pytest.raises(ConfigError) as caught:
        _load(engine, tmp_path, frame)
    assert told(caught.value) == [("web.yaml:6:16", "occurred_at is a BIGINT, not a time")]
    _load(engine, tmp_path, frame, _MAPPING.replace(": ts", ": to_timestamp(ts)"))
    assert _times(engine) == {"1": datetime(2024, 1, 1, 10, tzinfo=UTC)}


def _ids(engine: DuckDBEngine, folder: Path, key: str, rows: str) -> list[str]:
    mapping = _MAPPING.replace("  event_id: id\n", "").replace("columns:", f"key: {key}\ncolumns:")
    _load(engine, folder, rows, mapping)
    return [row["event_id"] for row in engine.rows("select event_id from events order by event_name")]


def test_one_key_column_is_the_event_id(engine: DuckDBEngine, tmp_path: Path) -> None:
    """As it is, so that it can be looked up; without it the row is set aside."""
    rows = "id,ts,name,who\n17,2024-01-01,a,c\n,2024-01-01,b,c\n"
    assert _ids(engine, tmp_path, "[id]", rows) == ["17"]
    assert _quarantined(engine) == [("in.csv", 2, "event_id", None, "no event id")]


def test_several_key_columns_give_a_stable_id(engine: DuckDBEngine, tmp_path: Path) -> None:
    """Equal keys give equal ids; where one part ends and the next begins matters, and so does null."""
    rows = """\
    k1,k2,ts,name,who
    a,bc,2024-01-01,1,c
    a,bc,2024-01-02,2,c
    ab,c,2024-01-01,3,c
    a,,2024-01-01,4,c
    ,a,2024-01-01,5,c
    """
    ids = _ids(engine, tmp_path, "[k1, k2]", rows)
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    assert all(len(name) == 32 for name in ids)


def test_decimals_are_kept_to_four_places(engine: DuckDBEngine, tmp_path: Path) -> None:
    """Exactly, as decimals; the fifth place is rounded, and what does not fit is set aside."""
    written = ["0.1", "1234567890.1234", "-5", " 7.5 ", "0.00005", "1e2", "1e30", "nan", "1,5", ""]
    lines = "".join(f'{n},2024-01-01,v,c,"{text}"\n' for n, text in enumerate(written))
    _load(engine, tmp_path, "id,ts,name,who,total\n" + lines, _MAPPING + "  revenue: total\n")
    found = engine.rows("select event_id, revenue from events order by event_id")
    assert {int(row["event_id"]): row["revenue"] for row in found} == {
        0: Decimal("0.1000"),
        1: Decimal("1234567890.1234"),
        2: Decimal("-5.0000"),
        3: Decimal("7.5000"),
        4: Decimal("0.0001"),
        5: Decimal("100.0000"),
        9: None,
    }
    assert [row[3] for row in _quarantined(engine)] == ["1e30", "nan", "1,5"]


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity"])
def test_a_score_that_is_no_number_is_set_aside(engine: DuckDBEngine, tmp_path: Path, text: str) -> None:
    """One NaN makes every mean a NaN."""
    rows = f"id,ts,name,who,points\n1,2024-01-01,v,c,{text}\n"
    _load(engine, tmp_path, rows, _MAPPING + "  score: points\n")
    assert [row[-1] for row in _quarantined(engine)] == ["not a number"]


def test_properties_are_json_with_the_types_of_their_expressions(
    engine: DuckDBEngine, tmp_path: Path
) -> None:
    """Quotes and nulls included."""
    mapping = _MAPPING + '  properties.plan: who\n  properties.n: cast(id as int)\n  properties.x: "null"\n'
    _load(engine, tmp_path, 'id,ts,name,who\n1,2024-01-01,v,"a""b"\n', mapping)
    (row,) = engine.rows("select properties from events")
    assert row["properties"] == '{"plan":"a\\"b","n":1,"x":null}'


def test_channels_are_lower_case_and_never_null(engine: DuckDBEngine, tmp_path: Path) -> None:
    """An empty one is unassigned."""
    rows = "id,ts,name,who,ch\n1,2024-01-01,v,c,Paid Search \n2,2024-01-01,v,c,\n"
    _load(engine, tmp_path, rows, _MAPPING + "  channel: ch\n")
    found = engine.rows("select channel from events order by event_id")
    assert [row["channel"] for row in found] == ["paid search", "unassigned"]


def test_names_that_are_not_in_the_rows_are_told_together(engine: DuckDBEngine, tmp_path: Path) -> None:
    """Each at its place, with the closest column."""
    mapping = _MAPPING.replace("name: name", "name: nme").replace("files:", "key: [idd]\nfiles:")
    with pytest.raises(ConfigError) as caught:
        _load(engine, tmp_path, "id,ts,name,who\n1,2024-01-01,v,c\n", mapping)
    places = [place for place, _ in told(caught.value)]
    assert places == ["web.yaml:9:15", "web.yaml:3:7"]
    assert [problem.do.split(" (")[0] for problem in caught.value.problems] == [
        "use 'name'",
        "use 'id'",
    ]


def test_a_query_joins_the_inputs(engine: DuckDBEngine, tmp_path: Path) -> None:
    """Its rows are of no file of their own."""
    mapping = """\
    source: shop
    format: csv
    files: {orders: o.csv, people: p.csv}
    query: select o.id, o.ts, p.who from orders as o join people as p using (pid)
    columns: {occurred_at: ts, event_id: id, event_name: "'order'", customer_ref: who}
    """
    write(tmp_path / "o.csv", "id,ts,pid\n1,2024-01-01,7\n2,soon,7\n")
    write(tmp_path / "p.csv", "pid,who\n7,ann\n")
    source = read_mapping(write(tmp_path / "shop.yaml", mapping), read_channels(None))
    store = Store(tmp_path / "store")
    load_new(engine, store, batches(source, find_files(tmp_path, source)), _NOW, tmp_path / "scratch")
    show_events(engine, store, [source], [])
    assert engine.rows("select event_id, customer_ref from events") == [
        {"event_id": "1", "customer_ref": "ann"}
    ]
    assert _quarantined(engine) == [(None, None, "occurred_at", "soon", "not a time")]


@pytest.mark.parametrize(
    ("line", "reason"), [("2,2024-01-01,v", "too few fields"), ("2,2024-01-01,v,c,d,e", "too many fields")]
)
def test_a_line_that_is_no_row_costs_itself_and_no_other(
    engine: DuckDBEngine, tmp_path: Path, line: str, reason: str
) -> None:
    """One of a thousand files has a line with too few fields: which one, and where?"""
    rows = f"id,ts,name,who\n1,2024-01-01,v,c\n{line}\n3,2024-01-01,v,c\n4,soon,v,c\n"
    assert _load(engine, tmp_path, rows) == (4, 2, 2)
    assert [(row[0], row[1], row[4]) for row in _quarantined(engine)] == [
        ("in.csv", 2, reason),
        ("in.csv", 4, "not a time"),
    ]


def test_a_file_without_rows_gives_no_events(engine: DuckDBEngine, tmp_path: Path) -> None:
    """That this stops the run is the gate's business."""
    assert _load(engine, tmp_path, "id,ts,name,who\n") == (0, 0, 0)


def test_events_of_all_sources_are_shown_together(engine: DuckDBEngine, tmp_path: Path) -> None:
    """Both are in one view."""
    store = Store(tmp_path / "store")
    sources = []
    for name in ("app", "web"):
        write(tmp_path / f"{name}.csv", "id,ts,name,who\n1,2024-01-01,v,c\n")
        mapping = _MAPPING.replace("web", name).replace("in.csv", f"{name}.csv")
        source = read_mapping(write(tmp_path / f"{name}.yaml", mapping), read_channels(None))
        sources.append(source)
        load_new(engine, store, batches(source, find_files(tmp_path, source)), _NOW, tmp_path / "scratch")
    show_events(engine, store, sources, [])
    found = engine.rows("select source from events order by source")
    assert [row["source"] for row in found] == ["app", "web"]


def test_a_column_that_one_file_lacks_is_told_with_that_file(tiny: Path) -> None:
    """The file of the night before has it; `fields` takes it as empty."""
    now_us = to_us(datetime(2026, 6, 1, tzinfo=UTC))
    (tiny / "input" / "web2.csv").write_text(
        "id,ts,action,customer,channel\ne9,2026-01-21 09:00:00,visit,ann,email\n", encoding="utf-8"
    )
    with pytest.raises(ConfigError) as caught:
        preview_sources(read_project(tiny), now_us)
    (problem,) = caught.value.problems
    assert problem.what == "revenue: the rows have no column 'amount'"
    assert problem.where.endswith("web.yaml:11:12, file web2.csv")
    assert "fields: {amount: VARCHAR}" in problem.do
    mapping = tiny / "sources" / "web.yaml"
    text = mapping.read_text(encoding="utf-8")
    mapping.write_text(text + "fields: {amount: VARCHAR}\n", encoding="utf-8")
    (preview,) = preview_sources(read_project(tiny), now_us)
    assert (preview.totals.events, preview.totals.quarantined) == (9, 0)
