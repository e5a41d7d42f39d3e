"""Who is told of a report, and when."""

from __future__ import annotations

from journey_analytics.notify import Occasion, notify
from journey_analytics.project import Project
from journey_analytics.reports.dropoff import Written
from journey_analytics.reports.summary import markdown_summary, title


def tell(project: Project, written: Written) -> list[str]:
    """Send a report's summary to the project's addresses; what went wrong, a line per address.

    An address that got this very summary last is left out: the same marts reported again are no news.
    """
    content = written.content
    occasions: set[Occasion] = set()
    if content.cards:
        occasions.add("alerts")
    if content.findings.snapshot.manifest["warnings"]:
        occasions.add("warning")
    return notify(project, occasions, title(content), markdown_summary(content), written.mail, again=False)
