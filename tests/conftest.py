"""Fixtures shared by all tests: projects to run, and the real data that lies beside the checkout."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from journey_analytics.cli import main
from journey_analytics.journal import attempt
from journey_analytics.marts import Snapshot, current
from journey_analytics.project import read_project

# For every test, not for those of one folder alone: a loaded machine takes longer than hypothesis' deadline
# over some example, and then not again, which is reported as flaky. A change is judged by the same examples
# each time, so that what fails is the change's own; HYPOTHESIS_PROFILE=thorough looks for new ones.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=25, derandomize=True, **_COMMON)
settings.register_profile("thorough", max_examples=1_000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

CHECKOUT = Path(__file__).parents[1]
SHARED_DATA = CHECKOUT.parent / "shared" / "data"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
MADE_BY_RUNS = shutil.ignore_patterns("marts", "reports", "store", "work.*", "run.lock")

# Great Expectations imports the Spark client where it is installed, which looks for a whole Spark when the
# main module has no file, as under pytest-xdist; with this set it looks no further.
_PYSPARK = importlib.util.find_spec("pyspark")
if _PYSPARK is not None and _PYSPARK.origin is not None:
    os.environ.setdefault("SPARK_HOME", str(Path(_PYSPARK.origin).parent))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Golden files are written anew only when asked for."""
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


def shared(name: str) -> Path:
    """A folder of real data, or a skip where it does not lie beside the checkout."""
    folder = SHARED_DATA / name
    if not folder.is_dir():
        pytest.skip(f"real data {name!r} is not beside the checkout (looked in {folder})")
    return folder


def run_project(folder: Path, *, force: bool = True) -> Snapshot:
    """Run a project with a fixed clock and return what it published."""
    project = read_project(folder)
    with attempt(project, now=NOW, force=force) as tried:
        for step in tried.steps:
            tried.do(step)
    return current(project.marts_folder)


def mart_hashes(snapshot: Snapshot) -> dict[str, str]:
    """sha256 of every Parquet file of a snapshot, by path."""
    return {
        file["path"]: file["sha256"]
        for entry in snapshot.manifest["marts"].values()
        for file in entry["files"]
    }


def journey(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, called in this process: what it prints and its exit code."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(arguments))
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def journey_process(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, as a user meets it."""
    return subprocess.run(
        [sys.executable, "-m", "journey_analytics", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        timeout=120,
    )


def copy_project(source: Path, target: Path) -> Path:
    """A copy of a project without what runs made."""
    return Path(shutil.copytree(source, target, ignore=MADE_BY_RUNS))


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A copy of the tiny project, to break at will."""
    return copy_project(CHECKOUT / "tests" / "projects" / "tiny", tmp_path / "tiny")


@pytest.fixture
def edit() -> Callable[[Path, str, str], None]:
    """Replace a text that must be there exactly once."""

    def replace(path: Path, old: str, new: str) -> None:
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path.name}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    return replace
