"""Contracts: what every table holds and promises, read from sql/contracts.

One source for the Parquet types and metadata, the gates, the quarantine, the data dictionary and the tests.
Belongs here: reading contracts, and every promise of one as a condition over a row.
Does not belong here: enforcing them (quality, sources/values.py), writing files (marts) or pages (reference).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from journey_analytics.engine.models import sql_folder
from journey_analytics.engine.sql_text import quoted
from journey_analytics.errors import ConfigError, MartError, Problem, advise
from journey_analytics.row_sql import columns_named, rule_fault
from journey_analytics.yaml_file import KeyPath, YamlFile, plain

Action = Literal["stop", "quarantine", "report"]
"""What is done about a broken promise: nothing is published, the row is put aside at load, it is told."""

_SHARED = "_columns.yml"
_PART = "part-0.parquet"


class RowRule(BaseModel):
    """A promise about every row of a table by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name of the rule.")
    holds: str = Field(
        description="SQL condition over the columns of the row; one that is null for a row holds."
    )
    description: str = Field(min_length=1, description="What it promises, in words.")

    @property
    def is_broken(self) -> str:
        """SQL condition of the rows that break it."""
        return f"({self.holds}) is false"

    @property
    def columns(self) -> list[str]:
        """The columns it looks at."""
        return columns_named(self.holds)


class TableRule(RowRule):
    """A rule of a contract, and what is done about a row that breaks it."""

    action: Action = Field("stop", description="What is done about a row that breaks it.")

    @property
    def severity(self) -> Literal["fail", "warn"]:
        """`warn` when a broken promise is told and nothing else."""
        return "warn" if self.action == "report" else "fail"


class Column(BaseModel):
    """One column of a table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: str = Field(description="DuckDB type.")
    description: str = Field(min_length=1)
    unit: str | None = None
    nullable: bool = False
    values: tuple[str, ...] | None = Field(None, description="The only values allowed.")
    min: float | None = Field(None, description="Smallest value allowed.")
    max: float | None = Field(None, description="Largest value allowed.")
    action: Action = Field("stop", description="What is done about a row that breaks one of these.")

    @property
    def rules(self) -> Iterator[TableRule]:
        """What is said of the column as rules: whether it may be null, its values and its range."""
        if not self.nullable:
            yield self._rule("is_there", f"{self.name} is not null", "is never null")
        if self.values:
            listed = ", ".join(quoted(value) for value in self.values)
            yield self._rule(
                "is_allowed", f"{self.name} in ({listed})", f"is one of {', '.join(self.values)}"
            )
        low, high = _number(self.min), _number(self.max)
        if low and high:
            yield self._rule("in_range", f"{self.name} between {low} and {high}", f"is {low} to {high}")
        elif low:
            yield self._rule("in_range", f"{self.name} >= {low}", f"is {low} or more")
        elif high:
            yield self._rule("in_range", f"{self.name} <= {high}", f"is {high} or less")

    def _rule(self, what: str, holds: str, told: str) -> TableRule:
        description = f"{self.name} {told}"
        return TableRule(rule=f"{self.name}_{what}", holds=holds, description=description, action=self.action)


def files_of(mart: str, *, is_split: bool) -> str:
    """The path pattern of a mart's files inside a snapshot, for any Parquet reader."""
    return f"{mart}/*/{_PART}" if is_split else f"{mart}.parquet"


@dataclass(frozen=True)
class Split:
    """How the rows of a mart are spread over files: by the days or months of a date column."""

    unit: Literal["day", "month"]
    column: str

    @property
    def first_day(self) -> str:
        """SQL for the first day of a row's file."""
        return f"cast(date_trunc('{self.unit}', {self.column}) as date)"

    def path(self, table: str, first: date) -> str:
        """The file that begins with this day: `<table>/day=2026-10-05/...` or `<table>/month=2026-10/...`."""
        name = first.isoformat() if self.unit == "day" else first.strftime("%Y-%m")
        return f"{table}/{self.unit}={name}/{_PART}"

    def holds(self, first: date, last: date) -> str:
        """SQL for whether a row belongs to a file from the one that begins with `first` to that of `last`."""
        return (
            f"{self.column} >= date '{first}' "
            f"and {self.column} < cast(date '{last}' + interval 1 {self.unit} as date)"
        )


class Contract(BaseModel):
    """One table: what it is, its grain, its key and its columns in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    description: str = Field(min_length=1)
    grain: str = Field(min_length=1)
    key: tuple[str, ...]
    day: str | None = Field(None, description="Date column by whose days the mart's files are split.")
    month: str | None = Field(None, description="Date column by whose months they are split.")
    order: tuple[str, ...] = Field((), description="Columns that order the rows of a file before the key.")
    record: bool = Field(
        default=False, description="Whether it is a table of the record of runs, not made from events."
    )
    per_customer: bool = Field(
        default=False,
        description="Whether a customer's rows follow from that customer's events alone, so that a night "
        "makes them anew only for customers that changed.",
    )
    may_be_empty: bool = Field(default=False, description="Whether a project may have no row of it.")
    columns: tuple[Column, ...]
    rules: tuple[TableRule, ...] = Field((), description="What every row promises besides its columns.")

    @cached_property
    def row_rules(self) -> tuple[TableRule, ...]:
        """Everything promised of a row by itself: what its columns say, then the rules of their own."""
        return (*(rule for column in self.columns for rule in column.rules), *self.rules)

    @property
    def column_types(self) -> dict[str, str]:
        """The columns' DuckDB types in order."""
        return {column.name: column.type for column in self.columns}

    @property
    def split(self) -> Split | None:
        """How its rows are spread over files; None for a single file."""
        if self.day is not None:
            return Split("day", self.day)
        return Split("month", self.month) if self.month is not None else None

    @property
    def sorted_by(self) -> tuple[str, ...]:
        """The columns that give a file's rows their one order."""
        return tuple(dict.fromkeys((*self.order, *self.key)))

    @property
    def owner(self) -> str:
        """The column that says whose rows they are, of a table made per customer."""
        return "customer_id" if "customer_id" in self.column_names else "journey_id"

    @property
    def column_names(self) -> list[str]:
        """The columns' names in order."""
        return [column.name for column in self.columns]


@cache
def contracts() -> dict[str, Contract]:
    """Every contract by table name."""
    return read_contracts(sql_folder() / "contracts")


def read_contracts(folder: Path) -> dict[str, Contract]:
    """The contracts of a folder by table name, with its `_columns.yml`.

    Raises:
        ConfigError: every problem of the first file that has one, each at its line and column.
    """
    shared = plain(YamlFile(folder / _SHARED).content)
    return {
        path.stem: _read(YamlFile(path), shared)
        for path in sorted(folder.glob("*.yml"))
        if path.name != _SHARED
    }


def contract(table: str) -> Contract:
    """The contract of one table.

    Raises:
        MartError: no table has that name; with the closest one.
    """
    known = contracts()
    if table not in known:
        marts = [name for name in known if name.startswith("mart_")]
        raise MartError(Problem(f"there is no mart {table!r}", "the marts", advise(table, marts, "mart")))
    return known[table]


def _read(file: YamlFile, shared: Mapping[str, Any]) -> Contract:
    content = plain(file.content)
    described = {
        name: {**shared.get(name, {}), **(overrides or {})}
        for name, overrides in (content.get("columns") or {}).items()
    }
    problems = [
        file.problem(
            f"column {name!r} has no {' and no '.join(missing)}",
            ("columns", name),
            f"say it here, or for every table in {_SHARED}: {advise(name, shared, 'column')}",
        )
        for name, column in described.items()
        if (missing := [key for key in ("type", "description") if not column.get(key)])
    ]
    if problems:
        raise ConfigError(problems)
    columns = [{"name": name, **column} for name, column in described.items()]
    read = file.validate(Contract, {**content, "columns": columns})
    problems = _name_problems(file, read) + _rule_problems(file, read)
    if problems:
        raise ConfigError(problems)
    return read


def _name_problems(file: YamlFile, read: Contract) -> list[Problem]:
    """Columns that key, order and the split into files name and the table does not have."""
    named: list[tuple[KeyPath, str]] = [
        ((place, number), name)
        for place in ("key", "order")
        for number, name in enumerate(getattr(read, place))
    ]
    if read.split is not None:
        named.append(((read.split.unit,), read.split.column))
    return [
        file.problem(
            f"{read.table} has no column {name!r}",
            place,
            advise(name, read.column_names, "column"),
            value=True,
        )
        for place, name in named
        if name not in read.column_names
    ]


def _rule_problems(file: YamlFile, read: Contract) -> list[Problem]:
    problems = []
    names: set[str] = set()
    for number, rule in enumerate(read.rules):
        if rule.rule in names:
            what = f"two rules are called {rule.rule!r}"
            problems.append(file.problem(what, ("rules", number, "rule"), "give each its own name"))
        names.add(rule.rule)
        fault = rule_fault(rule.holds, read.column_types)
        if fault:
            what, do = fault
            problems.append(
                file.problem(f"rule {rule.rule!r}: {what}", ("rules", number, "holds"), do, value=True)
            )
    return problems


def _number(limit: float | None) -> str:
    """A limit as SQL; nothing when there is none."""
    if limit is None:
        return ""
    return str(int(limit)) if limit.is_integer() else repr(limit)
