"""One run at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from journey_analytics.errors import LockedError
from journey_analytics.lock import hold

_NOW = datetime(2024, 5, 1, 2, 30, tzinfo=UTC)
_HOLDER = """\
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from journey_analytics.lock import hold
with hold(Path(sys.argv[1]), datetime(2024, 5, 1, 2, 30, tzinfo=UTC)):
    print("held", flush=True)
    time.sleep(60)
"""


def _hold_elsewhere(path: Path) -> subprocess.Popen[str]:
    """A process of its own that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", _HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_holder_is_refused_with_who_holds_it(tmp_path: Path) -> None:
    """With process and time, and exit code 5."""
    path = tmp_path / "run.lock"
    process = _hold_elsewhere(path)
    try:
        with pytest.raises(LockedError) as caught, hold(path, _NOW):
            pass
        (problem,) = caught.value.problems
        assert f"process {process.pid}, since 2024-05-01T02:30:00+00:00" in problem.what
        assert problem.where == str(path)
        assert caught.value.exit_code == 5
    finally:
        process.kill()
        process.communicate()


def test_the_lock_is_free_after_its_holder_was_killed(tmp_path: Path) -> None:
    """SIGKILL leaves no time to clean up; nothing has to be removed by hand."""
    path = tmp_path / "run.lock"
    process = _hold_elsewhere(path)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert str(process.pid) in path.read_text(encoding="utf-8")
    with hold(path, _NOW):
        assert f'"pid": {os.getpid()}' in path.read_text(encoding="utf-8")


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    """Inside one process too; and it can be taken again and again."""
    path = tmp_path / "run.lock"
    with pytest.raises(RuntimeError), hold(path, _NOW):
        raise RuntimeError
    for _ in range(2):
        with hold(path, _NOW):
            pass
    assert path.read_text(encoding="utf-8") == ""


def test_a_holder_that_has_not_signed_yet_is_told_as_such(tmp_path: Path) -> None:
    """Between taking the lock and writing who took it."""
    path = tmp_path / "run.lock"
    process = _hold_elsewhere(path)
    try:
        path.write_text("", encoding="utf-8")
        with pytest.raises(LockedError, match="a process that has just begun"), hold(path, _NOW):
            pass
    finally:
        process.kill()
        process.communicate()
