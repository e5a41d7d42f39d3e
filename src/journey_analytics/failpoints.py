"""Named places at which a test lets the process die, as a power cut or kill -9 would.

    JOURNEY_FAILPOINT=publish.pointer_moved:1    dies when it reaches that place for the first time
    JOURNEY_FAILPOINT=any:17                     dies at the 17th place reached, whatever its name

A place stands before and after every step, and beside everything that changes the disk. Counting `any` up
from 1 until a run lives through it visits them all. Unset, a place costs one look at the environment.

Belongs here: dying. Does not belong here: what must hold afterwards (tests/faults).
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter

VARIABLE = "JOURNEY_FAILPOINT"
ANY = "any"

_reached: Counter[str] = Counter()


def reach(name: str) -> None:
    """Die here without a word to anybody when the environment asks for it; else do nothing."""
    asked = os.environ.get(VARIABLE)
    if asked is None:
        return
    place, _, number = asked.partition(":")
    _reached.update((name, ANY))
    if place in (name, ANY) and _reached[place] == int(number or 1):
        sys.stderr.write(f"died at {name}\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL)
