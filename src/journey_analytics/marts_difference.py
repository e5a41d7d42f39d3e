"""What differs between two snapshots: the rows of every mart, by its key, that are not the same.

Belongs here: comparing what is published. Does not belong here: finding snapshots (history.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from journey_analytics.contracts import contracts
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted_path
from journey_analytics.marts import Snapshot

_BEFORE, _AFTER = "before_rows", "after_rows"


@dataclass(frozen=True)
class MartDifference:
    """How one mart differs: rows that only the new snapshot has, or only the old one, and changed ones."""

    mart: str
    rows_before: int
    rows_after: int
    added: int = 0
    removed: int = 0
    changed: int = 0
    example: str | None = None
    """One row that is not the same: its key, and what changed from what to what."""


def difference(before: Snapshot, after: Snapshot) -> list[MartDifference]:
    """How every mart that both snapshots have differs, those alike too, by name.

    Files with the same content are not read.
    """
    with DuckDBEngine() as engine:
        return [
            _compare(engine, mart, before, after)
            for mart in sorted(before.marts.keys() & after.marts.keys() & contracts().keys())
        ]


def _compare(engine: DuckDBEngine, mart: str, before: Snapshot, after: Snapshot) -> MartDifference:
    counts = (before.marts[mart], after.marts[mart])
    files = {name: _files(snapshot, mart) for name, snapshot in ((_BEFORE, before), (_AFTER, after))}
    same = files[_BEFORE].items() & files[_AFTER].items()
    if len(same) == len(files[_BEFORE]) == len(files[_AFTER]):
        return MartDifference(mart, *counts)
    for name, snapshot in ((_BEFORE, before), (_AFTER, after)):
        other = [snapshot.folder / path for path, _ in sorted(files[name].items() - same)]
        # where one side has no file of its own, any file shows the columns
        shown = other or [snapshot.folder / next(iter(files[name]))]
        listed = ", ".join(quoted_path(path) for path in shown)
        where = "" if other else " where false"
        engine.create_view(name, f"select * from read_parquet([{listed}], hive_partitioning = false){where}")
    columns = [name for name in _columns(engine, _BEFORE) if name in _columns(engine, _AFTER)]
    key = contracts()[mart].key
    engine.create_table("differing", _differing(key, [name for name in columns if name not in key]))
    (found,) = engine.rows(
        "select count(*) filter (kind = 'added') as added, count(*) filter (kind = 'removed') as removed, "
        "count(*) filter (kind = 'changed') as changed from differing"
    )
    examples = engine.rows("select * from differing order by all limit 1")
    return MartDifference(mart, *counts, **found, example=_told(key, examples[0]) if examples else None)


def _files(snapshot: Snapshot, mart: str) -> dict[str, str]:
    """The mart's files by path, with the hash of their content."""
    return {file["path"]: file["sha256"] for file in snapshot.manifest["marts"][mart]["files"]}


def _columns(engine: DuckDBEngine, view: str) -> list[str]:
    return [row["column_name"] for row in engine.rows(f"describe {view}")]


def _differing(key: Sequence[str], others: Sequence[str]) -> str:
    """A SELECT of the rows that are not the same: the key, the kind, both values of every other column."""
    keys = ", ".join(f'coalesce({_AFTER}."{name}", {_BEFORE}."{name}") as "{name}"' for name in key)
    both = '{{before: cast({0}."{2}" as varchar), after: cast({1}."{2}" as varchar)}} as "{2}"'
    pairs = "".join(f", {both.format(_BEFORE, _AFTER, name)}" for name in others)
    matching = " and ".join(f'{_BEFORE}."{name}" = {_AFTER}."{name}"' for name in key)
    was, is_now = f'{_BEFORE}."{key[0]}" is not null', f'{_AFTER}."{key[0]}" is not null'
    changes = "".join(f' or {_BEFORE}."{name}" is distinct from {_AFTER}."{name}"' for name in others)
    kind = f"case when not ({was}) then 'added' when not ({is_now}) then 'removed' else 'changed' end"
    return (
        f"select {keys}, {kind} as kind{pairs} from {_BEFORE} full join {_AFTER} on {matching} "
        f"where not ({was}) or not ({is_now}){changes}"
    )


def _told(key: Sequence[str], row: dict[str, Any]) -> str:
    """A differing row in words."""
    named = ", ".join(f"{name} {row[name]}" for name in key)
    if row["kind"] != "changed":
        return f"{row['kind']}: {named}"
    changes = [
        f"{name} {value['before']} -> {value['after']}"
        for name, value in row.items()
        if name not in (*key, "kind") and value["before"] != value["after"]
    ]
    return f"{named}: {', '.join(changes)}"
