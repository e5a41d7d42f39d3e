"""The files of the shop's systems: one for each day on which a system has rows, in one of three formats.

Belongs here: how rows are spelled in a file, byte for byte the same for the same rows.
"""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, get_args

import polars as pl
import pyarrow.parquet as pq

from journey_analytics.generator.behaviour import Ints
from journey_analytics.generator.calendar import Period
from journey_analytics.generator.deliveries import Delivered
from journey_analytics.generator.events import Shop
from journey_analytics.generator.exports import Exports

FileFormat = Literal["csv", "parquet", "jsonl"]
FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)
LANDING = "landing"

_ENDINGS: dict[FileFormat, str] = {"csv": "csv.gz", "parquet": "parquet", "jsonl": "jsonl.gz"}
_GZIP_LEVEL = 4
_ROWS_AT_ONCE = 200_000
_UTC = "%Y-%m-%dT%H:%M:%S%.3fZ"
_WITH_OFFSET = "%Y-%m-%dT%H:%M:%S%.3f%:z"
_LOCAL_TIMES = ("orders", "support")


def pattern(source: str, format_: FileFormat) -> str:
    """Where a project finds the files of a source."""
    return f"{LANDING}/{source}/*.{_ENDINGS[format_]}"


def write_files(
    folder: Path, shop: Shop, delivered: Delivered, format_: FileFormat, told: Callable[[int], None]
) -> None:
    """Write every file of every source; a day without rows has none.

    Args:
        folder: of the project.
        shop: what happened.
        delivered: when it arrives.
        format_: of the files.
        told: hears the rows of each file that is done.
    """
    exports = Exports(shop)

    def write(task: tuple[str, int, Ints]) -> int:
        source, day, event = task
        path = folder / LANDING / source / f"{shop.world.period.day(day)}.{_ENDINGS[format_]}"
        frames = (
            exports.frame(source, event[begin : begin + _ROWS_AT_ONCE])
            for begin in range(0, event.size, _ROWS_AT_ONCE)
        )
        if format_ == "parquet":
            _write_parquet(frames, path)
        else:
            _write_text(
                (f.with_columns(_text_of_time(source, shop.world.period)) for f in frames), path, format_
            )
        return event.size

    for source, place in shop.events.sources.items():
        if place.start < place.stop:
            (folder / LANDING / source).mkdir(parents=True, exist_ok=True)
    tasks = (
        (source, day, event)
        for source, place in shop.events.sources.items()
        for day, event in delivered.of_source(place)
    )
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for rows in pool.map(write, tasks):
            told(rows)


def _write_parquet(frames: Iterator[pl.DataFrame], path: Path) -> None:
    table = next(frames).to_arrow()
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        writer.write_table(table)
        for frame in frames:
            writer.write_table(frame.to_arrow().cast(table.schema))


def _write_text(frames: Iterator[pl.DataFrame], path: Path, format_: FileFormat) -> None:
    # without name and time in the file's header, so that the same rows give the same bytes
    with path.open("wb") as raw, gzip.GzipFile("", "wb", _GZIP_LEVEL, raw, mtime=0) as file:
        for number, frame in enumerate(frames):
            text = io.BytesIO()
            if format_ == "csv":
                frame.write_csv(text, include_header=number == 0, float_precision=2)
            else:
                frame.write_ndjson(text)
            file.write(text.getbuffer())


def _text_of_time(source: str, period: Period) -> pl.Expr:
    """Half the systems write UTC, the others the shop's own time and how far it is from UTC."""
    if source in _LOCAL_TIMES:
        return pl.col("ts").dt.convert_time_zone(period.zone.key).dt.to_string(_WITH_OFFSET)
    return pl.col("ts").dt.to_string(_UTC)
