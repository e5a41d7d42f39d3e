"""Finds a source's files, makes sure each can be read at all, and names its rows to DuckDB.

Belongs here: file patterns, formats, and complaints about a file as a whole.
Does not belong here: what a row means (load.py).
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from pyarrow import ArrowException

from journey_analytics.errors import Problem, SourceError, advise
from journey_analytics.sources.mapping import Source, SourceMapping

FILE_COLUMN = "_file"
ROW_COLUMN = "_row"

_PARQUET_MAGIC = b"PAR1"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class InputFile:
    """One delivered file, known by its content."""

    path: Path
    bytes: int
    sha256: str


def find_files(folder: Path, source: Source) -> dict[str, list[InputFile]]:
    """The files of each input of a source, in name order, each checked to be readable.

    Raises:
        SourceError: an input has no file, or a file is empty, cut short or damaged; all of them together.
    """
    problems: list[Problem] = []
    found: dict[str, list[InputFile]] = {}
    for name, pattern in source.mapping.inputs.items():
        try:
            paths = sorted(path for path in folder.glob(pattern) if path.is_file())
        except (NotImplementedError, ValueError) as cause:
            what = f"{pattern!r} is no pattern inside the project: {cause}"
            problems.append(source.problem(what, ("files",), "name files relative to the project's folder"))
            continue
        if not paths:
            problems.append(_missing(folder, source, pattern))
        for path in paths:
            fault = _fault(path, source.mapping)
            if fault:
                problems.append(fault)
        found[name] = [InputFile(path, path.stat().st_size, _sha256(path)) for path in paths]
    if problems:
        raise SourceError(problems)
    return found


def rows_sql(mapping: SourceMapping, inputs: list[InputFile]) -> str:
    """A SELECT of all rows of the files, with the file and the row each came from.

    CSV fields stay text under a schema taken from the header, so that nothing is guessed.
    """
    parts = []
    for item in inputs:
        file = _quoted(str(item.path))
        reader = f"read_parquet({file})"
        if mapping.format == "csv":
            names = ", ".join(
                f"{_quoted(name)}: 'VARCHAR'" for name in csv_header(item.path, mapping.delimiter)
            )
            reader = (
                f"read_csv({file}, auto_detect = false, header = true, columns = {{{names}}}, "
                f"delim = {_quoted(mapping.delimiter)}, quote = '\"', escape = '\"', nullstr = '', "
                "strict_mode = true)"
            )
        parts.append(
            f"select *, {_quoted(item.path.name)} as {FILE_COLUMN}, "
            f"row_number() over () as {ROW_COLUMN} from {reader}"
        )
    return "\nunion all by name\n".join(parts)


def csv_header(path: Path, delimiter: str) -> list[str]:
    """The column names of a CSV file; a repeated name gets its number, `Variant` then `Variant_2`."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        names = next(csv.reader(file, delimiter=delimiter), [])
    return unique_names(names)


def unique_names(given: list[str]) -> list[str]:
    """The names as columns that differ, whatever the case; one without a name is called `column`.

    >>> unique_names(["Case", "Variant", "variant", ""])
    ['Case', 'Variant', 'variant_2', 'column']
    """
    taken: set[str] = set()
    unique = []
    for name in (name.strip() or "column" for name in given):
        made, number = name, 2
        while made.casefold() in taken or (number > 2 and made in given):
            made, number = f"{name}_{number}", number + 1
        taken.add(made.casefold())
        unique.append(made)
    return unique


def _missing(folder: Path, source: Source, pattern: str) -> Problem:
    beside = (folder / pattern).parent
    names = [str(path.relative_to(folder)) for path in sorted(beside.glob("*")) if path.is_file()]
    place = source.file.place(("files",), value=True)
    return Problem(
        f"no file matches {pattern!r}",
        f"{place}, folder {folder}",
        advise(pattern, names, "file") if names else f"put the file into {beside}",
    )


_GET_AGAIN = "get the file again from where it came; the marts were not touched"


def _fault(path: Path, mapping: SourceMapping) -> Problem | None:
    """Why the file cannot be read at all, or None."""
    if path.stat().st_size == 0:
        return Problem("the file is empty", f"{path}, byte 0", _GET_AGAIN)
    return _csv_fault(path, mapping) if mapping.format == "csv" else _parquet_fault(path)


def _csv_fault(path: Path, mapping: SourceMapping) -> Problem | None:
    try:
        header = csv_header(path, mapping.delimiter)
    except UnicodeDecodeError as cause:
        what = "the file is not UTF-8 text"
        return Problem(what, f"{path}, byte {cause.start}", "export it as UTF-8")
    return None if header else Problem("the file has no header", f"{path}:1", _GET_AGAIN)


def _parquet_fault(path: Path) -> Problem | None:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(size - 4, 0))
        tail = file.read(4)
    if head != _PARQUET_MAGIC:
        return Problem("the file is not Parquet", f"{path}, byte 0", _GET_AGAIN)
    if tail != _PARQUET_MAGIC:
        what = f"the Parquet file is cut short: its footer is missing at the end of {size:,} bytes"
        return Problem(what, f"{path}, byte {size}", _GET_AGAIN)
    try:
        pq.read_metadata(path)
    except (ArrowException, OSError) as cause:
        what = f"the Parquet footer cannot be read: {str(cause).splitlines()[0]}"
        return Problem(what, f"{path}, byte {size - 8}", _GET_AGAIN)
    return None


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
