"""`python -m tests.benchmarks [NAME ...]`: the benchmarks named, all without a name.

A benchmark is a module beside this one with a function that measures and prints, and a line below. It prints
ratios to a yardstick measured in the same run: seconds differ from machine to machine and from hour to hour.
"""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from tests.benchmarks import detection, funnel, gates, journeys, load, nights, report, rules, steps

BENCHMARKS = {
    "steps": steps.run,
    "load": load.run,
    "rules": rules.run,
    "journeys": journeys.run,
    "funnel": funnel.run,
    "gates": gates.run,
    "report": report.run,
    "detection": detection.run,
    "nights": nights.run,
}
"""Name to function: it is given how many rows to make up and where to print."""


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"any of {', '.join(BENCHMARKS)}; all without one")
    parser.add_argument("--rows", type=int, default=1_000_000)
    asked = parser.parse_args()
    unknown = set(asked.name) - BENCHMARKS.keys()
    if unknown:
        parser.error(
            f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}"
        )
    console = Console(width=None if sys.stdout.isatty() else 120)
    for name in asked.name or BENCHMARKS:
        console.rule(name)
        BENCHMARKS[name](asked.rows, console)


if __name__ == "__main__":
    main()
