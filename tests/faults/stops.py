"""Stops that somebody asks for: SIGTERM in the middle, and a second run beside the first."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path

from journey_analytics.errors import EXIT_LOCKED
from tests.faults.children import ended, is_running, pauses, run, start_run
from tests.faults.kills import Ready
from tests.faults.outcome import Outcome
from tests.faults.shop import live_set

_TERMINATED = 128 + signal.SIGTERM


def terminated(scratch: Path, *, quick: bool) -> list[Outcome]:
    """End runs by SIGTERM at random moments: at once, with an exit code and a record that say so."""
    ready = Ready(scratch)
    dice = random.Random(3)
    outcome = Outcome("SIGTERM at a random moment")
    while outcome.tries < (1 if quick else 6):
        folder = ready.try_project()
        pid = start_run(folder, ready.log)
        for _ in pauses(0.2 + dice.uniform(0, 0.8) * ready.seconds):
            if not is_running(pid):
                break
        if is_running(pid):
            os.kill(pid, signal.SIGTERM)
            outcome.tries += 1
            code = ended(pid)
            status = json.loads((folder / "marts" / "_status.json").read_text(encoding="utf-8"))
            said = (code, status["last_attempt"]["exit_code"], status["last_attempt"]["state"])
            if said != (_TERMINATED, _TERMINATED, "failed"):
                outcome.note = outcome.note or f"exit code and record: {said}"
        else:
            ended(pid)
        outcome.saw(live_set(folder), ready.old, ready.new)
        ready.recover(folder, outcome)
    return [outcome]


def two_runs(scratch: Path, *, quick: bool) -> list[Outcome]:
    """Start a run while another is under way: it ends at once and names the other."""
    del quick  # there is but one way to try it
    ready = Ready(scratch)
    outcome = Outcome("two runs at once", tries=1)
    folder = ready.try_project()
    first = start_run(folder, ready.log)
    while not (folder / "run.lock").exists() or not (folder / "run.lock").read_text(encoding="utf-8"):
        next(pauses(1))
    refused = scratch / "refused"
    code = run(folder, refused)
    outcome.saw(live_set(folder), ready.old, ready.new)
    told = refused.read_text(encoding="utf-8")
    if code != EXIT_LOCKED or f"process {first}, since" not in told:
        outcome.note = f"the second run ended with {code}: {told}"
    outcome.to_recover = 1
    outcome.recovered = int(ended(first) == 0 and live_set(folder) == ready.new)
    return [outcome]
