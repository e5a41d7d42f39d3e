"""What a run takes over from the last one, and leaves for the next.

Belongs here: whether the tables of the last run can be built upon, and leaving this run's behind.
Does not belong here: what changed since then (nights.py), the file itself (work.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import duckdb

from journey_analytics import __version__
from journey_analytics.engine.duckdb import first_line
from journey_analytics.engine.models import models_sha256
from journey_analytics.errors import DamagedError, MartError
from journey_analytics.marts import Snapshot, damage, read_snapshot
from journey_analytics.nights import begin, forget, slices
from journey_analytics.project import Project
from journey_analytics.sources.batches import in_force
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.work import RebuildError, State, attach, keep_all, keep_changed

if TYPE_CHECKING:
    from journey_analytics.run import Run


def find_changes(run: Run) -> None:
    """Find what changed since the last run, or why everything has to be made anew."""
    project = run.project
    forget(run.engine)
    try:
        state = attach(run.engine, project.work_file)
        base = _base(project, state)
        key = project.settings.journey.key
        run.night = begin(run.engine, run.store, project.sources, state, base, run.parameters, key)
        run.made = {"stg_copies": 0, "stg_events": 0}
    except RebuildError as reason:
        start_over(run, str(reason))
    except duckdb.OutOfMemoryException:
        raise  # to make everything anew takes more still
    except duckdb.Error as cause:
        start_over(run, f"work.duckdb cannot be read: {first_line(cause)}")


def start_over(run: Run, why: str) -> None:
    """Let go of the last run's tables and of all that was made upon them."""
    forget(run.engine)
    run.night, run.rebuild, run.made = None, why, {}


def keep(run: Run) -> str:
    """Leave the tables of this run for the next one."""
    if run.snapshot is None:
        message = "nothing can be kept before it is published"
        raise RuntimeError(message)
    project = run.project
    state = State(
        made_by=_made_by(project),
        as_of_us=int(run.parameters["as_of_us"] or 0),
        slices=slices(in_force(run.store, project.sources)),
        unseen=unseen_rules(run.stage_maps),
        snapshot=run.snapshot.name,
        customers=run.customers,
        touchpoints=run.touchpoints,
    )
    if run.night is None:
        keep_all(run.engine, project.work_file, state)
    else:
        keep_changed(run.engine, state)
    return str(project.work_file)


def unseen_rules(maps: Sequence[StageMap]) -> tuple[tuple[int, ...], ...]:
    """Of each stage model, the numbers of the starter rules that took nothing."""
    return tuple(tuple(sorted(found.unseen)) for found in maps)


def _base(project: Project, state: State) -> Snapshot:
    """The snapshot that was published from the last run's tables.

    Raises:
        RebuildError: it is gone or damaged, or what decides the tables besides the events has changed.
    """
    for what, made_by in _made_by(project).items():
        if state.made_by.get(what) != made_by:
            message = f"the {what} changed since the last run"
            raise RebuildError(message)
    try:
        snapshot = read_snapshot(project.marts_folder, state.snapshot)
    except (MartError, DamagedError) as cause:
        raise RebuildError(cause.problems[0].what) from cause
    if damaged := damage(snapshot):
        message = f"{damaged[0].what}: {damaged[0].where}"
        raise RebuildError(message)
    return snapshot


def _made_by(project: Project) -> dict[str, str]:
    """What decides the tables besides the events, by what people call it."""
    return {
        "version of this product": __version__,
        "version of the engine": duckdb.__version__,
        "settings, mappings or rules": project.config_sha256,
        "text of the models": models_sha256(),
    }
