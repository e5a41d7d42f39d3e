"""The drop-off report's files: report.html of the live snapshot, and one page for each day reported."""

from __future__ import annotations

from pathlib import Path

from journey_analytics.marts import Snapshot
from journey_analytics.project import Project
from journey_analytics.reports.content import read_content
from journey_analytics.reports.page import report_page


def write_report(project: Project, snapshot: Snapshot) -> Path:
    """Write the report of a snapshot and return its path."""
    content = read_content(snapshot)
    path = project.reports_folder / "report.html"
    _write(path, report_page(content))
    return path


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(text, encoding="utf-8")
    scratch.rename(path)
