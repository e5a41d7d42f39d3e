"""kill -9: at every failpoint once, and at random moments with a reader beside."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path
from time import monotonic, sleep

from journey_analytics import cli
from journey_analytics.failpoints import LIST, MARK
from tests.faults.children import ended, fork, is_running, pauses, run, start_run
from tests.faults.outcome import Outcome
from tests.faults.shop import copy, deliver, live_set, write_shop


class Ready:
    """A project with a published set and new events beside it, and the sets before and after."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.log = scratch / "log"
        self.before = scratch / "before"
        write_shop(self.before)
        self._must(run(self.before, self.log))
        self.old = live_set(self.before)
        deliver(self.before)
        undisturbed = copy(self.before, scratch / "undisturbed")
        begun = monotonic()
        self._must(run(undisturbed, self.log))
        self.seconds = monotonic() - begun
        self.new = live_set(undisturbed)
        if self.old == self.new or "broken" in self.old + self.new:
            message = f"the sets to compare are {self.old} and {self.new}"
            raise SystemExit(message)

    def try_project(self) -> Path:
        """A copy to break."""
        return copy(self.before, self.scratch / "try")

    def recover(self, folder: Path, outcome: Outcome) -> None:
        """Run once more, undisturbed, and count whether the right set is live."""
        outcome.to_recover += 1
        code = run(folder, self.log)
        if code == 0 and live_set(folder) == self.new:
            outcome.recovered += 1
        else:
            outcome.note = outcome.note or f"the next run ended with {code}, live is {live_set(folder)}"

    def _must(self, code: int) -> None:
        if code:
            raise SystemExit(f"an undisturbed run ended with {code}:\n{self.log.read_text(encoding='utf-8')}")


def sweep(scratch: Path, *, quick: bool) -> list[Outcome]:
    """Die at every failpoint: where it is reached first, and where it is reached last."""
    ready = Ready(scratch)
    outcomes: dict[str, Outcome] = {}
    for place in _places(ready)[:: 8 if quick else 1]:
        name, _, number = place.partition(":")
        outcome = outcomes.setdefault(name, Outcome(f"kill -9 at {name}"))
        folder = ready.try_project()
        outcome.tries += 1
        code = run(folder, ready.log, failpoint=place)
        if code != -signal.SIGKILL:
            outcome.note = f"it did not die at hit {number}: exit code {code}"
        outcome.saw(live_set(folder), ready.old, ready.new)
        ready.recover(folder, outcome)
        sys.stderr.write(f"{outcome}\n")
    return list(outcomes.values())


def _places(ready: Ready) -> list[str]:
    """Every failpoint with the numbers of its first and its last hit; those that change the disk first."""
    listed = ready.scratch / "listed"
    run(ready.try_project(), listed, failpoint=LIST)
    lines = listed.read_text(encoding="utf-8").splitlines()
    hits = Counter(line.removeprefix(MARK) for line in lines if line.startswith(MARK))
    places = dict.fromkeys(f"{name}:{number}" for name, last in hits.items() for number in (1, last))
    return sorted(places, key=lambda place: place.partition(":")[0].endswith((".begins", ".done")))


def random_kills(scratch: Path, *, quick: bool) -> list[Outcome]:
    """Kill runs at random moments, one after the other, while a reader reads; every few are let through."""
    ready = Ready(scratch)
    folder = ready.try_project()
    dice = random.Random(7)
    killed = Outcome("kill -9 at a random moment")
    seen = scratch / "seen"
    stop = scratch / "stop"
    reader = fork(lambda: _read_on(folder, seen, stop), ready.log)
    while killed.tries < (5 if quick else 50):
        pid = start_run(folder, ready.log)
        # publishing is short and comes last: every second kill is aimed at it
        earliest = 0.8 * ready.seconds if killed.tries % 2 else 0.0
        for _ in pauses(dice.uniform(earliest, ready.seconds)):
            if not is_running(pid):
                break
        if is_running(pid):
            os.kill(pid, signal.SIGKILL)
            killed.tries += 1
        ended(pid)
        killed.saw(live_set(folder), ready.old, ready.new)
        if killed.tries % (5 if quick else 10) == 0 or live_set(folder) == ready.new:
            ready.recover(folder, killed)
            _back_to_old(ready, folder)
    stop.touch()
    ended(reader)
    read = Outcome("reads beside these runs")
    for line in seen.read_text(encoding="utf-8").splitlines():
        read.tries += 1
        read.saw(line, ready.old, ready.new)
    read.to_recover, read.recovered = killed.to_recover, killed.recovered
    return [killed, read]


def _back_to_old(ready: Ready, folder: Path) -> None:
    """Make the first set live again, and give the next run another id, so that it has everything to do."""
    settings = folder / "journey.yaml"
    settings.write_text(settings.read_text(encoding="utf-8") + "# another night\n", encoding="utf-8")
    first = (ready.before / "marts" / "CURRENT").read_text(encoding="utf-8").strip()
    if ended(fork(lambda: cli.main(["marts", "restore", first, "-p", str(folder)]), ready.log)):
        raise SystemExit(f"restore failed:\n{ready.log.read_text(encoding='utf-8')}")


def _read_on(folder: Path, seen: Path, stop: Path) -> None:
    """Read the live marts again and again, each time the whole set."""
    with seen.open("a", encoding="utf-8") as lines:
        while not stop.exists():
            lines.write(live_set(folder) + "\n")
            lines.flush()
            sleep(0.02)
