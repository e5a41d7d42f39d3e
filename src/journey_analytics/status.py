"""`_status.json` beside the marts: how the last run went, for people and monitoring, whatever became of it.

It is replaced in one rename when a run begins, at every step, and when it ends. A run that finds it say
`running` knows, since it holds the lock, that the run before was killed.

Belongs here: the file. Does not belong here: who writes what into it (journal.py).
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from journey_analytics.disk import write_whole

State = Literal["running", "done", "up_to_date", "failed", "killed"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LastAttempt(_Part):
    """The run begun last: finished, stopped, or under way."""

    begun_at: datetime
    pid: int
    state: State = "running"
    step: str | None = Field(None, description="The step it is in, or was in when it ended badly.")
    ended_at: datetime | None = None
    exit_code: int | None = None
    message: str = Field("", description="Why it stopped.")
    run_id: str | None = None
    as_of: str | None = None
    warnings: list[str] = []
    steps: list[dict[str, Any]] = Field([], description="Its rows of mart_runs so far.")


class LastSuccess(_Part):
    """The last run that came to its end."""

    ended_at: datetime
    run_id: str
    as_of: str


class Restored(_Part):
    """An earlier snapshot that was made live again, until a run publishes."""

    name: str
    at: datetime


class Status(_Part):
    """The content of `_status.json`."""

    project: str
    last_attempt: LastAttempt | None = None
    last_success: LastSuccess | None = None
    restored: Restored | None = None

    def age(self, now: datetime) -> timedelta | None:
        """The time since the last success; None when there was none."""
        return now - self.last_success.ended_at if self.last_success else None


def status_file(marts_folder: Path) -> Path:
    """Where the status of a project stands."""
    return marts_folder / "_status.json"


def read_status(marts_folder: Path, project: str) -> Status:
    """The status as written last; an empty one before the first run, or when somebody broke the file."""
    try:
        found = Status.model_validate_json(status_file(marts_folder).read_bytes())
    except (FileNotFoundError, ValidationError):
        return Status(project=project)
    # as it is called now
    return found.model_copy(update={"project": project})


def write_status(marts_folder: Path, status: Status) -> None:
    """Replace the status, in one rename."""
    text = json.dumps(status.model_dump(mode="json"), indent=1)
    write_whole(status_file(marts_folder), text + "\n")
