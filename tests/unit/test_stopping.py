"""SIGTERM ends a command at once, from inside a long query too."""

from __future__ import annotations

import signal
import subprocess
import sys
from time import monotonic

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
            try:
                engine.rows("select count(*) from range(300000000000) as n (i) where sqrt(i) > 3")
            except Exception:
                pass  # as somebody would who takes it for a fault of the query
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


def test_handlers_are_put_back() -> None:
    """A program that calls the command line keeps its own."""
    from journey_analytics.cli import _call

    before = signal.getsignal(signal.SIGTERM)
    assert _call(["--version"], debug=False) == 0
    assert signal.getsignal(signal.SIGTERM) is before
