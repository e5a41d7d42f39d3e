"""The steps at the end: the snapshot with what its manifest says, and the report of it.

Belongs here: what is published when, and in which order. Does not belong here: files and the pointer
(marts.py), pages (reports).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from journey_analytics import __version__
from journey_analytics.engine.models import models_sha256
from journey_analytics.errors import DamagedError, MartError
from journey_analytics.marts import (
    current,
    damage,
    date_snapshot,
    live_name,
    publish,
    read_snapshot,
    write_snapshot,
)
from journey_analytics.project import Settings
from journey_analytics.record import append, write_columns
from journey_analytics.restatements import TABLE as RESTATEMENTS
from journey_analytics.restatements import find_restatements
from journey_analytics.retention import named_by_reports, remove_old_snapshots
from journey_analytics.run.gates import write_quality_page
from journey_analytics.run.state import Run
from journey_analytics.sources.load import QUARANTINE


def publish_marts(run: Run) -> str:
    """Count the loads in, write the snapshot, move the pointer, and remove what is no longer kept."""
    # only now, so that the files a gate refused can be replaced by better ones
    run.store.commit(run.new_loads)
    folder = run.project.marts_folder
    about = {
        "project": run.project.settings.project,
        "timezone": run.project.settings.timezone,
        "as_of": run.as_of_day.isoformat(),
        "version": __version__,
        "config_sha256": run.project.config_sha256,
        "models_sha256": models_sha256(),
        "quarantined": run.engine.count(QUARANTINE),
        "stages_not_observed": [
            stage for stage in run.project.stage_model.names if stage not in run.stage_maps[0].observed_stages
        ],
        "stage_model": run.project.stage_model.name,
        "conversion_stage": run.project.settings.conversion.stage,
        "stages": [{"stage": stage.stage, "owner": stage.owner} for stage in run.project.stage_model.stages],
        "definitions": _definitions(run.project.settings),
        "warnings": run.warnings,
        "erasures": [erasure.name for erasure in run.store.erasures],
        "inputs": [
            {"source": batch.source.name, **asdict(file)} for batch in run.batches for file in batch.files
        ],
    }
    base = run.night.base if run.night is not None else None
    written = write_snapshot(run.engine, folder, run.run_id, about, base)
    run.snapshot = read_snapshot(folder, written.name)
    problems = damage(run.snapshot)
    if problems:
        raise DamagedError(problems)
    if run.moves_pointer:
        restated = _restatements(run)
        publish(folder, written.name, run.received_us)
        append(folder, RESTATEMENTS, restated, run_id=run.run_id, begun_us=run.received_us)
    else:
        date_snapshot(folder, written.name, run.received_us)
    write_columns(folder)
    needed = named_by_reports(run.project.reports_folder)
    remove_old_snapshots(folder, run.project.settings.marts.keep, needed)
    return str(written)


def _restatements(run: Run) -> list[dict[str, Any]]:
    """What the run's snapshot says of past days otherwise than the live one."""
    folder = run.project.marts_folder
    if run.snapshot is None or live_name(folder) is None:
        return []
    try:
        live = current(folder)
    except (MartError, DamagedError):
        return []
    erased = {
        day for erasure in run.store.erasures if erasure.name not in live.erasures for day in erasure.days
    }
    return find_restatements(run.engine, live, run.snapshot, run.night, run.received_us, erased)


def _definitions(settings: Settings) -> dict[str, Any]:
    """The settings that say what the marts' numbers mean."""
    restart = settings.journey.restart
    return {
        "conversion_window_seconds": settings.conversion.window.total_seconds(),
        "inactivity_seconds": settings.journey.inactivity.total_seconds(),
        "session_timeout_seconds": settings.session_timeout.total_seconds(),
        "journey_key": settings.journey.key,
        "restart": restart
        and {
            "after": restart.after,
            "on": restart.on,
            "cool_down_seconds": restart.cool_down.total_seconds(),
        },
    }


def report(run: Run) -> str:
    """Write the pages of the published marts, and tell those who want to know."""
    from journey_analytics.reports.delivery import tell
    from journey_analytics.reports.dropoff import write_report

    write_quality_page(run)
    written = write_report(run.project, run.snapshot or current(run.project.marts_folder))
    run.not_told = tell(run.project, written)
    return str(written.path)
