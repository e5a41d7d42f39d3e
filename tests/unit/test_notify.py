"""Notifications: sent to a mail server of this machine, once, and never a reason to fail."""

from __future__ import annotations

import email
import email.policy
import json
import socket
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from journey_analytics.errors import ConfigError
from journey_analytics.notify import Occasion, notify
from journey_analytics.project import Project, read_project
from tests.conftest import journey

Edit = Callable[[Path, str, str], None]


class Inbox:
    """Keeps every message."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.messages.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 kept"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Inbox, int]]:
    inbox = Inbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield inbox, port
    controller.stop()


@pytest.fixture
def inbox(server: tuple[Inbox, int], monkeypatch: pytest.MonkeyPatch) -> Inbox:
    """Empty; its address is in the environment, as a secret would be."""
    box, port = server
    box.messages.clear()
    monkeypatch.setenv("OPS_MAIL", f"mailto://localhost:{port}?from=shop@example.com&to=ops@example.com")
    return box


def project_with(folder: Path, edit: Edit, notify_lines: str) -> Project:
    edit(folder / "journey.yaml", "session_timeout: 30m\n", f"session_timeout: 30m\nnotify: {notify_lines}\n")
    return read_project(folder)


def test_the_message_goes_out_as_page_and_as_text(tiny: Path, edit: Edit, inbox: Inbox) -> None:
    project = project_with(tiny, edit, '{to: ["${OPS_MAIL}"]}')
    page = "<h1>1 alert</h1><table><tr><td>311</td></tr></table>"
    assert notify(project, {"alerts"}, "shop: 1 alert", "# one alert", page) == []
    (message,) = inbox.messages
    assert message["Subject"] == "shop: 1 alert"
    html, text = (message.get_body((kind,)) for kind in ("html", "plain"))
    assert html is not None
    assert text is not None
    assert "<td>311</td>" in html.get_content()
    assert "1 alert" in text.get_content()


@pytest.mark.parametrize(
    ("on", "occasions", "sent"),
    [
        ("[alerts]", {"alerts"}, 1),
        ("[alerts]", {"failure"}, 0),
        ("[alerts, failure]", {"failure", "warning"}, 1),
        ("[warning]", set(), 0),
        ("[always]", set(), 1),
    ],
)
def test_only_what_was_asked_for_is_told(
    tiny: Path, edit: Edit, inbox: Inbox, on: str, occasions: set[Occasion], sent: int
) -> None:
    project = project_with(tiny, edit, f'{{to: ["${{OPS_MAIL}}"], on: {on}}}')
    assert notify(project, occasions, "title", "body") == []
    assert len(inbox.messages) == sent


def test_the_same_is_sent_again_only_when_asked(tiny: Path, edit: Edit, inbox: Inbox) -> None:
    project = project_with(tiny, edit, '{to: ["${OPS_MAIL}"]}')
    for body, again in (("a", False), ("a", False), ("b", False), ("b", True)):
        assert notify(project, {"alerts"}, "title", body, again=again) == []
    assert len(inbox.messages) == 3


def test_who_cannot_be_reached_is_named_without_secrets_and_the_others_are_told(
    tiny: Path, edit: Edit, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "json://user:hush@127.0.0.1:1/path")
    project = project_with(tiny, edit, '{to: ["${HOOK}", "${NOT_SET}", "pigeon://roof", "${OPS_MAIL}"]}')
    problems = notify(project, {"failure"}, "title", "body")
    assert len(inbox.messages) == 1
    silent, unset, unknown = problems
    assert silent.startswith("notify: address 1 was not reached: JSON: ")
    assert unset == "notify: address 2 was not reached: the environment has no NOT_SET"
    assert unknown == "notify: address 3 was not reached: it is no address that Apprise knows"
    assert "hush" not in "".join(problems)


def test_who_was_not_reached_gets_it_the_next_time(
    tiny: Path, edit: Edit, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_with(tiny, edit, '{to: ["${OPS_MAIL}"]}')
    with monkeypatch.context() as away:
        away.delenv("OPS_MAIL")
        assert notify(project, {"alerts"}, "title", "body", again=False)
    assert notify(project, {"alerts"}, "title", "body", again=False) == []
    assert len(inbox.messages) == 1


def test_without_addresses_nothing_is_sent_or_written(tiny: Path) -> None:
    assert notify(read_project(tiny), {"failure"}, "title", "body") == []
    assert not (tiny / "reports").exists()


def test_a_wrong_occasion_is_named_with_its_place(tiny: Path, edit: Edit) -> None:
    with pytest.raises(ConfigError, match=r"'failure', 'warning' or 'always'\n.*journey\.yaml:6:"):
        project_with(tiny, edit, "{to: [x], on: [alert]}")


def test_a_night_is_told_once_and_the_run_does_not_fail_for_it(
    tiny: Path, edit: Edit, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_with(tiny, edit, '{to: ["${OPS_MAIL}"], on: [always]}')
    with monkeypatch.context() as away:
        away.delenv("OPS_MAIL")
        first = journey("run", "-p", str(tiny), "--json")
        strict = journey("run", "-p", str(tiny), "--strict")
        told = json.loads(journey("status", "-p", str(tiny), "--json").stdout)["last_attempt"]["warnings"]
    assert (first.returncode, strict.returncode) == (0, 1), first.stderr
    unreached = "notify: address 1 was not reached: the environment has no OPS_MAIL"
    assert f"warning: {unreached}" in first.stderr
    assert json.loads(first.stdout)["warnings"] == told == [unreached]
    for _ in range(2):
        assert journey("run", "-p", str(tiny)).returncode == 0
    (message,) = inbox.messages
    assert message["Subject"] == "tiny, 2026-01-20: 3 journeys, no alert"
    body = message.get_body(("html",))
    assert body is not None
    page = (tiny / "reports" / "mail.html").read_text(encoding="utf-8")
    assert "How far journeys come" in body.get_content()
    assert body.get_content().split() == page.split()
