"""The files that run a night without Prefect: units of systemd and a crontab."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest

from journey_analytics.cli import app
from tests.conftest import CHECKOUT

_UNITS = CHECKOUT / "pipelines" / "systemd"


def test_systemd_takes_the_units() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine")
    units = [str(path) for path in sorted(_UNITS.iterdir())]
    found = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode == 0, found.stderr
    assert "journey" not in found.stderr


def test_the_crontab_calls_commands_that_exist() -> None:
    """With options they have, at a time cron understands."""
    lines = (CHECKOUT / "pipelines" / "crontab").read_text(encoding="utf-8").splitlines()
    jobs = [line.split(maxsplit=5) for line in lines if line[:1].isdigit()]
    assert [job[:2] for job in jobs] == [["0", "2"], ["0", "9"]]
    for job in jobs:
        for command in job[5].split("||"):
            words = shlex.split(command.split(">")[0])
            assert words[0] == "journey"
            app.parse_args(words[1:], exit_on_error=False, print_error=False)
