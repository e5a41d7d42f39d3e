"""Text as SQL literals, for the statements that Python makes."""

from __future__ import annotations

import glob
from pathlib import Path


def quoted(text: str) -> str:
    """The text as an SQL literal.

    >>> quoted("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def quoted_path(path: Path) -> str:
    """The path as an SQL literal for a function that reads files, which would take it for a pattern.

    >>> quoted_path(Path("in/may[1].csv"))
    "'in/may[[]1].csv'"
    """
    return quoted(glob.escape(str(path)))
