"""Process-mining logs (IEEE 1849 XES) to Parquet, read as a stream in constant memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError, iterparse

import pyarrow as pa
import pyarrow.parquet as pq

from journey_analytics.errors import Problem, SourceError

_ROWS_PER_BATCH = 50_000
_VALUES = ("string", "date", "int", "float", "boolean", "id")
_SCHEMA = pa.schema(
    [
        ("case_id", pa.string()),
        ("activity", pa.string()),
        ("time", pa.string()),
        ("resource", pa.string()),
        ("transition", pa.string()),
        ("event_number", pa.int64()),
        ("trace", pa.string()),
        ("event", pa.string()),
    ]
)


def xes_to_parquet(path: Path, target: Path) -> None:
    """Write one row per event: the standard attributes as columns, all others as JSON text.

    Args:
        path: an XES file, gzip where its name ends in .gz.
        target: the Parquet file to write: case_id, activity, time, resource, transition (String, null where
            missing), event_number (Int64, place in the log, from 1), trace and event (String, JSON).

    Raises:
        SourceError: the file is not well-formed XML; with its line and column.
    """
    stream: BinaryIO = pa.input_stream(str(path), compression="detect")
    with stream, pq.ParquetWriter(target, _SCHEMA) as writer:
        batch: list[dict[str, object]] = []
        try:
            for row in _events(stream):
                batch.append(row)
                if len(batch) == _ROWS_PER_BATCH:
                    writer.write_table(pa.Table.from_pylist(batch, _SCHEMA))
                    batch = []
        except ParseError as cause:
            line, column = cause.position
            raise SourceError(
                Problem(
                    f"the XES file is not well-formed: {cause.msg}",
                    f"{path}:{line}:{column + 1}",
                    "get the file again from where it came; the marts were not touched",
                )
            ) from cause
        writer.write_table(pa.Table.from_pylist(batch, _SCHEMA))


def _events(stream: BinaryIO) -> Iterator[dict[str, object]]:
    """Every event in file order; a trace's elements are let go as soon as it ends."""
    number = 0
    root: Element | None = None
    is_in_trace = False
    for moment, element in iterparse(stream, events=("start", "end")):
        if root is None:
            root = element
        tag = _tag(element)
        if moment == "start":
            is_in_trace = is_in_trace or tag == "trace"
            continue
        if tag == "trace":
            is_in_trace = False
            trace, events = _attributes(element), [child for child in element if _tag(child) == "event"]
        elif tag == "event" and not is_in_trace:
            # the standard allows it; without a trace it has no case, and is told as such
            trace, events = {}, [element]
        else:
            continue
        for event in events:
            number += 1
            attributes = _attributes(event)
            yield {
                "case_id": trace.get("concept:name"),
                "activity": attributes.get("concept:name"),
                "time": attributes.get("time:timestamp"),
                "resource": attributes.get("org:resource"),
                "transition": attributes.get("lifecycle:transition"),
                "event_number": number,
                "trace": json.dumps(trace, ensure_ascii=False),
                "event": json.dumps(attributes, ensure_ascii=False),
            }
        root.clear()


def _attributes(element: Element) -> dict[str, str]:
    return {child.get("key", ""): child.get("value", "") for child in element if _tag(child) in _VALUES}


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]
