"""What a drop-off report says: everything its pages show, read from one snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from journey_analytics.alerts.published import Alerts, read_alerts
from journey_analytics.alerts.wording import headline as changes
from journey_analytics.alerts.wording import places
from journey_analytics.marts import Snapshot
from journey_analytics.reports.findings import KIND, Findings, find, outcome, worst
from journey_analytics.reports.samples import samples
from journey_analytics.reports.section import Section, Table
from journey_analytics.reports.sections.alerts import AlertCard, alerts, cards
from journey_analytics.reports.sections.channels import channels
from journey_analytics.reports.sections.checks import checks
from journey_analytics.reports.sections.exits import exits
from journey_analytics.reports.sections.funnel import funnel
from journey_analytics.reports.sections.restated import restated
from journey_analytics.reports.sections.times import times
from journey_analytics.reports.sections.transitions import transitions
from journey_analytics.reports.sections.trends import trends
from journey_analytics.reports.wording import count, money, several

_MOST_NAMED = 3


@dataclass(frozen=True)
class Content:
    """The report of one snapshot.

    Attributes:
        findings: its funnels and cells.
        found: its alerts as published.
        cards: its alerts as they are shown.
        sections: in order.
        samples: journeys to open numbers to, by stage and channel.
    """

    findings: Findings
    found: Alerts
    cards: list[AlertCard]
    sections: tuple[Section, ...]
    samples: dict[tuple[str, str], Table]

    @property
    def headline(self) -> str:
        """What changed and what it costs; what became of journeys, when nothing can be compared yet."""
        if not self.found.cells:
            return outcome(self.findings)
        if not self.cards:
            return changes(self.found)
        still = sum(not alert.figures["is_over"] for alert in self.found.alerts)
        state = "over by now"
        if still:
            state = "still going on" if still == len(self.cards) else f"{count(still)} of them still going on"
        cost = f"{count(self.found.journeys_lost)} journeys lost beyond expectation"
        if self.found.value_at_risk is not None:
            cost += f", {money(self.found.value_at_risk, self.found.currency)} at risk"
        return f"{several(len(self.cards), 'drop-off alert')}, {state}: {cost}."

    @property
    def lead(self) -> str:
        """Where, what still goes on first; without alerts what became of journeys."""
        if self.cards:
            return places(self.found, _MOST_NAMED)
        known = outcome(self.findings) if self.found.cells else ""
        return f"{known} {worst(self.findings)}".strip()

    @property
    def subject(self) -> str:
        """The headline in few words."""
        if self.cards:
            return several(len(self.cards), "alert")
        return f"{several(self.findings.journeys, 'journey')}, no alert"

    def section(self, name: str) -> Section:
        """The section of a name."""
        return next(section for section in self.sections if section.name == name)


def read_content(snapshot: Snapshot) -> Content:
    """Read all that a report shows; nothing but the snapshot and its run's part of the record."""
    findings = find(snapshot)
    model = str(snapshot.manifest["stage_model"])
    found = read_alerts(snapshot)
    return Content(
        findings,
        found,
        cards(snapshot, found),
        (
            alerts(found),
            funnel(findings),
            channels(findings),
            trends(snapshot, findings.stages),
            times(snapshot, model),
            transitions(snapshot, model, [stage["stage"] for stage in snapshot.manifest["stages"]]),
            exits(snapshot, model),
            restated(snapshot, model),
            checks(snapshot),
        ),
        samples(snapshot, model, [*findings.cells, *findings.funnels[KIND]]),
    )
