"""The parts of a report: sections with a finding in words, and figures: tables that charts are drawn from.

Belongs here: what a section is made of. Does not belong here: what any of them says (sections/), or how it
looks (templates/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from journey_analytics.reports.findings import Cell
from journey_analytics.reports.wording import Kind, told

Chart = Literal["stack", "heat", "trend", "range", "sankey", "bars"]


@dataclass(frozen=True)
class Opening:
    """A number that opens to the journeys behind it: those of one cell of mart_stage_dropoff."""

    value: Any
    cell: Cell
    funnel_kind: str


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        key: by which the chart finds it.
        name: its heading.
        kind: how its values read.
        is_heat: whether a value's cell is coloured by it.
    """

    key: str
    name: str
    kind: Kind = Kind.COUNT
    is_heat: bool = False

    def told(self, value: Any) -> str:
        """A value of the column in words."""
        return told(value.value if isinstance(value, Opening) else value, self.kind)


@dataclass(frozen=True)
class Table:
    """Rows of a report; the first column names the row."""

    caption: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Any, ...]]


@dataclass(frozen=True)
class Figure:
    """A table and the chart that is drawn from its very cells; no chart where the table says it all.

    Attributes:
        table: what it shows.
        chart: how it is drawn.
        title: above it, where a section has several; the word on the switch that chooses among them.
        note: how to read it.
    """

    table: Table
    chart: Chart | None = None
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Section:
    """One question of the report, answered.

    Attributes:
        name: its anchor.
        title: its heading.
        finding: the answer, in one sentence.
        note: how to read the figures.
        figures: none when there is nothing to show; the finding says why.
        is_switched: whether the figures are several views of one thing, of which one is shown.
        links: text and target of pages beside the report that say more.
    """

    name: str
    title: str
    finding: str
    note: str = ""
    figures: tuple[Figure, ...] = ()
    is_switched: bool = False
    links: dict[str, str] = field(default_factory=dict)
