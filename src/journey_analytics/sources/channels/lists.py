"""The lists of known sources, and the SQL that looks a host or a name up in them.

Belongs here: what a line of a list takes. Does not belong here: which rule asks for a list (rules.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from journey_analytics.engine.sql_text import quoted
from journey_analytics.sources.channels.rules import SOURCE_LISTS


@dataclass(frozen=True)
class _Listed:
    """One line of a source list: a name or a host, and its list (None for a host taken out)."""

    text: str
    source_list: str | None

    @property
    def is_host(self) -> bool:
        return "." in self.text

    @property
    def pattern(self) -> str:
        """The line as a regular expression of the whole name, or of a host's end."""
        if self.text.endswith(".*"):
            return re.escape(self.text.removesuffix(".*")) + r"\.(?:com|(?:com?\.)?[a-z][a-z])"
        return re.escape(self.text)


@cache
def _listed() -> tuple[_Listed, ...]:
    found = []
    for source_list in SOURCE_LISTS:
        text = (files(__package__) / "groups" / f"{source_list}.txt").read_text(encoding="utf-8")
        for line in text.splitlines():
            name = line.strip()
            if name.startswith("!"):
                found.append(_Listed(name[1:], None))
            elif name and not name.startswith("#"):
                found.append(_Listed(name, source_list))
    return tuple(found)


@cache
def _listed_by_depth() -> tuple[tuple[_Listed, ...], ...]:
    """The lines, those with no listed host above them first, then those with one, and so on."""
    hosts = [(line, re.compile(rf".+\.{line.pattern}")) for line in _listed() if line.is_host]

    def depth(line: _Listed) -> int:
        # google.* stands for google.com here: what is below it is below all its forms
        host = _example(line)
        above = [
            other
            for other, below in hosts
            if "." + other.text.removesuffix("*") in host and below.fullmatch(host)
        ]
        return 1 + max(map(depth, above), default=-1)

    depths = {line: depth(line) for line in _listed()}
    return tuple(
        tuple(line for line in _listed() if depths[line] == level)
        for level in range(max(depths.values()) + 1)
    )


def _example(line: _Listed) -> str:
    return line.text.removesuffix("*") + "com" if line.text.endswith(".*") else line.text


def _is_listed(value: str, lines: Sequence[_Listed]) -> str:
    """SQL: whether the value is one of the names, or one of the hosts or below it."""
    names = "|".join(line.pattern for line in lines if not line.is_host)
    hosts = "|".join(line.pattern for line in lines if line.is_host)
    parts = [f"^(?:{names})$"] if names else []
    if hosts:
        parts.append(rf"(?:^|\.)(?:{hosts})$")
    return f"regexp_matches({value}, {quoted('|'.join(parts))})"


def source_list_sql(value: str) -> str:
    """SQL: the list that holds the value (lower case), of several hosts the longest's; else null."""
    branches = [f"when {value} is null or not {_is_listed(value, _listed())} then null"]
    for lines in reversed(_listed_by_depth()):
        held = {
            source_list: [line for line in lines if line.source_list == source_list]
            for source_list in (*SOURCE_LISTS, None)
        }
        results = " ".join(
            f"when {_is_listed(value, group)} then {quoted(source_list) if source_list else 'null'}"
            for source_list, group in held.items()
            if group
        )
        branches.append(f"when {_is_listed(value, lines)} then case {results} end")
    return f"case {' '.join(branches)} end"


def engine_name_sql(host: str) -> str:
    """SQL: a search engine's name as GA4 reports it (`google` for www.google.co.uk), else the host."""
    lines = [line for line in _listed() if line.source_list == "search" and not line.is_host]
    names = "|".join(line.pattern for line in lines)
    found = f"regexp_extract({host}, {quoted(rf'(?:^|[.])({names})[.]')}, 1)"
    return f"coalesce(nullif({found}, ''), {host})"
