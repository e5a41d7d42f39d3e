"""Ending when asked to: SIGTERM ends a command as Ctrl-C does, at once and with everything put away.

Python tells its main thread of a signal between two of its own instructions, which a query of minutes keeps
waiting. So the query is interrupted too.

Belongs here: signals. Does not belong here: what is put away and written down (journal.py).
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from journey_analytics.errors import Stopped

_ENDING = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Inside the block SIGTERM and Ctrl-C raise Stopped in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _raise) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(number: int, _: FrameType | None) -> None:
    raise Stopped(number)


@contextmanager
def interrupting(interrupt: Callable[[], None]) -> Iterator[None]:
    """While the block runs, a signal that ends the process also calls `interrupt`, from another thread.

    Outside of the main thread, which alone is told of signals, it does nothing.

    Raises:
        Stopped: such a signal came, whatever the block made of it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours, signals = socket.socketpair()
    signals.settimeout(0)
    told: list[int] = []

    def listen() -> None:
        while numbers := ours.recv(16):
            told.extend(number for number in numbers if number in _ENDING)
            if told:
                interrupt()

    listener = threading.Thread(target=listen, daemon=True)
    before = signal.set_wakeup_fd(signals.fileno(), warn_on_full_buffer=False)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        signals.close()
        listener.join()
        ours.close()
        # the engine looks for signals too while it works, and gives an error of its own in place of Stopped
        if told and signal.getsignal(told[0]) is _raise and not isinstance(sys.exception(), Stopped):
            raise Stopped(told[0])
