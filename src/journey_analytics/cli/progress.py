"""A run on a terminal: each step with what came of it and how long it took."""

from __future__ import annotations

from datetime import UTC, date, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any

from journey_analytics.cli.terminal import messages, timed

if TYPE_CHECKING:
    from journey_analytics.project import Project


def run_with_progress(
    project: Project,
    day: date | None,
    *,
    force: bool,
    full: bool = False,
    moves_pointer: bool = True,
) -> dict[str, Any]:
    """Run a project with its progress on stderr, and say what came out."""
    from journey_analytics.journal import attempt
    from journey_analytics.marts import current

    begun = perf_counter()
    now = datetime.now(UTC)
    asked = {"force": force, "full": full, "moves_pointer": moves_pointer}
    with attempt(project, now=now, as_of=day, **asked) as tried:
        if tried.is_up_to_date:
            messages.print("the marts are up to date (--force computes them again)")
        for note in tried.notes:
            messages.print(f"note: {note}", highlight=False, soft_wrap=True)
        for number, step in enumerate(tried.steps, start=1):
            with timed(f"[{number}/{len(tried.steps)}] {step.does}") as say:
                say(tried.do(step))
        for warning in tried.run.warnings:
            messages.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True)
        snapshot = tried.run.snapshot or current(project.marts_folder)
    return {
        "run_id": snapshot.run_id,
        "as_of": snapshot.manifest["as_of"],
        "was_up_to_date": tried.is_up_to_date,
        "seconds": round(perf_counter() - begun, 2),
        "marts": snapshot.marts,
        "folder": str(snapshot.folder),
        "report": str(project.reports_folder / "report.html"),
        "warnings": [*snapshot.manifest["warnings"], *tried.run.not_told],
    }
