"""The findings as text: tables on a terminal, Markdown for the flow's artifact."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from journey_analytics.project import Project
from journey_analytics.reports.findings import KIND, Cell, Findings, headline, percent

_COLUMNS = ("reached", "continued", "dropped", "open", "drop-off", "95 % interval")


def print_summary(console: Console, project: Project, findings: Findings) -> None:
    """The funnel, the worst cells, where the marts lie and what to type next."""
    manifest = findings.snapshot.manifest
    console.print(f"\n[bold]{manifest['project']}[/bold], as of {manifest['as_of']}")
    console.print(headline(findings), "\n")
    console.print(_table(f"Stage funnel ({KIND})", findings.funnels[KIND], "stage"))
    unseen = manifest["stages_not_observed"]
    if unseen:
        console.print(f"not in the funnel, no rule gives them: {', '.join(unseen)}", style="dim")
    worst = findings.worst_cells()
    if worst:
        console.print()
        console.print(_table("Worst stage x channel of first touch", worst, "cell"))
    folder = project.folder
    console.print(f"\nmarts   {findings.snapshot.folder}")
    console.print(f"report  {project.reports_folder / 'report.html'}")
    console.print("\nnext:")
    for command in (
        f"journey marts list -p {folder}",
        f"journey marts describe mart_stage_dropoff -p {folder}",
        f'journey query -p {folder} "select * from mart_journeys limit 5"',
    ):
        console.print(f"  {command}", highlight=False, soft_wrap=True)


def markdown_summary(findings: Findings) -> str:
    """The funnel and the worst cells as Markdown."""
    parts = [headline(findings), _markdown_table("stage", findings.funnels[KIND])]
    worst = findings.worst_cells()
    if worst:
        parts += ["Worst stage x channel of first touch:", _markdown_table("cell", worst)]
    return "\n\n".join(parts) + "\n"


def _row(cell: Cell, first: str) -> list[str]:
    name = cell.stage if first == "stage" else f"{cell.stage} x {cell.channel}"
    interval = "–" if cell.low is None else f"{percent(cell.low)} to {percent(cell.high)}"
    return [
        name,
        f"{cell.reached:,}",
        f"{cell.continued:,}",
        f"{cell.dropped:,}",
        f"{cell.open:,}",
        percent(cell.drop_off_rate),
        interval,
    ]


def _table(title: str, cells: list[Cell], first: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    for cell in cells:
        table.add_row(*_row(cell, first))
    return table


def _markdown_table(first: str, cells: list[Cell]) -> str:
    lines = [
        "| " + " | ".join((first, *_COLUMNS)) + " |",
        "| --- |" + " ---: |" * len(_COLUMNS),
    ]
    lines += ["| " + " | ".join(_row(cell, first)).replace("\n", " ") + " |" for cell in cells]
    return "\n".join(lines)
