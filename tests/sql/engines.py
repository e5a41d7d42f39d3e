"""The two engines that run the same SQL text: DuckDB, and Spark Connect served by Sail in this process.

Belongs here: loading rows, running a text, getting rows back. Does not belong here: what the rows should be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from journey_analytics.engine.duckdb import DuckDBEngine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession  # takes a second, and most runs of one test do without it

Parameters = Mapping[str, str | int | None]

SPARK_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parser.escapedStringLiterals": "true",
}
# comments and texts come first, so that what looks like a marker in them stays as it is
_MARKER = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\$(?P<name>[a-z_][a-z0-9_]*)")


class Engine(Protocol):
    """Where a SQL text can be run."""

    def load(self, table: str, rows: pa.Table) -> None:
        """Make a table hold these rows and nothing else."""

    def run(self, sql: str, parameters: Parameters) -> pa.Table:
        """The rows of a SELECT with `$name` markers."""


class OnDuckDB:
    """The product's own engine, in memory."""

    def __init__(self, engine: DuckDBEngine) -> None:
        self.engine = engine

    def load(self, table: str, rows: pa.Table) -> None:
        """Make a table hold these rows and nothing else."""
        self.engine.connection.register("rows_to_load", rows)
        self.engine.execute(f'create or replace table "{table}" as select * from rows_to_load')
        self.engine.connection.unregister("rows_to_load")

    def run(self, sql: str, parameters: Parameters) -> pa.Table:
        """The rows of a SELECT with `$name` markers."""
        self.engine.create_table("result", sql, parameters or None)
        return self.engine.connection.sql("select * from result").to_arrow_table()

    def columns_of_result(self) -> dict[str, str]:
        """Names and DuckDB types of the last run's columns, in order."""
        described = self.engine.rows("describe result")
        return {str(column["column_name"]): str(column["column_type"]) for column in described}


class OnSpark:
    """A Spark Connect session."""

    def __init__(self, session: SparkSession) -> None:
        self.session = session
        for name, value in SPARK_SETTINGS.items():
            session.conf.set(name, value)

    def load(self, table: str, rows: pa.Table) -> None:
        """Make a table hold these rows and nothing else."""
        # the client cannot send a table without rows, so a row goes along that the view leaves out
        is_empty = rows.num_rows == 0
        sent = pa.Table.from_pylist([{}], schema=rows.schema) if is_empty else rows
        frame = self.session.createDataFrame(sent)
        (frame.where("1 = 0") if is_empty else frame).createOrReplaceTempView(table)

    def run(self, sql: str, parameters: Parameters) -> pa.Table:
        """The rows of a SELECT with `$name` markers."""
        return self.session.sql(spark_markers(sql), args=dict(parameters)).toArrow()


def spark_markers(sql: str) -> str:
    """The text with Spark's `:name` markers in place of `$name`, and not another character changed."""
    return _MARKER.sub(lambda match: f":{match['name']}" if match["name"] else match[0], sql)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """The rows as dicts in an order that depends on the values alone."""
    rows: list[dict[str, Any]] = table.to_pylist()
    return sorted(
        rows,
        key=lambda row: [
            f"{value:.9f}" if isinstance(value, float) else str(value) for value in row.values()
        ],
    )
