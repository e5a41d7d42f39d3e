"""Finds a source's files, makes sure each can be read at all, and knows each by its content.

Belongs here: file patterns, compression, fingerprints, and complaints about a file as a whole.
Does not belong here: rows (formats.py) or what they mean (typing.py).
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import zipfile
import zlib
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from journey_analytics.disk import sha256_of
from journey_analytics.errors import Problem, SourceError, advise
from journey_analytics.sources.mapping import Source, SourceMapping

_PARQUET_MAGIC = b"PAR1"
_PACKED = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", ".zip": b"PK\x03\x04"}
_BLOCK = 1 << 20
_GLOB = frozenset("*?[")
_MOST_NAMED = 5
_GET_AGAIN = "get the file again from where it came; the marts were not touched"


@dataclass(frozen=True)
class InputFile:
    """One delivered file, known by its content."""

    path: Path
    bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.name


def find_files(
    folder: Path, source: Source, *, delivered: Collection[str] | None = None
) -> dict[str, list[InputFile]]:
    """The files of each input of a source, in name order, each checked to be readable.

    Args:
        folder: the project's.
        source: whose files are looked for.
        delivered: names of the source's files that came before. A pattern that found one of them may find
            none now, and so may one whose folder is still empty: an input without a file leaves the source
            without any. None: every pattern must find a file.

    Raises:
        SourceError: an input has no file, or a file is empty, cut short or damaged; all of them together.
    """
    problems: list[Problem] = []
    is_missing = False
    found: dict[str, list[InputFile]] = {}
    for name, patterns in source.mapping.inputs.items():
        paths: set[Path] = set()
        for pattern in patterns:
            try:
                matching = {path for path in _matching(folder, pattern) if path.is_file()}
            except (NotImplementedError, ValueError) as cause:
                what = f"{pattern!r} is no pattern of files: {cause}"
                do = "name files relative to the project's folder"
                problems.append(source.problem(what, ("files",), do))
                continue
            may_be_missing = delivered is not None and (
                _found_one_of(pattern, delivered) or _is_waited_for(folder, pattern)
            )
            if not matching and not may_be_missing:
                problems.append(_missing(folder, source, pattern))
            paths |= matching
        is_missing |= not paths
        faults = [fault for path in sorted(paths) if (fault := file_fault(path, source.mapping))]
        problems.extend(faults)
        if not faults:
            found[name] = [fingerprint(path) for path in sorted(paths)]
    if problems:
        raise SourceError(problems)
    return {} if is_missing else found


def names_there(folder: Path, source: Source) -> set[str]:
    """The names of the files that the source's patterns find now, whatever is in them."""
    names: set[str] = set()
    for patterns in source.mapping.inputs.values():
        for pattern in patterns:
            # what is no pattern finds nothing, and is for a run to complain of
            with suppress(NotImplementedError, ValueError):
                names.update(path.name for path in _matching(folder, pattern) if path.is_file())
    return names


def fingerprint(path: Path) -> InputFile:
    """The file with its size and content hash."""
    return InputFile(path, path.stat().st_size, sha256_of(path))


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """The file as text, decompressed by its name's ending, without a byte order mark.

    A byte that is no UTF-8 is carried along as a surrogate: it is for the row that holds it to be refused.
    """
    stream: BinaryIO = pa.input_stream(str(path), compression="detect")
    if encoding == "utf-8":
        return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    return io.TextIOWrapper(stream, encoding=encoding, newline="")


def csv_header(path: Path, mapping: SourceMapping) -> list[str]:
    """The column names of a CSV file; a repeated name gets its number, `Variant` then `Variant_2`.

    Raises:
        UnicodeDecodeError: the header is not in the declared encoding.
    """
    with open_text(path, mapping.encoding) as file:
        reader = (
            csv.reader(file, delimiter=mapping.delimiter, quotechar=mapping.quote)
            if mapping.quote
            else csv.reader(file, delimiter=mapping.delimiter, quoting=csv.QUOTE_NONE)
        )
        names = next(reader, [])
    mapping.delimiter.join(names).encode("utf-8", "surrogateescape").decode("utf-8")
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


def blank_records(path: Path, mapping: SourceMapping) -> list[int]:
    """The numbers, from 1, of the blank lines among a text file's records; a quoted newline ends none."""
    quote = mapping.quote if mapping.format == "csv" else ""
    # any byte is a character of latin-1: what is not text has been told already
    encoding = "latin-1" if mapping.encoding == "utf-8" else mapping.encoding
    if not _has_blank_line(path, encoding):
        return []
    blank: list[int] = []
    record, is_quoted = 0, False
    with open_text(path, encoding) as file:
        for line in file:
            record += not is_quoted
            if not is_quoted and not line.strip("\r\n"):
                blank.append(record)
            if quote:
                is_quoted ^= line.count(quote) % 2 == 1
    return blank


def _has_blank_line(path: Path, encoding: str) -> bool:
    """Whether two lines' ends stand together, or one at the start; most files need no look at every line."""
    last = "\n"
    with open_text(path, encoding) as file:
        while block := file.read(_BLOCK):
            text = last + block
            if "\n\n" in text or "\n\r" in text or "\r\r" in text:
                return True
            last = text[-1]
    return False


def with_even_lines(path: Path, mapping: SourceMapping, target: Path) -> Path:
    """Write a copy of a CSV file whose lines all end alike; what stands between quotes is left as it is.

    A carriage return by itself ends a line too, so one inside a record costs that record and no other.
    """
    errors = "surrogateescape" if mapping.encoding == "utf-8" else "strict"
    is_quoted, held_back = False, ""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        open_text(path, mapping.encoding) as file,
        target.open("w", encoding=mapping.encoding, errors=errors, newline="") as copy,
    ):
        while block := file.read(_BLOCK):
            block = held_back + block
            # the other half of this line's end may be in the next block
            held_back = "\r" if block.endswith("\r") else ""
            block = block[: len(block) - len(held_back)]
            between = block.split(mapping.quote) if mapping.quote else [block]
            for number, text in enumerate(between):
                if number:
                    is_quoted = not is_quoted
                    copy.write(mapping.quote)
                copy.write(text if is_quoted else text.replace("\r\n", "\n").replace("\r", "\n"))
        copy.write("\n" if held_back and not is_quoted else held_back)
    return target


def _matching(folder: Path, pattern: str) -> list[Path]:
    """The paths of a pattern inside the project, or of an absolute one."""
    absolute = Path(pattern)
    if absolute.is_absolute():
        return list(Path(absolute.anchor).glob(str(absolute.relative_to(absolute.anchor))))
    return list(folder.glob(pattern))


def _found_one_of(pattern: str, delivered: Collection[str]) -> bool:
    """Whether files of these names could have been found; their folder is not known any more."""
    return any(fnmatchcase(name, Path(pattern).name) for name in delivered)


def _is_waited_for(folder: Path, pattern: str) -> bool:
    """Whether the folder of a pattern was made and nothing has come into it yet."""
    place = (folder / pattern).parent
    return place.is_dir() and all(path.name.startswith(".") for path in place.iterdir())


def _missing(folder: Path, source: Source, pattern: str) -> Problem:
    place = source.file.place(("files",), value=True)
    wanted = folder / pattern
    while not wanted.parent.is_dir():
        wanted = wanted.parent
    if wanted == folder / pattern:
        kind, beside = "file", list(wanted.parent.iterdir())
    elif _GLOB.isdisjoint(wanted.name):
        kind, beside = "folder", [path for path in wanted.parent.iterdir() if path.is_dir()]
    else:
        wanted, kind, beside = folder / pattern, "file", _matching(folder, f"{Path(pattern).parent}/*")
    name = _told(folder, wanted)
    nearest = difflib.get_close_matches(
        name, sorted(_told(folder, path) for path in beside), n=_MOST_NAMED, cutoff=0
    )
    first = advise(name, nearest, kind) if nearest else f"put the file into {(folder / pattern).parent}"
    later = "or take the source out of journey.yaml until its first file is there"
    return Problem(f"no file matches {pattern!r}", f"{place}, folder {folder}", f"{first}; {later}")


def _told(folder: Path, path: Path) -> str:
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def file_fault(path: Path, mapping: SourceMapping) -> Problem | None:
    """Why the file cannot be read at all, or None."""
    if path.stat().st_size == 0:
        return Problem("the file is empty", f"{path}, byte 0", _GET_AGAIN)
    if mapping.format == "parquet":
        return _parquet_fault(path)
    if path.suffix == ".zip":
        return _zip_fault(path)
    fault = _ending_fault(path) or (_gzip_fault(path) if path.suffix == ".gz" else None)
    if fault is None and mapping.has_header:
        return _header_fault(path, mapping)
    return fault


def _ending_fault(path: Path) -> Problem | None:
    """Whether the file begins like a packed one whose ending its name lacks: it is unpacked by its name."""
    with path.open("rb") as file:
        start = file.read(4)
    for ending, magic in _PACKED.items():
        if start.startswith(magic) and path.suffix != ending:
            what = f"the file is {ending} by its content, and not by its name"
            return Problem(what, f"{path}, byte 0", f"call it {path.name}{ending}")
    return None


def _header_fault(path: Path, mapping: SourceMapping) -> Problem | None:
    try:
        header = csv_header(path, mapping)
    except UnicodeDecodeError as cause:
        what = f"the file is not {mapping.encoding} text"
        return Problem(
            what, f"{path}, byte {cause.start}", "say its encoding, for example 'encoding: latin-1'"
        )
    except (csv.Error, OSError) as cause:
        return Problem(f"the header cannot be read: {cause}", f"{path}, byte 0", _GET_AGAIN)
    return None if header else Problem("the file has no header", f"{path}:1", _GET_AGAIN)


def _gzip_fault(path: Path) -> Problem | None:
    """Read to the end: the engine checks neither the length nor the checksum of gzip."""
    with path.open("rb") as raw:
        try:
            with gzip.GzipFile(fileobj=raw) as file:
                while file.read(_BLOCK):
                    pass
        except (EOFError, OSError, zlib.error) as cause:
            what = f"the gzip file is damaged or cut short: {cause}"
            return Problem(what, f"{path}, byte {raw.tell()}", _GET_AGAIN)
    return None


def _zip_fault(path: Path) -> Problem | None:
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error) as cause:
        return Problem(f"the ZIP file is damaged: {cause}", f"{path}, byte 0", _GET_AGAIN)
    if broken:
        return Problem(f"member {broken!r} of the ZIP file is damaged", f"{path}", _GET_AGAIN)
    return None


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
    except (pa.ArrowException, OSError) as cause:
        what = f"the Parquet footer cannot be read: {str(cause).splitlines()[0]}"
        return Problem(what, f"{path}, byte {size - 8}", _GET_AGAIN)
    return None
