"""Where journeys stop: drop-off per stage and channel of first touch."""

from __future__ import annotations

from journey_analytics.reports.findings import KIND, MIN_DECIDED, TOO_EARLY, Cell, Findings
from journey_analytics.reports.section import Column, Figure, Opening, Section, Table
from journey_analytics.reports.wording import Kind, count, interval, several

_MOST_CHANNELS = 40
"""The channels after these, by journeys, are one row together."""


def channels(findings: Findings) -> Section:
    """A row per channel, a column per stage that journeys can drop off."""
    title = "Where: stage by channel"
    if findings.is_too_early:
        return Section("channels", title, TOO_EARLY)
    stages = [cell.stage for cell in findings.funnels[KIND][:-1]]
    shown, others = findings.channels[:_MOST_CHANNELS], findings.channels[_MOST_CHANNELS:]
    rows = [_row(findings, channel, stages) for channel in shown]
    if others:
        rows.append(_others(findings, others, stages))
    columns = (
        Column("channel", "channel of first touch", Kind.TEXT),
        Column("journeys", "journeys"),
        *(Column(f"stage{n}", stage, Kind.SHARE, is_heat=True) for n, stage in enumerate(stages)),
    )
    caption = (
        "Share that ended in the stage, of the journeys that began through the channel and are decided there"
    )
    return Section(
        "channels",
        title,
        _finding(findings),
        note=f"Worst means: the 95 % interval begins highest, among cells with at least {MIN_DECIDED} "
        "decided journeys. Open a cell for its journeys.",
        figures=(Figure(Table(caption, columns, rows), "heat"),) if stages else (),
    )


def _finding(findings: Findings) -> str:
    worst = findings.worst_cells()
    if not worst:
        return f"No stage of any channel has {MIN_DECIDED} decided journeys of which some ended."
    return " ".join(
        f"{'Then' if place else 'Worst'}: {cell.stage} through {cell.channel}, where {count(cell.dropped)} "
        f"of {count(cell.decided)} went no further ({interval(cell.low, cell.high)})."
        for place, cell in enumerate(worst)
    )


def _row(findings: Findings, channel: str, stages: list[str]) -> tuple[object, ...]:
    found = [findings.cell(stage, channel) for stage in stages]
    return (channel, findings.entered[channel], *(_opening(cell) for cell in found))


def _opening(cell: Cell | None) -> Opening | float | None:
    if cell is None or cell.drop_off_rate is None:
        return None
    return Opening(cell.drop_off_rate, cell, KIND) if cell.dropped else cell.drop_off_rate


def _others(findings: Findings, others: list[str], stages: list[str]) -> tuple[object, ...]:
    rates: list[float | None] = []
    for stage in stages:
        cells = [cell for cell in findings.cells if cell.stage == stage and cell.channel in others]
        decided = sum(cell.decided for cell in cells)
        rates.append(sum(cell.dropped for cell in cells) / decided if decided else None)
    entered = sum(findings.entered[channel] for channel in others)
    return (f"({several(len(others), 'other channel')})", entered, *rates)
