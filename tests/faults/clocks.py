"""Clocks: nights at two in the morning around odd days, one of them by a clock that was set back a year.

The clock of the whole process is faked, so that nothing that asks for the time can be forgotten.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from tests.conftest import CHECKOUT, copy_project
from tests.faults.outcome import Outcome
from tests.faults.shop import deliver_day, live_set, live_snapshot, two_in_the_morning

_DAY = timedelta(days=1)
_ODD_DAYS = (
    date(2026, 3, 29),  # 02:00 in Berlin is no time on this day
    date(2026, 10, 25),  # and is there twice on this one
    date(2028, 2, 29),
)


def can_fake() -> bool:
    """Whether there is a tool that fakes the clock of a process."""
    return shutil.which("faketime") is not None


def clocks(scratch: Path, *, quick: bool) -> list[Outcome]:
    """Three nights around each odd day, the second by a clock set back; the marts of one run come of them."""
    if quick:
        return [_nights(scratch, _ODD_DAYS[0], 2)]
    return [_nights(scratch / str(day), day, 3) for day in _ODD_DAYS]


def _nights(scratch: Path, odd: date, number: int) -> Outcome:
    outcome = Outcome(f"clock: nights around {odd}, one set back a year", to_recover=1)
    folder, at_once = _project(scratch / "night by night"), _project(scratch / "at once")
    nights = [odd + days * _DAY for days in range(number)]
    for night in nights:
        last = night - _DAY
        deliver_day(folder, last)
        deliver_day(at_once, last)
        back = 365 * _DAY if night == nights[1] else timedelta()
        _run(folder, two_in_the_morning(night) - back, outcome)
        outcome.tries += 1
        outcome.saw(_as_of(folder), old=str(last - _DAY), new=str(last))
    _run(at_once, two_in_the_morning(nights[-1]), outcome)
    outcome.recovered = int(live_set(folder) == live_set(at_once))
    return outcome


def _as_of(folder: Path) -> str:
    """The last day of the live marts, or what is wrong with them."""
    live = live_set(folder)
    if live.startswith("broken"):
        return live
    manifest = json.loads((live_snapshot(folder) / "manifest.json").read_text(encoding="utf-8"))
    return str(manifest["as_of"])


def _project(folder: Path) -> Path:
    copy_project(CHECKOUT / "tests" / "projects" / "tiny", folder)
    (folder / "input" / "web.csv").unlink()
    return folder


def _run(folder: Path, at: datetime, outcome: Outcome) -> None:
    """`journey run` in a process whose clock starts at that time; noted when it fails."""
    # what waits for a span of time waits as long as it takes
    environment = {**os.environ, "TZ": "UTC", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    faked = ["faketime", "-f", f"@{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"]
    command = [*faked, sys.executable, "-m", "journey_analytics", "run", "-p", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        outcome.note = outcome.note or f"the run at {at} ended with {done.returncode}: {done.stderr}"
