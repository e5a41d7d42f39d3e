"""The nightly flow: every step of a run as a task, with retries and a Markdown artifact of the funnel.

Run it as `python -m pipelines.nightly data/complete_journey`. No server is needed: without one Prefect starts
a temporary one. Prefect's cache decides about nothing: a run is known by the content of its inputs.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

# before the import: no usage data, and time enough for a small machine
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "INFO")
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "60")

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State
from prefect.states import Failed
from rich.console import Console

from journey_analytics.errors import EXIT_DONE, JourneyError, MachineError
from journey_analytics.journal import Attempt, attempt
from journey_analytics.marts import current
from journey_analytics.project import read_project
from journey_analytics.reports.content import read_content
from journey_analytics.reports.findings import find
from journey_analytics.reports.summary import markdown_summary
from journey_analytics.reports.terminal import print_summary
from journey_analytics.run import Step

_RETRIES = 2
_RETRY_DELAY_SECONDS = 10


def _may_pass(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Whether trying again can help: the disk was away for a moment, not: the data is wrong."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, MachineError)


def _task(step: Step) -> Any:
    """The step as a task; an error made for people fails it with its own words and no traceback."""

    @task(
        name=step.name,
        description=step.does,
        retries=_RETRIES,
        retry_delay_seconds=_RETRY_DELAY_SECONDS,
        retry_condition_fn=_may_pass,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    def work(tried: Attempt) -> str | State[Any]:
        try:
            detail = tried.do(step)
        except JourneyError as error:
            return Failed(message=error.describe(), data=error)
        get_run_logger().info("%s: %s", step.does, detail)
        return detail

    return work


@flow(name="nightly", validate_parameters=True, persist_result=False)
def nightly(project: Path, day: date | None = None, *, force: bool = False) -> str | State[Any]:
    """Run one project to the end of a day and publish its marts.

    Args:
        project: the project's folder.
        day: the local day to report at the end of; the day of the last event when not given.
        force: run although the marts are up to date.

    Returns:
        The live snapshot's run_id; or a failed state that holds the JourneyError of the first step that
        failed, in which case the marts are the last good set.
    """
    try:
        read = read_project(project)
        with attempt(read, now=datetime.now(UTC), as_of=day, force=force) as tried:
            for note in tried.notes:
                get_run_logger().info("%s", note)
            for step in tried.steps:
                _task(step)(tried, return_state=True).result()
    except JourneyError as error:
        return Failed(message=error.describe(), data=error)
    snapshot = current(read.marts_folder)
    create_markdown_artifact(
        markdown_summary(read_content(snapshot)),
        key="stage-funnel",
        description=f"{read.settings.project}, as of {snapshot.manifest['as_of']}",
    )
    return snapshot.run_id


def main(arguments: list[str] | None = None) -> int:
    """Run the flow for the project named on the command line, then show what came out."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.nightly", description=__doc__)
    parser.add_argument("project", type=Path, help="project folder, the one with journey.yaml")
    parser.add_argument("--date", type=date.fromisoformat, help="report at the end of this day")
    parser.add_argument("--force", action="store_true", help="run although the marts are up to date")
    asked = parser.parse_args(arguments)
    try:
        nightly(asked.project, asked.date, force=asked.force, return_state=True).result()
    except JourneyError as error:
        return error.exit_code  # the flow has logged what it says
    project = read_project(asked.project)
    print_summary(Console(), project, find(current(project.marts_folder)))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
