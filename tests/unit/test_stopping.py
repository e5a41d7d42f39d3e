"""SIGTERM ends a command at once, from inside a long query too."""

from __future__ import annotations

import signal
import subprocess
import sys
from time import monotonic

import pytest

from journey_analytics.errors import Stopped
from journey_analytics.stopping import interrupting, stopped_by_signals

# a query of minutes, which says when it begins
_CODE = """\
import time
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import Stopped
from journey_analytics.stopping import interrupting, stopped_by_signals
with stopped_by_signals(), DuckDBEngine() as engine:
    try:
        with interrupting(engine.interrupt):
            print("begun", flush=True)
            engine.rows("select count(*) from range(300000000000) as n (i) where sqrt(i) > 3")
    except Stopped as stop:
        print(stop, stop.exit_code, flush=True)
"""


def test_a_signal_ends_a_long_query() -> None:
    process = subprocess.Popen([sys.executable, "-c", _CODE], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    begun = monotonic()
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=60)
    assert told == "stopped by SIGTERM 143\n"
    assert monotonic() - begun < 30
    assert process.returncode == 0


@pytest.mark.parametrize("error", [RuntimeError("Query interrupted"), None])
def test_a_signal_ends_the_block_whatever_is_made_of_it(error: Exception | None) -> None:
    """The engine tells an error of its own in place of Stopped, or somebody takes that for no error."""

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except Stopped:
            if error is not None:
                raise error from None

    with pytest.raises(Stopped, match="stopped by SIGTERM"), stopped_by_signals(), interrupting(lambda: None):
        work()


def test_handlers_are_put_back() -> None:
    """A program that calls the command line keeps its own."""
    from journey_analytics.cli import _call

    before = signal.getsignal(signal.SIGTERM)
    assert _call(["--version"], debug=False) == 0
    assert signal.getsignal(signal.SIGTERM) is before
