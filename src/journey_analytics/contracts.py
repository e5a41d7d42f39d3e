"""Contracts: what every table holds, read from sql/contracts.

One source for the Parquet types and metadata, the gates, the data dictionary and the tests.
Belongs here: reading contracts. Does not belong here: enforcing them (quality) or writing files (marts).
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from journey_analytics.engine.models import sql_folder
from journey_analytics.errors import MartError, Problem, advise
from journey_analytics.yaml_file import YamlFile, plain

_SHARED = "_columns.yml"


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


class Contract(BaseModel):
    """One table: what it is, its grain, its key and its columns in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    description: str = Field(min_length=1)
    grain: str = Field(min_length=1)
    key: tuple[str, ...]
    day: str | None = Field(None, description="Date column by which the mart's files are split.")
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
    folder = sql_folder() / "contracts"
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


def _read(file: YamlFile, shared: dict[str, Any]) -> Contract:
    content = plain(file.content)
    columns = [
        {"name": name, **shared.get(name, {}), **overrides} for name, overrides in content["columns"].items()
    ]
    return Contract.model_validate({**content, "columns": columns})
