"""Release: rows in quarantine become events once, by a mended mapping, with their file or without it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import polars as pl
import pytest

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import LockedError
from journey_analytics.local_days import to_us
from journey_analytics.lock import hold
from journey_analytics.project import Project, read_project
from journey_analytics.sources.batches import find_batches
from journey_analytics.sources.load import SourceTotals, load_new, show_events
from journey_analytics.sources.quarantine import Quarantine
from journey_analytics.sources.release import Judged, release
from journey_analytics.sources.store import Store
from tests.conftest import journey
from tests.unit.files import write

_NOW = datetime(2025, 1, 1, tzinfo=UTC)
_LATER = _NOW + timedelta(days=1)
_ISO = "ts"
_BOTH = "coalesce(cast(try_strptime(ts, '%d.%m.%Y') as varchar), ts)"
_HEADER = "id,ts,name,who,total\n"
_MONDAY = _HEADER + "1,2024-05-01,view,c1,\n2,02.05.2024,order,c1,5\n3,soon,view,c2,\n4,03.05.2024,view,,\n"
_TUESDAY = _HEADER + "5,2024-05-06,view,c1,\n"


def _project(folder: Path, occurred_at: str = _ISO, more: str = "", kind: str = "csv") -> Project:
    write(
        folder / "journey.yaml",
        "project: shop\ntimezone: UTC\nconversion: {stage: purchase, window: 30d}\nsources: [web.yaml]\n",
    )
    mapping = (
        f"source: web\nformat: {kind}\nfiles: in/*.{kind}\n{more}columns:\n  event_id: id\n"
        f"  occurred_at: {json.dumps(occurred_at)}\n"
        "  event_name: name\n  customer_ref: who\n  revenue: total\n"
    )
    write(folder / "web.yaml", mapping)
    return read_project(folder)


def _load(project: Project, now: datetime = _NOW) -> tuple[list[str], SourceTotals]:
    """Load what is new, as a run does; the ids of all events, and what the source has in force."""
    store = Store(project.store_folder)
    with DuckDBEngine() as engine:
        found = find_batches(project.folder, project.sources, store)
        new = load_new(engine, store, found, to_us(now), project.folder / "scratch")
        store.commit(new)
        (totals,) = show_events(engine, store, list(project.sources), new)
        rows = engine.rows("select event_id from events order by event_id")
        return [row["event_id"] for row in rows], totals


def _refused(project: Project, now: datetime) -> None:
    """Load what is new, as a run does that a gate stops."""
    store = Store(project.store_folder)
    with DuckDBEngine() as engine:
        found = find_batches(project.folder, project.sources, store)
        load_new(engine, store, found, to_us(now), project.folder / "scratch")


def _left(project: Project) -> list[tuple[str, int]]:
    with DuckDBEngine() as engine:
        store = Store(project.store_folder)
        heaps = Quarantine(engine, project.folder, store, project.sources).heaps()
    return sorted((heap.reason, heap.rows) for heap in heaps)


def _told(judged: list[Judged]) -> list[tuple[Any, ...]]:
    return [(one.rows, one.sound, one.still_bad, one.outcome) for one in judged]


def _tomorrow(folder: Path) -> None:
    """The next day: Monday's file is gone, Tuesday's is there."""
    (folder / "in" / "mon.csv").unlink()
    write(folder / "in" / "tue.csv", _TUESDAY)


def test_rows_of_a_file_that_is_gone_are_loaded_once(tmp_path: Path) -> None:
    """What is still bad stays, with file and row; a second release, and runs after it, bring nothing."""
    write(tmp_path / "in" / "mon.csv", _MONDAY)
    assert _load(_project(tmp_path))[0] == ["1"]
    _tomorrow(tmp_path)
    project = _project(tmp_path, _BOTH)
    still_bad = {"no id": 1, "not a time": 1}

    would = release(project, now=_LATER, dry_run=True)
    assert _told(would) == [(3, 1, still_bad, "would be released")]
    assert _left(project) == [("not a time", 3)]

    assert _told(release(project, now=_LATER)) == [(3, 1, still_bad, "released")]
    ids, totals = _load(project, _LATER)
    assert ids == ["1", "2", "5"]
    assert (totals.rows, totals.events, totals.quarantined) == (5, 3, 2)
    assert _left(project) == [("no id", 1), ("not a time", 1)]

    assert _told(release(project, now=_LATER)) == [(2, 0, still_bad, "nothing to release")]
    assert _load(project, _LATER)[0] == ["1", "2", "5"]


def test_a_second_mend_releases_what_the_first_left(tmp_path: Path) -> None:
    """Each row is in one load; the loads stand behind the one they came from."""
    write(tmp_path / "in" / "mon.csv", _MONDAY)
    _load(_project(tmp_path))
    _tomorrow(tmp_path)
    release(_project(tmp_path, _BOTH), now=_LATER)
    project = _project(tmp_path, f"case when ts = 'soon' then '2024-05-03' else {_BOTH} end")
    assert _told(release(project, now=_LATER)) == [(2, 1, {"no id": 1}, "released")]
    ids, totals = _load(project, _LATER)
    assert ids == ["1", "2", "3", "5"]
    assert (totals.rows, totals.events, totals.quarantined) == (5, 4, 1)
    assert _left(project) == [("no id", 1)]


def test_a_file_that_is_there_is_left_to_the_next_run(tmp_path: Path) -> None:
    """It loads the file as a whole under the new mapping, and every row stands once."""
    write(tmp_path / "in" / "mon.csv", _MONDAY)
    _load(_project(tmp_path))
    project = _project(tmp_path, _BOTH)
    assert _told(release(project, now=_LATER)) == [(3, 1, {"no id": 1, "not a time": 1}, "next run")]
    ids, totals = _load(project, _LATER)
    assert (ids, totals.rows, totals.quarantined) == (["1", "2"], 4, 2)


def test_a_file_that_comes_back_takes_the_place_of_what_was_released(tmp_path: Path) -> None:
    """Its rows are not there twice."""
    write(tmp_path / "in" / "mon.csv", _MONDAY)
    _load(_project(tmp_path))
    _tomorrow(tmp_path)
    project = _project(tmp_path, _BOTH)
    release(project, now=_LATER)
    write(tmp_path / "in" / "mon.csv", _MONDAY)
    ids, totals = _load(project, _LATER)
    assert (ids, totals.rows, totals.quarantined) == (["1", "2", "5"], 5, 2)


def test_a_later_delivery_of_a_day_replaces_what_was_released_of_it(tmp_path: Path) -> None:
    """With `mode: replace_day`; and what is released late replaces nothing."""
    more = "mode: replace_day\n"
    write(tmp_path / "in" / "mon.csv", _HEADER + "1,2024-05-01,view,c1,\n2,2024-05-01,order,c1,a lot\n")
    _load(_project(tmp_path, more=more))
    (tmp_path / "in" / "mon.csv").unlink()
    write(tmp_path / "in" / "again.csv", _HEADER + "9,2024-05-01,view,c1,\n")
    assert _load(_project(tmp_path, more=more))[0] == ["9"]
    text = (tmp_path / "web.yaml").read_text(encoding="utf-8")
    write(tmp_path / "web.yaml", text.replace("revenue: total", "revenue: try_cast(total as decimal(18, 4))"))
    project = read_project(tmp_path)
    assert [one.outcome for one in release(project, now=_LATER) if one.sound] == ["released"]
    (tmp_path / "in" / "again.csv").unlink()
    write(tmp_path / "in" / "tue.csv", _TUESDAY)
    assert _load(project, _LATER)[0] == ["5", "9"]


def test_rows_keep_the_types_they_were_delivered_with(tmp_path: Path) -> None:
    """Of Parquet: times, decimals, and what is nested."""
    frame = pl.DataFrame(
        {
            "id": ["1", "2"],
            "ts": [datetime(2024, 5, 1, 12, 30), datetime(2024, 5, 2)],  # noqa: DTZ001 - the source's clocks
            "name": ["view", "order"],
            "who": [{"key": "c1"}, {"key": None}],
            "total": [1.5, 2.25],
        }
    )
    (tmp_path / "in").mkdir()
    frame.write_parquet(tmp_path / "in" / "mon.parquet")
    _project(tmp_path, kind="parquet")
    text = (tmp_path / "web.yaml").read_text(encoding="utf-8")
    write(tmp_path / "web.yaml", text.replace("customer_ref: who", "customer_ref: who.key"))
    assert _load(read_project(tmp_path))[0] == ["1"]
    (tmp_path / "in" / "mon.parquet").rename(tmp_path / "in" / "gone")
    frame.with_columns(id=pl.lit("7"))[:1].write_parquet(tmp_path / "in" / "tue.parquet")
    write(tmp_path / "web.yaml", text.replace("customer_ref: who", "customer_ref: coalesce(who.key, 'till')"))
    project = read_project(tmp_path)
    assert _told(release(project, now=_LATER)) == [(1, 1, {}, "released")]
    assert _load(project, _LATER)[0] == ["1", "2", "7"]


def test_a_line_of_json_is_read_again_with_the_fields_of_today(tmp_path: Path) -> None:
    """Also with those that the mapping did not name when it came."""
    line = '{"id": "1", "when": "2024-05-01", "name": "view", "who": "c1"}\n'
    write(tmp_path / "in" / "mon.jsonl", line + "{not json\n")
    fields = "fields: {id: VARCHAR, ts: VARCHAR, name: VARCHAR, who: VARCHAR, total: VARCHAR}\n"
    assert _load(_project(tmp_path, more=fields, kind="jsonl"))[0] == []
    (tmp_path / "in" / "mon.jsonl").unlink()
    write(tmp_path / "in" / "tue.jsonl", line.replace('"1"', '"2"'))
    project = _project(tmp_path, '"when"', more=fields.replace("ts:", "when:"), kind="jsonl")
    assert _told(release(project, now=_LATER)) == [(2, 1, {"not JSON": 1}, "released")]
    assert _load(project, _LATER)[0] == ["1", "2"]
    assert _left(project) == [("not JSON", 1)]


def test_rows_that_do_not_fit_the_mapping_need_their_file(tmp_path: Path) -> None:
    """A column that the rows never had, and text of which no row could be made."""
    write(tmp_path / "in" / "mon.csv", _HEADER + "3,soon,view,c2,\n")
    write(tmp_path / "in" / "ragged.csv", _HEADER + "1,2\n")
    _load(_project(tmp_path))
    for name in ("mon", "ragged"):
        (tmp_path / "in" / f"{name}.csv").unlink()
    write(tmp_path / "in" / "tue.csv", "moment," + _HEADER + "2024-05-01,5,,view,c1,\n")
    judged = release(_project(tmp_path, "moment"), now=_LATER)
    assert {one.outcome for one in judged} == {"needs its file"}
    notes = " ".join(one.note for one in judged)
    assert "no row could be made of its text" in notes
    assert "the rows have no column 'moment'" in notes


def test_nothing_is_released_under_a_running_run(tmp_path: Path) -> None:
    """The project is locked."""
    write(tmp_path / "in" / "mon.csv", _MONDAY)
    project = _project(tmp_path)
    with hold(project.lock_file, _NOW), pytest.raises(LockedError):
        release(project, now=_LATER)


def test_the_commands_tell_list_show_and_release(tmp_path: Path) -> None:
    """By source, load and reason; each row with file, row, column and value, as JSON with the whole row."""
    write(tmp_path / "in" / "mon.csv", _MONDAY)
    project = _project(tmp_path)
    _load(project)
    folder = str(tmp_path)
    listed = journey("quarantine", "list", "-p", folder)
    assert listed.returncode == 0
    assert "mon.csv row 2: occurred_at = '02.05.2024'" in listed.stdout
    assert "3 rows in quarantine" in listed.stderr
    (heap,) = json.loads(journey("quarantine", "list", "--reason", "TIME", "-p", folder, "--json").stdout)
    assert (heap["source"], heap["reason"], heap["rows"]) == ("web", "not a time", 3)
    shown = json.loads(journey("quarantine", "show", heap["batch_id"][:8], "-p", folder, "--json").stdout)
    assert [(row["row_number"], row["value"]) for row in shown] == [
        (2, "02.05.2024"),
        (3, "soon"),
        (4, "03.05.2024"),
    ]
    assert shown[0]["delivered"] == {
        "id": "2", "ts": "02.05.2024", "name": "order", "who": "c1", "total": "5",
    }  # fmt: skip
    assert "soon" in journey("quarantine", "show", "not a time", "-p", folder).stdout
    unknown = journey("quarantine", "show", "not a tme", "-p", folder)
    assert (unknown.returncode, "use 'not a time'" in unknown.stderr) == (3, True)
    wrong = journey("quarantine", "list", "--source", "wbe", "-p", folder)
    assert (wrong.returncode, "use 'web'" in wrong.stderr) == (2, True)
    _tomorrow(tmp_path)
    _project(tmp_path, _BOTH)
    dry = journey("quarantine", "release", "--source", "web", "--dry-run", "-p", folder)
    assert "would be released" in dry.stdout
    done = journey("quarantine", "release", "-p", folder)
    assert "1 not a time" in done.stdout
    assert "1 rows released" in done.stderr


def test_rows_of_a_refused_load_are_shown_until_one_counts(tmp_path: Path) -> None:
    """Of two refused tries the later one's rows are shown; once its file is loaded, those of the load."""
    folder = str(tmp_path)
    write(tmp_path / "in" / "mon.csv", _HEADER + "1,soon,view,c1,\n2,later,view,c1,\n")
    _refused(_project(tmp_path), _NOW)
    write(tmp_path / "in" / "mon.csv", _MONDAY)
    _refused(_project(tmp_path), _LATER)
    heaps = json.loads(journey("quarantine", "list", "-p", folder, "--json").stdout)
    assert sum(heap["rows"] for heap in heaps) == 3
    assert not any(heap["is_loaded"] for heap in heaps)
    told = journey("quarantine", "list", "-p", folder)
    assert "not loaded" in told.stdout
    assert "3 of them are of loads that a gate refused" in " ".join(told.stderr.split())
    assert "soon" in journey("quarantine", "show", "not a time", "-p", folder).stdout
    _load(_project(tmp_path), _LATER + timedelta(days=1))
    heaps = json.loads(journey("quarantine", "list", "-p", folder, "--json").stdout)
    assert [heap["is_loaded"] for heap in heaps] == [True] * len(heaps)
    assert sum(heap["rows"] for heap in heaps) == 3


def test_rows_of_a_refused_file_are_shown_as_long_as_it_is_there(tmp_path: Path) -> None:
    """Of two files of one refused run those of the one that stays; rows of loads that count stay for good."""
    folder = tmp_path / "in"
    write(folder / "sun.csv", _HEADER + "0,never,view,c1,\n")
    _load(_project(tmp_path))
    write(folder / "mon.csv", _HEADER + "1,soon,view,c1,\n2,later,view,c1,\n")
    write(folder / "tue.csv", _HEADER + "3,2024-05-07,,c1,\n")
    project = _project(tmp_path)
    _refused(project, _LATER)
    assert _left(project) == [("no event name", 1), ("not a time", 1), ("not a time", 2)]
    (folder / "mon.csv").unlink()
    assert _left(project) == [("no event name", 1), ("not a time", 1)]
    (folder / "tue.csv").rename(folder / "tue.done")
    (folder / "sun.csv").unlink()
    assert _left(project) == [("not a time", 1)]


def test_rows_of_a_refused_archive_are_shown_as_long_as_it_is_there(tmp_path: Path) -> None:
    """Their file is a member's, and what is there or gone is the archive."""
    mapping = _project(tmp_path).folder / "web.yaml"
    mapping.write_text(mapping.read_text(encoding="utf-8").replace("*.csv", "*.zip"), encoding="utf-8")
    archive = tmp_path / "in" / "week.zip"
    archive.parent.mkdir()
    with ZipFile(archive, "w") as members:
        members.writestr("mon.csv", _HEADER + "1,soon,view,c1,\n2,2024-05-06,view,c1,\n")
    project = read_project(tmp_path)
    _refused(project, _LATER)
    assert _left(project) == [("not a time", 1)]
    archive.unlink()
    assert _left(project) == []
