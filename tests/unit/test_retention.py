"""Old snapshots go, and never one that somebody needs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from journey_analytics.errors import MartError
from journey_analytics.marts import SNAPSHOTS, current, move_pointer
from journey_analytics.query import open_marts
from journey_analytics.retention import named_by_reports, pinned, remove_old_snapshots
from tests.unit.published import publish

_READER = """\
import sys, time
from pathlib import Path
from journey_analytics.marts import read_snapshot
from journey_analytics.retention import pinned
with pinned(read_snapshot(Path(sys.argv[1]), "run1")):
    print("reading", flush=True)
    time.sleep(60)
"""


def _snapshots(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / SNAPSHOTS).iterdir())


def test_old_snapshots_are_removed(tmp_path: Path) -> None:
    """All but the newest, and their names are given."""
    for number in range(1, 5):
        publish(tmp_path, f"run{number}")
    assert remove_old_snapshots(tmp_path, keep=2) == ["run2", "run1"]
    assert _snapshots(tmp_path) == ["run3", "run4"]
    assert remove_old_snapshots(tmp_path, keep=2) == []


def test_the_live_snapshot_is_never_removed(tmp_path: Path) -> None:
    """However old it is."""
    for number in range(1, 4):
        publish(tmp_path, f"run{number}")
    move_pointer(tmp_path, "run1")
    assert remove_old_snapshots(tmp_path, keep=1) == ["run2"]
    assert _snapshots(tmp_path) == ["run1", "run3"]
    assert current(tmp_path).run_id == "run1"


def test_a_scratch_folder_left_by_a_killed_run_is_in_nobodys_way(tmp_path: Path) -> None:
    """It is no snapshot, and the next run of the same id writes over it."""
    publish(tmp_path, "run1")
    left = tmp_path / "snapshots" / ".run2.tmp"
    left.mkdir()
    (left / "mart_paths.parquet").write_bytes(b"half a fi")
    (left / "manifest.json").write_text("{}", encoding="utf-8")
    assert remove_old_snapshots(tmp_path, keep=1) == []
    snapshot = publish(tmp_path, "run2")
    assert not left.exists()
    assert pl.read_parquet(snapshot.pattern("mart_journeys")).height == 1


def test_scratch_folders_of_other_runs_do_not_pile_up(tmp_path: Path) -> None:
    """The lock is held while snapshots are removed, so nobody is writing to them."""
    publish(tmp_path, "run1")
    (tmp_path / "snapshots" / ".run0.tmp").mkdir()
    remove_old_snapshots(tmp_path, keep=1)
    assert _snapshots(tmp_path) == ["run1"]


def test_a_snapshot_that_is_read_stays_until_its_reader_is_done(tmp_path: Path) -> None:
    """The connection that was opened before the run goes on to find its files."""
    first = publish(tmp_path, "run1")
    with open_marts(first) as connection:
        publish(tmp_path, "run2")
        assert remove_old_snapshots(tmp_path, keep=1) == []
        assert connection.execute("select count(*) from mart_journeys").fetchall() == [(1,)]
    assert remove_old_snapshots(tmp_path, keep=1) == ["run1"]


def test_a_reader_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    """Its pin goes with its process; nobody has to remove it."""
    publish(tmp_path, "run1")
    publish(tmp_path, "run2")
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "reading\n"
    assert remove_old_snapshots(tmp_path, keep=1) == []
    os.kill(reader.pid, signal.SIGKILL)
    reader.communicate()
    assert remove_old_snapshots(tmp_path, keep=1) == ["run1"]


def test_a_reader_that_comes_too_late_is_told(tmp_path: Path) -> None:
    """It found the snapshot before the run that removed it."""
    first = publish(tmp_path, "run1")
    publish(tmp_path, "run2")
    remove_old_snapshots(tmp_path, keep=1)
    with pytest.raises(MartError, match="'run1' was removed just now"), pinned(first):
        pass


def test_a_snapshot_that_a_kept_report_was_made_from_stays(tmp_path: Path) -> None:
    """As long as the page is there, its numbers can be opened."""
    for number in (1, 2, 3):
        publish(tmp_path / "marts", f"run{number}")
    page = tmp_path / "report-2024-05-31.html"
    page.write_text('<head><meta name="journey-snapshot" content="run1"></head>', encoding="utf-8")
    assert named_by_reports(tmp_path) == {"run1"}
    assert remove_old_snapshots(tmp_path / "marts", keep=1, needed=named_by_reports(tmp_path)) == ["run2"]
    page.unlink()
    assert remove_old_snapshots(tmp_path / "marts", keep=1, needed=named_by_reports(tmp_path)) == ["run1"]


def test_a_damaged_manifest_is_in_no_ones_way(tmp_path: Path) -> None:
    """It goes like the others when it is old."""
    for number in (1, 2):
        publish(tmp_path, f"run{number}")
    manifest = tmp_path / SNAPSHOTS / "run1" / "manifest.json"
    manifest.write_bytes(b"{")
    os.utime(manifest, (0, 0))
    publish(tmp_path, "run3")
    assert remove_old_snapshots(tmp_path, keep=1) == ["run2", "run1"]
