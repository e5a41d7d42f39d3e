"""What a drop-off report says: everything its pages show, read from one snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from journey_analytics.marts import Snapshot
from journey_analytics.reports.findings import KIND, Findings, find, outcome, worst
from journey_analytics.reports.samples import Sample, samples
from journey_analytics.reports.section import Section
from journey_analytics.reports.sections.channels import channels
from journey_analytics.reports.sections.checks import checks
from journey_analytics.reports.sections.exits import exits
from journey_analytics.reports.sections.funnel import funnel
from journey_analytics.reports.sections.times import times
from journey_analytics.reports.sections.transitions import transitions
from journey_analytics.reports.wording import count, several


@dataclass(frozen=True)
class Content:
    """The report of one snapshot: its findings, the sections in order, and journeys to open numbers to."""

    findings: Findings
    sections: tuple[Section, ...]
    samples: dict[tuple[str, str], Sample]

    @property
    def headline(self) -> str:
        """The first sentence of every page."""
        return outcome(self.findings)

    @property
    def lead(self) -> str:
        """What follows the headline."""
        return worst(self.findings)

    @property
    def subject(self) -> str:
        """The headline in few words."""
        states = self.findings.states
        return f"{several(self.findings.journeys, 'journey')}, {count(states.get('converted', 0))} converted"

    def section(self, name: str) -> Section:
        """The section of a name."""
        return next(section for section in self.sections if section.name == name)


def read_content(snapshot: Snapshot) -> Content:
    """Read all that a report shows; nothing but the snapshot and its run's part of the record."""
    findings = find(snapshot)
    model = str(snapshot.manifest["stage_model"])
    return Content(
        findings,
        (
            funnel(findings),
            channels(findings),
            times(snapshot, model),
            transitions(snapshot, model, [stage["stage"] for stage in snapshot.manifest["stages"]]),
            exits(snapshot, model),
            checks(snapshot),
        ),
        samples(snapshot, model, [*findings.cells, *findings.funnels[KIND]]),
    )
