"""Past reports: read from their own heads, the latest first, so many and no more."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from journey_analytics.disk import write_whole
from journey_analytics.reports.archive import PastReport, dated, past_reports, remove_old

_PAGE = (
    '<meta name="journey-as-of" content="{day}"><meta name="journey-alerts" content="2">'
    '<meta name="description" content="a &lt;b&gt; &amp; c">'
)


def fill(folder: Path, *days: str) -> None:
    for day in days:
        write_whole(dated(folder, day), _PAGE.format(day=day))


def test_the_index_is_what_the_pages_say_the_latest_first(tmp_path: Path) -> None:
    fill(tmp_path, "2026-05-09", "2026-05-10")
    write_whole(tmp_path / "report-draft.html", "not one of ours")
    assert past_reports(tmp_path) == [
        PastReport("report-2026-05-10.html", date(2026, 5, 10), "a <b> & c", 2),
        PastReport("report-2026-05-09.html", date(2026, 5, 9), "a <b> & c", 2),
    ]


def test_the_latest_days_are_kept(tmp_path: Path) -> None:
    fill(tmp_path, "2026-05-10", "2026-05-08", "2026-05-09")
    write_whole(tmp_path / "report.html", "the newest")
    remove_old(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "report-2026-05-09.html",
        "report-2026-05-10.html",
        "report.html",
    ]
