"""The reference of the command line: every command with its arguments and examples.

Belongs here: the page made from the commands' own help. Does not belong here: the help (cli).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cyclopts import App

_HEADING = re.compile(r"^#{2,} (?P<command>journey .+)$", re.MULTILINE)


def commands(app: App) -> str:
    """Every command below `app`, as Markdown."""
    page = app.generate_docs(usage_name="journey")
    examples = dict(_examples(app, "journey"))
    parts = _HEADING.split(page)
    # the text before the first heading, then heading and section in turns; a heading's hashes are lost
    marks = [match[0] for match in _HEADING.finditer(page)]
    sections = [
        f"{mark}{section.rstrip()}\n{examples.get(command, '')}"
        for mark, command, section in zip(marks, parts[1::2], parts[2::2], strict=True)
    ]
    return parts[0].rstrip() + "\n\n" + "\n".join(sections).rstrip() + "\n"


def _examples(app: App, path: str) -> Iterator[tuple[str, str]]:
    """The examples of each command, as Markdown."""
    for name in app.resolved_commands():
        if name.startswith("-"):
            continue
        command = app[name]
        lines = [line.strip() for line in (command.help_epilogue or "").splitlines()]
        shown = [line for line in lines if line.startswith("journey ")]
        if shown:
            yield f"{path} {name}", "\n".join(["", "```console", *shown, "```", ""])
        yield from _examples(command, f"{path} {name}")
