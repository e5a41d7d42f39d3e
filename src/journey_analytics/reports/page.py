"""The pages of a drop-off report as HTML: everything that comes from events is escaped.

Belongs here: what a page is put together from. Does not belong here: what it says (content, sections).
"""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from journey_analytics.reports.archive import PastReport
from journey_analytics.reports.content import Content
from journey_analytics.reports.definitions import terms
from journey_analytics.reports.findings import KIND, Cell
from journey_analytics.reports.section import Opening
from journey_analytics.reports.summary import title
from journey_analytics.reports.wording import count, interval, money, percent

_TEMPLATES = "reports/templates"
_OPEN_ROWS = 12
"""A table of no more rows stands open below its chart."""

_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_MAIL_CELLS = 8
_MAIL_CARDS = 10


@dataclass(frozen=True)
class KeyFigure:
    """A number in large type."""

    name: str
    told: str
    note: str = ""


def report_page(content: Content) -> str:
    """report.html: one file with its style, its script and the one copy of Plotly."""
    plotly, script = _plotly(), _file("report.js")
    names = {place: f"journeys-{number}" for number, place in enumerate(content.samples)}
    return _render(
        "report.html.j2",
        content=content,
        **_of_snapshot(content),
        key_figures=_key_figures(content),
        terms=terms(content.findings.snapshot.manifest),
        sample_names=names,
        samples={names[place]: sample for place, sample in content.samples.items()},
        open_rows=_OPEN_ROWS,
        policy=_policy(plotly, script),
        style=Markup(_file("report.css")),
        plotly=Markup(plotly),
        script=Markup(script),
    )


def mail_page(content: Content) -> str:
    """mail.html: tables and bars with their style beside them, no script."""
    findings = content.findings
    funnel = findings.funnels[KIND]
    return _render(
        "mail.html.j2",
        title=title(content),
        **_of_snapshot(content),
        cards=content.cards[:_MAIL_CARDS],
        funnel=funnel,
        most=max(cell.reached for cell in funnel),
        worst=findings.worst_cells(_MAIL_CELLS),
        quality=content.section("quality").finding,
    )


def index_page(project: str, reports: list[PastReport]) -> str:
    """index.html: the reports kept."""
    return _render(
        "index.html.j2",
        project=project,
        reports=reports,
        policy=_policy(),
        style=Markup(_file("report.css")),
    )


def quality_page(**content: Any) -> str:
    """quality.html: what the gates of the last run found."""
    return _render("quality.html.j2", policy=_policy(), style=Markup(_file("report.css")), **content)


def _render(template: str, **content: Any) -> str:
    return _environment().get_template(template).render(content)


def _of_snapshot(content: Content) -> dict[str, Any]:
    snapshot = content.findings.snapshot
    return {
        "snapshot": snapshot,
        "manifest": snapshot.manifest,
        "headline": content.headline,
        "lead": content.lead,
    }


def _key_figures(content: Content) -> list[KeyFigure]:
    findings, value = content.findings, content.found.value_at_risk
    return [
        *(
            [KeyFigure("lost beyond expectation", count(content.found.journeys_lost))]
            if content.cards
            else []
        ),
        *([KeyFigure("value at risk", money(value, content.found.currency))] if value is not None else []),
        KeyFigure("customers", count(findings.customers)),
        KeyFigure("journeys", count(findings.journeys)),
        *(
            KeyFigure(state, count(number), percent(number / findings.journeys))
            for state, number in findings.states_in_order
        ),
    ]


def _policy(*scripts: str) -> str:
    """What the browser may do with the page: run these very scripts and reach no network at all."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes) or "'none'"
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:"


def command(opening: Opening, as_of: str) -> str:
    """What to type, in the project's folder, for all the journeys behind a number, also when it is past."""
    words = ["journey", "journeys", "list", "--stage", opening.cell.stage]
    if opening.cell.channel != "all":
        words += ["--channel", opening.cell.channel]
    if opening.funnel_kind != "progressive":
        words += ["--funnel-kind", opening.funnel_kind]
    return shlex.join([*words, "--outcome", "dropped", "--as-of", as_of])


def whole_days(text: str, style: str = "") -> Markup:
    """A text as HTML in which no line ends inside a day.

    Args:
        text: what is told.
        style: of the days, for a page without the style sheet that keeps them on one line.

    >>> print(whole_days("<b> since 2026-03-10"))
    &lt;b&gt; since <time>2026-03-10</time>
    """
    styled = f' style="{style}"' if style else ""
    return Markup(_DAY.sub(rf"<time{styled}>\g<0></time>", str(escape(text))))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("journey_analytics", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "count": count,
        "command": command,
        "interval": _of_cell,
        "whole_days": whole_days,
    }
    environment.tests["opening"] = lambda value: isinstance(value, Opening)
    return environment


def _of_cell(cell: Cell) -> str:
    return interval(cell.low, cell.high)


@cache
def _file(name: str) -> str:
    return (files("journey_analytics") / _TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
