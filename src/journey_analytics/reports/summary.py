"""The report as Markdown: for the flow's artifact and for messages."""

from __future__ import annotations

from journey_analytics.reports.content import Content
from journey_analytics.reports.findings import CELL_COLUMNS, KIND, Cell, cell_row
from journey_analytics.reports.sections.alerts import AlertCard

_STAGE, _CELL = ("stage",), ("stage", "channel")
_MARKUP = "\\|`*_[]<>"


def title(content: Content) -> str:
    """One line for a message's subject."""
    manifest = content.findings.snapshot.manifest
    return f"{manifest['project']}, {manifest['as_of']}: {content.subject}"


def markdown_summary(content: Content) -> str:
    """The headline, the funnel, the worst cells and the state of the data."""
    findings = content.findings
    parts = [_escaped(content.headline), _escaped(content.lead), *map(_alert, content.cards)]
    parts.append(_table(_STAGE, findings.funnels[KIND]))
    worst = findings.worst_cells()
    if worst:
        parts += ["Worst cells, by channel of first touch:", _table(_CELL, worst)]
    parts.append(_escaped(content.section("quality").finding))
    return "\n\n".join(filter(None, parts)) + "\n"


def _alert(card: AlertCard) -> str:
    lines = [f"**{_escaped(card.title)}**", "", *(f"- {_escaped(sentence)}" for sentence in card.sentences)]
    if card.is_data_suspect:
        lines.append("- **Doubt the data first.**")
    return "\n".join(lines)


def _table(names: tuple[str, ...], cells: list[Cell]) -> str:
    lines = [
        "| " + " | ".join((*names, *CELL_COLUMNS)) + " |",
        "|" + " --- |" * len(names) + " ---: |" * len(CELL_COLUMNS),
    ]
    lines += ["| " + " | ".join(map(_escaped, cell_row(cell, names))) + " |" for cell in cells]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Text from events must not end its cell or start markup."""
    return "".join(f"\\{c}" if c in _MARKUP else c for c in text.replace("\n", " "))
