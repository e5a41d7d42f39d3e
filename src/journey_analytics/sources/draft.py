"""A first project from bare files: what format they are, which files come later, which event is which stage.

Everything here is a guess, told with its reason and how sure it is, and written to files that a person can
correct.

Belongs here: guessing.
Does not belong here: columns (columns.py), and anything a run does; a run guesses nothing.
"""

from __future__ import annotations

import csv
import glob
import itertools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from journey_analytics.errors import ConfigError, Problem, SourceError
from journey_analytics.sources.columns import Guess, guess_columns, vocabulary
from journey_analytics.sources.mapping import shipped_names

_SAMPLE_ROWS = 5_000
_SAMPLE_BYTES = 4 << 20
_DELIMITERS = (",", ";", "\t", "|")
_WORD = re.compile(r"[a-z]+")
_LOG_LINE = re.compile(r'\S+ \S+ \S+ \[[^]]+\] "')

# what a shipped format cannot be without
_SIGNATURES: dict[str, frozenset[str]] = {
    "ga4": frozenset({"event_timestamp", "event_name", "user_pseudo_id", "event_params"}),
    "rudderstack": frozenset({"originalTimestamp", "messageId", "rudderId"}),
    "segment": frozenset({"messageId", "type", "timestamp", "context"}),
    "posthog": frozenset({"uuid", "event", "distinct_id", "timestamp"}),
    "mixpanel": frozenset({"event", "properties"}),
    "amplitude": frozenset({"event_type", "event_time", "device_id", "uuid"}),
    "matomo": frozenset({"idvisit", "idvisitor", "server_time"}),
}


@dataclass
class Draft:
    """A project that might fit the files.

    Attributes:
        name: of the source.
        mapping: keys of the source mapping, in the order in which they are written; `files` holds patterns.
        rules: (event name, stage, the word that told it); stage None when no word did.
        guesses: everything that was guessed.
        gaps: event columns for a person to fill in, without which the project does not run.
        other_time_format: another one that reads the times as well, as other times.
    """

    name: str
    mapping: dict[str, Any] = field(default_factory=dict)
    rules: list[tuple[str, str | None, str]] = field(default_factory=list)
    guesses: list[Guess] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    other_time_format: str | None = None

    @property
    def conversion_stage(self) -> str:
        """Purchase when something is taken for it, else the last stage that something is taken for."""
        stages = [stage for stage, _ in _vocabulary_stages_in_order()]
        given = [stage for stage in stages if any(rule[1] == stage for rule in self.rules)]
        return "purchase" if "purchase" in given or not given else given[-1]


def draft_project(files: list[Path], latest_us: int) -> Draft:
    """Look at files of one export and draft a project for them.

    Args:
        files: of one format.
        latest_us: now, in microseconds of UTC.

    Raises:
        SourceError: a file is not there or is empty.
        ConfigError: the files have several endings, or no column can be taken for anything an event needs.
    """
    for path in files:
        if not path.is_file() or path.stat().st_size == 0:
            what = "the file is empty" if path.is_file() else "the file does not exist"
            raise SourceError(Problem(what, str(path), "name a file that holds events"))
    _check_endings(files)
    draft = Draft(_source_name(files[0]))
    rows = _recognise(files[0], draft)
    draft.mapping["files"] = _patterns(files, draft)
    if "uses" not in draft.mapping:
        is_json = draft.mapping["format"] == "jsonl"
        columns = guess_columns(files[0], rows, is_json=is_json, latest_us=latest_us)
        draft.mapping |= columns.mapping
        draft.guesses += columns.guesses
        draft.gaps, draft.other_time_format = columns.gaps, columns.other_time_format
    _guess_stages(rows, draft)
    return draft


def source_name(text: str) -> str:
    """A name for a source or a project: what stands in `text` besides numbers.

    >>> source_name("2026-02_Orders"), source_name("2026-02"), source_name("shop1")
    ('orders', 'source', 'shop1')
    """
    words = [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word and not word.isdigit()]
    name = "_".join(words)
    return name if name and name[0].isalpha() else f"source_{name}".rstrip("_")


def _source_name(path: Path) -> str:
    return source_name(path.name.split(".")[0])


def _check_endings(paths: list[Path]) -> None:
    endings = {path.name.removesuffix(".gz").removesuffix(".zst").rpartition(".")[2] for path in paths}
    if len(endings) > 1:
        raise ConfigError(
            Problem(
                "the files have several endings",
                ", ".join(str(path) for path in paths),
                "name the files of one source, which are all written in one format",
            )
        )


def _patterns(paths: list[Path], draft: Draft) -> list[str]:
    """One pattern where the names differ in numbers alone and no other file is called so, else each file."""
    exactly = [_escaped(path.parent, glob.escape(path.name)) for path in paths]
    if len(paths) == 1:
        return exactly
    folder = paths[0].parent
    numbers = [re.split(r"(\d+)", path.name) for path in paths]
    if len({path.parent for path in paths}) == 1 and len({tuple(parts[::2]) for parts in numbers}) == 1:
        alike = [glob.escape(part[0]) if len(set(part)) == 1 else "*" for part in zip(*numbers, strict=True)]
        name = "".join(alike)
        if set(folder.glob(name)) == set(paths):
            why = f"it finds the {len(paths)} files, and those that will be called like them"
            draft.guesses.append(Guess("files", name, why, "likely"))
            return [_escaped(folder, name)]
    why = "each by its name: a later file must be added, or a pattern written"
    draft.guesses.append(Guess("files", f"the {len(paths)} given", why, "sure"))
    return exactly


def _escaped(folder: Path, name: str) -> str:
    return str(Path(glob.escape(str(folder.resolve()))) / name)


def _recognise(path: Path, draft: Draft) -> list[dict[str, Any]]:
    """Find the format, note it in the draft, and return a sample of the rows."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PAR1":
        return _recognise_parquet(path, draft)
    if path.name.endswith((".xes", ".xes.gz")):
        draft.mapping["uses"] = "xes"
        draft.guesses.append(Guess("format", "xes", "the name ends in .xes", "sure"))
        return []
    if path.suffix == ".zip":
        draft.mapping["uses"] = "amplitude"
        draft.guesses.append(
            Guess("format", "amplitude", "a ZIP of JSON lines is what it exports", "a guess")
        )
        return []
    encoding, lines = _first_lines(path)
    if encoding != "utf-8":
        draft.mapping["encoding"] = encoding
        draft.guesses.append(Guess("encoding", encoding, "the text is not UTF-8", "likely"))
    first = next((line for line in lines if line.strip()), "")
    if first.lstrip().startswith("{"):
        return _recognise_json(lines, draft)
    if _LOG_LINE.match(first):
        draft.mapping["uses"] = "access_log"
        draft.guesses.append(Guess("format", "access_log", "the first line is a log line", "sure"))
        return []
    return _recognise_csv(lines, draft)


def _first_lines(path: Path) -> tuple[str, list[str]]:
    with pa.input_stream(str(path), compression="detect") as stream:
        start: bytes = stream.read(_SAMPLE_BYTES)
    is_cut = len(start) == _SAMPLE_BYTES
    whole = start[: start.rfind(b"\n") + 1] if is_cut else start
    try:
        return "utf-8", whole.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return "latin-1", whole.decode("latin-1").splitlines()


def _recognise_parquet(path: Path, draft: Draft) -> list[dict[str, Any]]:
    sample = next(pq.ParquetFile(path).iter_batches(batch_size=_SAMPLE_ROWS))
    draft.mapping["format"] = "parquet"
    _recognise_signature(set(sample.schema.names), draft)
    rows: list[dict[str, Any]] = sample.to_pylist()
    return rows


def _recognise_json(lines: list[str], draft: Draft) -> list[dict[str, Any]]:
    rows = []
    for line in itertools.islice(lines, _SAMPLE_ROWS):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    draft.mapping["format"] = "jsonl"
    _recognise_signature(set().union(*rows), draft)
    return rows


def _recognise_csv(lines: list[str], draft: Draft) -> list[dict[str, Any]]:
    header = lines[0] if lines else ""
    delimiter = max(_DELIMITERS, key=header.count)
    draft.mapping["format"] = "csv"
    if delimiter != ",":
        draft.mapping["delimiter"] = delimiter
    reader = csv.DictReader(itertools.islice(lines, _SAMPLE_ROWS), delimiter=delimiter)
    rows: list[dict[str, Any]] = [dict(row) for row in reader]
    _recognise_signature(set(reader.fieldnames or ()), draft)
    return rows


def _recognise_signature(names: set[str], draft: Draft) -> None:
    """Name the shipped mapping whose columns are all there."""
    for name, signature in _SIGNATURES.items():
        if signature <= names and name in shipped_names():
            written = draft.mapping.pop("format", "")
            draft.mapping = {"uses": name, "format": written, **draft.mapping}
            why = f"it has {', '.join(sorted(signature))}"
            draft.guesses.append(Guess("format", f"{name} ({written})", why, "sure"))
            return
    draft.guesses.append(Guess("format", draft.mapping["format"], "its first bytes", "sure"))


def _guess_stages(rows: list[dict[str, Any]], draft: Draft) -> None:
    """A stage for each event name that a word of the vocabulary is in."""
    column = next((guess.value for guess in draft.guesses if guess.what == "event_name"), None)
    if column is None:
        column = next(
            (name for name in ("event_name", "event", "event_type") if rows and name in rows[0]), None
        )
    names = sorted({str(row[column]) for row in rows if column and row.get(column)})
    for name in names[:200]:
        words = _WORD.findall(re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
        found = next(
            ((stage, word) for stage, known in vocabulary_stages() for word in words if word in known), None
        )
        draft.rules.append((name, *(found or (None, ""))))


def vocabulary_stages() -> list[tuple[str, list[str]]]:
    """(stage, words) in the order in which words are looked for."""
    return [(entry["stage"], entry["words"]) for entry in vocabulary()["stages"]]


def _vocabulary_stages_in_order() -> list[tuple[str, list[str]]]:
    """The same in the order of the stage model: words are looked for from the last stage but one."""
    order = ("awareness", "interest", "consideration", "purchase", "usage", "loyalty", "advocacy")
    return sorted(vocabulary_stages(), key=lambda entry: order.index(entry[0]))
