"""Nights unlike others: clocks that go back, days of 23 and 25 hours, files that are not done yet or come
twice, events of other centuries, a ledger that is damaged.
"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from journey_analytics.errors import EXIT_GATE_FAILED, EXIT_USAGE, SourceError
from journey_analytics.history import newest_first
from journey_analytics.journal import attempt
from journey_analytics.marts import Snapshot, current
from journey_analytics.project import read_project
from journey_analytics.query import query
from journey_analytics.sources.store import Store
from tests.conftest import MADE_BY_RUNS, NOW, journey, mart_hashes
from tests.faults.shop import deliver_day, two_in_the_morning

_HEADER = "id,ts,action,customer,channel,amount\n"


def _run(
    folder: Path, *, now: datetime = NOW, as_of: date | None = None, line_that_comes: str = ""
) -> Snapshot:
    """Run a project; a line comes to its file after the run has looked at it."""
    project = read_project(folder)
    with attempt(project, now=now, as_of=as_of) as tried:
        with (folder / "input" / "web.csv").open("a", encoding="utf-8") as file:
            file.write(line_that_comes)
        for step in tried.steps:
            tried.do(step)
    return current(project.marts_folder)


def test_a_file_that_changes_while_it_is_read_is_refused(tiny: Path) -> None:
    """Nothing of it is kept; the next night takes it whole."""
    with pytest.raises(SourceError, match="the file changed while it was read"):
        _run(tiny, line_that_comes="e8,2026-01-07 12:30:00,cart,cyd,email,\n")
    assert Store(read_project(tiny).store_folder).loads == []
    assert not (tiny / "marts" / "CURRENT").exists()
    snapshot = _run(tiny)
    assert snapshot.marts["mart_touchpoints"] == 8


def test_of_copies_the_one_received_first_stays_though_the_clock_went_back(tiny: Path) -> None:
    """The second file says that e1 was a cart; by its clock it came a year before the first."""
    _run(tiny)
    copy = _HEADER + "e1,2026-01-05 10:00:00,cart,ann,email,\n"
    (tiny / "input" / "web2.csv").write_text(copy, encoding="utf-8")
    snapshot = _run(tiny, now=NOW - timedelta(days=100))
    first, second = Store(read_project(tiny).store_folder).loads
    assert first.received_us < second.received_us
    asked = query(snapshot, "select event_name from mart_touchpoints where event_id = 'e1'")
    assert asked["event_name"].to_list() == ["visit"]


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        # Berlin, in UTC: a day of 23 hours, one of 25, and one that comes every four years
        (date(2026, 3, 29), "2026-03-28 23:00:00", "2026-03-29 21:59:59"),
        (date(2026, 10, 25), "2026-10-24 22:00:00", "2026-10-25 22:59:59"),
        (date(2028, 2, 29), "2028-02-28 23:00:00", "2028-02-29 22:59:59"),
    ],
)
def test_a_run_as_of_a_day_takes_that_local_day_to_its_last_second(
    tiny: Path, day: date, first: str, last: str
) -> None:
    """And not the first second of the next; each event counts for its local day."""
    after = (datetime.fromisoformat(last) + timedelta(seconds=1)).isoformat(sep=" ")
    before = (datetime.fromisoformat(first) - timedelta(seconds=1)).isoformat(sep=" ")
    moments = {"before": before, "first": first, "last": last, "after": after}
    rows = "".join(f"{name},{moment},visit,ann,email,\n" for name, moment in moments.items())
    (tiny / "input" / "web.csv").write_text(_HEADER + rows, encoding="utf-8")
    snapshot = _run(tiny, now=datetime(2029, 1, 1, tzinfo=UTC), as_of=day)
    asked = query(snapshot, "select event_id, occurred_date from mart_touchpoints order by occurred_at")
    assert asked.rows() == [("before", day - timedelta(days=1)), ("first", day), ("last", day)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "day",
    [
        date(2026, 3, 29),  # 02:00 in Berlin is no time on this day
        date(2026, 10, 25),  # and is there twice on this one
        date(2028, 2, 29),
    ],
)
def test_nights_over_an_odd_day_give_what_one_run_after_it_gives(tiny: Path, day: date) -> None:
    """At two in the morning, each asked for the day before, with the events of every hour of it."""
    for night in (day, day + timedelta(days=1), day + timedelta(days=2)):
        last = night - timedelta(days=1)
        events, now = deliver_day(tiny, last), two_in_the_morning(night)
        snapshot = _run(tiny, now=now, as_of=last)
        asked = query(snapshot, f"select count(*) as n from mart_touchpoints where occurred_date = '{last}'")
        assert asked["n"].to_list() == [events]
    at_once = Path(shutil.copytree(tiny, tiny.with_name("at once"), ignore=MADE_BY_RUNS))
    assert mart_hashes(_run(at_once, now=now, as_of=last)) == mart_hashes(snapshot)


def test_a_day_that_there_is_not_is_refused_and_a_leap_day_is_one(tiny: Path) -> None:
    """By the command line."""
    refused = journey("run", "-p", str(tiny), "--date", "2027-02-29")
    assert refused.returncode == EXIT_USAGE
    assert "2027-02-29" in refused.stderr
    assert not (tiny / "marts").exists()
    leap = "2024-02-29"
    taken = journey("backfill", "-p", str(tiny), "--from", leap, "--to", leap, "--dry-run", "--json")
    assert taken.returncode == 0, taken.stderr
    assert [day["day"] for day in json.loads(taken.stdout)] == [leap]


def test_a_day_far_after_the_last_event_ends_every_journey(tiny: Path) -> None:
    """The gates judge the days before it, and the page shows them; today is judged when it is over."""
    _run(tiny)
    for as_of in (date(2028, 1, 1), date(2031, 1, 1)):
        snapshot = _run(tiny, now=datetime(2031, 1, 1, 12, tzinfo=UTC), as_of=as_of)
        assert snapshot.as_of == as_of
        asked = query(snapshot, "select count(*) as n from mart_journeys where state = 'open'")
        assert asked["n"].to_list() == [0]
    assert "events of web" in (tiny / "reports" / "quality.html").read_text(encoding="utf-8")


def test_a_night_by_a_clock_that_was_set_back_is_the_newest(tiny: Path) -> None:
    """A year before the last one, by its clock: it is what readers see, and what is kept longest."""
    first = _run(tiny)
    back = NOW - timedelta(days=365)
    deliver_day(tiny, date(2026, 1, 21))
    second = _run(tiny, now=back)
    deliver_day(tiny, date(2026, 1, 22))
    third = _run(tiny, now=back)
    assert (second.as_of, third.as_of) == (date(2026, 1, 21), date(2026, 1, 22))
    assert newest_first(tiny / "marts") == [third.folder, second.folder, first.folder]
    assert current(tiny / "marts").name == third.name


def test_the_same_file_under_another_name_changes_nothing(tiny: Path) -> None:
    """It is known by its content: one load, the same marts, nothing to do."""
    before = _run(tiny)
    shutil.copy(tiny / "input" / "web.csv", tiny / "input" / "web-copy.csv")
    told = journey("run", "-p", str(tiny), "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["was_up_to_date"] is True
    assert current(tiny / "marts").name == before.name
    assert len(Store(read_project(tiny).store_folder).loads) == 1
    with (tiny / "input" / "web2.csv").open("w", encoding="utf-8") as file:
        file.write(_HEADER + "e8,2026-01-07 12:30:00,cart,cyd,email,\n")
    told = journey("run", "-p", str(tiny))
    assert "9 events, 1 new loads, 1 files that are copies of others" in told.stderr
    snapshot = current(tiny / "marts")
    assert len(Store(read_project(tiny).store_folder).loads) == 2
    assert snapshot.marts["mart_touchpoints"] == before.marts["mart_touchpoints"] + 1


def test_events_of_1970_and_2099_are_set_aside_and_the_night_is_published(tiny: Path) -> None:
    """A clock that was never set, and a slip of the pen: they are in no mart, and move no day."""
    rows = [f"r{n},2026-01-{1 + n % 20:02} 08:00:00,visit,ann,email,\n" for n in range(40)]
    odd = ("1970-01-01 00:00:00", "1970-01-01 00:00:00", "2099-12-31 23:59:59")
    rows += [f"o{n},{moment},order,ann,email,9.00\n" for n, moment in enumerate(odd)]
    (tiny / "input" / "web2.csv").write_text(_HEADER + "".join(rows), encoding="utf-8")
    snapshot = _run(tiny)
    assert snapshot.as_of == date(2026, 1, 20)
    assert snapshot.manifest["quarantined"] == 3
    told = json.loads(journey("quarantine", "list", "-p", str(tiny), "--json").stdout)
    reasons = {heap["reason"]: heap["rows"] for heap in told}
    assert reasons == {"before 1990": 2, "in the future": 1}
    shown = query(
        snapshot, "select min(occurred_date) as first, max(occurred_date) as last from mart_touchpoints"
    )
    assert shown.rows() == [(date(2026, 1, 1), date(2026, 1, 20))]


def test_a_ledger_cut_short_stops_the_run_and_is_made_again_when_it_is_deleted(tiny: Path) -> None:
    """The marts stay; the message says which file to delete, and that is all there is to do."""
    before = _run(tiny)
    hashes = mart_hashes(before)
    (entry,) = (tiny / "store" / "ledger").iterdir()
    entry.write_bytes(entry.read_bytes()[:-40])
    refused = journey("run", "-p", str(tiny))
    assert refused.returncode == EXIT_GATE_FAILED, refused.stderr
    assert "a ledger entry cannot be read" in refused.stderr
    assert entry.name in refused.stderr
    assert "delete this one file" in refused.stderr
    assert current(tiny / "marts").name == before.name
    entry.unlink()
    again = journey("run", "-p", str(tiny))
    assert again.returncode == 0, again.stderr
    assert len(Store(read_project(tiny).store_folder).loads) == 1
    assert mart_hashes(current(tiny / "marts")) == hashes
