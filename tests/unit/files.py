"""Small helpers of the unit tests: write a file, and read what an error says."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

from journey_analytics.errors import JourneyError


def write(path: Path, text: str) -> Path:
    """Write `text`, its common indent taken off, and make the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path


def told(error: JourneyError) -> list[tuple[str, str]]:
    """(place without its folder, what happened) of every problem, in the order they are told.

    A place reads `stages.yaml:4:12`, whatever the folder is.
    """
    return [(re.sub(r"\S*/", "", problem.where.split(",")[0]), problem.what) for problem in error.problems]


def advice(error: JourneyError) -> str:
    """What to do about the only problem."""
    (problem,) = error.problems
    return problem.do
