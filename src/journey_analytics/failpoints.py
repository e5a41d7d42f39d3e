"""Named places at which a test lets the process die, as a power cut or kill -9 would.

    JOURNEY_FAILPOINT=publish.pointer_moved:2    dies when it reaches that place for the second time
    JOURNEY_FAILPOINT=list                       dies nowhere, and names on stderr every place it reaches

A place stands before and after every step, and beside everything that changes the disk. Unset, a place costs
one look at the environment.

Belongs here: dying. Does not belong here: what must hold afterwards (tests/faults).
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter

VARIABLE = "JOURNEY_FAILPOINT"
LIST = "list"
MARK = "failpoint "

_reached: Counter[str] = Counter()


def reach(name: str) -> None:
    """Die here without a word when the environment asks for it; else do nothing."""
    asked = os.environ.get(VARIABLE)
    if asked is None:
        return
    place, _, number = asked.partition(":")
    _reached[name] += 1
    if place == LIST:
        sys.stderr.write(f"{MARK}{name}\n")
    elif place == name and _reached[name] == int(number):
        os.kill(os.getpid(), signal.SIGKILL)
