"""Who was erased, as salted hashes of their ids and events, so that nothing of them comes in again.

    store/erasures/<name>.json    one erasure: when, what went, and the hashes

An event that happened up to the erasure never comes in again, in whichever file it is delivered; what the
customer does afterwards is new. A file is also the proof of the erasure: it holds no id, and who is asked
about an id can tell by its hash whether it was erased. The salt beside them keeps the hashes from being
looked up, not from being tried: ids that can be guessed are as safe as the store.

Belongs here: the files, and the condition by which rows are left out.
Does not belong here: taking out what is there already (erasure).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from journey_analytics.disk import write_whole
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted
from journey_analytics.errors import Problem, SourceError

ANONYMOUS = "anonymous:"
"""Stands before an anonymous id where ids of both kinds are named together, as in customer_id."""

_FIELD = r",;|\t\n\r\"{}\[\]"
_WORD = rf"{_FIELD}\s<>()='"
BETWEEN_IDS = tuple(f"[{between}]" for between in (_FIELD, f"{_FIELD}:=", _WORD, f"{_WORD}:/&?"))
"""Where texts are cut to find ids in them: into fields, into words, and into the parts of each."""
AROUND_IDS = " '.:+-!?"
"""What may stand around an id and is no part of it."""

_IDS = "erased_ids"
_EVENTS = "erased_events"
_JOINED = "erased"
_EVENT_MARK = "chr(31)"
_SALT_BYTES = 16


@dataclass(frozen=True)
class Removed:
    """What an erasure took out.

    Attributes:
        events: rows of the event store, copies and replaced states included.
        quarantined: rows of the quarantine.
        mart_rows: rows of published marts, those of all kept snapshots together.
        snapshots: how many kept snapshots had some.
        reports: pages that were made anew or removed.
        texts: sentences of the record of runs, of manifests and of the status.
    """

    events: int = 0
    quarantined: int = 0
    mart_rows: int = 0
    snapshots: int = 0
    reports: int = 0
    texts: int = 0


@dataclass(frozen=True)
class Erasure:
    """One erasure, of one customer or of several.

    Attributes:
        name: names it in the proof, in manifests and for people.
        until_us: events that happened later are new, microseconds since 1970 UTC.
        reference: what the person who asked calls it, such as a ticket.
        customers: how many.
        salt: of the hashes, the same for all erasures of a store.
        ids: hashes of their ids.
        events: hashes of their events.
        days: days on which journeys of theirs began, as they were published.
        is_done: whether everything was taken out; if not, the next run goes on.
        reports: file names of pages that are still to be made anew.
    """

    name: str
    until_us: int
    reference: str
    customers: int
    salt: str
    ids: tuple[str, ...]
    events: tuple[str, ...]
    days: tuple[str, ...] = ()
    is_done: bool = False
    reports: tuple[str, ...] = ()
    removed: Removed = field(default_factory=Removed)

    def has_id(self, known: str) -> bool:
        """Whether this id (an anonymous one with `anonymous:` before it) was erased."""
        return _digest(self.salt, known) in self._ids

    def has_event(self, source: str, event_id: str) -> bool:
        """Whether this event was erased."""
        return _digest(self.salt, _event(source, event_id)) in self._events

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(self.ids)

    @cached_property
    def _events(self) -> frozenset[str]:
        return frozenset(self.events)


class Gone:
    """The condition by which rows of what was erased are told from others, as SQL.

    Args:
        engine: gets the tables that the condition reads.
        erasures: those to look for; without any, no row is gone.
    """

    def __init__(self, engine: DuckDBEngine, erasures: Sequence[Erasure]) -> None:
        self._salt = quoted(erasures[0].salt) if erasures else None
        if erasures:
            for table, kind in ((_IDS, "ids"), (_EVENTS, "events")):
                engine.load(table, _until(erasures, kind))

    def __bool__(self) -> bool:
        return self._salt is not None

    def joins(self, source: str) -> str:
        """What to join to rows of a source with event_id and the three ids; each row stays one."""
        ids = ("customer_ref", "alias_ref", f"{quoted(ANONYMOUS)} || anonymous_ref")
        # with a known id it is somebody's own, whoever else's event has the same key
        event = f"case when customer_ref is null then {quoted(source)} || {_EVENT_MARK} || event_id end"
        hashed = [(_IDS, value) for value in ids] + [(_EVENTS, event)]
        return "".join(
            f" left join {table} as {_JOINED}_{number} "
            f"on {_JOINED}_{number}.digest = sha256({self._salt} || {value})"
            for number, (table, value) in enumerate(hashed)
        )

    def is_gone(self, latest_us: int | None) -> str:
        """Whether a joined row with occurred_us is one of what was erased.

        Args:
            latest_us: the latest time that can be true; a row without a time, or with a later one, is taken
                for an old one. None: every row of theirs is old.
        """
        until = f"greatest({', '.join(f'{_JOINED}_{number}.until_us' for number in range(4))})"
        if latest_us is None:
            return f"({until} is not null)"
        is_new = f"occurred_us > {until} and occurred_us <= {latest_us}"
        return f"({until} is not null and not coalesce({is_new}, false))"

    def names_one(self, text: str) -> str:
        """Whether a text, as SQL, has an erased id as one of its fields, its words or their parts."""
        cut = " || ".join(
            f"regexp_split_to_array(coalesce({text}, ''), {quoted(between)})" for between in BETWEEN_IDS
        )
        trimmed = f"list_transform({cut}, lambda part: trim(part, {quoted(AROUND_IDS)}))"
        hashes = " || ".join(
            f"list_transform(parts, lambda part: sha256({self._salt} || {before} || part))"
            for before in ("''", quoted(ANONYMOUS))
        )
        found = f"(select {hashes} from (select list_distinct({trimmed}) as parts))"
        return f"list_has_any({found}, (select list(digest) from {_IDS}))"

    def has_id(self, known: str) -> str:
        """Whether an id, as SQL, an anonymous one with `anonymous:` before it, was erased."""
        return f"sha256({self._salt} || {known}) in (select digest from {_IDS})"

    def has_event(self, source: str, event_id: str) -> str:
        """Whether an event, its source and id as SQL, was erased."""
        event = f"{source} || {_EVENT_MARK} || {event_id}"
        return f"sha256({self._salt} || {event}) in (select digest from {_EVENTS})"


def read_erasures(store_folder: Path) -> list[Erasure]:
    """Every erasure of a store, the oldest first.

    Raises:
        SourceError: a file cannot be read; without it, who was erased could come in again.
    """
    found, problems = [], []
    for path in sorted(_folder(store_folder).glob("*.json")):
        try:
            found.append(_erasure(json.loads(path.read_text(encoding="utf-8"))))
        except (ValueError, KeyError, TypeError, OSError) as cause:
            problems.append(
                Problem(
                    f"an erasure cannot be read: {cause}",
                    str(path),
                    "get the file back from a backup: without it, who was erased would come in again",
                )
            )
    if len({erasure.salt for erasure in found}) > 1:
        what = "the erasures have different salts, so some are of another project"
        do = "leave only the files of this project: their `salt` is the same"
        problems.append(Problem(what, str(_folder(store_folder)), do))
    if problems:
        raise SourceError(problems)
    return sorted(found, key=lambda erasure: (erasure.until_us, erasure.name))


def write_erasure(store_folder: Path, erasure: Erasure) -> Path:
    """Write an erasure, on disk when this returns."""
    path = _folder(store_folder) / f"{erasure.name}.json"
    write_whole(path, json.dumps(asdict(erasure), indent=1) + "\n")
    return path


def new_erasure(
    erasures: Sequence[Erasure],
    *,
    day: str,
    until_us: int,
    reference: str,
    customers: int,
    ids: Collection[str],
    events: Collection[tuple[str, str]],
) -> Erasure:
    """An erasure that is still to be done.

    Args:
        erasures: those there are.
        day: on which it was asked for.
        until_us: see Erasure.
        reference: see Erasure.
        customers: how many.
        ids: their ids, an anonymous one with `anonymous:` before it.
        events: source and event_id of their events.
    """
    salt = erasures[0].salt if erasures else secrets.token_hex(_SALT_BYTES)
    return Erasure(
        name=f"{day}-{secrets.token_hex(4)}",
        until_us=until_us,
        reference=reference,
        customers=customers,
        salt=salt,
        ids=tuple(sorted(_digest(salt, known) for known in ids)),
        events=tuple(sorted(_digest(salt, _event(*event)) for event in events)),
    )


def _digest(salt: str, text: str) -> str:
    return hashlib.sha256(f"{salt}{text}".encode()).hexdigest()


def _event(source: str, event_id: str) -> str:
    return f"{source}\x1f{event_id}"


def _until(erasures: Sequence[Erasure], kind: str) -> pl.DataFrame:
    """Each hash once, and until when what it names is gone."""
    until: dict[str, int] = {}
    for erasure in erasures:
        for digest in getattr(erasure, kind):
            until[digest] = max(until.get(digest, erasure.until_us), erasure.until_us)
    columns = {"digest": list(until), "until_us": list(until.values())}
    return pl.DataFrame(columns, schema={"digest": pl.String, "until_us": pl.Int64})


def _folder(store_folder: Path) -> Path:
    return store_folder / "erasures"


def _erasure(entry: dict[str, Any]) -> Erasure:
    listed = {name: tuple(entry[name]) for name in ("ids", "events", "days", "reports")}
    return Erasure(**{**entry, **listed, "removed": Removed(**entry["removed"])})
