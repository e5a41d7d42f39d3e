"""A rehearsal: the steps of a run between loading and publishing, over what the store holds, in memory.

Commands that ask about rules look at the same touchpoints as the last run, and may give them other rules. The
tables of that run went with it and the marts hold no ignored events, so they are made anew from the event
store, by the run's own steps and up to the day the live snapshot stands at.

Belongs here: making those tables. Does not belong here: what is asked of them (stages), the steps (run).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from journey_analytics.errors import Problem, SourceError
from journey_analytics.identity import identity_parameters
from journey_analytics.journeys import model_parameters
from journey_analytics.marts import current
from journey_analytics.project import Project
from journey_analytics.run import STEPS, Run
from journey_analytics.sources.batches import mapping_sha256
from journey_analytics.sources.load import show_events
from journey_analytics.sources.store import Store

_WORK = {step.name: step.work for step in STEPS}


class Rehearsal:
    """The touchpoints of the last run, ready to be given stages by any rules.

    Args:
        run: after the step `identity`.
    """

    def __init__(self, run: Run) -> None:
        self._identified = run

    @property
    def engine(self) -> DuckDBEngine:
        """Holds stg_touchpoints, and what `stage` makes."""
        return self._identified.engine

    @property
    def as_of(self) -> date:
        """The day the live snapshot stands at the end of."""
        return self._identified.as_of_day

    def stage(self, project: Project) -> Run:
        """Give the touchpoints their stages under the project's rules; tables of earlier rules are replaced.

        Args:
            project: the one rehearsed, or a copy of it with other rules.
        """
        run = replace(
            self._identified,
            project=project,
            parameters={**model_parameters(project, self.as_of), **identity_parameters(project)},
            made=dict(self._identified.made),
        )
        _WORK["stage"](run)
        return run


@contextmanager
def rehearse(project: Project) -> Iterator[Rehearsal]:
    """The touchpoints of the last run. Nothing of the project is written or locked; a run may go on beside.

    Raises:
        MartError: nothing has been published yet.
        SourceError: the store holds no events of the project's sources.
    """
    as_of = date.fromisoformat(current(project.marts_folder).manifest["as_of"])
    store = Store(project.store_folder)
    sources = [source for source in project.sources if store.in_force(source, mapping_sha256(source))]
    if not sources:
        raise SourceError(
            Problem(
                "the store holds no events of this project's sources",
                str(project.store_folder),
                "run `journey run -p` on the project",
            )
        )
    limits = Limits(project.settings.memory_limit, project.settings.threads)
    with (
        TemporaryDirectory(prefix="journey-") as spill,
        DuckDBEngine(spill_folder=Path(spill), limits=limits) as engine,
    ):
        run = Run(project, engine, "", store, [], 0, as_of, rebuild="a rehearsal")
        run.totals = show_events(engine, store, sources, [])
        _WORK["identity"](run)
        yield Rehearsal(run)
