"""Text as SQL literals, for the statements that Python makes."""

from __future__ import annotations


def quoted(text: str) -> str:
    """The text as an SQL literal.

    >>> quoted("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"
