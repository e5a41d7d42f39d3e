"""Rows of a delivered file, whatever its format: a SELECT that DuckDB runs, and what it could not read.

Nothing is guessed: CSV fields are text under a schema taken from the header or declared, JSON stays JSON
until the mapping asks for a value, Parquet carries its own types. What is no row at all (too few fields, not
JSON) is told with its row and goes to quarantine; it never costs the file.

Belongs here: one function per format. Does not belong here: whole files (files.py), values (typing.py).
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted, quoted_path
from journey_analytics.errors import SourceError
from journey_analytics.sources.files import (
    InputFile,
    blank_records,
    csv_header,
    file_fault,
    with_even_lines,
)
from journey_analytics.sources.mapping import SourceMapping
from journey_analytics.sources.xes import xes_to_parquet

FILE_COLUMN = "_file"
ROW_COLUMN = "_row"
FAULT_COLUMN = "_fault"
TEXT_COLUMN = "_text"
ADDED_COLUMNS = (FILE_COLUMN, ROW_COLUMN, FAULT_COLUMN, TEXT_COLUMN)

MAX_LINE_BYTES = 16 << 20
"""A longer line is no event; it is told as a fault and never unpacked further."""

_REASONS = {
    "MISSING COLUMNS": "too few fields",
    "TOO MANY COLUMNS": "too many fields",
    "UNQUOTED VALUE": "broken quoting",
    "INVALID ENCODING": "not text in the declared encoding",
    "LINE SIZE OVER MAXIMUM": "line too long",
}
_LOG_FIELDS = ("ip", "user", "time", "method", "url", "status", "bytes", "referrer", "agent")
_LOG_LINE = (
    '^([^ ]+) [^ ]+ ([^ ]+) [[]([^]]+)[]] "([A-Z]+) ([^ "]*)[^"]*" ([0-9]{3}) ([0-9]+|-)'
    '(?: "([^"]*)" "((?:[^"]|\\\\")*)")?'
)


@dataclass(frozen=True)
class Rejects:
    """The DuckDB tables in which a CSV scan left what it could not split into fields."""

    table: str
    path: Path
    file: str
    has_header: bool

    @property
    def blank_table(self) -> str:
        """Numbers of the blank lines among the records, which the scan counts and the rows do not."""
        return f"{self.table}_blank"


def create_rows(
    engine: DuckDBEngine, mapping: SourceMapping, files: list[InputFile], table: str, scratch: Path
) -> list[Rejects]:
    """Make `table` from the rows of the files, with the file and the row each came from.

    Args:
        engine: the working database.
        mapping: how the files are written.
        files: in the order in which they count.
        table: the name of the table to make.
        scratch: a folder for what must be unpacked first.

    Returns:
        Where the scans left what was no row.
    """
    rejects: list[Rejects] = []
    for number, (path, name) in enumerate(_unpacked(files, mapping, scratch)):
        # one statement a file, so that rows are numbered in the order of the file
        into = f"insert into {table} by name" if number else f"create or replace temp table {table} as"
        left = Rejects(f"rejects_{table}_{number}", path, name, mapping.has_header)
        try:
            _read_file(engine, mapping, left, into)
        except duckdb.InvalidInputException:
            if mapping.format != "csv":
                raise
            # a scan gives up where a line ends unlike the others, or where a carriage return stands in one
            left = replace(left, path=with_even_lines(path, mapping, scratch / f"{left.table}.csv"))
            _read_file(engine, mapping, left, into)
        if mapping.format in ("csv", "jsonl", "access_log"):
            rejects.append(left)
    left_over = [left for left in rejects if engine.count(left.table)]
    for left in left_over:
        engine.execute(
            f'create or replace temp table "{left.blank_table}" as select unnest($1::bigint[]) as line',
            [blank_records(left.path, mapping)],
        )
    return left_over


def _read_file(engine: DuckDBEngine, mapping: SourceMapping, left: Rejects, into: str) -> None:
    for leftover in (left.table, f"{left.table}_scans"):
        engine.execute(f'drop table if exists "{leftover}"')
    select = _select(engine, mapping, left.path, left.table)
    engine.execute(
        f"{into} select *, {quoted(left.file)} as {FILE_COLUMN}, row_number() over () as {ROW_COLUMN} "
        f"from ({select})"
    )


def rows_in_place(
    engine: DuckDBEngine, mapping: SourceMapping, files: list[InputFile], scratch: Path
) -> str | None:
    """SQL of the rows of files that can be read again and again where they lie; None where they cannot.

    They are the rows `create_rows` makes a table of, without the copy. Several files have the columns of the
    first, and names that differ.
    """
    if mapping.format not in ("parquet", "xes"):
        return None
    unpacked = _unpacked(files, mapping, scratch)
    there = _parquet_columns(engine, unpacked[0][0])
    if there & {"file_row_number", "filename"}:
        return None
    columns = ", ".join(["*", *_empty_columns(mapping, there)])
    name = quoted(unpacked[0][1]) if len(files) == 1 else "parse_filename(filename)"
    paths = ", ".join(quoted_path(path) for path, _ in unpacked)
    return (
        f"(select {columns}, {_NO_FAULT}, {name} as {FILE_COLUMN}, "
        f"file_row_number + 1 as {ROW_COLUMN} from read_parquet([{paths}]))"
    )


def rejects_sql(rejects: Rejects) -> str:
    """A SELECT of what a scan could not split: file, row, column_name, value, reason; one row a record."""
    reasons = " ".join(f"when '{kind}' then '{reason}'" for kind, reason in _REASONS.items())
    blank = f'(select count(*) from "{rejects.blank_table}" as blank where blank.line < rejected.line)'
    return (
        f"select {quoted(rejects.file)} as {FILE_COLUMN}, "
        f"cast(line - {int(rejects.has_header)} - {blank} as bigint) as {ROW_COLUMN}, "
        f"arg_min(column_name, column_idx) as column_name, "
        f"min(left(trim(csv_line, chr(10) || chr(13)), 1000)) as value, "
        f"min(case cast(error_type as varchar) {reasons} else lower(cast(error_type as varchar)) end) "
        f'as reason from "{rejects.table}" as rejected group by line'
    )


def _select(engine: DuckDBEngine, mapping: SourceMapping, path: Path, rejects: str) -> str:
    file = quoted_path(path)
    if mapping.format in ("parquet", "xes"):
        columns = ", ".join(["*", *_empty_columns(mapping, _parquet_columns(engine, path))])
        return f"select {columns}, {_NO_FAULT} from read_parquet({file})"
    if mapping.format == "csv":
        names = csv_header(path, mapping) if mapping.has_header else list(mapping.fields)
        columns = ", ".join(["*", *_empty_columns(mapping, names)])
        return f"select {columns}, {_NO_FAULT} from {_read_csv(mapping, file, names, rejects)}"
    lines = (
        f"read_csv({file}, auto_detect = false, header = false, columns = {{'line': 'VARCHAR'}}, "
        f"delim = '\x01', quote = '', escape = '', strict_mode = false, "
        f"max_line_size = {MAX_LINE_BYTES}, {_keep_rejects(rejects)})"
    )
    if mapping.format == "jsonl":
        return (
            f"select {_json_columns(mapping)}, "
            f"case when not json_valid(line) then 'not JSON' end as {FAULT_COLUMN}, "
            f"case when not json_valid(line) then left(line, 1000) end as {TEXT_COLUMN} "
            f"from {lines} where line is not null"
        )
    fields = ", ".join(quoted(field) for field in _LOG_FIELDS)
    return (
        f"select parsed.*, case when parsed.ip = '' then 'not a log line' end as {FAULT_COLUMN}, "
        f"case when parsed.ip = '' then left(line, 1000) end as {TEXT_COLUMN} from ("
        f"select line, regexp_extract(line, {quoted(_LOG_LINE)}, [{fields}]) as parsed "
        f"from {lines} where line is not null)"
    )


def _parquet_columns(engine: DuckDBEngine, path: Path) -> set[str]:
    described = engine.rows(f"describe select * from read_parquet({quoted_path(path)})")
    return {str(row["column_name"]) for row in described}


def _declared(mapping: SourceMapping) -> dict[str, str]:
    return mapping.fields if isinstance(mapping.fields, dict) else {}


def _empty_columns(mapping: SourceMapping, there: Collection[str]) -> list[str]:
    """Select items for the declared columns a file does not have; names differ by more than their case."""
    known = {name.lower() for name in there}
    return [
        f'cast(null as {kind}) as "{name}"'
        for name, kind in _declared(mapping).items()
        if name.lower() not in known
    ]


def _json_columns(mapping: SourceMapping, line: str = "line") -> str:
    """The line as JSON in `data`, and the columns that are declared, read out of it."""
    data = f"case when json_valid({line}) then cast({line} as json) end"
    columns = [f"{data} as data"]
    for name, kind in _declared(mapping).items():
        path = quoted(f'$."{name}"')
        if kind.upper() == "VARCHAR":
            columns.append(f'case when json_valid({line}) then {line} ->> {path} end as "{name}"')
        else:
            columns.append(
                f'try_cast(case when json_valid({line}) then {line} -> {path} end as {kind}) as "{name}"'
            )
    return ", ".join(columns)


def columns_again(mapping: SourceMapping, raw: str, types: Mapping[str, str]) -> list[str]:
    """Select items that take the columns of a row, as a file of today would have them, out of its JSON.

    Args:
        mapping: of today; what it declares anew is taken out of a JSON line, and is empty elsewhere.
        raw: SQL of the row as JSON text.
        types: the columns it had, with their DuckDB types.
    """
    if mapping.format == "jsonl" and mapping.query is None:
        return [_json_columns(mapping, f"cast({raw} -> '/data' as varchar)")]
    columns = []
    for name, kind in types.items():
        pointer = quoted("/" + name.replace("~", "~0").replace("/", "~1"))
        value = f"{raw} ->> {pointer}" if kind == "VARCHAR" else f"cast({raw} -> {pointer} as {kind})"
        columns.append(f'{value} as "{name.replace(chr(34), chr(34) * 2)}"')
    return [*columns, *_empty_columns(mapping, types)]


_NO_FAULT = f"cast(null as varchar) as {FAULT_COLUMN}, cast(null as varchar) as {TEXT_COLUMN}"


def _read_csv(mapping: SourceMapping, file: str, names: list[str], rejects: str) -> str:
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in names)
    quote = quoted(mapping.quote)
    return (
        f"read_csv({file}, auto_detect = false, header = {str(mapping.has_header).lower()}, "
        f"columns = {{{columns}}}, delim = {quoted(mapping.delimiter)}, quote = {quote}, escape = {quote}, "
        f"nullstr = '', encoding = {quoted(mapping.encoding)}, strict_mode = true, {_keep_rejects(rejects)})"
    )


def _keep_rejects(table: str) -> str:
    return (
        f"store_rejects = true, rejects_table = {quoted(table)}, "
        f"rejects_scan = {quoted(table + '_scans')}, rejects_limit = 0"
    )


def _unpacked(files: list[InputFile], mapping: SourceMapping, scratch: Path) -> list[tuple[Path, str]]:
    """The paths DuckDB can open, each with the name the user knows it by."""
    found: list[tuple[Path, str]] = []
    for item in files:
        if item.path.suffix == ".zip":
            found.extend(_members(item, mapping, scratch))
        elif mapping.format == "xes":
            scratch.mkdir(parents=True, exist_ok=True)
            target = scratch / f"{item.sha256}.parquet"
            xes_to_parquet(item.path, target)
            found.append((target, item.name))
        else:
            found.append((item.path, item.name))
    return found


def _members(item: InputFile, mapping: SourceMapping, scratch: Path) -> list[tuple[Path, str]]:
    """The files inside a ZIP, written to the scratch folder under names of our own."""
    scratch.mkdir(parents=True, exist_ok=True)
    found = []
    with zipfile.ZipFile(item.path) as archive:
        # macOS adds a folder of its own to every archive it makes
        members = sorted(
            name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")
        )
        for number, name in enumerate(members):
            ending = "".join(Path(name).suffixes[-2:])
            target = scratch / f"{item.sha256}_{number}{ending}"
            with archive.open(name) as source, target.open("wb") as copy:
                while block := source.read(1 << 20):
                    copy.write(block)
            fault = file_fault(target, mapping)
            if fault:
                where = fault.where.replace(str(target), f"{item.path}/{name}")
                raise SourceError(replace(fault, where=where))
            found.append((target, f"{item.name}/{name}"))
    return found
