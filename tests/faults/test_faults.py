"""Every kind of fault, a few tries each; `python -m tests.faults` tries them all."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import CHECKOUT
from tests.faults.__main__ import FAULTS, cannot


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_leaves_anything_but_a_whole_set_or_needs_a_hand(name: str) -> None:
    if reason := cannot(name):
        pytest.skip(reason)
    # a process of its own: it forks, which the threads of other tests would not live through
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", name, "--quick"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
