"""Loads files through a mapping, for tests: a project's mapping file, its input, and what came of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.sources.batches import batches
from journey_analytics.sources.channels.rules import read_channels
from journey_analytics.sources.files import find_files
from journey_analytics.sources.load import SourceTotals, load_new, show_events
from journey_analytics.sources.mapping import read_mapping
from journey_analytics.sources.store import Store

NOW_US = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Loaded:
    """Events by time, bad rows by file and row, and the totals of one source."""

    events: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]
    totals: SourceTotals

    @property
    def bad_rows(self) -> list[tuple[str, int, str | None, str | None, str]]:
        """file, row, column, value, reason of every bad row."""
        return [
            (row["file"], row["row_number"], row["column_name"], row["value"], row["reason"])
            for row in self.quarantine
        ]

    @property
    def duplicates(self) -> int:
        """Events that repeat the id of an earlier one."""
        return len(self.events) - len({event["event_id"] for event in self.events})

    def told(self, *columns: str) -> list[tuple[Any, ...]]:
        """The named columns of each event; `at` is its time, any other name unknown is a property."""
        return [tuple(_cell(event, name) for name in columns) for event in self.events]


def load(folder: Path, mapping: str, channels: str | None = None) -> Loaded:
    """Load a source whose files lie in `folder` by the text of its mapping file."""
    (folder / "source.yaml").write_text(mapping, encoding="utf-8")
    rules = None
    if channels is not None:
        rules = folder / "channels.yaml"
        rules.write_text(channels, encoding="utf-8")
    source = read_mapping(folder / "source.yaml", read_channels(rules))
    store = Store(folder / "store")
    with DuckDBEngine() as engine:
        found = batches(source, find_files(folder, source))
        new = load_new(engine, store, found, NOW_US, folder / "scratch")
        store.commit(new)
        (totals,) = show_events(engine, store, [source], new)
        return Loaded(
            engine.rows("select * from events order by occurred_us, event_id"),
            engine.rows("select * from quarantine_touchpoints order by file, row_number"),
            totals,
        )


def key_of(*parts: str | None) -> str:
    """The event id of a mapping with several key columns."""
    return hashlib.md5(json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def _cell(event: dict[str, Any], name: str) -> Any:
    if name == "at":
        moment = _EPOCH + timedelta(microseconds=event["occurred_us"])
        return moment.replace(tzinfo=None).isoformat(" ")
    if name in ("revenue", "score"):
        return None if event[name] is None else float(event[name])
    if name in event:
        return event[name]
    return json.loads(event["properties"]).get(name)
