"""The nightly flow on a schedule: a real server, a process that serves it, and what its API tells."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from journey_analytics.project import read_project
from tests.conftest import CHECKOUT, copy_project

pytestmark = pytest.mark.slow

_WAIT_SECONDS = 240
_ZONE = "Europe/Berlin"


@contextmanager
def _process(*arguments: str, env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that is ended with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=CHECKOUT, env=env, stdout=output, stderr=output
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def _wait(what: str, found: Callable[[], Any], log: Path) -> Any:
    """What `found` gives once it gives something."""
    until = monotonic() + _WAIT_SECONDS
    while monotonic() < until:
        try:
            if result := found():
                return result
        except httpx.HTTPError:
            pass
        sleep(0.5)
    message = f"{what} did not come:\n{log.read_text(encoding='utf-8', errors='replace')[-5000:]}"
    raise TimeoutError(message)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Server:
    """A Prefect server of its own, with nothing in it."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self.env = env
        self.log = log
        self.api = httpx.Client(base_url=env["PREFECT_API_URL"], timeout=30)

    def filter(self, what: str) -> list[dict[str, Any]]:
        """All objects of a kind, as the API tells them."""
        return list(self.api.post(f"/{what}/filter", json={}).raise_for_status().json())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("prefect")
    port = _free_port()
    env = {
        **os.environ,
        "PREFECT_HOME": str(folder),
        "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    }
    log = folder / "server.log"
    arguments = ("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui")
    with _process(*arguments, env=env, log=log):
        found = Server(env, log)
        _wait("the server", lambda: found.api.get("/health").status_code == 200, log)
        yield found


class _Mailbox:
    """Takes every mail."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        self.mails.append(content.decode("utf-8") if isinstance(content, bytes) else str(content))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[_Mailbox, int]]:
    box = _Mailbox()
    port = _free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


def test_a_run_comes_by_itself_and_a_failing_one_sends_a_mail(
    server: Server, mailbox: tuple[_Mailbox, int], tmp_path: Path
) -> None:
    """Scheduled by the server, run in a process of its own, seen in the API with what it left there."""
    box, port = mailbox
    shop = copy_project(CHECKOUT / "tests" / "projects" / "tiny", tmp_path / "shop")
    settings = (shop / "journey.yaml").read_text(encoding="utf-8")
    address = f"mailto://127.0.0.1:{port}?from=journey@example.com&to=ops@example.com&mode=insecure"
    notify = f'notify: {{to: ["{address}"], on: [failure]}}\n'
    (shop / "journey.yaml").write_text(settings + notify, encoding="utf-8")
    log = tmp_path / "serve.log"

    def ended(state: str) -> list[dict[str, Any]]:
        return [run for run in server.filter("flow_runs") if run["state_type"] == state]

    with _process("pipelines.serve", str(shop), "--every", "3s", env=server.env, log=log):
        (run, *_) = _wait("a completed run", lambda: ended("COMPLETED"), log)
        assert run["auto_scheduled"] is True
        assert run["parameters"]["project"] == str(shop)
        steps = {task["name"].rsplit("-", 1)[0] for task in server.filter("task_runs")}
        assert {"load", "check_marts", "publish", "report"} <= steps
        artifacts = {artifact["key"]: artifact for artifact in server.filter("artifacts")}
        assert {"stage-funnel", "alerts", "quality", "report"} <= artifacts.keys()
        assert "| awareness | 3 | 2 | 0 | 1 |" in artifacts["stage-funnel"]["data"]
        assert str(shop / "reports" / "report.html") in artifacts["report"]["data"]
        (shop / "input" / "web.csv").write_bytes(b"")
        failed = _wait("a failed run", lambda: ended("FAILED"), log)[0]
        (mail, *_) = _wait("the mail", lambda: box.mails, log)
    assert "the file is empty" in failed["state"]["message"]
    assert "To: ops@example.com" in mail
    assert "nightly" in mail
    assert "web.csv, byte 0" in mail.replace("=\r\n", "")


def test_prefect_yaml_deploys_the_flow_at_two_in_the_projects_zone(server: Server, tmp_path: Path) -> None:
    """To a work pool, one run at a time."""
    project = read_project(CHECKOUT / "tests" / "projects" / "tiny")
    env = {
        **server.env,
        "JOURNEY_CHECKOUT": str(CHECKOUT),
        "JOURNEY_PROJECT": str(project.folder),
        "JOURNEY_TIMEZONE": project.settings.timezone,
    }
    for arguments in (
        ("work-pool", "create", "nightly", "--type", "process"),
        ("--no-prompt", "deploy", "--prefect-file", "pipelines/prefect.yaml", "--all"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    (made,) = [found for found in server.filter("deployments") if found["work_pool_name"] == "nightly"]
    (schedule,) = made["schedules"]
    assert schedule["schedule"]["cron"] == "0 2 * * *"
    assert schedule["schedule"]["timezone"] == _ZONE
    assert made["parameters"] == {"project": str(project.folder)}
    assert made["global_concurrency_limit"]["limit"] == 1
    assert made["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
