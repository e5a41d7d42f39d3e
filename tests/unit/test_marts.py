"""Publishing: whole snapshots, one pointer."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from journey_analytics import mart_files
from journey_analytics.contracts import contracts
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.models import marts as mart_names
from journey_analytics.errors import DamagedError, MartError
from journey_analytics.marts import (
    Snapshot,
    current,
    damage,
    is_current,
    move_pointer,
    read_snapshot,
    write_snapshot,
)
from tests.unit.files import advice, told
from tests.unit.published import fill, publish, tables


def test_a_snapshot_is_published_whole(tmp_path: Path) -> None:
    """Every mart, with rows, sizes and hashes in the manifest."""
    snapshot = publish(tmp_path, "run1", mart_journeys=[{"journey_id": "a"}, {"journey_id": "b"}])
    assert snapshot.run_id == "run1"
    assert snapshot.manifest["project"] == "shop"
    assert set(snapshot.marts) == set(mart_names())
    assert snapshot.marts["mart_journeys"] == 2
    for entry in snapshot.manifest["marts"].values():
        for file in entry["files"]:
            content = (snapshot.folder / file["path"]).read_bytes()
            assert file["bytes"] == len(content)
            assert file["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_snapshot_says_what_its_columns_mean(tmp_path: Path) -> None:
    """In a dictionary, in views and in every file; the documents are listed with their hashes."""
    snapshot = publish(tmp_path)
    listed = {file["path"]: file["sha256"] for file in snapshot.manifest["documents"]}
    assert listed == {
        name: hashlib.sha256((snapshot.folder / name).read_bytes()).hexdigest()
        for name in ("data_dictionary.md", "marts.sql")
    }
    written = pq.read_metadata(snapshot.folder / "mart_stage_dropoff.parquet").metadata
    columns = json.loads(written[b"journey_columns"])
    assert list(columns) == contracts()["mart_stage_dropoff"].column_names
    assert columns["journeys_reached"] == {
        "description": "Journeys that reached the stage: continued + dropped + open.",
        "unit": "journeys",
        "nullable": False,
        "min": 0.0,
    }


def test_nothing_is_seen_before_the_pointer_moves(tmp_path: Path) -> None:
    """A written snapshot is not a published one."""
    publish(tmp_path, "run1")
    with tables() as engine:
        write_snapshot(engine, tmp_path, "run2", {})
    assert current(tmp_path).run_id == "run1"
    assert not is_current(tmp_path, "run2")
    move_pointer(tmp_path, "run2")
    assert current(tmp_path).run_id == "run2"
    assert is_current(tmp_path, "run2")
    assert not is_current(tmp_path, "run1")


def test_no_marts_yet_says_what_to_run(tmp_path: Path) -> None:
    """And nothing is current."""
    with pytest.raises(MartError) as caught:
        current(tmp_path)
    assert "no marts have been published yet" in told(caught.value)[0][1]
    assert "journey run" in advice(caught.value)
    assert not is_current(tmp_path, "run1")


def test_a_pointer_to_nothing_is_told(tmp_path: Path) -> None:
    """Somebody removed the folder by hand."""
    publish(tmp_path, "run1")
    move_pointer(tmp_path, "gone")
    with pytest.raises(MartError, match="the snapshot 'gone' is not there"):
        current(tmp_path)
    assert not is_current(tmp_path, "gone")


def test_a_damaged_manifest_is_told(tmp_path: Path) -> None:
    """The live marts cannot be read; the next run publishes them anew."""
    snapshot = publish(tmp_path, "run1")
    (snapshot.folder / "manifest.json").write_text('{"run_id": "ru', encoding="utf-8")
    with pytest.raises(DamagedError, match="the manifest of snapshot 'run1' is damaged"):
        current(tmp_path)
    assert not is_current(tmp_path, "run1")


def test_a_flipped_bit_is_found_in_any_file(tmp_path: Path) -> None:
    """Parquet readers give a wrong value for most of them without a word."""
    snapshot = publish(tmp_path, "run1")
    assert damage(snapshot) == []
    for file in ("mart_paths.parquet", "mart_touchpoints/day=2024-05-01/part-0.parquet"):
        path = snapshot.folder / file
        whole = path.read_bytes()
        path.write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
        (problem,) = damage(snapshot)
        assert problem.what.startswith("a published file is damaged: sha256")
        assert problem.where.startswith(str(path))
        path.unlink()
        (problem,) = damage(snapshot)
        assert problem.what == "a published file is missing"
        path.write_bytes(whole)
    assert damage(snapshot) == []


def test_publishing_a_damaged_snapshot_again_gives_a_sound_one_beside_it(tmp_path: Path) -> None:
    """As `--force` does; somebody may be reading the other one."""
    first = publish(tmp_path, "run1")
    path = first.folder / "mart_paths.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with tables() as engine:
        written = write_snapshot(engine, tmp_path, "run1", _about(first))
    assert written.name == "run1-2"
    assert damage(read_snapshot(tmp_path, "run1-2")) == []
    with tables() as engine:
        again = write_snapshot(engine, tmp_path, "run1", _about(first))
    assert again.name == "run1-2"


def _about(snapshot: Snapshot) -> dict[str, Any]:
    return {key: value for key, value in snapshot.manifest.items() if key not in ("run_id", "marts")}


def test_publishing_counts_as_the_newest_though_the_clock_was_set_back(tmp_path: Path) -> None:
    """Which snapshot is the newest decides what is removed."""
    first = publish(tmp_path, "run1", now_us=2_000_000)
    second = publish(tmp_path, "run2", now_us=1_000_000)
    assert (first.published_us, second.published_us) == (2_000_000, 2_000_001)


def test_equal_rows_give_equal_bytes_in_the_order_of_the_key(tmp_path: Path) -> None:
    """Whatever order they were made in."""
    rows = [{"journey_id": name} for name in ("b", "c", "a")]
    first = publish(tmp_path / "1", mart_journeys=rows)
    second = publish(tmp_path / "2", mart_journeys=sorted(rows, key=lambda row: row["journey_id"]))
    assert first.manifest["marts"] == second.manifest["marts"]
    frame = pl.read_parquet(first.pattern("mart_journeys"))
    assert frame["journey_id"].to_list() == ["a", "b", "c"]


def test_files_have_the_types_and_the_words_of_the_contract(tmp_path: Path) -> None:
    """Columns in order; grain and description travel with the file."""
    snapshot = publish(tmp_path)
    contract = contracts()["mart_journeys"]
    (path,) = snapshot.folder.glob("mart_journeys/*/part-0.parquet")
    file = pq.ParquetFile(path)
    assert file.schema_arrow.names == contract.column_names
    (revenue,) = [column.type for column in contract.columns if column.name == "revenue"]
    assert str(file.schema_arrow.field("revenue").type) == revenue.lower().replace(
        "decimal(18,", "decimal128(18, "
    )
    assert file.metadata.metadata[b"journey_grain"] == contract.grain.encode()


def test_event_level_marts_have_one_file_a_day(tmp_path: Path) -> None:
    """And the pattern finds them all, while that of other marts is one file."""
    rows = [{"event_id": str(number), "occurred_date": f"2024-05-0{number}"} for number in (1, 2, 3)]
    snapshot = publish(tmp_path, mart_touchpoints=[*rows, {"event_id": "4"}])
    pattern = snapshot.pattern("mart_touchpoints")
    days = sorted(path.parent.name for path in Path().glob(os.path.relpath(pattern)))
    assert days == ["day=2024-05-01", "day=2024-05-02", "day=2024-05-03"]
    found = pl.read_parquet(pattern, hive_partitioning=False)
    assert sorted(found["event_id"].to_list()) == ["1", "2", "3", "4"]
    assert "day" not in found.columns
    assert snapshot.pattern("mart_paths") == str(snapshot.folder / "mart_paths.parquet")


def test_rows_of_a_file_stand_in_the_contracts_order(tmp_path: Path) -> None:
    """A day's touchpoints as they happened, those of one time by their key."""
    day = [("c", "09:00"), ("b", "09:00"), ("a", "10:00"), ("d", "08:00")]
    rows = [{"event_id": name, "occurred_at": f"2024-05-01 {time}:00+00"} for name, time in day]
    snapshot = publish(tmp_path, mart_touchpoints=rows)
    found = pl.read_parquet(snapshot.pattern("mart_touchpoints"), hive_partitioning=False)
    assert found["event_id"].to_list() == ["d", "b", "c", "a"]


def test_bytes_do_not_follow_from_the_rows_of_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Months of two row groups and 3,000 rows, sorted together, or each by itself as after a night."""
    contract = contracts()["mart_journeys"]
    made = {
        "journey_id": "md5(cast(number as varchar))",
        "entered_at": "make_timestamptz(number * 7919 % 1000003)",
        "last_touchpoint_date": "date '2024-01-01' + to_months(cast(number % 3 as integer))",
    }
    columns = ", ".join(
        f"cast({made.get(column.name, 'null')} as {column.type}) as {column.name}"
        for column in contract.columns
    )
    files = []
    with DuckDBEngine() as engine:
        for name in mart_names():
            fill(engine, contracts()[name], [])
        engine.execute("drop table mart_journeys")
        engine.create_table("mart_journeys", f"select {columns} from range(746280) as numbers (number)")
        for at_once in (3_000_000, 1):
            monkeypatch.setattr(mart_files, "_ROWS_AT_ONCE", at_once)
            written = mart_files.write_marts(engine, tmp_path / str(at_once), None)
            files.append(written["mart_journeys"]["files"])
    assert files[0] == files[1]
    assert [file["rows"] for file in files[0]] == [248_760] * 3
    for path in (tmp_path / "1" / "mart_journeys").rglob("*.parquet"):
        metadata = pq.ParquetFile(path).metadata
        groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        assert groups[:2] == [122_880, 122_880]


def test_journey_level_marts_have_one_file_a_month(tmp_path: Path) -> None:
    """Of the month in which a journey was last seen, its first and last day included."""
    days = ("2023-12-31", "2024-01-01", "2024-01-31", "2024-02-01")
    snapshot = publish(
        tmp_path, mart_journeys=[{"journey_id": day, "last_touchpoint_date": day} for day in days]
    )
    found = {
        path.parent.name: pl.read_parquet(path, hive_partitioning=False)["journey_id"].sort().to_list()
        for path in snapshot.folder.glob("mart_journeys/*/part-0.parquet")
    }
    assert found == {
        "month=2023-12": ["2023-12-31"],
        "month=2024-01": ["2024-01-01", "2024-01-31"],
        "month=2024-02": ["2024-02-01"],
    }


def test_a_split_mart_without_rows_is_one_empty_file(tmp_path: Path) -> None:
    """So that every reader finds its columns."""
    snapshot = publish(tmp_path, mart_touchpoints=[])
    assert (
        pl.read_parquet(snapshot.pattern("mart_touchpoints")).columns
        == contracts()["mart_touchpoints"].column_names
    )


def test_the_files_of_an_earlier_version_are_read_as_its_manifest_lists_them(tmp_path: Path) -> None:
    """It had one file of a mart that is spread over months now."""
    snapshot = publish(tmp_path)
    (split,) = snapshot.folder.glob("mart_journeys/*/part-0.parquet")
    split.rename(snapshot.folder / "mart_journeys.parquet")
    manifest = json.loads(json.dumps(snapshot.manifest))
    manifest["marts"]["mart_journeys"]["files"][0]["path"] = "mart_journeys.parquet"
    earlier = Snapshot(snapshot.folder, manifest)
    assert pl.read_parquet(earlier.pattern("mart_journeys")).height == 1


def test_an_unknown_mart_is_named_with_the_closest(tmp_path: Path) -> None:
    """In the folder it was looked for."""
    snapshot = publish(tmp_path)
    with pytest.raises(MartError) as caught:
        snapshot.pattern("mart_jurneys")
    assert caught.value.problems[0].what == "there is no mart 'mart_jurneys'"
    assert caught.value.problems[0].where == str(snapshot.folder)
    assert advice(caught.value).startswith("use 'mart_journeys' (closest known mart)")


def test_a_write_that_fails_leaves_the_marts_as_they_were(tmp_path: Path) -> None:
    """The disk is full, or a table is missing."""
    publish(tmp_path, "run1")
    with tables() as engine:
        engine.execute("drop table mart_touchpoints")
        with pytest.raises(Exception, match="mart_touchpoints"):
            write_snapshot(engine, tmp_path, "run2", {})
    assert current(tmp_path).run_id == "run1"


def test_publishing_the_live_run_again_never_takes_it_away(tmp_path: Path) -> None:
    """As `--force` does: killed half way, the marts must be the last good set."""
    publish(tmp_path, "run1")
    with tables() as engine:
        engine.execute("drop table mart_touchpoints")
        with pytest.raises(Exception, match="mart_touchpoints"):
            write_snapshot(engine, tmp_path, "run1", {})
    assert current(tmp_path).run_id == "run1"
