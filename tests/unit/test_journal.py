"""An attempt: what is around every step of a run, and what is written down of it."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from journey_analytics import journal
from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from journey_analytics.errors import (
    GateError,
    LockedError,
    MachineError,
    SourceError,
    Stopped,
    TooLittleMemoryError,
)
from journey_analytics.journal import attempt, restore_snapshot
from journey_analytics.lock import hold
from journey_analytics.marts import current
from journey_analytics.project import Project, read_project
from journey_analytics.record import record_sql
from journey_analytics.run import STEPS, Run
from journey_analytics.status import LastAttempt, Status, read_status, status_file, write_status
from tests.conftest import CHECKOUT, NOW, copy_project, journey, run_project

_LATER = NOW + timedelta(days=1)


def _runs(project: Project) -> list[dict[str, Any]]:
    record = record_sql(project.marts_folder, "mart_runs")
    with DuckDBEngine() as engine:
        return engine.rows(f"select * from ({record}) order by begun_at, step, try_number")


def _status(project: Project) -> Status:
    return read_status(project.marts_folder, "tiny")


def _attempt(project: Project, stop: Callable[[Run], str] | None = None, **asked: Any) -> list[str]:
    """Do an attempt's steps, `stop` in the place of the first; the notes at its beginning."""
    with attempt(project, **{"now": NOW, **asked}) as tried:
        for step in tried.steps:
            tried.do(replace(step, work=stop) if stop and step.name == "load" else step)
        return list(tried.notes)


def _raising(error: BaseException) -> Callable[[Run], str]:
    def work(_: Run) -> str:
        raise error

    return work


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project after one run, to copy."""
    folder = copy_project(
        CHECKOUT / "tests" / "projects" / "tiny", tmp_path_factory.mktemp("journal") / "tiny"
    )
    run_project(folder)
    return folder


@pytest.fixture
def project(published: Path, tmp_path: Path) -> Project:
    """A copy of it with what the run made."""
    return read_project(Path(shutil.copytree(published, tmp_path / "tiny")))


def test_a_run_that_publishes_is_recorded_step_by_step(project: Project) -> None:
    """With rows, seconds, memory and versions; the status says when it succeeded."""
    snapshot = current(project.marts_folder)
    rows = {row["step"]: row for row in _runs(project)}
    assert rows.keys() == {"inputs", *(step.name for step in STEPS)}
    assert {row["status"] for row in rows.values()} == {"done"}
    assert {row["run_id"] for row in rows.values()} == {snapshot.run_id}
    assert {row["as_of"] for row in rows.values()} == {snapshot.as_of}
    assert {row["duckdb_version"] for row in rows.values()} == {duckdb.__version__}
    assert (rows["load"]["rows"], rows["identity"]["rows"], rows["journeys"]["rows"]) == (8, 7, 3)
    assert rows["publish"]["rows"] == sum(snapshot.marts.values())
    assert rows["stage"]["rows"] is None
    assert all(row["seconds"] >= 0 and row["peak_memory_bytes"] > 10_000_000 for row in rows.values())
    assert rows["load"]["begun_at"] == NOW
    status = _status(project)
    assert status.last_success is not None
    assert status.last_success.run_id == snapshot.run_id
    assert NOW < status.last_success.ended_at < NOW + timedelta(minutes=5)
    assert status.last_attempt is not None
    assert (status.last_attempt.state, status.last_attempt.exit_code) == ("done", 0)


def test_a_run_with_nothing_to_do_says_so(project: Project) -> None:
    """It counts as a success: the marts are what they would become."""
    snapshot = current(project.marts_folder)
    _attempt(project, now=_LATER)
    rows = [row for row in _runs(project) if row["begun_at"] == _LATER]
    assert [(row["step"], row["status"]) for row in rows] == [("inputs", "up_to_date"), ("report", "done")]
    status = _status(project)
    assert status.last_success is not None
    assert (status.last_success.run_id, status.last_success.as_of) == (snapshot.run_id, "2026-01-20")
    assert status.last_success.ended_at > _LATER


@pytest.mark.parametrize(
    ("raised", "told", "exit_code"),
    [
        (GateError([]), GateError, 3),
        (Stopped(15), Stopped, 143),
        (KeyboardInterrupt(), KeyboardInterrupt, 130),
        (ValueError("a fault"), ValueError, 70),
        (OSError(errno.ENOSPC, "No space left on device", "x.parquet"), MachineError, 74),
        (duckdb.IOException("Could not write"), MachineError, 74),
        (duckdb.FatalException("Failed to commit: No space left on device"), MachineError, 74),
    ],
)
def test_a_run_that_stops_is_recorded_with_its_reason(
    project: Project, raised: BaseException, told: type[BaseException], exit_code: int
) -> None:
    """Whatever stopped it; the success before stays the last one, and the lock is free."""
    before = current(project.marts_folder)
    with pytest.raises(told):
        _attempt(project, _raising(raised), now=_LATER, force=True)
    rows = [row for row in _runs(project) if row["begun_at"] == _LATER]
    assert [row["status"] for row in rows if row["step"] == "load"] == ["failed"]
    assert [row["step"] for row in rows] == ["inputs", "load"]
    status = _status(project)
    assert status.last_attempt is not None
    assert (status.last_attempt.state, status.last_attempt.step) == ("failed", "load")
    assert status.last_attempt.exit_code == exit_code
    assert status.last_success is not None
    assert status.last_success.ended_at < _LATER
    assert current(project.marts_folder).name == before.name
    with hold(project.lock_file, _LATER):
        pass


@pytest.mark.parametrize(
    ("step", "note"),
    [
        ("check_marts", "the marts are the last good set"),
        ("report", "the marts of this run are live, as of 2026-01-19; run again for what it left to do"),
    ],
)
def test_a_step_that_fails_says_which_marts_are_live(project: Project, step: str, note: str) -> None:
    with attempt(project, now=_LATER, as_of=date(2026, 1, 19), force=True) as tried:
        steps = {one.name: one for one in tried.steps}
        for name in itertools.takewhile(lambda name: name != step, steps):
            tried.do(steps[name])
        with pytest.raises(GateError) as found:
            tried.do(replace(steps[step], work=_raising(GateError([]))))
    assert found.value.describe() == note


@pytest.mark.parametrize(("limit", "work"), [("4MB", "load source 'web'"), ("24MB", "make ")])
def test_too_little_memory_is_told_with_the_setting_and_leaves_the_marts(
    project: Project, limit: str, work: str
) -> None:
    with (project.folder / "journey.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\nmemory_limit: {limit}\n")
    before = current(project.marts_folder)
    with (project.folder / "input" / "web.csv").open("a", encoding="utf-8") as file:
        file.write("e8,2026-01-07 13:00:00,visit,dan,email,\n")
    tried = journey("run", "-p", str(project.folder), "--full")
    assert tried.returncode == 4
    assert f"TooLittleMemoryError: memory does not suffice to {work}" in tried.stderr
    assert "set a larger `memory_limit` in journey.yaml" in tried.stderr
    assert "the marts are the last good set" in tried.stderr
    assert current(project.marts_folder).name == before.name


def test_a_night_that_does_not_fit_into_memory_does_not_make_everything_anew(project: Project) -> None:
    """Which would need more still; copies are looked for where everything is made anew."""
    with (project.folder / "journey.yaml").open("a", encoding="utf-8") as file:
        file.write("\nmemory_limit: 4MB\n")
    tried = journey("run", "-p", str(project.folder), "--date", "2026-01-19")
    assert tried.returncode == 4
    assert "TooLittleMemoryError" in tried.stderr
    assert "stg_copies" not in tried.stderr


def test_a_statement_of_a_step_that_memory_does_not_suffice_for_is_told_in_one_line(project: Project) -> None:
    """Ten million rows of one partition, in ten megabytes and without a folder to spill to."""

    def asks(_: Run) -> str:
        with DuckDBEngine(limits=Limits("10MB", 1)) as engine:
            engine.rows(
                "select max(n) from (select lag(n) over (order by n desc) as n from range(10000000) t(n))"
            )
        return ""

    with pytest.raises(TooLittleMemoryError, match="set a larger `memory_limit`"):
        _attempt(project, asks, as_of=date(2026, 1, 19), force=True)
    (row,) = [row for row in _runs(project) if row["status"] == "failed"]
    assert row["detail"].startswith("TooLittleMemoryError: memory does not suffice to end this step")


def test_before_the_first_run_a_step_that_fails_says_that_nothing_is_published(tiny: Path) -> None:
    with pytest.raises(GateError) as found:
        _attempt(read_project(tiny), _raising(GateError([])))
    assert found.value.describe() == "no marts have been published yet"


def test_a_run_that_finds_no_input_is_recorded_without_an_id(tiny: Path) -> None:
    """Before the inputs are known there is none."""
    (tiny / "input" / "web.csv").write_bytes(b"")
    project = read_project(tiny)
    with pytest.raises(SourceError):
        _attempt(project)
    (row,) = _runs(project)
    assert (row["step"], row["status"], row["run_id"], row["as_of"]) == ("inputs", "failed", None, None)
    assert "the file is empty" in row["detail"]


def test_a_step_that_is_tried_again_has_a_row_for_each_try(project: Project) -> None:
    """As the flow does with faults of the machine."""
    with attempt(project, now=_LATER) as tried:
        (report,) = tried.steps
        with pytest.raises(MachineError):
            tried.do(replace(report, work=_raising(OSError("the disk was away"))))
        tried.do(report)
    rows = [row for row in _runs(project) if row["step"] == "report" and row["begun_at"] == _LATER]
    assert [(row["try_number"], row["status"]) for row in rows] == [(1, "failed"), (2, "done")]


def test_a_run_that_was_killed_is_recorded_by_the_next_one(project: Project) -> None:
    """It could not say a word itself: its status stands at `running`, and nobody holds the lock."""
    status = _status(project)
    assert status.last_attempt is not None
    done = [{**row, "begun_at": _LATER.isoformat()} for row in status.last_attempt.steps[:3]]
    status.last_attempt = LastAttempt(begun_at=_LATER, pid=1, step="identity", run_id="cut", steps=done)
    write_status(project.marts_folder, status)
    (note,) = _attempt(project, now=_LATER + timedelta(days=1))
    assert note.startswith("the run of 2026-06-02 00:00 was killed in step identity")
    rows = {row["step"]: row for row in _runs(project) if row["begun_at"] == _LATER}
    assert {step: row["status"] for step, row in rows.items()} == {
        "inputs": "done",
        "load": "done",
        "check_raw": "done",
        "identity": "killed",
    }
    assert rows["identity"]["seconds"] is None
    assert _attempt(project, now=_LATER + timedelta(days=2)) == []


def test_the_status_calls_the_project_as_its_settings_do(project: Project) -> None:
    """And not as the first run did."""
    assert read_status(project.marts_folder, "laden").project == "laden"


def test_a_refused_second_run_leaves_the_first_ones_status_alone(project: Project) -> None:
    """It never began."""
    before = status_file(project.marts_folder).read_bytes()
    with hold(project.lock_file, NOW), pytest.raises(LockedError, match=str(os.getpid())):
        _attempt(project, now=_LATER)
    assert status_file(project.marts_folder).read_bytes() == before


def test_a_status_that_somebody_broke_is_written_anew(project: Project) -> None:
    """It holds nothing that the marts and the record do not."""
    status_file(project.marts_folder).write_text("{", encoding="utf-8")
    _attempt(project, now=_LATER)
    assert _status(project).last_success is not None


def test_a_restored_snapshot_is_live_until_the_next_run_publishes_anew(
    project: Project, edit: Callable[[Path, str, str], None]
) -> None:
    """The run says that the live set is an older one."""
    old = current(project.marts_folder)
    edit(project.folder / "journey.yaml", "30m", "20m")
    new = run_project(project.folder)
    project = read_project(project.folder)
    restore_snapshot(project, old.name, _LATER)
    assert current(project.marts_folder).name == old.name
    restored = [row for row in _runs(project) if row["step"] == "restore"]
    assert [(row["run_id"], row["detail"]) for row in restored] == [
        (old.run_id, f"{old.name} in place of {new.name}")
    ]
    (note,) = _attempt(project, now=_LATER + timedelta(days=1))
    assert f"an earlier set, {old.name}, restored on 2026-06-02 00:00" in note
    assert current(project.marts_folder).name == new.name
    assert _status(project).restored is None


def test_a_disk_that_is_too_small_is_told_beforehand(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is full the run stops, and the marts stay; a person can make room before."""
    monkeypatch.setattr(journal, "free_bytes", lambda _: 100)
    (note,) = _attempt(project)
    assert note.startswith("the disk may be too small")


def test_a_day_before_the_live_one_is_kept_and_not_shown(project: Project) -> None:
    """As a backfill does it."""
    live = current(project.marts_folder)
    day = datetime(2026, 1, 6, tzinfo=UTC).date()
    with attempt(project, now=_LATER, as_of=day, moves_pointer=False) as tried:
        for step in tried.steps:
            tried.do(step)
        assert tried.run.snapshot is not None
        assert tried.run.snapshot.as_of == day
    assert current(project.marts_folder).name == live.name
