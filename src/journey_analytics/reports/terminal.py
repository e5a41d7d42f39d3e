"""The findings as tables on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from journey_analytics.reports.findings import CELL_COLUMNS, KIND, cell_row, headline
from journey_analytics.reports.wording import interval, length, percent

if TYPE_CHECKING:
    import polars as pl

    from journey_analytics.project import Project
    from journey_analytics.reports.findings import Cell, Findings
    from journey_analytics.sources.preview import Preview

_MOST = 12
_STAGE, _CELL = ("stage",), ("stage", "channel")


def print_summary(console: Console, project: Project, findings: Findings) -> None:
    """The funnel, the worst cells, where the marts lie and what to type next."""
    manifest = findings.snapshot.manifest
    console.print(f"\n[bold]{manifest['project']}[/bold], as of {manifest['as_of']}")
    console.print(headline(findings), highlight=False)
    console.print()
    console.print(_table(f"Stage funnel ({KIND})", findings.funnels[KIND], _STAGE))
    unseen = manifest["stages_not_observed"]
    if unseen:
        console.print(f"not in the funnel, no rule gives them: {', '.join(unseen)}", style="dim")
    worst = findings.worst_cells()
    if worst:
        console.print()
        console.print(_table("Worst cells, by channel of first touch", worst, _CELL))
    folder = project.folder
    console.print()
    for name, path in (
        ("marts", findings.snapshot.folder),
        ("report", project.reports_folder / "report.html"),
    ):
        console.print(f"{name:6}  {path}", highlight=False, soft_wrap=True)
    console.print("\nnext:")
    for command in (
        f"journey marts list -p {folder}",
        f"journey marts describe mart_stage_dropoff -p {folder}",
        f'journey query -p {folder} "select * from mart_journeys limit 5"',
    ):
        console.print(f"  {command}", highlight=False, soft_wrap=True)


def print_preview(console: Console, preview: Preview) -> None:
    """One source as its mapping reads it: counts, span, channels, quarantine, and its first events."""
    totals = preview.totals
    _print_totals(console, preview)
    if totals.times_ambiguous or totals.times_shifted:
        console.print(
            f"{totals.times_ambiguous:,} local times stand twice (taken as the later), "
            f"{totals.times_shifted:,} no clock showed (moved by the change)"
        )
    for title, counts in (("channels", preview.channels), ("events", preview.event_names)):
        told = ", ".join(f"{count['name']} {count['events']:,}" for count in counts[:_MOST])
        more = f" and {len(counts) - _MOST} more" if len(counts) > _MOST else ""
        console.print(f"{title}: {told}{more}", highlight=False, markup=False)
    gaps = {name: share for name, share in preview.null_shares.items() if 0 < share < 1}
    if gaps:
        told = ", ".join(f"{name} {percent(share)}" for name, share in gaps.items())
        console.print(f"missing in part: {told}", highlight=False)
    _print_quarantine(console, preview)
    shown = (
        [name for name in preview.rows[0] if any(row[name] is not None for row in preview.rows)]
        if (preview.rows)
        else []
    )
    table = Table(*shown, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for row in preview.rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in shown))
    console.print(table)


def print_trial(console: Console, preview: Preview) -> None:
    """What a draft makes of its files: counts, span, and what would go to quarantine."""
    _print_totals(console, preview)
    _print_quarantine(console, preview)


def _print_totals(console: Console, preview: Preview) -> None:
    totals = preview.totals
    console.print(
        f"[bold]{totals.source}[/bold]: {totals.rows:,} rows = {totals.events:,} events "
        f"({preview.duplicates:,} of them copies) + {totals.quarantined:,} in quarantine"
    )
    if preview.corrections:
        console.print(
            f"{preview.corrections:,} of the event ids came with several contents: a run keeps the first; "
            "for corrections see mode in the mapping"
        )
    console.print(f"from {preview.first or '–'} to {preview.last or '–'}", highlight=False)


def _print_quarantine(console: Console, preview: Preview) -> None:
    for fault in preview.quarantine:
        console.print(
            f"quarantine: {fault['rows']:,} x {fault['reason']} ({fault['column_name'] or 'row'}), first in "
            f"{fault['file']} row {fault['row_number']}: {fault['value']!r}",
            highlight=False,
            markup=False,
        )


def print_funnel(console: Console, table: pl.DataFrame, by: str | None) -> None:
    """The steps of an ad-hoc funnel, for each group when it is broken down."""
    names = ("step", "reached", "dropped", "of entered", "of step before", "95 % CI", "p50", "p90")
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    if by is not None:
        shown.add_column(by, overflow="fold")
    for name in names:
        is_number = name != "step"
        shown.add_column(name, justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")
    for row in table.to_dicts():
        shown.add_row(
            *([row["group"]] if by is not None else []),
            row["step"],
            f"{row['reached']:,}",
            f"{row['dropped']:,}",
            percent(row["conversion_rate"]),
            percent(row["step_conversion_rate"]),
            interval(*(row[f"step_conversion_rate_{bound}"] for bound in ("low", "high"))),
            *(length(row[f"p{share}_seconds_from_previous"]) for share in (50, 90)),
        )
    console.print(shown)


def _table(title: str, cells: list[Cell], names: tuple[str, ...]) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False
    )
    for name in names:
        table.add_column(name, overflow="fold")
    for name in CELL_COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for cell in cells:
        table.add_row(*cell_row(cell, names))
    return table
