"""report.html: one self-contained page from the published marts, with no network and no script."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from journey_analytics.marts import current
from journey_analytics.project import Project
from journey_analytics.reports.findings import MIN_DECIDED, Findings, find, headline, percent

_TEMPLATE = "report.html.j2"


def write_report(project: Project) -> Path:
    """Write the report of the live snapshot and return its path."""
    path = project.reports_folder / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(render(project, find(current(project.marts_folder))), encoding="utf-8")
    scratch.rename(path)
    return path


def render(project: Project, findings: Findings) -> str:
    """The report's HTML; everything that comes from events is escaped."""
    environment = Environment(
        loader=PackageLoader("journey_analytics", "reports/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["thousands"] = lambda number: f"{number:,}"
    settings = project.settings
    return environment.get_template(_TEMPLATE).render(
        findings=findings,
        manifest=findings.snapshot.manifest,
        headline=headline(findings),
        settings=settings,
        conversion_days=settings.conversion.window.days,
        inactivity_days=settings.journey.inactivity.days,
        owners={stage.stage: stage.owner for stage in project.stage_model.stages},
        min_decided=MIN_DECIDED,
    )
