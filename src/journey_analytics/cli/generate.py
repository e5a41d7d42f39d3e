"""The command that makes up a shop: generate."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.table import Column, Table

from journey_analytics.cli.terminal import AsJson, examples, messages, output, print_json
from journey_analytics.errors import EXIT_DONE

app = App()


@app.command(
    help_epilogue=examples(
        "journey generate shop --events 100000 --customers 5000",
        "journey generate year --events 10000000 --customers 500000 --days 365 --seed 7 --format parquet",
        "journey generate trouble --days 120 --incidents incidents.yaml",
    )
)
def generate(
    folder: Annotated[Path, Parameter(help="Folder of the new project.")],
    *,
    events: Annotated[
        int, Parameter(help="Different events: late ones and those of bots are in it, copies are not.")
    ] = 100_000,
    customers: Annotated[int, Parameter(help="People; bots come on top.")] = 5_000,
    days: Annotated[int, Parameter(help="Days from --start on.")] = 180,
    seed: Annotated[int, Parameter(help="Another seed gives another shop, the same one the same bytes.")] = 1,
    start: Annotated[date, Parameter(help="First day.")] = date(2025, 1, 1),
    format_: Annotated[str, Parameter(name="--format", help="Of the files: csv, parquet or jsonl.")] = "csv",
    incidents: Annotated[
        Path | None, Parameter(help="YAML file of what goes wrong in the shop for some days.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Make up a shop: raw files as its systems write them, a project, and the truth beside it.

    The files of a day hold what arrived on it: web, orders, email, support, survey and referral. Bots,
    copies, late events, shared devices and changing ids are planted; truth.json says how many.
    """
    from journey_analytics.generator.shop import Arguments
    from journey_analytics.generator.shop import generate as make_up

    arguments = Arguments(events, customers, days, seed, start, format_)
    begun = perf_counter()
    with messages.status("making up a shop") as status:
        truth = make_up(
            arguments, folder, lambda what, rows: status.update(f"{what}: {rows:,} rows"), incidents
        )
    seconds = perf_counter() - begun
    messages.print(f"{truth['rows']:,} rows in {folder} ({seconds:.1f} s)", highlight=False, soft_wrap=True)
    last = start + timedelta(days=days - 1)
    if last >= datetime.now(UTC).date():
        messages.print(f"warning: the last day is {last}: a run sets events aside that are still to come")
    if as_json:
        print_json(truth)
    else:
        _print_accounts(truth, folder)
    return EXIT_DONE


def _print_accounts(truth: dict[str, Any], folder: Path) -> None:
    table = Table("source", *(Column(name, justify="right") for name in ("events", "copies", "rows", "late")))
    for source, counts in truth["sources"].items():
        table.add_row(source, *(f"{counts[name]:,}" for name in ("events", "duplicates", "rows", "late")))
    table.add_row("all", *(f"{truth[name]:,}" for name in ("events", "duplicates", "rows", "late")))
    out = output()
    out.print(table)
    people = ", ".join(f"{count:,} {name}" for name, count in truth["customers"]["by_persona"].items())
    out.print(f"{truth['customers']['planted']:,} customers: {people}", highlight=False, soft_wrap=True)
    bots, identity = truth["bots"], truth["identity"]
    out.print(
        f"{bots['planted']:,} bots with {bots['events']:,} events; "
        f"ids lead to {identity['customers']:,} customers: {identity['known_people']:,} known, "
        f"{identity['unlinked_cookies']:,} cookies nobody is known by, {bots['planted']:,} bots",
        highlight=False,
        soft_wrap=True,
    )
    out.print(f"\nnext: journey run -p {folder}", soft_wrap=True, highlight=False)
