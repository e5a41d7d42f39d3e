"""The nightly flow on a real Prefect server: the command line's steps, retries, artifact, failures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from journey_analytics.errors import ConfigError, GateError
from journey_analytics.journal import attempt
from journey_analytics.marts import current
from journey_analytics.project import read_project
from journey_analytics.run import STEPS, Step
from pipelines import nightly as module
from pipelines.nightly import nightly
from tests.conftest import CHECKOUT, mart_hashes, run_project


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=60):
        yield


def test_flow_publishes_what_the_command_line_publishes(tiny: Path) -> None:
    from prefect.artifacts import Artifact

    expected = run_project(tiny)
    state = nightly(tiny, force=True, return_state=True)
    assert state.is_completed()
    assert state.result() == expected.run_id
    assert mart_hashes(current(tiny / "marts")) == mart_hashes(expected)
    artifact = Artifact.get("stage-funnel")
    assert artifact is not None
    assert "| awareness | 3 | 2 | 0 | 1 |" in str(artifact.data)


def test_every_step_is_a_task_in_order(tiny: Path) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter

    state = nightly(tiny, return_state=True)
    flow_run = FlowRunFilter.model_validate({"id": {"any_": [state.state_details.flow_run_id]}})
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(flow_run_filter=flow_run)
    ordered = sorted(runs, key=lambda run: run.start_time or run.created)
    assert [run.name.rsplit("-", 1)[0] for run in ordered] == [step.name for step in STEPS]


def test_a_failed_gate_fails_the_flow_with_its_words_and_keeps_the_marts(tiny: Path) -> None:
    before = mart_hashes(run_project(tiny))
    (tiny / "input" / "web.csv").write_text("id,ts,action,customer,channel,amount\n", encoding="utf-8")
    state = nightly(tiny, return_state=True)
    assert state.is_failed()
    assert "load_web" in str(state.message)
    with pytest.raises(GateError):
        state.result()
    assert mart_hashes(current(tiny / "marts")) == before


def test_a_wrong_word_in_the_project_fails_the_flow(
    tiny: Path, edit: Callable[[Path, str, str], None]
) -> None:
    edit(tiny / "journey.yaml", "session_timeout", "sesion_timeout")
    with pytest.raises(ConfigError, match=r"journey\.yaml:5:1"):
        nightly(tiny, return_state=True).result()


@pytest.mark.parametrize(
    ("error", "tries"), [(OSError("the disk was away"), 3), (GateError([]), 1), (ValueError("a fault"), 1)]
)
def test_only_errors_that_can_pass_are_tried_again(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, tries: int
) -> None:
    from prefect import flow

    monkeypatch.setattr(module, "_RETRY_DELAY_SECONDS", 0)
    calls: list[Any] = []

    def fail(run: Any) -> str:
        calls.append(run)
        raise error

    @flow
    def one_step() -> None:
        with attempt(read_project(tiny), now=datetime.now(UTC)) as tried:
            module._task(Step("flaky", "fails", fail))(tried, return_state=True).result()

    state = one_step(return_state=True)
    assert state.is_failed()
    assert len(calls) == tries


@pytest.mark.slow
def test_the_module_runs_without_a_server_and_ends_with_the_exit_code(tiny: Path) -> None:
    def run(folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pipelines.nightly", str(folder)],
            capture_output=True,
            text=True,
            check=False,
            cwd=CHECKOUT,
            timeout=300,
        )

    done = run(tiny)
    assert done.returncode == 0, done.stderr
    assert "Stage funnel" in done.stdout
    (tiny / "input" / "web.csv").write_bytes(b"")
    refused = run(tiny)
    assert refused.returncode == 3
    assert "web.csv, byte 0" in refused.stderr
    assert "Traceback" not in refused.stderr
