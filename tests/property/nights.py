"""A small project fed night by night, and the same project made anew: the two sides of a comparison.

The steps are the product's own. The gates are left out: they decide about no number, and take seconds.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from hypothesis import strategies as st

from journey_analytics.marts import current
from journey_analytics.project import read_project
from journey_analytics.run import STEPS, Run, start
from tests.conftest import mart_hashes

FIRST_NIGHT = datetime(2026, 6, 1, 2, tzinfo=UTC)
FIRST_DAY = datetime(2026, 4, 1, tzinfo=UTC)
_LEFT_OUT = ("check_raw", "check_staged", "check_marts", "report")
_MAPPING = """
source: {source}
format: csv
files: landing/{source}/*.csv
mode: {mode}
columns:
  event_id: id
  occurred_at: moment
  event_name: name
  customer_ref: customer
  anonymous_ref: cookie
  alias_ref: alias
  session_ref: ticket
  channel: channel
  page_path: page
  revenue: try_cast(nullif(revenue, '') as decimal(18, 4))
"""
_STAGES = """
rules:
  - {rule: noise, ignore: true, when: {event_name: heartbeat}}
  - {rule: seen, stage: awareness, when: {event_name: ad}}
  - {rule: looked, stage: interest, when: {event_name: view}}
  - {rule: again, stage: loyalty, when: {event_name: order}, after: {stage: purchase, within: 9d}}
  - {rule: third_view, stage: consideration, when: {event_name: page}, occurrence: {gte: 3, within: 4d}}
  - {rule: bought, stage: purchase, when: {event_name: order}}
"""


@dataclass(frozen=True)
class Event:
    """One row of a delivered file; times count in quarters of an hour from FIRST_DAY."""

    id: str
    quarter: int
    name: str
    customer: str = ""
    cookie: str = ""
    alias: str = ""
    ticket: str = ""
    channel: str = "ads"
    page: str = ""
    revenue: str = ""


@dataclass(frozen=True)
class Delivery:
    """A file that one source delivers on one night."""

    source: str
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Setup:
    """What a project says that decides how journeys are cut."""

    restart: bool = False
    key: bool = False
    further: bool = False
    starters: bool = False


_HEADER = ("id", "moment", *(field.name for field in fields(Event) if field.name not in ("id", "quarter")))

MODES = {"web": "append", "crm": "replace_day", "list": "snapshot"}
"""The sources of the project, and what a later file of each does."""


_NAMES = ("ad", "view", "page", "order", "order", "heartbeat", "other")


@st.composite
def events(draw: st.DrawFn) -> Event:
    """An event of one of few customers and cookies, seldom with an alias or a ticket."""
    customer = draw(st.sampled_from(("", "a", "b", "c", "d", "e")))
    cookie = draw(st.sampled_from(("", "", "x", "y", "a")))
    return Event(
        id=f"e{draw(st.integers(0, 60))}",
        quarter=draw(st.integers(0, 2400)),
        name=draw(st.sampled_from(_NAMES)),
        customer=customer,
        cookie=cookie or ("" if customer else "z"),
        alias=draw(st.sampled_from(("", "", "", "", "", "b", "d", "f"))),
        ticket=draw(st.sampled_from(("", "", "", "t1", "t2"))),
        channel=draw(st.sampled_from(("ads", "mail"))),
        page=draw(st.sampled_from(("", "/a"))),
        revenue=draw(st.sampled_from(("", "7.5"))),
    )


def write_project(folder: Path, setup: Setup) -> None:
    """Make the project's settings, rules and mappings."""
    (folder / "sources").mkdir(parents=True)
    for source, mode in MODES.items():
        text = _MAPPING.format(source=source, mode=mode)
        # waits for its first file
        (folder / "landing" / source).mkdir(parents=True)
        (folder / "sources" / f"{source}.yaml").write_text(text, encoding="utf-8")
    if not setup.starters:
        (folder / "stages.yaml").write_text(_STAGES, encoding="utf-8")
    write_settings(folder, setup)


def write_settings(folder: Path, setup: Setup) -> None:
    """Make the project's settings, or change them."""
    journey = ["inactivity: 6d"]
    if setup.restart:
        journey.append("restart: {after: purchase, on: [awareness], cool_down: 1d}")
    if setup.key:
        journey.append("key: session_ref")
    (folder / "journey.yaml").write_text(
        "project: nights\ntimezone: Europe/Berlin\nthreads: 1\nmemory_limit: 1GB\n"
        "conversion: {stage: purchase, window: 5d}\nsession_timeout: 30m\n"
        f"journey: {{{', '.join(journey)}}}\nmarts: {{keep: 3}}\n"
        + ("further_stages: [aida_ra]\n" if setup.further else "")
        + "sources: [sources/web.yaml, sources/crm.yaml, sources/list.yaml]\n",
        encoding="utf-8",
    )


def deliver(folder: Path, night: int, deliveries: Sequence[Delivery]) -> None:
    """Put a night's files where the sources look for them."""
    for number, delivery in enumerate(deliveries):
        landing = folder / "landing" / delivery.source
        if MODES[delivery.source] == "snapshot":
            shutil.rmtree(landing)
            landing.mkdir()
        path = landing / f"{night:03}-{number}.csv"
        path.write_text(",".join(_HEADER) + "\n", encoding="utf-8")
        add_lines(path, delivery.events)


def add_lines(path: Path, events: Sequence[Event]) -> None:
    """Let lines come to a delivered file."""
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _HEADER, lineterminator="\n")
        for event in events:
            row = asdict(event)
            row["moment"] = (FIRST_DAY + timedelta(minutes=15 * row.pop("quarter"))).isoformat()
            writer.writerow(row)


def run_night(folder: Path, night: int, as_of: date | None = None, *, full: bool = False) -> Run:
    """Run every step but the gates and the report, and return what the run remembers."""
    now = FIRST_NIGHT + timedelta(days=night)
    with start(read_project(folder), now=now, as_of=as_of, full=full) as run:
        for step in STEPS:
            if step.name not in _LEFT_OUT:
                step.work(run)
                if step.name == "load":
                    run.store.commit(run.new_loads)
    return run


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of every mart file of the live snapshot."""
    return mart_hashes(current(folder / "marts"))


def made_anew(folder: Path, scratch: Path, night: int, as_of: date | None = None) -> dict[str, str]:
    """The marts that the same project, as it lies there, gives when everything is made anew."""
    if scratch.exists():
        shutil.rmtree(scratch)
    shutil.copytree(folder, scratch, ignore=shutil.ignore_patterns("marts", "work.*", "run.lock"))
    run_night(scratch, night, as_of)
    return hashes(scratch)
