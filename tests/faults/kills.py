"""kill -9: at every failpoint once, and at random moments with a reader beside."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

from journey_analytics import cli, failpoints
from journey_analytics.failpoints import LIST, MARK
from journey_analytics.run import STEPS
from tests.faults.children import ended, fork, is_running, pauses, run, start_run
from tests.faults.outcome import Outcome
from tests.faults.shop import copy, deliver, live_set, write_shop

_NAMED = re.compile(r'failpoints\.reach\("([a-z_.]+)"\)')
ERASING = "erase."
"""Begins the names of the failpoints of an erasure."""
_PUBLISHING = ("publish", "keep")


class Ready:
    """A project with a published set and new events beside it, and the sets before and after.

    Args:
        scratch: where it is made.
        settings: lines that its journey.yaml has besides.
    """

    def __init__(self, scratch: Path, settings: str = "") -> None:
        self.scratch = scratch
        self.log = scratch / "log"
        self.before = scratch / "before"
        write_shop(self.before, settings)
        self._must(run(self.before, self.log))
        self.old = live_set(self.before)
        deliver(self.before)
        undisturbed = copy(self.before, scratch / "undisturbed")
        begun = monotonic()
        self._must(run(undisturbed, self.log))
        self.seconds = monotonic() - begun
        status = json.loads((undisturbed / "marts" / "_status.json").read_text(encoding="utf-8"))
        self.seconds_of = {row["step"]: row["seconds"] for row in status["last_attempt"]["steps"]}
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


def failpoint_names() -> tuple[str, ...]:
    """Every failpoint of a run: those that the code names, but for an erasure's, and two of each step."""
    named = (
        name
        for path in Path(failpoints.__file__).parent.rglob("*.py")
        for name in _NAMED.findall(path.read_text(encoding="utf-8"))
        if not name.startswith(ERASING)
    )
    steps = ("inputs", *(step.name for step in STEPS))
    return tuple(sorted({*named, *(f"{step}.{end}" for step in steps for end in ("begins", "done"))}))


def sweep(scratch: Path, *, quick: bool) -> list[Outcome]:
    """Die at every failpoint, where it is reached first and where it is reached last.

    In a night that removes a snapshot, and at the places that only a full run comes to in such a one.
    """
    ready = Ready(scratch, settings="marts: {keep: 1}\n")
    # nobody keeps the report of the first set, or it would stay
    shutil.rmtree(ready.before / "reports")
    night, full = _hits(ready), _hits(ready, "--full")
    tries = [(name, number, ()) for name, last in night.items() for number in sorted({1, last})]
    tries += [
        (name, number, ("--full",))
        for name, last in full.items()
        if name not in night
        for number in sorted({1, last})
    ]
    # those that change the disk first
    tries.sort(key=lambda one: one[0].endswith((".begins", ".done")))
    outcomes = {name: Outcome(f"kill -9 at {name}") for name in failpoint_names()}
    for name, number, options in tries[:: 12 if quick else 1]:
        outcome = outcomes[name]
        folder = ready.try_project()
        outcome.tries += 1
        code = run(folder, ready.log, *options, failpoint=f"{name}:{number}")
        if code != -signal.SIGKILL:
            outcome.note = f"it did not die at hit {number}: exit code {code}"
        outcome.saw(live_set(folder), ready.old, ready.new)
        ready.recover(folder, outcome)
        sys.stderr.write(f"{outcome}\n")
    return [outcome for outcome in outcomes.values() if outcome.tries or not quick]


def _hits(ready: Ready, *options: str) -> Counter[str]:
    """How often an undisturbed run comes to each failpoint."""
    listed = ready.scratch / "listed"
    listed.unlink(missing_ok=True)
    run(ready.try_project(), listed, *options, failpoint=LIST)
    lines = listed.read_text(encoding="utf-8").splitlines()
    return Counter(line.removeprefix(MARK) for line in lines if line.startswith(MARK))


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
        # publishing is short and comes late: every second kill is aimed at it
        moments = (
            _moments_of_publishing(ready, folder, pid, dice.random())
            if killed.tries % 2
            else pauses(dice.uniform(0, ready.seconds))
        )
        for _ in moments:
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


def _moments_of_publishing(ready: Ready, folder: Path, pid: int, share: float) -> Iterator[None]:
    """Give the turn back until a run has done so much of the steps that publish and keep."""
    status = folder / "marts" / "_status.json"
    while True:
        last = json.loads(status.read_text(encoding="utf-8"))["last_attempt"]
        if last["pid"] == pid and last["step"] in _PUBLISHING:
            break
        yield from pauses(0.005)
    yield from pauses(share * sum(ready.seconds_of[step] for step in _PUBLISHING))


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
