"""Whatever holds events, as a Polars lazy frame.

Polars reads Parquet and frames. DuckDB reads the rest, and looks at all events first when conditions are
asked about, whose language is its own.

Belongs here: what may hold events, and what is said when it does not. Does not belong here: what becomes of
them (`events`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from journey_analytics.engine.sql_text import quoted
from journey_analytics.errors import ConfigError, Problem, advise
from journey_analytics.touchpoints import RULE_COLUMNS, Kind

TIME, NAME = "occurred_at", "event_name"
CONDITIONS = "marks by conditions"

_WHERE = "the funnel's events"
_MOST_WORDS = 40


def lazy_frame(source: Any, columns: Sequence[str], condition_mask: str | None) -> pl.LazyFrame:
    """The events of a source.

    Args:
        source: a Polars frame or lazy frame, Arrow table, DuckDB relation, or path (a Parquet file, a folder
            of them, a pattern, or a CSV file).
        columns: those that are needed.
        condition_mask: SQL for the marks of an event by conditions.

    Returns:
        The columns, and CONDITIONS with the marks where there are conditions. It can be read many times.

    Raises:
        ConfigError: the source cannot be read, or has not these columns, or its times are none.
    """
    frame = _by_polars(source, columns)
    if frame is not None:
        _check_columns(columns, frame.collect_schema().names())
        frame = frame.select(columns)
    if frame is None or condition_mask is not None:
        engine = DuckDBEngine(limits=Limits(threads=pl.thread_pool_size()))
        if frame is None:
            _open_files(engine, Path(source), columns)
        else:
            engine.connection.register("events", frame.collect().to_arrow())
        _check_columns(columns, [row["column_name"] for row in engine.rows("describe events")])
        asked = ", ".join(f'"{name}"' for name in columns)
        if condition_mask is not None:
            asked += f', {condition_mask} as "{CONDITIONS}"'
        frame = engine.connection.sql(f"select {asked} from events").pl(lazy=True)
    kind = frame.collect_schema()[TIME]
    if not isinstance(kind, pl.Datetime | pl.Date):
        do = f"cast it, for example with Polars: pl.col({TIME!r}).str.to_datetime()"
        raise ConfigError(Problem(f"{TIME} is {kind}, not a point in time", _WHERE, do))
    return frame


def unreadable(where: str, cause: Exception, do: str) -> ConfigError:
    """What a library said about a source that it cannot read."""
    words = " ".join(str(cause).split()[:_MOST_WORDS])
    return ConfigError(Problem(f"the events cannot be read: {words}", where, do))


def _by_polars(source: Any, columns: Sequence[str]) -> pl.LazyFrame | None:
    """The source as a frame, or nothing when it is files that Polars does not read."""
    if isinstance(source, str | Path):
        return _parquet(Path(source))
    if isinstance(source, pl.LazyFrame | pl.DataFrame):
        return source.lazy()
    if isinstance(source, duckdb.DuckDBPyRelation):
        _check_columns(columns, source.columns)
        # its connection may be closed, or its tables changed, before the result is done with
        source = source.project(", ".join(f'"{name}"' for name in columns)).to_arrow_table()
    if isinstance(source, pa.Table):
        _check_columns(columns, source.column_names)
        return pl.DataFrame(source.select(columns)).lazy()
    raise ConfigError(
        Problem(
            f"events in a {type(source).__name__} cannot be read",
            _WHERE,
            "give a Polars frame, an Arrow table, a DuckDB relation or the path of Parquet files",
        )
    )


def _parquet(path: Path) -> pl.LazyFrame | None:
    if path.suffix == ".csv":
        return None
    try:
        frame = pl.scan_parquet(_pattern(path), hive_partitioning=False, extra_columns="ignore")
        frame.collect_schema()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return None  # of a type it does not know, or not there: DuckDB reads it, or says why not
    return frame


def _open_files(engine: DuckDBEngine, path: Path, columns: Sequence[str]) -> None:
    """Make the view `events` of the files; of a CSV file times and numbers among the columns are typed."""
    is_csv = path.suffix == ".csv"
    reader = "read_csv({}, all_varchar = true)" if is_csv else "read_parquet({}, hive_partitioning = false)"
    try:
        engine.execute(f"create view files as from {reader.format(quoted(_pattern(path)))}")
        typed = {}
        if is_csv:
            typed = {name: "double" for name, kind in RULE_COLUMNS.items() if kind is Kind.NUMBER}
            typed[TIME] = "timestamptz"
        known = [row["column_name"] for row in engine.rows("describe files")]
        casts = {
            name: f'cast("{name}" as {typed[name]})' for name in known if name in typed and name in columns
        }
        replaced = ", ".join(f'{cast} as "{name}"' for name, cast in casts.items())
        engine.execute(
            f"create view events as select * {f'replace ({replaced})' if casts else ''} from files"
        )
        for cast in casts.values():
            engine.execute(f"select max({cast}) from files")  # says now what cannot be read
    except duckdb.Error as cause:
        do = "give a Parquet file, a folder of them, a pattern such as events/*.parquet, or a CSV"
        if isinstance(cause, duckdb.ConversionException):
            do = (
                "write times as 2026-03-01 09:15:00 and numbers as 1234.56, or let `journey init` draft a "
                "project that reads them, and ask its touchpoints with -p"
            )
        raise unreadable(str(path), cause, do) from cause


def _pattern(path: Path) -> str:
    return str(path / "**" / "*.parquet") if path.is_dir() else str(path)


def _check_columns(columns: Sequence[str], known: Iterable[str]) -> None:
    known = set(known)
    problems = [
        Problem(f"there is no column {name!r}", _WHERE, advise(name, sorted(known), "column"))
        for name in columns
        if name not in known
    ]
    if problems:
        raise ConfigError(problems)
