"""What was written about single customers: sentences in the record of runs, manifests and the status; pages.

A sentence that names somebody who is erased (customer_id=17, 'e1') is replaced by one that says so. A page
that shows them is written again from its snapshot, once that is without them.

Belongs here: finding and replacing what people read. Does not belong here: rows of marts (published.py).
"""

from __future__ import annotations

import html
import logging
import re
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from journey_analytics.disk import put_in_place
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted, quoted_path
from journey_analytics.errors import DamagedError, JourneyError, MartError
from journey_analytics.marts import Snapshot, current, read_snapshot
from journey_analytics.project import Project
from journey_analytics.record import record_files
from journey_analytics.reports.archive import dated
from journey_analytics.reports.dropoff import write_report
from journey_analytics.retention import named_by_reports
from journey_analytics.sources.erased import ANONYMOUS, AROUND_IDS, BETWEEN_IDS, Erasure
from journey_analytics.status import read_status, status_file, write_status

_CANNOT_BE_WRITTEN = (
    JourneyError,
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
    duckdb.Error,
    pl.exceptions.PolarsError,
)
"""A snapshot that is gone, of an earlier version, or with nobody left in it; then its page must go too."""
_LOG = logging.getLogger(__name__)

TAKEN_OUT = "(named a customer who was erased)"

# as samples of checks (customer_id=17, event_id=e1) and errors ('e1', or a whole line) write values
_VALUES = re.compile(r"""=([^,;]+)|'([^']+)'|"([^"]+)\"""")
# as pages do
_CELLS = re.compile(r"<bdi>([^<]+)</bdi>")
_SENTENCES = re.compile(r">([^<>]*[='&][^<>]*)<")
_NOT_SHOWN = re.compile(r"<(script|style)\b.*?</\1>", re.DOTALL)
_BETWEEN = [re.compile(between) for between in BETWEEN_IDS]
_JOURNEY_IDS = re.compile(r"\b[0-9a-f]{32}\b")
_RECORDED = {"mart_quality_results": "sample", "mart_runs": "detail"}
_OF_THE_LIVE = {"report.html", "mail.html"}
_GONE = "texts_to_erase"


class Mentions:
    """Whether a text names somebody who is erased.

    Args:
        erasure: who is.
        journeys: ids of journeys of theirs.
        sources: names of the project's sources, for events are theirs by source and id.
    """

    def __init__(self, erasure: Erasure, journeys: Collection[str], sources: Iterable[str]) -> None:
        self._erasure = erasure
        self._journeys = frozenset(journeys)
        self._sources = tuple(sources)
        self._known: dict[str, bool] = {}

    def in_sentence(self, text: str) -> bool:
        """Whether one of a sentence's values does, or a part of one."""
        values = [value for found in _VALUES.findall(text) for value in found if value]
        parts = {part.strip(AROUND_IDS) for value in values for cut in _BETWEEN for part in cut.split(value)}
        return any(self._is_one(part) for part in parts | {value.strip() for value in values})

    def in_page(self, page: str) -> bool:
        """Whether a cell or a sentence of a page does, or the id of a journey."""
        if not self._journeys.isdisjoint(_JOURNEY_IDS.findall(page)):
            return True
        if any(self._is_one(html.unescape(cell)) for cell in set(_CELLS.findall(page))):
            return True
        # what is shown, without the page's own script and style
        shown = _NOT_SHOWN.sub("", page)
        return any(self.in_sentence(html.unescape(said)) for said in set(_SENTENCES.findall(shown)))

    def _is_one(self, value: str) -> bool:
        if value not in self._known:
            self._known[value] = (
                value in self._journeys
                or self._erasure.has_id(value)
                or self._erasure.has_id(ANONYMOUS + value)
                or any(self._erasure.has_event(source, value) for source in self._sources)
            )
        return self._known[value]


def replace_sentences(engine: DuckDBEngine, project: Project, mentions: Mentions) -> int:
    """Replace every sentence of the record of runs and of the status that names them; how many."""
    folder = project.marts_folder
    replaced = 0
    for table, column in _RECORDED.items():
        for path in record_files(folder, table):
            replaced += _replace_in_record(engine, path, column, mentions)
    if status_file(folder).is_file():
        status = read_status(folder, project.settings.project)
        if (last := status.last_attempt) is not None:
            said = last.model_dump()
            count = sum(_replace_in(part, mentions) for part in (said, *said["steps"]))
            if count:
                status.last_attempt = type(last).model_validate(said)
                write_status(folder, status)
                replaced += count
    return replaced


def replace_warnings(snapshots: Iterable[Snapshot], mentions: Mentions) -> Counter[str]:
    """Replace every warning that names them in what manifests say; how many by snapshot, to be written."""
    found = Counter({snapshot.name: _replace_in(snapshot.manifest, mentions) for snapshot in snapshots})
    return +found


def pages_naming(folder: Path, mentions: Mentions) -> list[str]:
    """The names of the pages in a folder of reports that show them."""
    pages = sorted(folder.glob("*.html"))
    return [page.name for page in pages if mentions.in_page(page.read_text(encoding="utf-8"))]


def write_pages_again(project: Project, names: Collection[str]) -> None:
    """Write pages again from their snapshots; one that cannot be made again is removed.

    The quality page is such a one: the next run, which is needed anyway, writes it.
    """
    folder = project.reports_folder
    to_write, written = set(names), set[str]()
    with suppress(MartError, DamagedError):
        if to_write & _OF_THE_LIVE:
            to_write.add(dated(folder, str(current(project.marts_folder).as_of)).name)
    for name in sorted(named_by_reports(folder)):
        try:
            snapshot = read_snapshot(project.marts_folder, name)
            page = dated(folder, str(snapshot.as_of)).name
            if page in to_write:
                is_live = write_report(project, snapshot).path.name != page
                written |= {page} | (_OF_THE_LIVE if is_live else set())
        except _CANNOT_BE_WRITTEN:
            _LOG.info("the page of %s could not be written again and is removed", name)
    for name in to_write - written:
        (folder / name).unlink(missing_ok=True)


def _replace_in(said: dict[str, Any], mentions: Mentions) -> int:
    """Replace what names them among the sentences of a status, a step or a manifest, in place; how many."""
    count = 0
    for key in ("message", "detail"):
        if mentions.in_sentence(said.get(key) or ""):
            said[key] = TAKEN_OUT
            count += 1
    if warnings := said.get("warnings"):
        named = [mentions.in_sentence(warning) for warning in warnings]
        said["warnings"] = [
            TAKEN_OUT if is_one else warning for is_one, warning in zip(named, warnings, strict=True)
        ]
        count += sum(named)
    return count


def _replace_in_record(engine: DuckDBEngine, path: Path, column: str, mentions: Mentions) -> int:
    texts = pl.read_parquet(path, columns=[column])[column].drop_nulls()
    named = [text for text in texts if mentions.in_sentence(text)]
    if named:
        engine.load(_GONE, pl.DataFrame({"text": list(set(named))}))
        scratch = path.with_suffix(".tmp")
        is_one = f"{column} in (select text from {_GONE})"
        said = f"case when {is_one} then {quoted(TAKEN_OUT)} else {column} end as {column}"
        engine.execute(
            f"copy (select * replace ({said}) from read_parquet({quoted_path(path)})) "
            f"to {quoted(str(scratch))} (format parquet, compression zstd)"
        )
        put_in_place(scratch, path)
    return len(named)
