"""Past reports: one page for each day reported, an index of them, and how many are kept.

A page says in its own head what it is of, so that the index needs no other memory than the pages.
Belongs here: the files of reports. Does not belong here: what is in them (page).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

_NAME = re.compile(r"report-(\d{4}-\d\d-\d\d)\.html")
_HEAD = 8_192
"""What a report says of itself stands in its first so many characters."""


@dataclass(frozen=True)
class PastReport:
    """A report that is kept: its file, the day it is of, what it says first, and its alerts."""

    file: str
    as_of: date
    headline: str
    alerts: int


def dated(folder: Path, as_of: str) -> Path:
    """Where the report of a day is kept."""
    return folder / f"report-{as_of}.html"


def past_reports(folder: Path) -> list[PastReport]:
    """The reports kept, the latest day first."""
    found = (_read(path) for path in folder.glob("report-*.html") if _NAME.fullmatch(path.name))
    return sorted(found, key=lambda report: report.as_of, reverse=True)


def remove_old(folder: Path, keep: int) -> None:
    """Delete all but the reports of the `keep` latest days."""
    for report in past_reports(folder)[keep:]:
        (folder / report.file).unlink()


class _Head(HTMLParser):
    """The named meta elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        name = named.get("name")
        if tag == "meta" and name is not None:
            self.said[name] = named.get("content") or ""


def _read(path: Path) -> PastReport:
    head = _Head()
    with path.open(encoding="utf-8") as file:
        head.feed(file.read(_HEAD))
    return PastReport(
        path.name,
        date.fromisoformat(head.said["journey-as-of"]),
        head.said["description"],
        int(head.said["journey-alerts"]),
    )
