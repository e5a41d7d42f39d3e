"""What every command shares: where results and messages go, and the arguments that many commands take."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console

if TYPE_CHECKING:
    import polars as pl

    from journey_analytics.marts import Snapshot

Project = Annotated[
    Path, Parameter(name=["--project", "-p"], help="Project folder, the one with journey.yaml.")
]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs.")]
AsOf = Annotated[
    date | None,
    Parameter(help="Read the newest kept snapshot that stands at the end of this day, not the live one."),
]

messages = Console(stderr=True)
_UNCUT = 10_000


def examples(*lines: str) -> str:
    """The end of a command's help: what a person would type."""
    return "\n\n".join(("Examples:", *(f"    {line}" for line in lines)))


def output() -> Console:
    """Where results go; what is read by another program is not cut to a terminal's width."""
    return Console() if sys.stdout.isatty() else Console(width=_UNCUT)


def print_json(content: Any) -> None:
    """Write the result as JSON for programs; dates and paths as text."""
    sys.stdout.write(json.dumps(content, indent=1, default=str) + "\n")


def headings(frame: pl.DataFrame, names: Sequence[str]) -> list[str]:
    """The names of columns as a table on a terminal has them: times with the zone that they are in."""
    zones = {name: getattr(frame.schema[name], "time_zone", None) for name in names}
    return [f"{name} ({zone})" if zone else name for name, zone in zones.items()]


def snapshot_of(folder: Path, as_of: date | None = None) -> Snapshot:
    """The live snapshot of the project in `folder`, or the newest kept one of a day."""
    from journey_analytics.history import snapshot_as_of
    from journey_analytics.marts import current
    from journey_analytics.project import read_project

    marts_folder = read_project(folder).marts_folder
    return current(marts_folder) if as_of is None else snapshot_as_of(marts_folder, as_of)


@contextmanager
def timed(label: str) -> Iterator[Callable[[str], None]]:
    """Show that a step is under way; the block says what came out of it."""
    begun = perf_counter()
    said: list[str] = []
    with messages.status(label):
        yield said.append
    seconds = perf_counter() - begun
    messages.print(f"{label}: {said[0]} ({seconds:.1f} s)", highlight=False, soft_wrap=True)
