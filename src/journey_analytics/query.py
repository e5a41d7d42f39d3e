"""Analysts' queries over the published marts: one SELECT, on a connection that can read nothing else."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import polars as pl

from journey_analytics.engine.sql_text import quoted
from journey_analytics.errors import Problem, QueryError, advise
from journey_analytics.marts import Snapshot
from journey_analytics.record import RECORD_FOLDER, record_sql, record_tables
from journey_analytics.retention import pinned

DEFAULT_TIMEOUT_SECONDS = 60
_MEMORY_LIMIT = "2GB"
# a plan may be asked for; `explain analyze` runs what it explains, and that may be a COPY
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_RUNS_WHAT_IT_EXPLAINS = re.compile(r"\s*explain\s*(\(|analy[sz]e\b)", re.IGNORECASE)


@contextmanager
def open_marts(snapshot: Snapshot) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with one view per mart and table of the record, locked to their folders.

    No run removes the snapshot while it is open.

    Raises:
        MartError: the snapshot was removed just now.
    """
    with pinned(snapshot):
        yield from _connect(snapshot)


def _connect(snapshot: Snapshot) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": _MEMORY_LIMIT,
        },
    )
    try:
        connection.execute("set TimeZone = 'UTC'")
        for mart in snapshot.marts:
            pattern = snapshot.pattern(mart).replace("'", "''")
            connection.execute(
                f"create view {mart} as select * from read_parquet('{pattern}', hive_partitioning = false)"
            )
        marts_folder = snapshot.folder.parent.parent
        for table in record_tables():
            connection.execute(f"create view {table} as {record_sql(marts_folder, table)}")
        folders = (snapshot.folder.resolve(), (marts_folder / RECORD_FOLDER).resolve())
        allowed = ", ".join(quoted(str(folder)) for folder in folders)
        connection.execute(f"set allowed_directories = [{allowed}]")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection
    finally:
        connection.close()


def query(snapshot: Snapshot, sql: str, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> pl.DataFrame:
    """The rows of one SELECT over the marts.

    Args:
        snapshot: the published set to read.
        sql: one SELECT or EXPLAIN.
        timeout_seconds: the query is interrupted after so long.

    Raises:
        QueryError: the text is not one SELECT, names what is not there, fails, or takes too long.
    """
    with open_marts(snapshot) as connection:
        try:
            statements = connection.extract_statements(sql)
        except duckdb.Error as cause:
            raise _refused(snapshot, sql, cause) from cause
        if len(statements) != 1 or not _only_reads(statements[0]):
            raise QueryError(
                Problem(
                    "a query is exactly one SELECT; it can read the marts and change nothing",
                    sql,
                    "write one SELECT, for example: select * from mart_stage_dropoff",
                )
            )
        timer = threading.Timer(timeout_seconds, connection.interrupt)
        timer.start()
        try:
            frame = pl.from_arrow(connection.sql(statements[0].query).to_arrow_table())
        except duckdb.InterruptException as cause:
            raise QueryError(
                Problem(
                    f"the query took longer than {timeout_seconds:g} seconds",
                    sql,
                    "narrow it, or allow more with --timeout",
                )
            ) from cause
        except duckdb.Error as cause:
            raise _refused(snapshot, sql, cause) from cause
        except pl.exceptions.DuplicateError as cause:
            raise QueryError(
                Problem(
                    f"two columns have one name: {str(cause).splitlines()[0]}",
                    sql,
                    "name the columns you want, with `as` where two are alike",
                )
            ) from cause
        finally:
            timer.cancel()
    if not isinstance(frame, pl.DataFrame):
        message = f"a query gave a {type(frame).__name__}"
        raise TypeError(message)
    return frame


def _only_reads(statement: duckdb.Statement) -> bool:
    if statement.type == duckdb.StatementType.EXPLAIN:
        return _RUNS_WHAT_IT_EXPLAINS.match(_COMMENTS.sub(" ", statement.query)) is None
    return statement.type == duckdb.StatementType.SELECT


def _refused(snapshot: Snapshot, sql: str, cause: duckdb.Error) -> QueryError:
    text = str(cause).strip()
    missing = text.partition("Table with name ")[2].split(" ")[0]
    do = advise(missing, [*snapshot.marts, *record_tables()], "mart") if missing else "correct the query"
    return QueryError(Problem(text.splitlines()[0], f"{sql}\n         {_pointer(text)}".rstrip(), do))


def _pointer(text: str) -> str:
    """The engine's own caret under the place in the text, when it drew one."""
    lines = [line for line in text.splitlines() if line.startswith("LINE ") or "^" in line]
    return "\n         ".join(lines)
