"""Loads what came in: new files become typed events in the store, once; then `events` shows all in force.

Belongs here: how a group of new files becomes loads, and the counts that must add up.
Does not belong here: which files are new (batches.py), rows (formats.py), values (values.py), what is kept of
them (keep.py), the store's layout (store.py).

Tables made in the working database:

    events                    (view) every event of the loads in force, copies included
    quarantine_touchpoints    (view) their rows that could not be events: file, row, column, value, reason
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp

from journey_analytics.disk import sha256_of
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import ConfigError
from journey_analytics.local_days import DAY_US, to_moment
from journey_analytics.sources.batches import GROWING, Batch, came_back, groups_to_load, in_force
from journey_analytics.sources.files import InputFile
from journey_analytics.sources.formats import (
    ADDED_COLUMNS,
    FILE_COLUMN,
    ROW_COLUMN,
    Rejects,
    create_rows,
    rejects_sql,
    rows_in_place,
)
from journey_analytics.sources.keep import TYPED, RawRows, broken, keep, make_temp
from journey_analytics.sources.mapping import Source
from journey_analytics.sources.store import Load, LoadedFile, Store, holders_of_quarantine, segment_of
from journey_analytics.sources.traffic import traffic_of
from journey_analytics.sources.values import (
    column_types,
    expression_types,
    mapped_columns,
    typed_sql,
)

EVENTS = "events"
QUARANTINE = "quarantine_touchpoints"

_RAW, _TRAFFIC = "raw_rows", "traffic_rows"


@dataclass(frozen=True)
class SourceTotals:
    """What a source has in force: rows = events + quarantined + erased; the new ones came with this run."""

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

    @property
    def erased(self) -> int:
        """Rows of customers who were erased, whether they had come in before or not."""
        return self.rows - self.events - self.quarantined


def load_new(
    engine: DuckDBEngine, store: Store, found: Sequence[Batch], received_us: int, scratch: Path
) -> list[Load]:
    """Load the batches whose content the store does not hold yet, and count in anew what came back.

    Args:
        engine: the working database.
        store: gets the events and the bad rows; the ledger entries are for the caller to commit.
        found: the batches of any sources.
        received_us: when the load began, microseconds of UTC.
        scratch: a folder for what must be unpacked.

    Raises:
        ConfigError: an expression names a column that is not there, or gives no usable type.
        SourceError: a file breaks off while it is read.
    """
    new = [store.renew(load) for load in came_back(store, found)]
    for group in groups_to_load(store, found):
        for load in _load_together(engine, store, group, received_us, scratch / group[0].batch_id):
            store.add(load)
            new.append(load)
    return new


def _load_together(
    engine: DuckDBEngine, store: Store, group: Sequence[Batch], received_us: int, scratch: Path
) -> list[Load]:
    """Load batches of one source whose rows have one layout."""
    source = group[0].source
    raw = _read_raw(engine, group, scratch)
    _number_rows(engine, raw)
    rows_before = _rows_already_loaded(store, group[0]) if len(group) == 1 else 0
    if rows_before:
        engine.execute(f"delete from {raw.rows} where {ROW_COLUMN} <= {rows_before}")
    try:
        show_typed(engine, source, raw.rows, received_us)
    except ConfigError as fault:
        raise ConfigError([replace(p, where=f"{p.where}, {_told(group)}") for p in fault.problems]) from fault
    before = store.last_sequence(source.name)
    segment = segment_of([batch.batch_id for batch in group])
    columns = mapped_columns(source)
    loads = [
        Load(
            batch_id=batch.batch_id,
            segment=segment,
            source=source.name,
            sequence=before + number,
            mapping_sha256=batch.mapping_sha256,
            received_us=received_us,
            received_date=to_moment(received_us).date(),
            files=batch.files,
            columns=columns,
            rows_before=rows_before,
        )
        for number, batch in enumerate(group, start=1)
    ]
    loads = keep(engine, store, source, loads, raw)
    drop_typed(engine)
    if raw.rows == _RAW:
        engine.execute(f"drop table {_RAW}")
    shutil.rmtree(scratch, ignore_errors=True)
    return loads


def _told(group: Sequence[Batch]) -> str:
    """The files of batches that are read together, for a complaint."""
    names = [item.name for batch in group for item in batch.items]
    return f"file {names[0]}" + (f" and {len(names) - 1:,} like it" if len(names) > 1 else "")


def show_typed(engine: DuckDBEngine, source: Source, rows: str, received_us: int) -> None:
    """Make the view TYPED of a source's rows, for `drop_typed` to take away.

    Args:
        engine: the working database.
        source: by whose mapping they are typed.
        rows: SQL of the rows as delivered.
        received_us: when they came; an event a day later is taken for a fault.

    Raises:
        ConfigError: an expression names a column that is not there, or gives no usable type.
    """
    types = expression_types(engine, source, rows)
    names = column_types(engine, rows)
    traffic = traffic_of(source)
    if traffic.inputs:
        make_temp(engine, source, f"table {_TRAFFIC}", traffic.table_sql(rows), key="columns")
    typed = typed_sql(source, rows, names, types, traffic_table=_TRAFFIC, latest_us=received_us + DAY_US)
    make_temp(engine, source, f"view {TYPED}", typed, key="columns")


def drop_typed(engine: DuckDBEngine) -> None:
    """Drop what `show_typed` made."""
    engine.execute(f"drop view {TYPED}")
    engine.execute(f"drop table if exists {_TRAFFIC}")


def show_events(
    engine: DuckDBEngine, store: Store, sources: list[Source], new: list[Load]
) -> list[SourceTotals]:
    """Make the views `events` and `quarantine_touchpoints` of all loads in force, and total them."""
    counting = in_force(store, sources)
    engine.execute(f"create or replace view {EVENTS} as {store.events_sql(counting)}")
    engine.execute(f"create or replace view {QUARANTINE} as {store.quarantine_sql(counting)}")
    fresh = {load.batch_id for load in new}
    return [
        SourceTotals(
            source=source.name,
            loads=len(loads),
            new_loads=sum(load.batch_id in fresh for load in loads),
            new_rows=sum(load.rows for load in loads if load.batch_id in fresh),
            new_quarantined=sum(load.quarantined for load in loads if load.batch_id in fresh),
            rows=sum(load.rows for load in loads if load.releases is None),
            events=sum(load.events for load in loads),
            quarantined=sum(load.quarantined for load in holders_of_quarantine(loads)),
            times_ambiguous=sum(load.times_ambiguous for load in loads),
            times_shifted=sum(load.times_shifted for load in loads),
        )
        for source, loads in counting
    ]


def _read_raw(engine: DuckDBEngine, group: Sequence[Batch], scratch: Path) -> RawRows:
    """The rows as delivered: where they lie already, or in a table of their own."""
    source, mapping = group[0].source, group[0].source.mapping
    rejects: list[Rejects] = []
    tables: dict[str, str] = {}
    inputs = dict(group[0].inputs)
    for batch in group[1:]:
        # those of a query have several inputs, and are never read with others
        (name,) = inputs
        inputs[name] = inputs[name] + batch.items
    for name, files in inputs.items():
        tables[name] = _RAW if mapping.query is None else f"input_{name}"
        try:
            in_place = None if mapping.query else rows_in_place(engine, mapping, files, scratch)
            if in_place is not None:
                return RawRows(in_place)
            rejects += create_rows(engine, mapping, files, tables[name], scratch)
        except duckdb.Error as cause:
            raise broken(source, cause, "files") from cause
    if mapping.query is None:
        return RawRows(_RAW, tuple(rejects))
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
    make_temp(engine, source, f"table {_RAW}", select, key="query")
    for table_name in tables.values():
        engine.execute(f"drop table {table_name}")
    return RawRows(_RAW, tuple(rejects))


def _rows_already_loaded(store: Store, batch: Batch) -> int:
    """How many rows of a file that only grew are in the store, by the load of its shorter self."""
    items = batch.items
    mapping = batch.source.mapping
    if (
        len(items) != 1
        or mapping.format not in GROWING
        or mapping.mode != "append"
        or mapping.is_loaded_whole
    ):
        return 0
    item = items[0]
    for load in reversed(store.of(batch.source.name)):
        if load.mapping_sha256 != batch.mapping_sha256 or load.releases:
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


def _number_rows(engine: DuckDBEngine, raw: RawRows) -> None:
    """Count the records a scan could not split into the row numbers of those behind them."""
    unsplit = "\nunion all\n".join(
        f"select {FILE_COLUMN}, {ROW_COLUMN} from ({rejects_sql(r)})" for r in raw.rejects
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
