"""A first project from bare files: what format they are, which column is what, which event is which stage.

Everything here is a guess, told with its reason and how sure it is, and written to files that a person can
correct.

Belongs here: guessing. Does not belong here: anything a run does; a run guesses nothing.
"""

from __future__ import annotations

import csv
import itertools
import json
import re
from dataclasses import dataclass, field
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from journey_analytics.errors import ConfigError, Problem, SourceError
from journey_analytics.sources.mapping import shipped_names
from journey_analytics.yaml_file import YamlFile, plain

Sureness = Literal["sure", "likely", "a guess"]

_SAMPLE_ROWS = 5_000
_SAMPLE_BYTES = 4 << 20
_DELIMITERS = (",", ";", "\t", "|")
_WORD = re.compile(r"[a-z]+")
_SIMPLE_NAME = re.compile(r"[a-z_][a-z0-9_]*")
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
_TIME_PATTERNS = (
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4}$"), "%d/%m/%Y", "%m/%d/%Y"),
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}$"), "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"),
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}:\d{2}$"), "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"),
    (re.compile(r"\d{1,2}[.]\d{1,2}[.]\d{4}$"), "%d.%m.%Y", "%d.%m.%Y"),
    (re.compile(r"\d{1,2}[.]\d{1,2}[.]\d{4} \d{1,2}:\d{2}(:\d{2})?$"), "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M"),
    (re.compile(r"\d{8}$"), "%Y%m%d", "%Y%m%d"),
)


@dataclass(frozen=True)
class Guess:
    """One thing taken for another, why, and how sure that is."""

    what: str
    value: str
    why: str
    sureness: Sureness


@dataclass
class Draft:
    """A project that might fit the files.

    Attributes:
        mapping: keys of the source mapping, in the order in which they are written.
        rules: (event name, stage, the word that told it); stage None when no word did.
        guesses: everything that was guessed.
    """

    name: str
    mapping: dict[str, Any] = field(default_factory=dict)
    rules: list[tuple[str, str | None, str]] = field(default_factory=list)
    guesses: list[Guess] = field(default_factory=list)

    @property
    def conversion_stage(self) -> str:
        """Purchase when something is taken for it, else the last stage that something is taken for."""
        stages = [stage for stage, _ in _vocabulary_stages_in_order()]
        given = [stage for stage in stages if any(rule[1] == stage for rule in self.rules)]
        return "purchase" if "purchase" in given or not given else given[-1]


def draft_project(files: list[Path]) -> Draft:
    """Look at files of one export and draft a project for them.

    Raises:
        SourceError: a file is not there or is empty.
        ConfigError: no column can be taken for the time, the event or the customer.
    """
    for path in files:
        if not path.is_file() or path.stat().st_size == 0:
            what = "the file is empty" if path.is_file() else "the file does not exist"
            raise SourceError(Problem(what, str(path), "name a file that holds events"))
    draft = Draft(_source_name(files[0]))
    rows = _recognise(files[0], draft)
    draft.mapping["files"] = [str(path) for path in files]
    if "uses" not in draft.mapping:
        _guess_columns(files[0], rows, draft)
    _guess_stages(rows, draft)
    return draft


def _source_name(path: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", path.name.split(".")[0].lower()).strip("_")
    return name if name and name[0].isalpha() else f"source_{name}".rstrip("_")


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


def _guess_columns(path: Path, rows: list[dict[str, Any]], draft: Draft) -> None:
    names = list(dict.fromkeys(name for row in rows[:100] for name in row if name is not None))
    taken: dict[str, str] = {}
    for target, usual in _vocabulary()["columns"].items():
        column = _column_for(usual, names, taken)
        if column is not None:
            taken[target] = column
            name = column.lower()
            sureness: Sureness = "sure" if name == usual[0] or name == target else "likely"
            draft.guesses.append(Guess(target, column, "its name", sureness))
    if "event_id" in taken and not _is_unique(rows, taken["event_id"]):
        del taken["event_id"]
        draft.guesses = [guess for guess in draft.guesses if guess.what != "event_id"]
    missing = [name for name in ("occurred_at", "event_name") if name not in taken]
    if "customer_ref" not in taken and "anonymous_ref" not in taken:
        missing.append("customer_ref")
    if missing:
        raise ConfigError(
            [
                Problem(
                    f"no column looks like {name}",
                    f"{path}, columns: {', '.join(names)}",
                    "write the source mapping by hand; the README has an example of ten lines",
                )
                for name in missing
            ]
        )
    _guess_time(rows, taken["occurred_at"], draft)
    if "event_id" not in taken:
        key = [
            taken[name]
            for name in ("customer_ref", "anonymous_ref", "occurred_at", "event_name")
            if name in taken
        ]
        draft.mapping["key"] = key
        why = "no column is unique by itself"
        draft.guesses.append(Guess("key", ", ".join(key), why, "a guess"))
    is_json = draft.mapping["format"] == "jsonl"
    columns = {target: _expression(column, is_json=is_json) for target, column in taken.items()}
    others = [name for name in names if name not in taken.values() and _SIMPLE_NAME.fullmatch(name.lower())]
    columns |= {f"properties.{name.lower()}": _expression(name, is_json=is_json) for name in others}
    draft.mapping["columns"] = columns
    if is_json:
        draft.mapping["key"] = [_expression(name, is_json=True) for name in draft.mapping.get("key", [])]


def _column_for(usual: list[str], names: list[str], taken: dict[str, str]) -> str | None:
    free = {name.lower(): name for name in names if name not in taken.values()}
    return next((free[word] for word in usual if word in free), None)


def _is_unique(rows: list[dict[str, Any]], column: str) -> bool:
    values = [row.get(column) for row in rows]
    return None not in values and len(set(map(str, values))) >= 0.98 * len(values)


def _guess_time(rows: list[dict[str, Any]], column: str, draft: Draft) -> None:
    values = [str(row[column]) for row in rows if row.get(column) not in (None, "")]
    if not values:
        return
    if all(re.fullmatch(r"\d{10}([.]\d+)?|\d{13}|\d{16}", value) for value in values):
        unit = {10: "epoch_s", 13: "epoch_ms", 16: "epoch_us"}[len(values[0].split(".")[0])]
        draft.mapping["time_format"] = unit
        draft.guesses.append(Guess("time_format", unit, f"numbers such as {values[0]}", "likely"))
        return
    for pattern, day_first, month_first in _TIME_PATTERNS:
        if all(pattern.fullmatch(value) for value in values):
            parts = [re.split(r"[/.]", value)[:2] for value in values]
            is_day_first = any(int(part[0]) > 12 for part in parts if len(part) > 1)
            is_month_first = any(int(part[1]) > 12 for part in parts if len(part) > 1)
            chosen = month_first if is_month_first else day_first
            settled = is_day_first or is_month_first or day_first == month_first
            draft.mapping["time_format"] = chosen
            why = f"values such as {values[0]}"
            draft.guesses.append(Guess("time_format", chosen, why, "likely" if settled else "a guess"))
            return
    if not re.search(r"(Z|[+-]\d{2}:?\d{2})$", values[0]):
        draft.mapping["timezone"] = "UTC"
        draft.guesses.append(Guess("timezone", "UTC", "the times carry no zone", "a guess"))


def _expression(column: str, *, is_json: bool) -> str:
    if is_json:
        return f"data->>'$.\"{column}\"'"
    return column if _SIMPLE_NAME.fullmatch(column) else '"' + column.replace('"', '""') + '"'


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


def _vocabulary() -> dict[str, Any]:
    path = Path(str(package_files("journey_analytics") / "sources" / "vocabulary.yaml"))
    content: dict[str, Any] = plain(YamlFile(path).content)
    return content


def vocabulary_stages() -> list[tuple[str, list[str]]]:
    """(stage, words) in the order in which words are looked for."""
    return [(entry["stage"], entry["words"]) for entry in _vocabulary()["stages"]]


def _vocabulary_stages_in_order() -> list[tuple[str, list[str]]]:
    """The same in the order of the stage model: words are looked for from the last stage but one."""
    order = ("awareness", "interest", "consideration", "purchase", "usage", "loyalty", "advocacy")
    return sorted(vocabulary_stages(), key=lambda entry: order.index(entry[0]))
