"""Source mappings: how the files of one source become events. One YAML file per source.

Belongs here: the mapping's keys, and the checks of its SQL expressions that need no data.
Does not belong here: reading the files (reader.py) or typing the rows (load.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Literal
from zoneinfo import available_timezones

import sqlglot
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlglot import exp
from sqlglot.errors import SqlglotError

from journey_analytics.contracts import RowRule, contracts
from journey_analytics.durations import Duration
from journey_analytics.errors import ConfigError, Problem, advise
from journey_analytics.row_sql import expression_fault, outside_function, rule_fault
from journey_analytics.sources.channels.rules import ChannelRules
from journey_analytics.touchpoints import ADDRESS_COLUMNS, MAPPED_COLUMNS, PROPERTY_PREFIX
from journey_analytics.yaml_file import KeyPath, YamlFile, plain

Format = Literal["csv", "jsonl", "parquet", "xes", "access_log"]

_PROPERTY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SINGLE_INPUT = "rows"
_SAME_IN_A_LOAD = ("source", "received_us", "batch_id")


class SourceMapping(BaseModel):
    """One source: its files, how to read them, and one SQL expression per event column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name of the source.")
    uses: str | None = Field(None, description="A shipped mapping whose keys this one adds to.")
    format: Format = Field(description="How the files are written.")
    files: str | tuple[str, ...] | dict[str, str] = Field(
        min_length=1,
        description="A path or pattern inside the project, a list of them, or for a query the name of each.",
    )
    delimiter: str = Field(",", min_length=1, max_length=1, description="Between CSV fields.")
    quote: str = Field('"', max_length=1, description="Around CSV fields; empty for none.")
    encoding: Literal["utf-8", "latin-1", "utf-16"] = Field("utf-8", description="Of the text.")
    fields: tuple[str, ...] | dict[str, str] = Field(
        (),
        description="A list, for CSV without a header: the names of its columns. Name and DuckDB type: "
        "columns to read out of each JSON line, or to take as empty where a CSV or Parquet file has none.",
    )
    time_format: str = Field(
        "iso",
        description="Of occurred_at when it is text or a number: iso, epoch_s, epoch_ms, epoch_us, or a "
        "pattern such as %d/%m/%Y %H:%M.",
    )
    mode: Literal["append", "replace_day", "snapshot"] = Field(
        "append",
        description="What a later file does: add events, replace the days it holds, or replace all.",
    )
    late_window: Duration = Field(
        default=timedelta(),
        le=timedelta(days=36_500),
        description="How long after a day its events may still come: the gates judge no younger day.",
    )
    timezone: str = Field("UTC", description="Zone of times that carry none.")
    query: str | None = Field(
        None, description="One SELECT over the named files; they are taken as they are without."
    )
    key: tuple[str, ...] = Field(
        (), description="Columns that tell one event from another, when there is no event_id."
    )
    columns: dict[str, str] = Field(description="Event column: SQL expression over the rows.")
    rows: tuple[RowRule, ...] = Field(
        (), description="What every event of the source promises; a row that breaks it goes to quarantine."
    )

    @field_validator("timezone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        if name not in available_timezones():
            message = f"unknown time zone {name!r}"
            raise ValueError(message)
        return name

    @property
    def decides_events(self) -> str:
        """All it says that decides the events, as text: not where they lie, nor how late they may come."""
        return self.model_dump_json(exclude={"files", "late_window"})

    @property
    def inputs(self) -> dict[str, tuple[str, ...]]:
        """Name to patterns; a mapping that names none calls them `rows`."""
        if isinstance(self.files, dict):
            return {name: (pattern,) for name, pattern in self.files.items()}
        return {_SINGLE_INPUT: (self.files,) if isinstance(self.files, str) else self.files}

    @property
    def has_header(self) -> bool:
        """Whether the files are CSV that names its own columns."""
        return self.format == "csv" and (not self.fields or isinstance(self.fields, dict))

    @property
    def is_loaded_whole(self) -> bool:
        """Whether the last load stands for the whole source, instead of adding to the earlier ones."""
        return self.query is not None or self.mode == "snapshot"


@dataclass(frozen=True)
class Source:
    """A mapping, the file it stands in (for complaints only the data can bring up), and the channel rules."""

    mapping: SourceMapping
    file: YamlFile
    channels: ChannelRules

    @property
    def name(self) -> str:
        """The source's name."""
        return self.mapping.source

    def problem(self, what: str, path: KeyPath, do: str) -> Problem:
        """A problem at a place of the mapping file."""
        return self.file.problem(what, path, do, value=True)


def read_mapping(path: Path, channels: ChannelRules) -> Source:
    """The mapping in `path`, with its SQL checked as far as that goes without data.

    Raises:
        ConfigError: every problem of the file together, each at its line and column.
    """
    file = YamlFile(path)
    mapping = _validated(file)
    problems: list[Problem] = []
    for name, expression in mapping.columns.items():
        place: KeyPath = ("columns", name)
        if not _is_target(name):
            known = [*MAPPED_COLUMNS, *ADDRESS_COLUMNS, "properties.<name>"]
            problems.append(
                file.problem(f"unknown event column {name!r}", place, advise(name, known, "column"))
            )
        fault = expression_fault(expression)
        if fault:
            problems.append(
                file.problem(
                    f"{name}: {fault}",
                    place,
                    "write one SQL expression over the columns of the rows",
                    value=True,
                )
            )
    problems.extend(_missing_targets(file, mapping))
    problems.extend(_rule_problems(file, mapping))
    if mapping.query is None and len(mapping.inputs) > 1:
        problems.append(
            file.problem("several files need a 'query'", ("files",), "write a SELECT that joins them")
        )
    if mapping.query is not None:
        query_fault = _query_fault(mapping.query, list(mapping.inputs))
        if query_fault:
            what, do = query_fault
            problems.append(file.problem(what, ("query",), do, value=True))
    if problems:
        raise ConfigError(problems)
    return Source(mapping, file, channels)


def shipped_names() -> list[str]:
    """The names of the mappings that come with the package."""
    folder = files("journey_analytics") / "sources" / "mappings"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def shipped_path(name: str) -> Path:
    """Where the shipped mapping `name` lies."""
    return Path(str(files("journey_analytics") / "sources" / "mappings" / f"{name}.yaml"))


def _validated(file: YamlFile) -> SourceMapping:
    """The mapping, with the keys of the shipped one it uses under its own; columns are joined one by one."""
    name = file.content.get("uses")
    if name is None:
        return file.validate(SourceMapping)
    if name not in shipped_names():
        known = advise(str(name), shipped_names(), "mapping")
        raise ConfigError(file.problem(f"unknown mapping {name!r}", ("uses",), known, value=True))
    base = plain(YamlFile(shipped_path(str(name))).content)
    own = plain(file.content)
    columns = {**base.get("columns", {}), **(own.get("columns") or {})}
    # a column set to nothing is taken out of the shipped mapping
    kept = {column: expression for column, expression in columns.items() if expression is not None}
    return file.validate(SourceMapping, {**base, **own, "columns": kept})


def _is_target(name: str) -> bool:
    if name.startswith(PROPERTY_PREFIX):
        return _PROPERTY_NAME.fullmatch(name.removeprefix(PROPERTY_PREFIX)) is not None
    return name in MAPPED_COLUMNS or name in ADDRESS_COLUMNS


def _missing_targets(file: YamlFile, mapping: SourceMapping) -> list[Problem]:
    columns = mapping.columns
    problems = [
        file.problem(f"columns.{name} is missing", ("columns",), f"say where {name} comes from")
        for name in ("occurred_at", "event_name")
        if name not in columns
    ]
    if "customer_ref" not in columns and "anonymous_ref" not in columns:
        problems.append(
            file.problem(
                "neither customer_ref nor anonymous_ref is mapped",
                ("columns",),
                "say which column holds the customer's id",
            )
        )
    if "event_id" not in columns and not mapping.key:
        problems.append(
            file.problem(
                "events cannot be told apart: there is no event_id and no key",
                ("columns",),
                "map event_id, or list the columns that are unique together under 'key'",
            )
        )
    return problems


def event_types() -> dict[str, str]:
    """The columns of an event that a rule over a source's rows may look at, with their types."""
    types = contracts()["events"].column_types
    return {name: kind for name, kind in types.items() if name not in _SAME_IN_A_LOAD}


def _rule_problems(file: YamlFile, mapping: SourceMapping) -> Iterator[Problem]:
    for number, rule in enumerate(mapping.rows):
        fault = rule_fault(rule.holds, event_types())
        if fault:
            what, do = fault
            yield file.problem(f"rule {rule.rule!r}: {what}", ("rows", number, "holds"), do, value=True)


def _query_fault(text: str, inputs: list[str]) -> tuple[str, str] | None:
    """Why `text` is not one SELECT over the inputs, and what to do; or None."""
    advice = f"write a single SELECT over: {', '.join(inputs)}"
    try:
        trees = sqlglot.parse(text, read="duckdb")
    except SqlglotError as cause:
        return f"the query is not SQL: {str(cause).splitlines()[0]}", advice
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        return "the query is not one SELECT", advice
    tree = trees[0]
    outside = outside_function(tree)
    if outside:
        return f"the query calls {outside}", advice
    names = {cte.alias for cte in tree.find_all(exp.CTE)} | set(inputs)
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or table.db:
            return f"the query reads {table.sql('duckdb')!r}, which is not one of its files", advice
        if table.name not in names:
            return f"the query reads {table.name!r}", advise(table.name, inputs, "file")
    return None
