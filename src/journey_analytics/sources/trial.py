"""A draft tried on its files before it is written, by what `journey sources check` does.

Belongs here: trying, and settling by it what two formats of time left open.
Does not belong here: guessing (draft.py), mapping the files (preview.py).
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from journey_analytics.project import read_project
from journey_analytics.sources.draft import Draft
from journey_analytics.sources.preview import Preview, preview_sources
from journey_analytics.sources.scaffold import write_project


def try_draft(draft: Draft, received_us: int) -> Preview:
    """Map all files with a draft without gaps, and keep in it the time format that loses fewer rows.

    Args:
        draft: gets the other format of time where that is the better one.
        received_us: now, in microseconds of UTC.

    Raises:
        SourceError: a file is damaged.
        ConfigError: the draft does not fit the files as a whole.
    """
    first = _preview(draft, received_us)
    if draft.other_time_format is None or not first.totals.quarantined:
        return first
    tried = draft.mapping["time_format"]
    draft.mapping["time_format"] = draft.other_time_format
    second = _preview(draft, received_us)
    if second.totals.quarantined >= first.totals.quarantined:
        draft.mapping["time_format"] = tried
        return first
    draft.guesses = [
        replace(
            guess,
            value=draft.other_time_format,
            why=f"all files; {tried} loses {first.totals.quarantined:,} rows",
            sureness="likely",
        )
        if guess.what == "time_format"
        else guess
        for guess in draft.guesses
    ]
    return second


def _preview(draft: Draft, received_us: int) -> Preview:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "project"
        write_project(draft, folder)
        (preview,) = preview_sources(read_project(folder), received_us)
    return preview
