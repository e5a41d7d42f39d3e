"""The report's files: the same marts give the same bytes, whatever was reported since."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from journey_analytics.marts import Snapshot, current
from tests.conftest import CHECKOUT, copy_project, journey, run_project


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Snapshot]:
    """The tiny project after the runs of two days."""
    folder = copy_project(
        CHECKOUT / "tests" / "projects" / "tiny", tmp_path_factory.mktemp("reports") / "tiny"
    )
    assert journey("run", "-p", str(folder), "--date", "2026-01-06").returncode == 0
    return folder, run_project(folder)


def test_every_day_has_its_page_and_the_index_lists_it(reported: tuple[Path, Snapshot]) -> None:
    folder, snapshot = reported[0] / "reports", reported[1]
    newest = f"report-{snapshot.manifest['as_of']}.html"
    assert {"report.html", "mail.html", "index.html", "report-2026-01-06.html", newest} <= {
        path.name for path in folder.iterdir()
    }
    assert (folder / newest).read_bytes() == (folder / "report.html").read_bytes()
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'href="(report-[^"]*)"', index) == [newest, "report-2026-01-06.html"]


def test_a_kept_snapshot_is_reported_again_byte_for_byte(reported: tuple[Path, Snapshot]) -> None:
    folder, reports = reported[0], reported[0] / "reports"
    before = {path.name: path.read_bytes() for path in reports.glob("*.html")}
    (reports / "report-2026-01-06.html").unlink()
    (reports / "report.html").unlink()
    again = journey("report", "-p", str(folder), "--date", "2026-01-06", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["as_of"] == "2026-01-06"
    assert not (reports / "report.html").exists(), "a past day is not the newest report"
    assert journey("report", "-p", str(folder)).returncode == 0
    assert {path.name: path.read_bytes() for path in reports.glob("*.html")} == before


def test_a_day_that_is_not_kept_is_refused_with_those_that_are(reported: tuple[Path, Snapshot]) -> None:
    refused = journey("report", "-p", str(reported[0]), "--date", "2026-01-05")
    assert refused.returncode == 2
    assert "2026-01-06" in refused.stderr


def test_open_shows_the_page_in_the_browser(
    reported: tuple[Path, Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr("webbrowser.open", shown.append)
    assert journey("report", "-p", str(reported[0]), "--open").returncode == 0
    assert shown == [(reported[0] / "reports" / "report.html").resolve().as_uri()]


def test_pages_are_small_enough_and_name_their_snapshot_first(reported: tuple[Path, Snapshot]) -> None:
    folder, snapshot = reported[0] / "reports", current(reported[0] / "marts")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 6_000_000
    assert f'<meta name="journey-snapshot" content="{snapshot.folder.name}">' in page[:4_096]
    assert len((folder / "mail.html").read_bytes()) < 100_000


def test_plotly_is_told_to_share_nothing(reported: tuple[Path, Snapshot]) -> None:
    page = (reported[0] / "reports" / "report.html").read_text(encoding="utf-8")
    own = page.rpartition("<script>")[2]
    assert 'displaylogo: false, showSendToCloud: false, plotlyServerURL: ""' in own
    assert page.count("<script>") == 2


def test_mail_has_no_script_and_nothing_from_elsewhere(reported: tuple[Path, Snapshot]) -> None:
    mail = (reported[0] / "reports" / "mail.html").read_text(encoding="utf-8")
    assert re.search(r"<script|<link|<img|<style|https?:|url\(", mail) is None
    assert "<td" in mail
