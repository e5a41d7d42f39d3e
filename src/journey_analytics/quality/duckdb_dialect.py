"""A SQLAlchemy dialect through which Great Expectations runs its queries inside the open working database.

It rests on duckdb-engine and changes what Great Expectations needs to be different:

    a cursor of its own for every statement   results are read after the connection was given back
    reflection from duckdb_columns()          the inherited PostgreSQL catalogue queries fail on DuckDB
    the connection already open               a second one would find the file locked by the run itself

Belongs here: nothing but the bridge. Does not belong here: expectations (gates.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import duckdb
import duckdb_engine
import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.pool import Pool, StaticPool

DIALECT = "journey_duckdb"

_OPEN: dict[str, duckdb.DuckDBPyConnection] = {}
_TYPES: dict[str, type[sa.types.TypeEngine[Any]]] = {
    "VARCHAR": sa.String,
    "BIGINT": sa.BigInteger,
    "INTEGER": sa.Integer,
    "DOUBLE": sa.Double,
    "BOOLEAN": sa.Boolean,
    "DATE": sa.Date,
    "TIMESTAMP": sa.TIMESTAMP,
    "TIMESTAMP WITH TIME ZONE": sa.TIMESTAMP,
}


def share(name: str, connection: duckdb.DuckDBPyConnection) -> str:
    """Lend an open connection under a name, and return the URL that finds it."""
    _OPEN[name] = connection
    return f"{DIALECT}:///{name}"


def take_back(name: str) -> None:
    """End the loan of `share`."""
    _OPEN.pop(name, None)


class _Cursor:
    """A statement's own DuckDB cursor, so that its rows outlive the connection's rollback."""

    arraysize = 1
    rowcount = -1

    def __init__(self, connection: _Connection) -> None:
        self.connection = connection
        self._cursor = connection.lent.cursor()

    def execute(self, sql: str, parameters: Sequence[Any] | None = None) -> None:
        self._cursor.execute(sql, list(parameters) if parameters else None)

    def executemany(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        self._cursor.executemany(sql, [list(row) for row in parameters])

    @property
    def description(self) -> Any:
        return self._cursor.description

    def fetchone(self) -> Any:
        return self._cursor.fetchone()

    def fetchmany(self, size: int = 1) -> Any:
        return self._cursor.fetchmany(size)

    def fetchall(self) -> Any:
        return self._cursor.fetchall()

    def close(self) -> None:
        self._cursor.close()


class _Connection:
    """What SQLAlchemy takes for a DBAPI connection; checks only read, so there is nothing to commit."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.lent = connection
        self.notices: list[str] = []

    def cursor(self) -> _Cursor:
        return _Cursor(self)

    def begin(self) -> None: ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


class JourneyDuckDBDialect(duckdb_engine.Dialect):
    """duckdb-engine's dialect over a lent connection, with reflection that works on DuckDB."""

    supports_statement_cache = True

    def connect(self, *_: Any, **options: Any) -> Any:
        return _Connection(_OPEN[options["database"]])

    @classmethod
    def get_pool_class(cls, *_: Any) -> type[Pool]:
        return StaticPool

    def initialize(self, connection: Any) -> None: ...

    def do_ping(self, *_: Any) -> bool:
        return True

    def get_isolation_level(self, *_: Any) -> Literal["SERIALIZABLE"]:
        return "SERIALIZABLE"

    def has_table(self, connection: Any, table_name: str, schema: str | None = None, **_: Any) -> bool:
        return bool(self._columns(connection, table_name, schema))

    def get_schema_names(self, connection: Any, **_: Any) -> list[str]:
        rows = connection.execute(sa.text("select distinct schema_name from duckdb_tables()"))
        return [row[0] for row in rows.fetchall()]

    def get_table_names(self, connection: Any, schema: str | None = None, **_: Any) -> list[str]:
        sql = "select table_name from duckdb_tables() where schema_name = :schema"
        rows = connection.execute(sa.text(sql), {"schema": schema or "main"})
        return [row[0] for row in rows.fetchall()]

    def get_view_names(
        self, connection: Any, schema: str | None = None, include: Any = None, **_: Any
    ) -> list[str]:
        sql = "select view_name from duckdb_views() where schema_name = :schema and not internal"
        rows = connection.execute(sa.text(sql), {"schema": schema or "main"})
        return [row[0] for row in rows.fetchall()]

    def get_columns(self, connection: Any, table_name: str, schema: str | None = None, **_: Any) -> Any:
        rows = self._columns(connection, table_name, schema)
        if not rows:
            raise NoSuchTableError(table_name)
        return [
            {
                "name": name,
                "type": _TYPES.get(kind, sa.Numeric if "DECIMAL" in kind else sa.types.NullType)(),
                "nullable": nullable,
                "default": None,
            }
            for name, kind, nullable in rows
        ]

    def _columns(self, connection: Any, table: str, schema: str | None) -> list[tuple[str, str, bool]]:
        sql = (
            "select column_name, data_type, is_nullable from duckdb_columns() "
            "where table_name = :table and schema_name = :schema order by column_index"
        )
        known = {"table": str(table).strip('"'), "schema": schema or "main"}
        return [tuple(row) for row in connection.execute(sa.text(sql), known).fetchall()]

    def get_pk_constraint(self, *_: Any, **__: Any) -> Any:
        return {"constrained_columns": [], "name": None}

    def get_foreign_keys(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def get_indexes(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def get_unique_constraints(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def get_check_constraints(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def get_table_comment(self, *_: Any, **__: Any) -> Any:
        return {"text": None}


registry.register(DIALECT, __name__, JourneyDuckDBDialect.__name__)
