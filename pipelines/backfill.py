"""The backfill flow: the nightly flow for each day of a span that needs it, in order.

Run it as `python -m pipelines.backfill shop 2026-03-01 2026-03-31`. It stops at the first day that fails; run
again, it goes on there, because the record of runs says which days are done.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, get_args

from prefect import flow, get_run_logger
from prefect.client.schemas import State
from prefect.states import Failed

from journey_analytics.backfill import Reprocess, plan
from journey_analytics.errors import EXIT_DONE, JourneyError
from journey_analytics.project import read_project

from .nightly import nightly


@flow(name="backfill", validate_parameters=True, persist_result=False)
def backfill(
    project: Path, first: date, last: date, reprocess: Reprocess = "failed"
) -> list[str] | State[Any]:
    """Run every day from `first` to `last`, both included, that needs it.

    Args:
        project: the project's folder.
        first: local day.
        last: local day.
        reprocess: days to do again though nothing changed for them: none, failed, or all.

    Returns:
        The run_ids of the snapshots that were published; or a failed state with the error of the day that
        failed.
    """
    try:
        planned_days = plan(read_project(project), first, last, reprocess, now=datetime.now(UTC))
        days = [day for day in planned_days if day.is_to_run]
        done: list[str] = []
        for number, planned in enumerate(days, start=1):
            get_run_logger().info("%s, %d of %d: %s", planned.day, number, len(days), planned.why)
            asked = {"force": reprocess == "all", "moves_pointer": planned.moves_pointer}
            done.append(str(nightly(project, planned.day, **asked, return_state=True).result()))
    except JourneyError as error:
        return Failed(message=error.describe(), data=error)
    return done


def main(arguments: list[str] | None = None) -> int:
    """Run the flow for the project and the days named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.backfill", description=__doc__)
    parser.add_argument("project", type=Path, help="project folder, the one with journey.yaml")
    parser.add_argument("first", type=date.fromisoformat, help="first day")
    parser.add_argument("last", type=date.fromisoformat, help="last day, included")
    parser.add_argument("--reprocess", choices=get_args(Reprocess), default="failed")
    asked = parser.parse_args(arguments)
    try:
        backfill(asked.project, asked.first, asked.last, asked.reprocess, return_state=True).result()
    except JourneyError as error:
        return error.exit_code  # the flow has logged what it says
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
