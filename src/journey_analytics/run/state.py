"""What a run was asked, what it was given, and what it has found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.journeys import Parameters
from journey_analytics.local_days import local_day
from journey_analytics.marts import Snapshot
from journey_analytics.nights import Night
from journey_analytics.project import Project
from journey_analytics.quality.measures import Measures
from journey_analytics.quality.results import CheckResult
from journey_analytics.sources.batches import Batch
from journey_analytics.sources.load import SourceTotals
from journey_analytics.sources.store import Load, Store
from journey_analytics.stages.stage_map import StageMap


@dataclass
class Run:
    """One run of one project: what it was asked, what it was given, and what it has found so far."""

    project: Project
    engine: DuckDBEngine
    run_id: str
    store: Store
    batches: list[Batch]
    received_us: int
    as_of: date | None
    moves_pointer: bool = True
    """Whether readers shall see the new snapshot; a day before the live one is only kept."""
    new_loads: list[Load] = field(default_factory=list)
    totals: list[SourceTotals] = field(default_factory=list)
    results: list[CheckResult] = field(default_factory=list)
    parameters: Parameters = field(default_factory=dict)
    stage_maps: tuple[StageMap, ...] = ()
    """Those of the project, with what the data shows of them."""
    measures: Measures | None = None
    """What every day is compared by, from the staged gate on."""
    made: dict[str, int] = field(default_factory=dict)
    """The tables made so far, with the rows made."""
    night: Night | None = None
    """What changed since the last run, when only that is made anew."""
    rebuild: str | None = None
    """Why everything is made anew."""
    customers: int = 0
    touchpoints: int = 0
    snapshot: Snapshot | None = None
    """What this run wrote, once it did."""
    not_told: list[str] = field(default_factory=list)
    """Who could not be told of the report, a line per address."""

    @property
    def new_batches(self) -> list[Batch]:
        """Those that the store does not hold."""
        known = {load.batch_id for load in self.store.loads}
        return [batch for batch in self.batches if batch.batch_id not in known]

    @property
    def last_day_over(self) -> date:
        """The last day that can be judged: the day before today, or an as-of day before that."""
        today = local_day(self.received_us, self.project.zone)
        return min(self.as_of_day, today - timedelta(days=1))

    @property
    def warnings(self) -> list[str]:
        """What did not stop the run: checks that did not hold, and who was not reached."""
        weak = [result for result in self.results if result.status == "failed" and not result.stops]
        return [*(f"{result.table}: {result.check}: {result.sample}" for result in weak), *self.not_told]

    @property
    def as_of_day(self) -> date:
        """The day the run stands at the end of; known once the events are loaded."""
        if self.as_of is None:
            message = "the as-of day is not known before the events are loaded"
            raise RuntimeError(message)
        return self.as_of
