"""`generate`: the steps in their order, from arguments to a folder with files, a project and the truth.

Belongs here: the arguments, what is wrong with them, and the order of the steps.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from journey_analytics.errors import ConfigError, Problem, advise
from journey_analytics.generator.behaviour import shipped_behaviour
from journey_analytics.generator.calendar import Period
from journey_analytics.generator.deliveries import deliver
from journey_analytics.generator.events import happen
from journey_analytics.generator.exports import Exports
from journey_analytics.generator.files import FORMATS, write_files
from journey_analytics.generator.incidents import read_incidents
from journey_analytics.generator.project_writer import write_project
from journey_analytics.generator.truth import customers, truth
from journey_analytics.generator.world import open_shop

TRUTH = "truth.json"
TRUTH_CUSTOMERS = "truth_customers.parquet"
TRUTH_INCIDENTS = "truth_incidents.yaml"
MOST_EVENTS = 100_000_000
"""All events lie in memory together, at about 200 bytes each."""
_EARLIEST = date(1990, 1, 2)
_LATEST = date(2200, 1, 1)


@dataclass(frozen=True)
class Arguments:
    """What is asked of the generator.

    Attributes:
        events: how many different events, those of bots and late ones included, copies not.
        customers: how many people; bots come on top.
        days: how many days from `start` on.
        seed: another one gives another shop.
        start: the first day.
        format: of the files.
    """

    events: int
    customers: int
    days: int
    seed: int
    start: date
    format: str

    def problems(self) -> list[Problem]:
        """What is wrong with them, all of it."""
        found = [
            Problem(f"{option} is {value:,}", "the command", f"name a number from {low:,} to {high:,}")
            for option, value, low, high in (
                ("--events", self.events, 1, MOST_EVENTS),
                ("--customers", self.customers, 1, MOST_EVENTS),
                ("--days", self.days, 1, (_LATEST - _EARLIEST).days),
                ("--seed", self.seed, 0, 2**63 - 1),
            )
            if not low <= value <= high
        ]
        if not found and self.customers > self.events:
            found.append(
                Problem(
                    f"{self.customers:,} customers cannot share {self.events:,} events, at least one each",
                    "the command, --customers",
                    f"name at most {self.events:,} customers, or at least {self.customers:,} events",
                )
            )
        if not found and not _EARLIEST <= self.start <= _LATEST - timedelta(days=self.days):
            found.append(
                Problem(
                    f"{self.days:,} days from {self.start} on do not lie between {_EARLIEST} and {_LATEST}",
                    "the command, --start",
                    "name another first day or fewer days",
                )
            )
        if self.format not in FORMATS:
            what = f"unknown format {self.format!r}"
            found.append(Problem(what, "the command, --format", advise(self.format, FORMATS, "format")))
        return found


def generate(
    arguments: Arguments,
    folder: Path,
    say: Callable[[str, int], None],
    incidents_file: Path | None = None,
) -> dict[str, Any]:
    """Write a shop to a folder and return the truth about it.

    Args:
        arguments: what is asked for.
        folder: a new one, or an empty one.
        say: hears what is being done, and how many rows of it are done.
        incidents_file: what goes wrong in the shop; it is kept beside the truth.

    Raises:
        ConfigError: the arguments, the folder or the incidents cannot be used; nothing was written.
    """
    problems = arguments.problems()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        problems.append(
            Problem("this folder is not empty", str(folder), "name a folder that does not exist yet")
        )
    if problems:
        raise ConfigError(problems)
    file_format = next(known for known in FORMATS if known == arguments.format)
    behaviour = shipped_behaviour()
    period = Period(arguments.start, arguments.days, ZoneInfo(behaviour.timezone))
    incidents = read_incidents(incidents_file, behaviour, period) if incidents_file else ()
    say("people, visits and events", 0)
    world = open_shop(arguments.seed, behaviour, period, arguments.customers, incidents)
    shop = happen(world, arguments.events)
    delivered = deliver(world, shop.events)
    found: dict[str, Any] = {"arguments": {**asdict(arguments), "start": arguments.start.isoformat()}}
    found |= truth(shop, delivered)
    if incidents_file:
        found["incidents"] = shop.effects.truth()
    folder.mkdir(parents=True, exist_ok=True)
    written = 0

    def count(rows: int) -> None:
        nonlocal written
        written += rows
        say("files", written)

    write_files(folder, shop, delivered, file_format, count)
    say("truth", 0)
    exports = Exports(shop)
    frames = {
        source: exports.frame(source, np.arange(place.start, place.start + 1))
        for source, place in shop.events.sources.items()
        if place.start < place.stop
    }
    write_project(folder, frames, behaviour.timezone, file_format)
    customers(shop).write_parquet(folder / TRUTH_CUSTOMERS)
    (folder / TRUTH).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if incidents_file:
        shutil.copyfile(incidents_file, folder / TRUTH_INCIDENTS)
    return found
