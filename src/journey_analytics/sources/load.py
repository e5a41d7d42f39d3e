"""Loads what came in: new files become typed events in the store, once; then `events` shows all in force.

Belongs here: what is new, one load after the other, and the counts that must add up.
Does not belong here: rows (formats.py), values (values.py), the store's layout (store.py).

Tables made in the working database:

    events                    (view) every event of the loads in force, copies included
    quarantine_touchpoints    (view) their rows that could not be events: file, row, column, value, reason
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import sqlglot
from sqlglot import exp

from journey_analytics.disk import sha256_of
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted
from journey_analytics.errors import ConfigError, Problem, SourceError
from journey_analytics.local_days import to_moment, utc_offsets
from journey_analytics.sources.files import InputFile
from journey_analytics.sources.formats import (
    ADDED_COLUMNS,
    FILE_COLUMN,
    ROW_COLUMN,
    Rejects,
    create_rows,
    rejects_sql,
)
from journey_analytics.sources.mapping import Source
from journey_analytics.sources.store import Load, LoadedFile, Store
from journey_analytics.sources.values import (
    EVENT_TYPES,
    QUARANTINE_TYPES,
    column_names,
    expression_types,
    first_line,
    typed_sql,
)

EVENTS = "events"
QUARANTINE = "quarantine_touchpoints"

_DAY_US = 86_400_000_000
_GROWING = ("csv", "jsonl", "access_log")
_RAW, _TYPED = "raw_rows", "typed_rows"
Inputs = dict[str, list[InputFile]]


@dataclass(frozen=True)
class SourceTotals:
    """What a source has in force: rows = events + quarantined; the new ones came with this run."""

    source: str
    loads: int
    new_loads: int
    new_rows: int
    new_quarantined: int
    rows: int
    events: int
    quarantined: int
    times_ambiguous: int
    times_shifted: int


@dataclass(frozen=True)
class Batch:
    """Files of a source that are loaded together, and the id of that load."""

    source: Source
    inputs: Inputs
    mapping_sha256: str

    @property
    def batch_id(self) -> str:
        """Made from the content of the files and the mapping, and from nothing else."""
        digest = hashlib.sha256(f"{self.source.name}\n{self.mapping_sha256}\n".encode())
        for name in sorted(self.inputs):
            for item in sorted(self.inputs[name], key=lambda item: item.sha256):
                digest.update(f"{name}:{item.sha256}\n".encode())
        return digest.hexdigest()[:32]

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


def mapping_sha256(source: Source) -> str:
    """One hash over everything in a mapping that decides the events, and over the code's own types."""
    text = source.mapping.model_dump_json(exclude={"files"}) + repr(source.channels) + str(EVENT_TYPES)
    return hashlib.sha256(text.encode()).hexdigest()


def load_new(
    engine: DuckDBEngine, store: Store, batch: Batch, received_us: int, scratch: Path
) -> Load | None:
    """Load a batch into the store, or nothing when its content is there already.

    Args:
        engine: the working database.
        store: gets the events and the bad rows; its ledger entry is for the caller to commit.
        batch: the files.
        received_us: when the load began, microseconds of UTC.
        scratch: a folder for what must be unpacked.

    Raises:
        ConfigError: an expression names a column that is not there, or gives no usable type.
        SourceError: a file breaks off while it is read.
    """
    if store.find(batch.batch_id) is not None:
        return None
    source = batch.source
    rejects = _create_raw(engine, batch, scratch)
    _number_rows(engine, rejects)
    rows_before = _rows_already_loaded(store, batch)
    if rows_before:
        engine.execute(f"delete from {_RAW} where {ROW_COLUMN} <= {rows_before}")
    types = expression_types(engine, source, _RAW)
    names = column_names(engine, _RAW)
    select = typed_sql(source, _RAW, names, types, received_us + _DAY_US)
    _run(engine, source, f"create or replace temp table {_TYPED} as {select}", key="columns")
    load = _keep(engine, store, batch, rejects, received_us=received_us, rows_before=rows_before)
    engine.execute(f"drop table {_TYPED}")
    engine.execute(f"drop table {_RAW}")
    shutil.rmtree(scratch, ignore_errors=True)
    store.add(load)
    return load


def show_events(
    engine: DuckDBEngine, store: Store, sources: list[Source], new: list[Load]
) -> list[SourceTotals]:
    """Make the views `events` and `quarantine_touchpoints` of all loads in force, and total them."""
    in_force = [(source, store.in_force(source, mapping_sha256(source))) for source in sources]
    engine.execute(f"create or replace view {EVENTS} as {store.events_sql(in_force)}")
    engine.execute(f"create or replace view {QUARANTINE} as {store.quarantine_sql(in_force)}")
    fresh = {load.batch_id for load in new}
    return [
        SourceTotals(
            source=source.name,
            loads=len(loads),
            new_loads=sum(load.batch_id in fresh for load in loads),
            new_rows=sum(load.rows for load in loads if load.batch_id in fresh),
            new_quarantined=sum(load.quarantined for load in loads if load.batch_id in fresh),
            rows=sum(load.rows for load in loads),
            events=sum(load.events for load in loads),
            quarantined=sum(load.quarantined for load in loads),
            times_ambiguous=sum(load.times_ambiguous for load in loads),
            times_shifted=sum(load.times_shifted for load in loads),
        )
        for source, loads in in_force
    ]


def _create_raw(engine: DuckDBEngine, batch: Batch, scratch: Path) -> list[Rejects]:
    """Make the table of the rows as delivered; what was no row is left in the rejects."""
    source, mapping = batch.source, batch.source.mapping
    rejects: list[Rejects] = []
    tables: dict[str, str] = {}
    for name, files in batch.inputs.items():
        tables[name] = _RAW if mapping.query is None else f"input_{name}"
        try:
            rejects += create_rows(engine, mapping, files, tables[name], scratch)
        except duckdb.Error as cause:
            raise _broken(source, cause, "files") from cause
    if mapping.query is None:
        return rejects
    tree = sqlglot.parse_one(mapping.query, read="duckdb")
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in list(tree.find_all(exp.Table)):
        if table.name in tables and table.name not in own:
            inner = exp.to_table(tables[table.name])
            table.replace(exp.alias_(inner, table.alias or table.name, table=True))
    added = ", ".join(
        f"cast(null as {'bigint' if c == ROW_COLUMN else 'varchar'}) as {c}" for c in ADDED_COLUMNS
    )
    select = f"select *, {added} from ({tree.sql('duckdb')})"
    _run(engine, source, f"create or replace temp table {_RAW} as {select}", key="query")
    for table_name in tables.values():
        engine.execute(f"drop table {table_name}")
    return rejects


def _rows_already_loaded(store: Store, batch: Batch) -> int:
    """How many rows of a file that only grew are in the store, by the load of its shorter self."""
    items = [item for items in batch.inputs.values() for item in items]
    mapping = batch.source.mapping
    if (
        len(items) != 1
        or mapping.format not in _GROWING
        or mapping.mode != "append"
        or mapping.is_loaded_whole
    ):
        return 0
    item = items[0]
    for load in reversed(store.of(batch.source.name)):
        if load.mapping_sha256 != batch.mapping_sha256:
            continue
        (known,) = load.files
        if known.name == item.name and known.bytes < item.bytes and _has_grown(item, known):
            return load.rows_before + load.rows
    return 0


def _has_grown(item: InputFile, known: LoadedFile) -> bool:
    """Whether the file is the known one with whole lines added."""
    if item.path.suffix in (".gz", ".zst", ".zip"):
        return False
    if sha256_of(item.path, known.bytes) != known.sha256:
        return False
    with item.path.open("rb") as file:
        file.seek(known.bytes - 1)
        return file.read(1) == b"\n"


def _keep(
    engine: DuckDBEngine,
    store: Store,
    batch: Batch,
    rejects: list[Rejects],
    *,
    received_us: int,
    rows_before: int,
) -> Load:
    """Write the typed rows to the store, the good ones as events and the others as quarantine."""
    mapping, source = batch.source.mapping, batch.source.name
    load = Load(
        batch_id=batch.batch_id,
        source=source,
        sequence=max((load.sequence for load in store.of(source)), default=0) + 1,
        mapping_sha256=batch.mapping_sha256,
        received_us=received_us,
        received_date=to_moment(received_us).date(),
        files=batch.files,
        rows_before=rows_before,
    )
    known = {"source": quoted(source), "received_us": str(received_us), "batch_id": quoted(load.batch_id)}
    columns = ", ".join(f"cast({known.get(c, c)} as {kind}) as {c}" for c, kind in EVENT_TYPES.items())
    # only a source whose days are replaced needs to know them
    day = "cast(null as date)"
    if mapping.mode == "replace_day":
        day = f"cast(timezone('{mapping.timezone}', make_timestamptz(occurred_us)) as date)"
    good = f"select {columns}, {day} as local_day from {_TYPED} where reason is null"
    _copy(engine, good, store.events_path(load))
    _copy(engine, _quarantine_sql(load, rejects), store.quarantine_path(load))
    events = f"read_parquet({quoted(str(store.events_path(load)))}, hive_partitioning = false)"
    aside = f"read_parquet({quoted(str(store.quarantine_path(load)))})"
    counted = int(engine.rows(f"select count(*) as n from {events}")[0]["n"])
    quarantined = int(engine.rows(f"select count(*) as n from {aside}")[0]["n"])
    days = engine.rows(
        f"select distinct local_day as day from {events} where local_day is not null order by day"
    )
    ambiguous, shifted = _clock_changes(engine, ZoneInfo(mapping.timezone))
    return replace(
        load,
        rows=counted + quarantined,
        events=counted,
        quarantined=quarantined,
        times_ambiguous=ambiguous,
        times_shifted=shifted,
        days=tuple(row["day"] for row in days),
    )


def _clock_changes(engine: DuckDBEngine, zone: ZoneInfo) -> tuple[int, int]:
    """How many local times stand twice on the source's clocks (taken as the later), and how many never."""
    span = engine.rows(
        f"select min(local_us) as first, max(local_us) as last from {_TYPED} where reason is null"
    )[0]
    if span["first"] is None:
        return 0, 0
    offsets = utc_offsets(zone, span["first"], span["last"]).rows()
    counts = {True: 0, False: 0}
    for (_, change_us, before), (_, _, after) in pairwise(offsets):
        low, high = sorted((change_us + before, change_us + after))
        found = engine.rows(
            f"select count(*) as n from {_TYPED} where reason is null "
            f"and local_us >= {low} and local_us < {high}"
        )
        counts[after < before] += int(found[0]["n"])
    return counts[True], counts[False]


def _number_rows(engine: DuckDBEngine, rejects: list[Rejects]) -> None:
    """Count the records a scan could not split into the row numbers of those behind them."""
    unsplit = "\nunion all\n".join(
        f"select {FILE_COLUMN}, {ROW_COLUMN} from ({rejects_sql(r)})" for r in rejects
    )
    if not unsplit or not engine.rows(f"select 1 from ({unsplit}) limit 1"):
        return
    engine.execute(
        f"create or replace temp table {_RAW} as "
        f"with skipped as ("
        f"select {FILE_COLUMN}, {ROW_COLUMN} - number as rows_before, max(number) as number from ("
        f"select *, row_number() over (partition by {FILE_COLUMN} order by {ROW_COLUMN}) as number "
        f"from ({unsplit})) group by {FILE_COLUMN}, {ROW_COLUMN} - number) "
        f"select {_RAW}.* replace ({_RAW}.{ROW_COLUMN} + coalesce(skipped.number, 0) as {ROW_COLUMN}) "
        f"from {_RAW} asof left join skipped on {_RAW}.{FILE_COLUMN} = skipped.{FILE_COLUMN} "
        f"and {_RAW}.{ROW_COLUMN} > skipped.rows_before"
    )


def _quarantine_sql(load: Load, rejects: list[Rejects]) -> str:
    """Every bad row of the load: those no row could be made of, and those that could not be typed."""
    parts = [
        f"select * from ({rejects_sql(reject)}) where {ROW_COLUMN} > {load.rows_before}" for reject in rejects
    ]
    parts.append(
        f"select {FILE_COLUMN}, {ROW_COLUMN}, column_name, left(value, 1000) as value, reason "
        f"from {_TYPED} where reason is not null"
    )
    known = {
        "source": quoted(load.source),
        "file": FILE_COLUMN,
        "row_number": ROW_COLUMN,
        "received_us": str(load.received_us),
        "batch_id": quoted(load.batch_id),
    }
    columns = ", ".join(f"cast({known.get(c, c)} as {kind}) as {c}" for c, kind in QUARANTINE_TYPES.items())
    united = "\nunion all\n".join(parts)
    return f"select {columns} from ({united}) order by file, row_number, reason"


def _copy(engine: DuckDBEngine, select: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    engine.execute(f"copy ({select}) to {quoted(str(path))} (format parquet, compression zstd)")


def _run(engine: DuckDBEngine, source: Source, sql: str, key: str) -> None:
    """Run a statement over the rows; what breaks is the mapping's fault or the data's."""
    try:
        engine.execute(sql)
    except duckdb.Error as cause:
        raise _broken(source, cause, key) from cause


def _broken(source: Source, cause: duckdb.Error, key: str) -> ConfigError | SourceError:
    if isinstance(cause, duckdb.BinderException | duckdb.CatalogException | duckdb.ParserException):
        what = f"the SQL of source {source.name!r} does not fit its files: {first_line(cause)}"
        return ConfigError(source.problem(what, (key,), "correct the names in the mapping"))
    return SourceError(
        Problem(
            f"source {source.name!r} breaks off while it is read: {first_line(cause)}",
            str(source.file.place((key,), value=True)),
            "get the file again, or use try_cast where a value may not fit; the marts were not touched",
        )
    )
