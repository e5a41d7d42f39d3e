"""A process that runs the nightly flow at 02:00 in the project's zone, one run at a time.

    prefect server start                            # once, in a process of its own
    python -m pipelines.serve shop                  # needs PREFECT_API_URL

The flow runs as a process of its own each night. prefect.yaml says the same to those who use work pools.
"""

from __future__ import annotations

import argparse
from datetime import timedelta
from pathlib import Path

from prefect import serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.types.entrypoint import EntrypointType

from journey_analytics.durations import parse_duration
from journey_analytics.project import Project, read_project

from .nightly import nightly

_CRON = "0 2 * * *"


def deployment(project: Project, every: timedelta | None = None) -> RunnerDeployment:
    """The nightly flow of a project, on its schedule.

    Args:
        project: as read from its folder.
        every: the time from one run to the next; at 02:00 in the project's zone when not given.
    """
    zone = project.settings.timezone
    schedule = IntervalSchedule(interval=every) if every else CronSchedule(cron=_CRON, timezone=zone)
    made = nightly.to_deployment(
        name=project.settings.project,
        description="Takes what came in and publishes the marts, a whole set or none.",
        schedules=[schedule],
        parameters={"project": str(project.folder.resolve())},
        # a run that comes while another goes on has nothing to wait for: the next one takes what came in
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
        ),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    if not isinstance(made, RunnerDeployment):
        message = "outside of an event loop a deployment is made at once"
        raise TypeError(message)
    return made


def main(arguments: list[str] | None = None) -> None:
    """Serve the flow of the project named on the command line until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.serve", description=__doc__)
    parser.add_argument("project", type=Path, help="project folder, the one with journey.yaml")
    parser.add_argument("--every", type=parse_duration, help="run every so often, such as 6h, not at 02:00")
    asked = parser.parse_args(arguments)
    serve(deployment(read_project(asked.project), asked.every), limit=1)


if __name__ == "__main__":
    main()
