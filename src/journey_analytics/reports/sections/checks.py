"""What the gates found in the run that made the snapshot."""

from __future__ import annotations

import polars as pl

from journey_analytics.engine.sql_text import quoted
from journey_analytics.marts import Snapshot
from journey_analytics.query import query
from journey_analytics.reports.section import Column, Figure, Section, Table
from journey_analytics.reports.wording import Kind, count, several

_GATES = ("raw", "staged", "marts")
_STATES = (
    Column("gate", "gate", Kind.TEXT),
    Column("checks", "checks"),
    Column("passed", "passed"),
    Column("warned", "warned"),
    Column("accepted", "accepted by hand"),
)
_WARNED = (
    Column("table", "table", Kind.TEXT),
    Column("check", "check that warned", Kind.TEXT),
    Column("rows", "rows"),
    Column("sample", "what was found", Kind.TEXT),
)


def checks(snapshot: Snapshot) -> Section:
    """The checks by gate, and those that warned."""
    found = query(
        snapshot,
        "select gate, table_name, check_name, rows_failed, sample, status from mart_quality_results "
        f"where run_id = {quoted(snapshot.run_id)} "
        "qualify begun_at = max(begun_at) over () order by gate, table_name, check_name",
    )
    warned = found.filter(~pl.col("status").is_in(("passed", "accepted")))
    by_gate = []
    for gate in _GATES:
        status = found.filter(pl.col("gate") == gate)["status"].to_list()
        passed, accepted = status.count("passed"), status.count("accepted")
        by_gate.append((gate, len(status), passed, len(status) - passed - accepted, accepted))
    figures = [Figure(Table("Checks by gate", _STATES, by_gate))] if found.height else []
    if warned.height:
        table = Table("Checks that warned", _WARNED, warned.drop("gate", "status").rows())
        figures.append(Figure(table))
    return Section(
        "quality",
        "Can the data be trusted",
        _finding(snapshot, found.height, warned.height),
        figures=tuple(figures),
        links={"Every check of the last run": "quality.html"},
    )


def _finding(snapshot: Snapshot, checked: int, warned: int) -> str:
    quarantined = snapshot.manifest["quarantined"]
    told = "No row is in quarantine." if not quarantined else f"{count(quarantined)} rows are in quarantine."
    if not checked:
        warnings = len(snapshot.manifest["warnings"])
        state = f"{several(warnings, 'check')} warned" if warnings else "No check warned"
        return f"{state} before these marts were published. {told}"
    if not warned:
        return f"All {count(checked)} checks passed before these marts were published. {told}"
    return f"{several(warned, 'check')} of {count(checked)} warned; the others passed. {told}"
