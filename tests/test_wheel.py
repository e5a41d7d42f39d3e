"""An installed copy works outside the checkout: it carries the models, the flows and the sample project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT


@pytest.mark.slow
def test_an_installed_copy_runs_the_demo_and_carries_the_flow(tmp_path: Path) -> None:
    def python(*arguments: str, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd,
            timeout=300,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        )

    built = python("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist"), cwd=CHECKOUT)
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    put = python("-m", "pip", "install", "-q", "--no-deps", "--target", str(tmp_path / "site"), str(wheel))
    assert put.returncode == 0, put.stderr

    where = python("-c", "import journey_analytics; print(journey_analytics.__file__)")
    assert where.stdout.startswith(str(tmp_path / "site")), where.stdout
    demo = python("-m", "journey_analytics", "demo", "grocer")
    assert demo.returncode == 0, demo.stderr
    assert "1,817" in demo.stdout
    assert (tmp_path / "grocer" / "reports" / "report.html").is_file()
    flow = python("-m", "journey_analytics.pipelines.nightly", "grocer")
    assert flow.returncode == 0, flow.stderr
    assert "Stage funnel" in flow.stdout
