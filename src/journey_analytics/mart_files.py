"""The files of a new snapshot: written, or linked to where the snapshot before it holds the same.

Every file is in the order of its mart's key, so that equal rows give equal bytes. After a night that made
some customers anew, the files of days on which no row changed are taken over from the snapshot before it, as
hard links: a file that was published is never written to.

Belongs here: which files a mart has, writing one, linking one. Does not belong here: the snapshot as a whole
and the pointer (marts.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journey_analytics import failpoints
from journey_analytics.contracts import Contract, contracts
from journey_analytics.disk import sha256_of
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.models import marts
from journey_analytics.engine.sql_text import quoted, quoted_path
from journey_analytics.nights import of_changed, of_others, published_rows
from journey_analytics.work import CHANGED

if TYPE_CHECKING:
    from journey_analytics.marts import Snapshot

_ROW_GROUP = 122_880
File = dict[str, Any]
Part = tuple[str, str | None]
"""A file's path inside the snapshot, and a SELECT of its rows; None where no row changed."""


def write_marts(engine: DuckDBEngine, folder: Path, base: Snapshot | None) -> dict[str, dict[str, Any]]:
    """Write or link the files of every mart, and say what the manifest says of each.

    Args:
        engine: holds the mart tables; after a night, the rows of customers made anew are in `changed`.
        folder: of the new snapshot, empty.
        base: the snapshot that holds the rows of all other customers; None when all were made anew.

    Returns:
        By mart: rows, and its files with path, rows, bytes and sha256. What is new is still to be synced.
    """
    # how nulls are encoded must not depend on what the engine knows of the table that the rows come from
    engine.execute("set disabled_optimizers = 'statistics_propagation'")
    try:
        written = {}
        for name in marts():
            written[name] = _write_mart(engine, folder, contracts()[name], base)
            failpoints.reach("publish.mart_written")
        return written
    finally:
        engine.execute("reset disabled_optimizers")


def _write_mart(
    engine: DuckDBEngine, folder: Path, contract: Contract, base: Snapshot | None
) -> dict[str, Any]:
    known: dict[str, File] = {}
    if base is not None:
        known = {file["path"]: file for file in base.manifest["marts"][contract.table]["files"]}
    parts = (
        _parts_with_changes(engine, contract, base, known)
        if base is not None and contract.per_customer
        else _parts(engine, contract)
    )
    files = []
    for name, rows in parts:
        path, old = folder / name, base.folder / name if base is not None and name in known else None
        path.parent.mkdir(parents=True, exist_ok=True)
        if rows is None and old is not None:
            os.link(old, path)
            failpoints.reach("publish.file_linked")
            files.append(known[name])
        elif rows is not None:
            files.append({"path": name, **_write(engine, path, contract, rows, old)})
    return {"rows": sum(file["rows"] for file in files), "files": files}


def _write(engine: DuckDBEngine, path: Path, contract: Contract, rows: str, old: Path | None) -> File:
    """Write a file in the order of the mart's key; where an old one has the same bytes, link that."""
    order = ", ".join(f'"{name}"' for name in contract.key)
    about = ", ".join(f"{key}: {quoted(value)}" for key, value in _metadata(contract).items())
    copied = engine.rows(
        f"copy (select * from ({rows}) order by {order}) to {quoted(str(path))} (format parquet, "
        f"compression zstd, row_group_size {_ROW_GROUP}, kv_metadata {{{about}}})"
    )
    made = {"rows": int(copied[0]["Count"]), "bytes": path.stat().st_size, "sha256": sha256_of(path)}
    if old is not None and old.stat().st_size == made["bytes"] and sha256_of(old) == made["sha256"]:
        path.unlink()
        os.link(old, path)
    return made


def _parts(engine: DuckDBEngine, contract: Contract) -> Iterator[Part]:
    """Every file of a mart."""
    rows = f"select {_columns(contract)} from {contract.table}"
    if contract.day is None:
        yield f"{contract.table}.parquet", rows
        return
    for row in engine.rows(f"select distinct {contract.day} as day from {contract.table} order by day"):
        yield _day_file(contract, row["day"]), f"{rows} where {contract.day} = date '{row['day']}'"


def _parts_with_changes(
    engine: DuckDBEngine, contract: Contract, base: Snapshot, known: dict[str, File]
) -> Iterator[Part]:
    """Every file of a mart made per customer; a day's rows are those of the other customers and the new."""
    new = f"select {_columns(contract)} from {CHANGED}.{contract.table}"
    published = published_rows(base, contract)
    old = f"select {_columns(contract)} from {of_changed(published, contract)}" if published else new
    only_old, only_new = f"{old} except all {new}", f"{new} except all {old}"
    if published is None:
        only_old, only_new = f"{new} limit 0", new
    day = contract.day or "null"
    changed = engine.rows(
        f"select distinct {day} as day from (({only_old}) union all ({only_new})) order by day"
    )
    if contract.day is None:
        yield f"{contract.table}.parquet", f"select * from {contract.table}" if changed else None
        return
    conditions = {_day_file(contract, row["day"]): f"{day} = date '{row['day']}'" for row in changed}
    for name in sorted(known.keys() | conditions.keys()):
        if name not in conditions:
            yield name, None
            continue
        rows = f"{new} where {conditions[name]}"
        if name in known:
            others = f"read_parquet({quoted_path(base.folder / name)}, hive_partitioning = false)"
            rows += f" union all select {_columns(contract)} from {of_others(others, contract)}"
        if engine.rows(f"select 1 from ({rows}) limit 1"):
            yield name, rows


def _day_file(contract: Contract, day: Any) -> str:
    return f"{contract.table}/day={day}/part-0.parquet"


def _columns(contract: Contract) -> str:
    return ", ".join(f'cast("{c.name}" as {c.type}) as "{c.name}"' for c in contract.columns)


def _metadata(contract: Contract) -> dict[str, str]:
    """What a mart's files say of themselves; of each column as JSON what its type does not."""
    columns = {
        column.name: column.model_dump(
            include={"description", "unit", "nullable", "values", "min", "max"}, exclude_none=True
        )
        for column in contract.columns
    }
    return {
        "journey_table": contract.table,
        "journey_description": contract.description,
        "journey_grain": contract.grain,
        "journey_key": ", ".join(contract.key),
        "journey_columns": json.dumps(columns, ensure_ascii=False),
    }
