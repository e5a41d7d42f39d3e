"""Notifications: what a run has to say, sent to the addresses of `notify:` in journey.yaml.

Addresses are Apprise URLs (mail, Slack, Teams, ntfy and others). `${NAME}` in one is the environment's, so
that secrets stay out of files.
Belongs here: sending, and remembering what was sent. Does not belong here: the words (reports).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from journey_analytics.project import Project

if TYPE_CHECKING:
    from apprise import NotifyBase

Occasion = Literal["alerts", "failure", "warning"]

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SENT = "sent.json"


def notify(
    project: Project,
    occasions: set[Occasion],
    title: str,
    body_markdown: str,
    html: str | None = None,
    *,
    again: bool = True,
) -> list[str]:
    """Send a message to every address of the project, when one of the occasions is to be told.

    Args:
        project: with its `notify:`; without one nothing is sent.
        occasions: what the message is about; may be empty for addresses that are told `always`.
        title: one line.
        body_markdown: the message.
        html: the message as a whole page, for addresses that show one.
        again: whether an address gets what it got last; else it is left out.

    Returns:
        What went wrong, a line per address and no secret in it. Nothing is raised: a run does not fail
        because nobody could be told.
    """
    told = project.settings.notify
    if told is None or not ("always" in told.on or occasions & set(told.on)):
        return []
    sent = _read_sent(project)
    digest = hashlib.sha256(f"{title}\n{body_markdown}".encode()).hexdigest()
    problems = []
    for number, address in enumerate(told.to, start=1):
        name = hashlib.sha256(address.encode()).hexdigest()[:16]
        if not again and sent.get(name) == digest:
            continue
        fault = _send(address, title, body_markdown, html)
        if fault is None:
            sent[name] = digest
        else:
            problems.append(f"notify: address {number} was not reached: {fault}")
    _write_sent(project, sent)
    return problems


def _send(address: str, title: str, body: str, html: str | None) -> str | None:
    """Send to one address; what went wrong."""
    names = _VARIABLE.findall(address)
    missing = [name for name in names if name not in os.environ]
    if missing:
        return f"the environment has no {', '.join(missing)}"
    # takes half a second to import, and few runs need it
    import apprise

    url = _VARIABLE.sub(lambda found: os.environ[found[1]], address)
    capture = apprise.LogCapture(level=apprise.logging.WARNING, fmt="%(message)s")  # type: ignore[no-untyped-call]
    with capture as log:
        server = apprise.Apprise.instantiate(url)
        if server is None:
            return "it is no address that Apprise knows"
        if _deliver(server, title, body, html):
            return None
        reason = " ".join(log.getvalue().split()) or "no reason was given"
    for name in names:
        reason = reason.replace(os.environ[name], f"${{{name}}}")
    return f"{server.service_name}: {reason}"


def _deliver(server: NotifyBase, title: str, body: str, html: str | None) -> bool:
    import apprise

    sender = apprise.Apprise()
    sender.add(server)
    if html is not None and server.notify_format == apprise.NotifyFormat.HTML:
        return bool(sender.notify(body=html, title=title, body_format=apprise.NotifyFormat.HTML))
    return bool(sender.notify(body=body, title=title, body_format=apprise.NotifyFormat.MARKDOWN))


def _sent_file(project: Project) -> Path:
    return project.reports_folder / _SENT


def _read_sent(project: Project) -> dict[str, str]:
    """What each address got last, both as hashes: an address may hold a secret."""
    try:
        return dict(json.loads(_sent_file(project).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _write_sent(project: Project, sent: dict[str, str]) -> None:
    path = _sent_file(project)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(sent, indent=1, sort_keys=True) + "\n", encoding="utf-8")
