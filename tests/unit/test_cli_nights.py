"""Commands about runs and days gone by: backfill, status, marts history, diff, restore, verify, --as-of."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from journey_analytics.backfill import plan
from journey_analytics.errors import ConfigError, GateError
from journey_analytics.journal import attempt
from journey_analytics.lock import hold
from journey_analytics.marts import current
from journey_analytics.project import read_project
from journey_analytics.run import Run
from journey_analytics.status import read_status, write_status
from tests.conftest import CHECKOUT, NOW, copy_project, journey

_FIRST, _LAST = date(2026, 1, 5), date(2026, 1, 7)


def _told(*words: str) -> Any:
    result = journey(*words, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project, whose first event is of 5 January, after a backfill of 4 to 6 January was tried."""
    folder = copy_project(
        CHECKOUT / "tests" / "projects" / "tiny", tmp_path_factory.mktemp("nights") / "tiny"
    )
    failed = journey("backfill", "-p", str(folder), "--from", "2026-01-04", "--to", "2026-01-06")
    assert failed.returncode == 3, failed.stderr
    assert "no event happened up to 2026-01-04" in failed.stderr
    assert "stopped at 2026-01-04: 0 of 3 days are done" in failed.stderr
    # the next ones are run though the first failed, when it is told to leave that alone
    done = _told(
        "backfill", "-p", str(folder), "--from", "2026-01-04", "--to", "2026-01-06", "--reprocess", "none"
    )
    assert [run["as_of"] for run in done] == ["2026-01-05", "2026-01-06"]
    return folder


@pytest.fixture
def shop(filled: Path, tmp_path: Path) -> str:
    """A copy of it."""
    return str(shutil.copytree(filled, tmp_path / "shop"))


def _days(shop: str, first: str, last: str, reprocess: str) -> list[bool]:
    days = plan(
        read_project(Path(shop)), date.fromisoformat(first), date.fromisoformat(last), reprocess, now=NOW
    )
    return [day.is_to_run for day in days]


def test_days_that_are_up_to_date_are_left_out(shop: str) -> None:
    """5 and 6 January are published, 7 January was never run; before there is no event."""
    assert _days(shop, "2026-01-04", "2026-01-07", "none") == [False, False, False, True]
    assert _days(shop, "2026-01-04", "2026-01-07", "all") == [False, True, True, True]
    early, *_ = plan(read_project(Path(shop)), date(2026, 1, 4), date(2026, 1, 7), now=NOW)
    assert early.why == "before the first event, of 2026-01-05"


def test_a_day_that_failed_is_run_again_unless_it_is_left_alone(shop: str) -> None:
    def refuse(_: Run) -> str:
        raise GateError([])

    with attempt(read_project(Path(shop)), now=NOW, as_of=_LAST) as tried, pytest.raises(GateError):
        tried.do(replace(tried.steps[0], work=refuse))
    for reprocess, is_to_run in {"none": False, "failed": True, "all": True}.items():
        assert _days(shop, "2026-01-07", "2026-01-07", reprocess) == [is_to_run]


def test_days_are_run_again_when_what_decides_their_marts_changed(shop: str) -> None:
    """A rule, a setting, a file that came: the run of each day has another id."""
    with (Path(shop) / "input" / "web.csv").open("a", encoding="utf-8") as file:
        file.write("e9,2026-01-05 11:00:00,cart,cyd,email,\n")
    assert _days(shop, "2026-01-05", "2026-01-06", "none") == [True, True]


def test_days_before_the_live_one_are_kept_and_not_shown(shop: str) -> None:
    """Readers would see last month's numbers while a backfill goes on."""
    project = read_project(Path(shop))
    assert current(project.marts_folder).as_of == date(2026, 1, 6)
    days = plan(project, _FIRST, _LAST, "all", now=NOW)
    assert [day.moves_pointer for day in days] == [False, True, True]


def test_a_plan_is_printed_and_nothing_done(shop: str) -> None:
    before = sorted(Path(shop).rglob("*"))
    words = ("backfill", "-p", shop, "--from", "2026-01-05", "--to", "2026-01-07", "--dry-run")
    assert [day["is_to_run"] for day in _told(*words)] == [False, False, True]
    assert "1 of 3 days to run" in journey(*words).stdout
    assert sorted(Path(shop).rglob("*")) == before


def test_a_span_that_ends_before_it_begins_is_refused(shop: str) -> None:
    with pytest.raises(ConfigError, match="2026-01-05 is before 2026-01-07"):
        plan(read_project(Path(shop)), _LAST, _FIRST, now=NOW)
    refused = journey(
        "backfill", "-p", shop, "--from", "2026-01-05", "--to", "2026-01-06", "--reprocess", "al"
    )
    assert refused.returncode == 2
    assert "use 'all'" in refused.stderr


@pytest.mark.parametrize("day", ["0001-01-01", "1989-12-31", "2200-01-01", "9999-12-31"])
def test_a_day_that_cannot_be_computed_with_is_wrong_usage(shop: str, day: str) -> None:
    """Wherever a day is asked for, before anything is read or written down."""
    before = read_status(Path(shop) / "marts", "tiny")
    for words in (
        ("run", "--date", day),
        ("report", "--date", day),
        ("journeys", "list", "--as-of", day),
        ("backfill", "--from", day, "--to", day, "--dry-run"),
    ):
        refused = journey(*words, "-p", shop)
        assert refused.returncode == 2, refused.stderr
        assert f"{day} is no day that can be computed with" in refused.stderr
        assert "name one from 1990-01-01 to 2199-12-31" in refused.stderr
    assert read_status(Path(shop) / "marts", "tiny") == before


def test_a_day_to_come_is_wrong_usage(shop: str) -> None:
    """A slip of the pen would call every journey lost. Today is taken: not every event of it is there yet."""
    before = read_status(Path(shop) / "marts", "tiny")
    today = datetime.now(ZoneInfo("Europe/Berlin")).date()
    tomorrow = str(today + timedelta(days=1))
    for words in (
        ("run", "--date", tomorrow),
        ("backfill", "--from", "2026-01-05", "--to", tomorrow),
        ("backfill", "--from", "2026-01-05", "--to", tomorrow, "--dry-run"),
    ):
        refused = journey(*words, "-p", shop)
        assert refused.returncode == 2, refused.stderr
        assert f"{tomorrow} is still to come: by this machine's clock it is {today}" in refused.stderr
    assert read_status(Path(shop) / "marts", "tiny") == before
    planned = plan(read_project(Path(shop)), NOW.date(), NOW.date(), now=NOW)
    assert [day.is_to_run for day in planned] == [True]


def test_reads_as_of_a_day(shop: str) -> None:
    """Ordered at 23:30 UTC on 5 January, which is the 6th in Berlin."""
    words = (
        "query",
        "-p",
        shop,
        "select count(*) as orders from mart_touchpoints where event_name = 'order'",
    )
    assert _told(*words) == [{"orders": 1}]
    assert _told(*words, "--as-of", "2026-01-05") == [{"orders": 0}]
    listed = _told("marts", "list", "-p", shop, "--as-of", "2026-01-05")
    assert {mart["mart"]: mart["rows"] for mart in listed["marts"]}["mart_touchpoints"] == 2
    refused = journey("marts", "list", "-p", shop, "--as-of", "2026-01-07")
    assert refused.returncode == 2
    assert "there are: 2026-01-05, 2026-01-06" in refused.stderr


def test_history_diff_and_restore(shop: str) -> None:
    new, old = _told("marts", "history", "-p", shop)
    assert (new["as_of"], new["is_live"]) == ("2026-01-06", True)
    assert (old["as_of"], old["is_live"]) == ("2026-01-05", False)
    told = {mart["mart"]: mart for mart in _told("marts", "diff", old["name"], "-p", shop)["marts"]}
    assert (told["mart_touchpoints"]["added"], told["mart_touchpoints"]["removed"]) == (3, 0)
    shown = journey("marts", "diff", old["name"], new["name"], "-p", shop).stdout
    assert f"from {old['name']} (as of 2026-01-05) to {new['name']} (as of 2026-01-06)" in shown
    assert _told("marts", "restore", old["name"][:6], "-p", shop)["as_of"] == "2026-01-05"
    assert current(Path(shop) / "marts").name == old["name"]
    assert "an earlier set, restored on" in journey("status", "-p", shop).stdout
    assert f'content="{old["name"]}"' in (Path(shop) / "reports" / "report.html").read_text(encoding="utf-8")


def test_verify_names_every_damaged_file(shop: str) -> None:
    """In every kept snapshot, or in one."""
    new, old = _told("marts", "history", "-p", shop)
    verified = journey("marts", "verify", "-p", shop)
    assert verified.returncode == 0
    assert old["name"] in verified.stderr
    path = Path(shop) / "marts" / "snapshots" / old["name"] / "mart_paths.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    damaged = journey("marts", "verify", "-p", shop)
    assert damaged.returncode == 3
    assert str(path) in damaged.stderr
    assert journey("marts", "verify", new["name"], "-p", shop).returncode == 0
    assert f"fit for `journey marts restore`: {new['name']}" in damaged.stderr
    told = journey("marts", "verify", old["name"], "-p", shop, "--json")
    assert told.returncode == 3
    assert len(json.loads(told.stdout)["damaged"]) == 1
    assert json.loads(told.stdout)["sound"] == []
    (path.parent / "manifest.json").write_text("{", encoding="utf-8")
    assert "manifest of snapshot" in journey("marts", "verify", "-p", shop).stderr


def test_a_damaged_file_that_snapshots_share_is_told_once(shop: str) -> None:
    """Hard links are one file: no snapshot that has it can be restored."""
    new, old = (entry["name"] for entry in _told("marts", "history", "-p", shop))
    folder = Path(shop) / "marts" / "snapshots"
    name = "mart_identity_audit.parquet"
    (folder / old / name).unlink()
    (folder / old / name).hardlink_to(folder / new / name)
    (folder / new / name).write_bytes(b"damaged")
    (folder / old / "marts.sql").unlink()
    told = json.loads(journey("marts", "verify", "-p", shop, "--json").stdout)
    assert told["sound"] == []
    missing, damaged = told["damaged"]
    assert missing["where"] == str(folder / old / "marts.sql")
    assert damaged["where"] == f"{folder / new / name}, 7 bytes; the same file is in 1 other snapshot: {old}"


def test_status_tells_what_is_live_and_how_old_the_last_success_is(shop: str) -> None:
    """A monitor needs no more than the exit code."""
    told = _told("status", "-p", shop, "--max-age", "26h")
    assert told["live"]["as_of"] == "2026-01-06"
    assert told["held_by"] is None
    assert told["last_attempt"]["state"] == "done"
    project = read_project(Path(shop))
    status = read_status(project.marts_folder, "tiny")
    assert status.last_success is not None
    status.last_success.ended_at = datetime(2026, 1, 1, tzinfo=UTC)
    write_status(project.marts_folder, status)
    old = journey("status", "-p", shop, "--max-age", "26h")
    assert old.returncode == 6
    assert "no run came to its end within 26h" in old.stderr
    assert journey("status", "-p", shop).returncode == 0
    assert journey("status", "-p", shop, "--max-age", "26").returncode == 2


def test_status_tells_who_holds_the_project_and_what_was_killed(shop: str) -> None:
    """A run that is under way holds the lock; one that was killed does not."""
    project = read_project(Path(shop))
    status = read_status(project.marts_folder, "tiny")
    assert status.last_attempt is not None
    status.last_attempt.state, status.last_attempt.step = "running", "marts"
    write_status(project.marts_folder, status)
    with hold(project.lock_file, datetime(2026, 6, 1, tzinfo=UTC)):
        told = _told("status", "-p", shop)
        assert "since 2026-06-01T00:00:00+00:00" in told["held_by"]
        assert told["last_attempt"]["state"] == "running"
    assert "killed in step marts" in journey("status", "-p", shop).stdout


def test_status_before_the_first_run(tiny: Path) -> None:
    """There is nothing to show, and `--max-age` says that."""
    shown = journey("status", "-p", str(tiny))
    assert shown.returncode == 0, shown.stderr
    assert "no marts have been published yet" in shown.stdout
    assert journey("status", "-p", str(tiny), "--max-age", "26h").returncode == 6
