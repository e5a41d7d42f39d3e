"""The default engine: one DuckDB working database, disposable, that lives as long as a run.

It is kept in memory and spills to disk when that is full. In a file its tables would be compressed as they
are written, which takes four times as long as making them, and no other process could read them anyway.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import duckdb
import polars as pl

from journey_analytics.engine.models import VIEWS, Model
from journey_analytics.errors import ModelError, Problem, TooLittleMemoryError

# Spark's names on DuckDB, so that the models read the same there; see sql/README.md.
_MACROS = (
    "create or replace macro unix_micros(moment) as epoch_us(moment)",
    "create or replace macro timestamp_micros(us) as make_timestamptz(us)",
    "create or replace macro rlike(subject, pattern) as regexp_matches(subject, pattern)",
    "create or replace macro get_json_object(document, path) as json_extract_string(document, path)",
)

_MAIN = "main"
_ENGINE_SHARE = 0.7
_LOCKED_DOWN = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "preserve_insertion_order": "true",
}


@dataclass(frozen=True)
class Limits:
    """What the engine may use of the machine."""

    memory_limit: str = "4GB"
    threads: int | None = None

    @property
    def engine_memory(self) -> str:
        """What the working database may take of it; the rest is for Python, and rows on their way."""
        return re.sub("[0-9.]+", lambda number: str(float(number[0]) * _ENGINE_SHARE), self.memory_limit)


class DuckDBEngine:
    """A connection to the working database with the models' macros in place.

    Args:
        spill_folder: where tables, sorts and joins go when memory is full.
        limits: memory and threads.
    """

    def __init__(
        self,
        spill_folder: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        limits = limits or Limits()
        self.threads = limits.threads or os.cpu_count() or 1
        config: dict[str, str | bool | int | float | list[str]] = {
            **_LOCKED_DOWN,
            "memory_limit": limits.engine_memory,
            "threads": self.threads,
        }
        if spill_folder is not None:
            config["temp_directory"] = str(spill_folder)
        self.connection = duckdb.connect(":memory:", config=config)
        self.connection.execute("set TimeZone = 'UTC'")
        # in a process without a main file it would be drawn on stdout, among the results
        self.connection.execute("set enable_progress_bar_print = false")
        # a mart of a year has a file for each day, and several checks read it
        self.connection.execute("set parquet_metadata_cache = true")
        self._schemas = _MAIN
        for macro in _MACROS:
            self.connection.execute(macro)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; its tables are gone."""
        self.connection.close()

    @contextmanager
    def schema(self, name: str) -> Iterator[None]:
        """Make tables in another schema, and take those of that name for the main ones, in the block."""
        self._enter(name)
        try:
            yield
        finally:
            self._enter(_MAIN)

    def _enter(self, schema: str) -> None:
        self._schemas = _MAIN if schema == _MAIN else f"{schema},{_MAIN}"
        self.execute(f"set search_path = '{self._schemas}'")

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same tables, to read while this one writes."""
        cursor = self.connection.cursor()
        cursor.execute(f"set search_path = '{self._schemas}'")
        return cursor

    def interrupt(self) -> None:
        """End the statement that runs just now, from another thread."""
        self.connection.interrupt()

    def execute(self, sql: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None) -> None:
        """Run one statement for its effect."""
        self.connection.execute(sql, parameters)

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None
    ) -> list[dict[str, Any]]:
        """The rows of a query as dicts, for the few rows that Python itself looks at."""
        result = self.connection.execute(sql, parameters)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def frame(self, sql: str) -> pl.DataFrame:
        """The rows of a query as a Polars frame."""
        frame = pl.from_arrow(self.connection.sql(sql).to_arrow_table())
        if not isinstance(frame, pl.DataFrame):
            message = f"a query gave a {type(frame).__name__}"
            raise TypeError(message)
        return frame

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.rows(f'select count(*) as n from "{table}"')[0]["n"])

    def load(self, table: str, frame: pl.DataFrame) -> None:
        """Make `table` from a frame, types as they are."""
        self.connection.register("frame_to_load", frame.to_arrow())
        try:
            self.execute(f'create or replace table "{table}" as select * from frame_to_load')
        finally:
            self.connection.unregister("frame_to_load")

    def create_table(self, table: str, sql: str, parameters: Mapping[str, Any] | None = None) -> int:
        """Make `table` from a SELECT and return its row count.

        Raises:
            ModelError: the engine refused; with the table, the engine's words and the SQL.
            TooLittleMemoryError: the table does not fit.
        """
        try:
            self.execute(f'create or replace table "{table}" as\n{sql}', parameters)
        except duckdb.Error as cause:
            raise _failed(table, sql, parameters, cause) from cause
        return self.count(table)

    def create_view(self, table: str, sql: str) -> None:
        """Make `table` a view of a SELECT.

        Raises:
            ModelError: the engine refused; with the table, the engine's words and the SQL.
        """
        try:
            self.execute(f'create or replace view "{table}" as\n{sql}')
        except duckdb.Error as cause:
            raise _failed(table, sql, None, cause) from cause

    def run_model(self, model: Model, parameters: Mapping[str, Any]) -> int:
        """Make the model's table with the parameters it names; its rows, of a view those to be published."""
        used = {name: parameters[name] for name in model.parameters}
        if model.name in VIEWS:
            self.create_view(model.name, model.bound(used))
            return self.count(model.name) if model.layer == "marts" else 0
        return self.create_table(model.name, model.text, used)


def first_line(cause: duckdb.Error) -> str:
    """The engine's own words, without the SQL it quotes."""
    return str(cause).splitlines()[0]


def too_little_memory(work: str, cause: duckdb.OutOfMemoryException) -> TooLittleMemoryError:
    """What is told instead of the engine's own advice, which is for settings that nobody here can reach."""
    do = "set a larger `memory_limit` in journey.yaml"
    return TooLittleMemoryError(Problem(f"memory does not suffice to {work}", first_line(cause), do))


def _failed(
    table: str, sql: str, parameters: Mapping[str, Any] | None, cause: duckdb.Error
) -> ModelError | TooLittleMemoryError:
    if isinstance(cause, duckdb.OutOfMemoryException):
        return too_little_memory(f"make {table}", cause)
    return ModelError(
        Problem(
            f"the model {table} failed: {cause}",
            f"table {table}, parameters {dict(parameters or {})}, SQL:\n{sql}",
            "this is a fault of the product or of the machine (memory, disk), not of your files",
        )
    )
