"""The command that takes customers out of everything the product keeps: erase."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from journey_analytics.cli.terminal import AsJson, Project, examples, messages, output, print_json
from journey_analytics.errors import EXIT_DONE, EXIT_USAGE, ConfigError, Problem

if TYPE_CHECKING:
    from journey_analytics.erasure import Erased

app = App()
_MOST_FILES = 20


@app.command(
    help_epilogue=examples(
        "journey erase --customer 1228 --dry-run -p shop",
        'journey erase --customer 1228 --reference "request 2026-117" -p shop',
        "journey erase --customers-file requests.txt --yes -p shop",
    )
)
def erase(
    *,
    customer: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            help="Any id of the customer, as delivered or as in customer_id; may be given again.",
        ),
    ] = (),
    customers_file: Annotated[
        Path | None, Parameter(help="A text file with such an id on each line.")
    ] = None,
    reference: Annotated[
        str,
        Parameter(show_default=False, help="What the request is called elsewhere, for the proof; not an id."),
    ] = "",
    dry_run: Annotated[
        bool, Parameter(name="--dry-run", negative="", help="Only tell what would go.")
    ] = False,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask: there is no way back.")] = False,
    project: Project = Path(),
    as_json: AsJson = False,
) -> int:
    """Take a customer out of the event store, the quarantine, every kept snapshot, the record and reports.

    The customer is found by any id, and goes with all ids that were found to be the same one's. Nothing of it
    comes in again that happened up to now, in whichever file it is delivered; what happens later is new. What
    went is written to store/erasures, without an id. Input files are named, not touched. Sums over all
    customers are made anew by the next run.
    """
    from journey_analytics.erasure import erase as take_out
    from journey_analytics.project import read_project

    asked = _asked(customer, customers_file)
    read = read_project(project)
    now = datetime.now(UTC)
    if not (yes or dry_run or sys.stdin.isatty()):
        raise ConfigError(
            Problem(
                "nobody is there to be asked, and there is no way back",
                "standard input is not a terminal",
                "look with --dry-run, then say --yes",
            )
        )
    if not (yes or dry_run) and not _is_confirmed(take_out(read, asked, now=now, dry_run=True)):
        messages.print("nothing was done")
        return EXIT_USAGE
    with messages.status("looking for what would go" if dry_run else "erasing"):
        found = take_out(read, asked, now=now, reference=reference, dry_run=dry_run)
    if as_json:
        print_json(_as_json(found, dry_run=dry_run))
        return EXIT_DONE
    _print(found, dry_run=dry_run)
    if not dry_run:
        output().print(
            str(read.store_folder / "erasures" / f"{found.erasure.name}.json"),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        messages.print(f"next: journey run -p {project}", soft_wrap=True, highlight=False)
    return EXIT_DONE


def _asked(customers: tuple[str, ...], file: Path | None) -> list[str]:
    """The ids asked for, each once."""
    asked = list(customers)
    if file is not None:
        try:
            asked += [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
        except (OSError, UnicodeDecodeError) as cause:
            what = f"the file of customers cannot be read: {cause}"
            raise ConfigError(Problem(what, str(file), "name a text file with an id on each line")) from cause
    asked = [name for name in dict.fromkeys(asked) if name]
    if not asked:
        raise ConfigError(
            Problem("no customer is named", "--customer, --customers-file", "name one by any of its ids")
        )
    return asked


def _is_confirmed(found: Erased) -> bool:
    """Whether a person at the terminal wants that to go."""
    _print(found, dry_run=True)
    return messages.input("erase? There is no way back. [y/N] ", markup=False).strip().lower() in ("y", "yes")


def _as_json(found: Erased, *, dry_run: bool) -> dict[str, Any]:
    """What a program may want to know: the proof but for its hashes, and what is left to people."""
    proof = {
        name: value
        for name, value in asdict(found.erasure).items()
        if name not in ("name", "salt", "ids", "events", "reports")
    }
    return {
        "erasure": None if dry_run else found.erasure.name,
        **proof,
        "ids": found.ids,
        "input_files": found.input_files,
        "erased_before": found.earlier,
    }


def _print(found: Erased, *, dry_run: bool) -> None:
    from journey_analytics.reports.wording import several

    removed = found.erasure.removed
    done = "would go" if dry_run else "erased"
    lines = [
        f"{done}: {several(found.erasure.customers, 'customer')} with {several(found.ids, 'id')}",
        f"  {several(removed.events, 'event')} and {several(removed.quarantined, 'row')} in quarantine",
        f"  {several(removed.mart_rows, 'row')} of marts in {several(removed.snapshots, 'snapshot')}",
    ]
    if not dry_run:
        texts = several(removed.texts, "sentence")
        lines.append(f"  {several(removed.reports, 'page')} and {texts} of the record of runs")
    if found.earlier:
        lines.append(f"erased before: {', '.join(found.earlier)}")
    if found.input_files:
        lines.append("still in input files, which are yours to mend:")
        lines += [f"  {name}" for name in found.input_files[:_MOST_FILES]]
        if len(found.input_files) > _MOST_FILES:
            lines.append(f"  and {len(found.input_files) - _MOST_FILES:,} more (--json names all)")
    for line in lines:
        messages.print(line, markup=False, highlight=False, soft_wrap=True)
