"""What the report and the terminal say, taken from the published marts once for both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from journey_analytics.marts import Snapshot
from journey_analytics.query import query
from journey_analytics.reports.wording import count, interval, percent, several

MIN_DECIDED = 20
"""A cell with fewer decided journeys is too small to be called one of the worst."""
TOO_EARLY = (
    "Too early for rates of drop-off: no journey has ended on its way yet, which takes as long a silence as "
    "journey.inactivity says."
)
ROLE = "first_touch"
KIND = "progressive"
CELL_COLUMNS = ("reached", "continued", "dropped", "open", "drop-off", "95 % CI")
"""What `cell_row` says of a cell, behind its names."""


@dataclass(frozen=True)
class Cell:
    """One stage, of one channel or of all: how many journeys were there and what became of them."""

    stage: str
    channel: str
    reached: int
    continued: int
    dropped: int
    open: int
    drop_off_rate: float | None
    low: float | None
    high: float | None

    @property
    def decided(self) -> int:
        """Journeys whose outcome at the stage is known."""
        return self.continued + self.dropped


@dataclass(frozen=True)
class Findings:
    """The figures of one snapshot that a reader is shown first."""

    snapshot: Snapshot
    funnels: dict[str, list[Cell]]
    cells: list[Cell]
    states: dict[str, int]
    customers: int

    @property
    def journeys(self) -> int:
        """All journeys."""
        return sum(self.states.values())

    @property
    def stages(self) -> list[str]:
        """The observed stages in order."""
        return [cell.stage for cell in self.funnels[KIND]]

    @property
    def states_in_order(self) -> list[tuple[str, int]]:
        """Each state with its journeys, 0 too."""
        return [(state, self.states.get(state, 0)) for state in ("converted", "lost", "open")]

    @property
    def owners(self) -> dict[str, str]:
        """Stage to who answers for it."""
        return {stage["stage"]: stage["owner"] for stage in self.snapshot.manifest["stages"]}

    @cached_property
    def entered(self) -> dict[str, int]:
        """Channel to the journeys that began through it, most journeys first."""
        entered: dict[str, int] = {}
        for cell in self.cells:
            entered[cell.channel] = max(entered.get(cell.channel, 0), cell.reached)
        return dict(sorted(entered.items(), key=lambda item: (-item[1], item[0])))

    @property
    def channels(self) -> list[str]:
        """The channels journeys began through, most journeys first."""
        return list(self.entered)

    @property
    def worst_stage(self) -> Cell | None:
        """The stage that most journeys end in."""
        cells = [cell for cell in self.funnels[KIND] if cell.drop_off_rate is not None]
        return max(cells, key=lambda cell: cell.dropped, default=None)

    @property
    def is_too_early(self) -> bool:
        """Whether no journey has ended on its way yet, while some still may."""
        cells = self.funnels[KIND]
        return any(cell.open for cell in cells) and not any(cell.dropped for cell in cells)

    def worst_cells(self, count: int = 3) -> list[Cell]:
        """The stage x channel cells that surely lose the largest share: by the interval's lower end."""
        able = [c for c in self.cells if c.low is not None and c.decided >= MIN_DECIDED and c.dropped]
        return sorted(able, key=lambda c: (-(c.low or 0.0), c.stage, c.channel))[:count]

    def cell(self, stage: str, channel: str) -> Cell | None:
        """The cell of a stage and a channel, None when no journey of the channel was there."""
        return self._by_place.get((stage, channel))

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], Cell]:
        return {(cell.stage, cell.channel): cell for cell in self.cells if cell.reached}


def find(snapshot: Snapshot) -> Findings:
    """Read a snapshot's figures, those of the stage model that cuts its journeys."""
    dropoff = query(snapshot, "select * from mart_stage_dropoff order by stage_ordinal, channel")
    dropoff = dropoff.filter(pl.col("stage_model") == snapshot.manifest["stage_model"])
    states = query(snapshot, "select state, count(*) as n from mart_journeys group by state")
    customers = query(
        snapshot,
        "select count(distinct customer_id) as customers from mart_journeys",
    ).item()
    kinds = dropoff["funnel_kind"].unique().to_list()
    total = pl.col("channel_role") == "all"
    return Findings(
        snapshot=snapshot,
        funnels={kind: _cells(dropoff.filter(total & (pl.col("funnel_kind") == kind))) for kind in kinds},
        cells=_cells(dropoff.filter((pl.col("channel_role") == ROLE) & (pl.col("funnel_kind") == KIND))),
        states={str(row["state"]): int(row["n"]) for row in states.to_dicts()},
        customers=int(customers),
    )


def headline(findings: Findings) -> str:
    """The finding in one or two sentences."""
    return " ".join(filter(None, (outcome(findings), worst(findings))))


def outcome(findings: Findings) -> str:
    """What became of the journeys."""
    states = findings.states
    goal = findings.snapshot.manifest["conversion_stage"]
    return (
        f"Of {several(findings.journeys, 'journey')} {states.get('converted', 0):,} reached {goal} in time, "
        f"{states.get('lost', 0):,} did not, and {states.get('open', 0):,} still can."
    )


def worst(findings: Findings) -> str:
    """Where most journeys ended, or that it is too early to say; nothing when none ended on its way."""
    if findings.is_too_early:
        return TOO_EARLY
    cell = findings.worst_stage
    if cell is None or not cell.dropped:
        return ""
    return (
        f"Most of those that ended did so in {cell.stage}: {cell.dropped:,} of "
        f"{cell.decided:,} ({percent(cell.drop_off_rate)}) went no further."
    )


def cell_row(cell: Cell, names: tuple[str, ...]) -> list[str]:
    """A cell in words: these attributes of it, then its counts, its rate and the rate's interval."""
    return [
        *(str(getattr(cell, name)) for name in names),
        *map(count, (cell.reached, cell.continued, cell.dropped, cell.open)),
        percent(cell.drop_off_rate),
        interval(cell.low, cell.high),
    ]


def _cells(frame: pl.DataFrame) -> list[Cell]:
    return [_cell(row) for row in frame.to_dicts()]


def _cell(row: dict[str, Any]) -> Cell:
    return Cell(
        stage=row["stage"],
        channel=row["channel"],
        reached=row["journeys_reached"],
        continued=row["journeys_continued"],
        dropped=row["journeys_dropped"],
        open=row["journeys_open"],
        drop_off_rate=row["drop_off_rate"],
        low=row["drop_off_rate_low"],
        high=row["drop_off_rate_high"],
    )
