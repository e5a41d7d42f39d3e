"""Markdown tables.

Belongs here: what every page writes its tables with. Does not belong here: any page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    r"""The lines of a Markdown table.

    >>> table(["name", "what"], [["`a`", "b | c"]])
    ['| name | what |', '| --- | --- |', '| `a` | b \\| c |']
    """
    return [_line(header), _line(["---"] * len(header)), *(_line(row) for row in rows)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
