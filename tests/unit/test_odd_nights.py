"""Nights unlike others: clocks that go back, days of 23 and 25 hours, files that are not done yet."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from journey_analytics.errors import SourceError
from journey_analytics.journal import attempt
from journey_analytics.marts import Snapshot, current
from journey_analytics.project import read_project
from journey_analytics.query import query
from journey_analytics.sources.store import Store
from tests.conftest import NOW

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
