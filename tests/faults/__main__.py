"""`python -m tests.faults [NAME ...]`: make the faults named, all without a name; print what came of them.

Ends with exit code 1 when the live marts were ever anything but the old set or the new one, or when a run
that came after needed a hand.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.faults import any_order, clocks, disks, erasing, kills, stops
from tests.faults.outcome import Outcome, table

FAULTS = {
    "sweep": kills.sweep,
    "random_kills": kills.random_kills,
    "full_disk": disks.full_disk,
    "broken_disk": disks.broken_disk,
    "terminated": stops.terminated,
    "two_runs": stops.two_runs,
    "clocks": clocks.clocks,
    "erasing": erasing.erasing,
    "any_order": any_order.any_order,
}
"""Name to function: it is given a folder for its projects and says what came of its faults."""


def cannot(name: str) -> str | None:
    """Why a fault cannot be made on this machine."""
    if name == "full_disk" and not disks.can_mount():
        return "it needs the right to mount a small disk"
    if name == "broken_disk" and not disks.can_inject():
        return "it needs strace"
    if name == "clocks" and not clocks.can_fake():
        return "it needs faketime"
    return None


def main() -> int:
    """Make the faults and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"any of {', '.join(FAULTS)}; all without one")
    parser.add_argument("--quick", action="store_true", help="a few tries of each, as the tests do")
    asked = parser.parse_args()
    unknown = set(asked.name) - FAULTS.keys()
    if unknown:
        parser.error(f"no fault is called {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    outcomes: list[Outcome] = []
    for name in asked.name or FAULTS:
        if reason := cannot(name):
            sys.stderr.write(f"{name} is left out: {reason}\n")
            continue
        with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
            outcomes += FAULTS[name](Path(scratch), quick=asked.quick)
    Console(width=None if sys.stdout.isatty() else 160).print(table(outcomes))
    return 0 if all(outcome.holds for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
