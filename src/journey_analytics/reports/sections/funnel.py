"""How far journeys came, counted in the three ways of the funnel."""

from __future__ import annotations

from journey_analytics.reports.findings import KIND, TOO_EARLY, Cell, Findings
from journey_analytics.reports.section import Column, Figure, Opening, Section, Table
from journey_analytics.reports.wording import Kind, count, percent, several

_KINDS = {
    "progressive": "A journey counts at a stage when it reached that stage or a later one, so a stage "
    "that was skipped counts too.",
    "touched": "A journey counts at a stage only when it has a touchpoint in it.",
    "closed": "A journey counts at a stage when it touched every required stage up to this one, in order, "
    "inside the conversion window.",
}
_COLUMNS = (
    Column("stage", "stage", Kind.TEXT),
    Column("reached", "reached"),
    Column("continued", "continued"),
    Column("dropped", "dropped"),
    Column("open", "open"),
    Column("rate", "drop-off", Kind.SHARE),
    Column("interval", "95 % interval", Kind.INTERVAL),
    Column("owner", "owner", Kind.TEXT),
)


def funnel(findings: Findings) -> Section:
    """The three funnels, the progressive one first."""
    return Section(
        "funnel",
        "How far journeys come",
        _finding(findings),
        figures=tuple(_figure(findings, kind) for kind in _KINDS if kind in findings.funnels),
        is_switched=True,
    )


def _finding(findings: Findings) -> str:
    cells = findings.funnels[KIND]
    first, last = cells[0], cells[-1]
    worst = findings.worst_stage
    text = f"Of {several(first.reached, 'journey')} {count(last.reached)} reached {last.stage}."
    if findings.is_too_early:
        return f"{text} {TOO_EARLY}"
    if worst is None or not worst.dropped:
        return f"{text} None ended on the way."
    return (
        f"{text} Most of those that ended did so in {worst.stage}: {count(worst.dropped)}, "
        f"{percent(worst.drop_off_rate)} of those decided there."
    )


def _figure(findings: Findings, kind: str) -> Figure:
    owners = findings.owners
    rows = [_row(cell, kind, owners.get(cell.stage)) for cell in findings.funnels[kind]]
    table = Table(f"Journeys at each stage, {kind} funnel", _COLUMNS, rows)
    return Figure(table, "stack", kind, _KINDS[kind])


def _row(cell: Cell, kind: str, owner: str | None) -> tuple[object, ...]:
    return (
        cell.stage,
        cell.reached,
        cell.continued,
        Opening(cell.dropped, cell, kind) if cell.dropped else cell.dropped,
        cell.open,
        cell.drop_off_rate,
        (cell.low, cell.high),
        owner.replace("_", " ") if owner else None,
    )
