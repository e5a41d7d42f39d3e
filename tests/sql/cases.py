"""Cases as files: tests/sql/<model or check>/<case>/ with one YAML file per table read.

    <table>.yaml    rows in; a column left out is null; types are those of the table's contract
    params.yaml     parameters; `30m` and `90d` are durations
    expect.yaml     every row out, in any order, with the columns worth looking at
    stages.yaml     for int_touchpoint_rules alone: the rules the SQL is compiled from

A table or params.yaml that is not in the case's folder is taken from the model's; parameters of both are
merged. A time may be written `2026-03-01 10:00:00.000001` (UTC), also where a column holds microseconds, and
`!md5 text` stands for the md5 of the text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import ScalarNode

from journey_analytics.contracts import Contract, contracts
from journey_analytics.durations import microseconds, parse_duration
from journey_analytics.engine.models import models, sql_folder, tables_read
from journey_analytics.local_days import to_us
from journey_analytics.stages.compile import OUTPUT_TABLE, ProjectTime, compile_rules
from journey_analytics.stages.stage_models import shipped
from journey_analytics.stages.stages_file import read_stages
from tests.sql.engines import Engine

FOLDER = Path(__file__).parent
PROJECT_TIME = ProjectTime(ZoneInfo("Europe/Berlin"), timedelta(minutes=30))
_TYPES = {
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "DECIMAL(18,2)": pa.decimal128(18, 2),
    "DECIMAL(18,4)": pa.decimal128(18, 4),
    "DOUBLE": pa.float64(),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    "VARCHAR": pa.string(),
}


@dataclass(frozen=True)
class Case:
    """One folder: a model or check, rows in, rows out."""

    model: str
    name: str

    def __str__(self) -> str:
        return f"{self.model}-{self.name}"

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return FOLDER / self.model / self.name

    @property
    def sql(self) -> str:
        """The text to run."""
        if self.model == OUTPUT_TABLE:
            found = read_stages(self.folder / "stages.yaml", shipped("seven_stage"))
            return str(compile_rules([found], PROJECT_TIME))
        texts: dict[str, str] = {**{name: model.text for name, model in models().items()}, **checks()}
        return texts[self.model]

    @property
    def parameters(self) -> dict[str, str | int | None]:
        """The parameters of the model's folder, and over them those of the case."""
        found: dict[str, Any] = {}
        for folder in (self.folder.parent, self.folder):
            if (folder / "params.yaml").is_file():
                found.update(read_yaml(folder / "params.yaml"))
        return {name: _parameter(value) for name, value in found.items()}

    def load_into(self, engine: Engine) -> None:
        """Make the tables the text reads."""
        for table in sorted(tables_read(self.sql)):
            rows = read_yaml(self._file(f"{table}.yaml"))
            engine.load(table, as_arrow(rows, contracts()[table]))

    def expected(self, schema: pa.Schema) -> pa.Table:
        """The rows of expect.yaml, read as the types the model gave.

        Args:
            schema: what came out; None of its types is wanted, all of them are taken.
        """
        rows = read_yaml(self._file("expect.yaml"))
        columns = list(rows[0]) if rows else []
        different = [row for row in rows if list(row) != columns]
        if different:
            raise ValueError(f"{self}: every expected row names the same columns, not {different[0]}")
        wanted = pa.schema([schema.field(column) for column in columns])
        return pa.Table.from_pylist([_typed(row, wanted) for row in rows], schema=wanted)

    def stray_files(self) -> set[str]:
        """Files of the case that nothing reads, for example for a misspelled table."""
        known = {"expect", "params", *tables_read(self.sql)}
        known |= {"stages"} if self.model == OUTPUT_TABLE else set()
        paths = [*self.folder.iterdir(), *self.folder.parent.glob("*.yaml")]
        return {path.name for path in paths} - {f"{name}.yaml" for name in known}

    def _file(self, name: str) -> Path:
        here = self.folder / name
        return here if here.is_file() else self.folder.parent / name


def all_cases() -> list[Case]:
    """Every case, in order."""
    return [
        Case(path.parent.name, path.name) for path in sorted(FOLDER.glob("[a-z]*/[a-z]*")) if path.is_dir()
    ]


@cache
def checks() -> dict[str, str]:
    """The text of every check by name."""
    paths = sorted((sql_folder() / "checks").glob("*.sql"))
    return {path.stem: path.read_text(encoding="utf-8") for path in paths}


def as_arrow(rows: list[dict[str, Any]], contract: Contract) -> pa.Table:
    """Rows as a table of the contract's columns and types; a column a row leaves out is null."""
    schema = pa.schema([(column.name, _TYPES[column.type]) for column in contract.columns])
    unknown = {name for row in rows for name in row} - set(schema.names)
    if unknown:
        raise ValueError(f"{contract.table} has no column {sorted(unknown)}")
    return pa.Table.from_pylist([_typed(row, schema) for row in rows], schema=schema)


@cache
def _yaml() -> YAML:
    class Constructor(SafeConstructor):
        """Reads `!md5 text`."""

    def md5_of(_: SafeConstructor, node: ScalarNode) -> str:
        return hashlib.md5(str(node.value).encode(), usedforsecurity=False).hexdigest()

    Constructor.add_constructor("!md5", md5_of)
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = Constructor
    return yaml


def read_yaml(path: Path) -> Any:
    """The content of a file, shared between tests and never changed."""
    return _yaml().load(path.read_text(encoding="utf-8"))


def _parameter(value: Any) -> str | int | None:
    if isinstance(value, datetime):
        return int(to_us(_aware(value)))
    try:
        return int(microseconds(parse_duration(value)))
    except ValueError:
        return value if value is None or isinstance(value, int) else str(value)


def _typed(row: dict[str, Any], schema: pa.Schema) -> dict[str, Any]:
    return {name: _value(value, schema.field(name).type) for name, value in row.items()}


def _value(value: Any, kind: pa.DataType) -> Any:
    """A value as YAML reads it, as the type wants it."""
    if isinstance(value, datetime):
        return to_us(_aware(value)) if pa.types.is_integer(kind) else _aware(value)
    if isinstance(value, date) or value is None:
        return value
    if pa.types.is_decimal(kind):
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-kind.scale))
    return float(value) if pa.types.is_floating(kind) else value


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
