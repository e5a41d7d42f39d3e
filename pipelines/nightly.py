"""The nightly flow: every step of a run as a task, with retries, artifacts and a message when it fails.

Run it as `python -m pipelines.nightly data/complete_journey`; serve.py and prefect.yaml put it on a schedule.
No server is needed: without one Prefect starts a temporary one. Prefect's cache decides about nothing: a run
is known by the content of its inputs.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import FlowRun, State
from prefect.flows import Flow
from prefect.states import Failed
from rich.console import Console

from journey_analytics.alerts.published import read_alerts
from journey_analytics.alerts.wording import headline, sentences, title
from journey_analytics.errors import EXIT_DONE, JourneyError, MachineError
from journey_analytics.journal import Attempt, attempt
from journey_analytics.marts import current
from journey_analytics.notify import notify
from journey_analytics.project import read_project
from journey_analytics.reports.content import read_content
from journey_analytics.reports.findings import find
from journey_analytics.reports.summary import markdown_summary
from journey_analytics.reports.terminal import print_summary
from journey_analytics.run import Step

_CHECK_COLUMNS = ("gate", "table", "check", "severity", "status", "rows_failed", "sample")
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


def _tell(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Send the reason of a failed or crashed run to the addresses of the project's `notify:`."""
    try:
        read = read_project(Path(flow_run.parameters["project"]))
    except JourneyError as error:
        get_run_logger().warning("nobody was told, the project cannot be read: %s", error)
        return
    subject = f"{read.settings.project}: {flow.name} {flow_run.name} {state.type.value.lower()}"
    for problem in notify(read, {"failure"}, subject, state.message or "no reason was given"):
        get_run_logger().warning("nobody was told: %s", problem)


@flow(name="nightly", validate_parameters=True, persist_result=False, on_failure=[_tell], on_crashed=[_tell])
def nightly(
    project: Path, day: date | None = None, *, force: bool = False, moves_pointer: bool = True
) -> str | State[Any]:
    """Run one project to the end of a day and publish its marts.

    Args:
        project: the project's folder.
        day: the local day to report at the end of; the day of the last event when not given.
        force: run although the marts are up to date.
        moves_pointer: whether readers shall see the new snapshot; it is kept either way.

    Returns:
        The snapshot's run_id; or a failed state that holds the JourneyError of the first step that
        failed, and says which marts are live.
    """
    try:
        read = read_project(project)
        now = datetime.now(UTC)
        with attempt(read, now=now, as_of=day, force=force, moves_pointer=moves_pointer) as tried:
            for note in tried.notes:
                get_run_logger().info("%s", note)
            for step in tried.steps:
                _task(step)(tried, return_state=True).result()
            for warning in tried.run.warnings:
                get_run_logger().warning("%s", warning)
    except JourneyError as error:
        return Failed(message=error.describe(), data=error)
    return _show(tried)


def _show(tried: Attempt) -> str:
    """Keep what came out beside the flow run: the funnel, alerts, the checks, the way to the report."""
    project = tried.run.project
    snapshot = tried.run.snapshot or current(project.marts_folder)
    about = f"{project.settings.project}, as of {snapshot.as_of}"
    create_markdown_artifact(markdown_summary(read_content(snapshot)), key="stage-funnel", description=about)
    found = read_alerts(snapshot)
    alerts = [
        {"alert": title(alert), "about": " ".join(sentences(alert, found.currency))} for alert in found.alerts
    ]
    create_table_artifact(alerts, key="alerts", description=f"{about}: {headline(found)}")
    checks = [{name: getattr(result, name) for name in _CHECK_COLUMNS} for result in tried.run.results]
    create_table_artifact(checks, key="quality", description=f"{about}: every check of its gates")
    report = project.reports_folder / "report.html"
    create_link_artifact(report.resolve().as_uri(), link_text=report.name, key="report", description=about)
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
