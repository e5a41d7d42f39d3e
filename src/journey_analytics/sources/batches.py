"""What there is to load: a source's files as batches, and which of them are read in one go.

A statement over a source's rows takes longer to plan than a small file takes to read, so a night's files, or
a year's, are read together when they are alike.

Belongs here: cutting files into batches and joining batches into groups.
Does not belong here: reading them (load.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import pyarrow.parquet as pq

from journey_analytics.disk import sha256_of
from journey_analytics.errors import Problem, SourceError
from journey_analytics.sources.files import InputFile, csv_header, find_files
from journey_analytics.sources.mapping import Source
from journey_analytics.sources.store import Load, LoadedFile, Store
from journey_analytics.sources.values import EVENT_TYPES, row_rules

GROWING = ("csv", "jsonl", "access_log")
"""Formats of files to which lines may be added; of those only the new lines are loaded."""
_MAX_GROUP_BYTES = 64 << 20
_MAX_GROUP_FILES = 1_000
_READ_ALONE = (".zip",)

Inputs = dict[str, list[InputFile]]
InForce = Sequence[tuple[Source, list[Load]]]


@dataclass(frozen=True)
class Batch:
    """Files of a source that are one load, and the id of that load."""

    source: Source
    inputs: Inputs
    mapping_sha256: str

    @cached_property
    def batch_id(self) -> str:
        """Made from the content of the files and the mapping, and from nothing else."""
        digest = hashlib.sha256(f"{self.source.name}\n{self.mapping_sha256}\n".encode())
        for name in sorted(self.inputs):
            for item in sorted(self.inputs[name], key=lambda item: item.sha256):
                digest.update(f"{name}:{item.sha256}\n".encode())
        return digest.hexdigest()[:32]

    @property
    def items(self) -> list[InputFile]:
        """All its files."""
        return [item for items in self.inputs.values() for item in items]

    @property
    def files(self) -> tuple[LoadedFile, ...]:
        """The files as the ledger names them."""
        return tuple(
            LoadedFile(name, item.name, item.bytes, item.sha256)
            for name, items in self.inputs.items()
            for item in items
        )


def batches(source: Source, inputs: Inputs) -> list[Batch]:
    """A source's files as loads: one for each, or one for all when a query reads them together."""
    digest = mapping_sha256(source)
    if source.mapping.is_loaded_whole:
        return [Batch(source, inputs, digest)]
    return [Batch(source, {name: [item]}, digest) for name, items in inputs.items() for item in items]


def find_batches(folder: Path, sources: Sequence[Source], store: Store) -> list[Batch]:
    """The files of the sources in a project's folder, as loads; a source may have none tonight.

    Raises:
        SourceError: a file is empty, cut short or damaged; a pattern has never found one, and its folder
            waits for none; or there is no file at all, and nothing in the store. All of them
            together.
    """
    is_first = not any(store.of(source.name) for source in sources)
    found, problems = _find_all(folder, sources, store)
    if is_first and not problems and not any(inputs for _, inputs in found):
        found, problems = _find_all(folder, sources, None)
    if problems:
        raise SourceError(problems)
    return [batch for source, inputs in found if inputs for batch in batches(source, inputs)]


def _find_all(
    folder: Path, sources: Sequence[Source], store: Store | None
) -> tuple[list[tuple[Source, Inputs]], list[Problem]]:
    """The files of each source, and what is wrong with them; without a store every pattern must find some."""
    found: list[tuple[Source, Inputs]] = []
    problems: list[Problem] = []
    for source in sources:
        names = None if store is None else {f.name for load in store.of(source.name) for f in load.files}
        try:
            found.append((source, find_files(folder, source, delivered=names)))
        except SourceError as fault:
            problems.extend(fault.problems)
    return found, problems


def must_be_unchanged(loaded: Iterable[Batch]) -> None:
    """Make sure that files are what they were before they were read.

    Raises:
        SourceError: some are not; a load of them would be half of one thing and half of another.
    """
    problems = [
        Problem(
            "the file changed while it was read",
            str(item.path),
            "nothing of it was kept; run again when it is complete, and let deliveries end in a rename",
        )
        for batch in loaded
        for item in batch.items
        if not item.path.is_file() or sha256_of(item.path) != item.sha256
    ]
    if problems:
        raise SourceError(problems)


def mapping_sha256(source: Source) -> str:
    """One hash over everything in a mapping that decides the events, and over our own types and rules."""
    parts = (
        source.mapping.decides_events,
        source.channels,
        EVENT_TYPES,
        row_rules(source),
    )
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def in_force(store: Store, sources: Sequence[Source]) -> InForce:
    """The loads that count, of every source under its mapping of today."""
    return [(source, store.in_force(source, mapping_sha256(source))) for source in sources]


def came_back(store: Store, found: Sequence[Batch]) -> list[Load]:
    """The loads of batches that were replaced since, and are now what is delivered again.

    A source that is loaded whole had another state in between; in `mode: replace_day` a file had another
    content, which is gone from the files found. In `mode: append` nothing is ever replaced.
    """
    delivered = {batch.batch_id for batch in found}
    known: dict[str, Load] = {}
    last_of_source: dict[str, Load] = {}
    last_of_name: dict[tuple[str, str], Load] = {}
    for load in store.loads:
        if load.releases is None:
            known[load.batch_id] = last_of_source[load.source] = load
            last_of_name |= {(load.source, file.name): load for file in load.files}

    def is_replaced(batch: Batch, load: Load) -> bool:
        if batch.source.mapping.is_loaded_whole:
            return load != last_of_source[load.source]
        if batch.source.mapping.mode != "replace_day":
            return False
        (item,) = batch.items
        return (
            any(file.name == item.name for file in load.files)
            and last_of_name[load.source, item.name].batch_id not in delivered
        )

    return [
        known[batch.batch_id]
        for batch in found
        if batch.batch_id in known and is_replaced(batch, known[batch.batch_id])
    ]


def groups_to_load(store: Store, found: Iterable[Batch]) -> Iterator[list[Batch]]:
    """The batches that the store does not hold, each once, in groups that are read in one go.

    The batches of a group follow one another, are of one source and have rows of one layout. Their files have
    different names, so that a row's file tells its batch.
    """
    new: dict[str, Batch] = {}
    known = {load.batch_id for load in store.loads}
    for batch in found:
        if batch.batch_id not in known:
            new.setdefault(batch.batch_id, batch)
    alike = groupby(new.values(), key=lambda batch: (batch.source.name, *_layout(store, batch)))
    for _, run in alike:
        group: list[Batch] = []
        names: set[str] = set()
        bytes_in_group = 0
        for batch in run:
            name, size = batch.items[0].name, sum(item.bytes for item in batch.items)
            is_full = bytes_in_group + size > _MAX_GROUP_BYTES or len(group) == _MAX_GROUP_FILES
            if group and (is_full or name in names):
                yield group
                group, names, bytes_in_group = [], set(), 0
            group.append(batch)
            names.add(name)
            bytes_in_group += size
        if group:
            yield group


def _layout(store: Store, batch: Batch) -> tuple[object, ...]:
    """What batches that are read together have in common; a batch that is read alone shares it with none."""
    mapping = batch.source.mapping
    alone = ("alone", batch.batch_id)
    if mapping.is_loaded_whole or mapping.format == "xes":
        return alone
    (item,) = batch.items
    if item.path.suffix in _READ_ALONE:
        return alone
    if mapping.format == "parquet":
        return (str(pq.read_schema(item.path).remove_metadata()),)
    known = {file.name for load in store.of(batch.source.name) for file in load.files}
    if mapping.format in GROWING and item.name in known:
        return alone
    return tuple(csv_header(item.path, mapping)) if mapping.has_header else ()
