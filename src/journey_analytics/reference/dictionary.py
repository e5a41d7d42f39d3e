"""The data dictionary, and SQL views of a snapshot: what the marts hold, from their contracts.

Belongs here: the two documents that are published with every snapshot.
Does not belong here: where a snapshot lies (marts.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from journey_analytics.contracts import Column, Contract, Split, TableRule, contracts, files_of
from journey_analytics.engine.models import marts
from journey_analytics.engine.sql_text import quoted
from journey_analytics.record import RECORD_FOLDER, record_tables
from journey_analytics.reference.markdown import table

DATA_DICTIONARY = "data_dictionary.md"
VIEWS = "marts.sql"
DOCUMENTS = (DATA_DICTIONARY, VIEWS)

_ACTIONS = {
    "stop": "nothing is published",
    "quarantine": "the row is put aside",
    "report": "it is reported",
}
_ABOUT_VIEWS = """\
-- One view per mart of this snapshot, then one per table of the record of all runs, for DuckDB.
--
--     cd marts/snapshots/... && duckdb -init marts.sql
--
-- From another folder, say first where the snapshot lies:
--
--     set variable snapshot = 'shop/marts/snapshots/...';
"""


def document(name: str) -> str:
    """The text of one of DOCUMENTS, the same for the same contracts."""
    return {DATA_DICTIONARY: data_dictionary, VIEWS: views_sql}[name]()


def data_dictionary() -> str:
    """Every mart, then every table of the record of runs, as Markdown."""
    known = contracts()
    published = [known[name] for name in marts()]
    record = [known[name] for name in record_tables()]
    return "\n".join(
        [
            "# Data dictionary",
            "",
            "The marts, made anew by every run:",
            "",
            *_contents(published),
            "",
            "The record of runs, which grows with every run:",
            "",
            *_contents(record),
            *(line for contract in (*published, *record) for line in _section(contract)),
            "",
        ]
    )


def views_sql() -> str:
    """Statements that make a view of every mart and table of the record, run in a snapshot's folder.

    The record comes last: a snapshot that was copied away from it still has its marts.
    """
    known = contracts()
    return "\n".join([_ABOUT_VIEWS, *(_view(known[name]) for name in (*marts(), *record_tables()))])


def allowed(column: Column) -> str:
    """What a column's values may be, besides their type: `open, lost`, `0 to 1`, `1 or more`."""
    listed = ", ".join(column.values or ())
    low, high = ("" if limit is None else f"{limit:g}" for limit in (column.min, column.max))
    if low and high:
        limits = f"{low} to {high}"
    else:
        limits = f"{low} or more" if low else f"{high} or less" if high else ""
    return "; ".join(part for part in (listed, limits) if part)


def done_about(rule: TableRule) -> str:
    """What is done about a row that breaks a rule, in words."""
    return _ACTIONS[rule.action]


def _contents(found: Iterable[Contract]) -> list[str]:
    return [f"- [{contract.table}](#{contract.table}): {contract.description}" for contract in found]


def _section(contract: Contract) -> list[str]:
    columns = [
        [
            f"`{column.name}`",
            column.type,
            column.unit or "",
            "yes" if column.nullable else "",
            allowed(column),
            column.description,
        ]
        for column in contract.columns
    ]
    return [
        "",
        f"## {contract.table}",
        "",
        contract.description,
        "",
        f"Grain: {contract.grain}. Key: {', '.join(f'`{name}`' for name in contract.key)}.",
        *([_files(contract, contract.split)] if contract.split else []),
        "",
        *table(["column", "type", "unit", "may be null", "values", "meaning"], columns),
        *(_rules(contract.rules) if contract.rules else []),
    ]


def _files(contract: Contract, split: Split) -> str:
    order = ", ".join(f"`{name}`" for name in contract.sorted_by)
    return f"One file for each {split.unit} of `{split.column}`, its rows in the order of {order}."


def _rules(rules: Sequence[TableRule]) -> list[str]:
    rows = [[f"`{rule.rule}`", rule.description, f"`{rule.holds}`", done_about(rule)] for rule in rules]
    return ["", *table(["rule of every row", "promise", "SQL", "when broken"], rows)]


def _view(contract: Contract) -> str:
    mart = contract.table
    files = files_of(mart, is_split=contract.split is not None)
    if contract.record:
        files = f"../../{RECORD_FOLDER}/{mart}/*.parquet"
    place = f"coalesce(getvariable('snapshot') || '/', '') || {quoted(files)}"
    # files of earlier versions may have fewer columns
    by_name = ", union_by_name = true" if contract.record else ""
    told = f"{contract.description} Grain: {contract.grain}."
    return (
        f"create or replace view {mart} as\n"
        f"    select * from read_parquet({place}, hive_partitioning = false{by_name});\n"
        f"comment on view {mart} is {quoted(told)};\n"
    )
