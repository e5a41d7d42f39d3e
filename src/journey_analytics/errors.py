"""Every error a user can meet: what happened, where, and what to do.

Belongs here: the error classes, the wording of several problems of one file, and the closest valid name.
Does not belong here: the checks that find the problems (they live in the room that knows the rule).
"""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

EXIT_DONE = 0
EXIT_USAGE = 2
EXIT_GATE_FAILED = 3
EXIT_NOT_EVALUATED = 4
EXIT_LOCKED = 5
EXIT_STALE = 6
EXIT_INTERNAL = 70
EXIT_MACHINE = 74
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Place:
    """A place a person can go to: a file, and in it a line and a column (both from 1)."""

    file: Path
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        parts = [str(self.file)]
        if self.line is not None:
            parts.append(str(self.line))
            if self.column is not None:
                parts.append(str(self.column))
        return ":".join(parts)


@dataclass(frozen=True)
class Problem:
    """One fault: what happened, where, and what to do about it."""

    what: str
    where: str
    do: str


class JourneyError(Exception):
    """Base of every error this product raises on purpose. Carries all problems found together.

    Attributes:
        problems: one or more faults, in the order a reader of the file meets them.
        exit_code: what the command line ends with.
    """

    exit_code: ClassVar[int] = EXIT_USAGE

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__(self.describe())

    def describe(self) -> str:
        """The text a user reads: three lines a problem, with a count in front of several, and its notes."""
        name = type(self).__name__
        blocks = [
            f"{name}: {problem.what}\n  where: {problem.where}\n  do:    {problem.do}"
            for problem in self.problems
        ]
        if len(blocks) > 1:
            blocks.insert(0, f"{len(blocks)} problems:")
        return "\n".join([*blocks, *notes_of(self)])


class ConfigError(JourneyError):
    """A file of the project, or an argument, is wrong: nothing was read or written."""


class StageRuleError(ConfigError):
    """stages.yaml holds a stage or a rule that cannot be used."""


class SourceError(JourneyError):
    """An input file is there but cannot be taken as a whole. The marts stay as they were."""

    exit_code = EXIT_GATE_FAILED


class GateError(JourneyError):
    """A gate refused the data before publishing. The marts stay as they were."""

    exit_code = EXIT_GATE_FAILED


class NotEvaluatedError(JourneyError):
    """A check broke instead of passing or failing; that is never taken as a pass."""

    exit_code = EXIT_NOT_EVALUATED


class LockedError(JourneyError):
    """Another run holds the project's lock."""

    exit_code = EXIT_LOCKED


class MachineError(JourneyError):
    """The machine refused (disk full, broken, or away): the one error that trying again can cure."""

    exit_code = EXIT_MACHINE


class MartError(JourneyError):
    """Marts that were asked for are not there, or are not what their manifest says."""


class DamagedError(JourneyError):
    """Published files are not what their manifest says."""

    exit_code = EXIT_GATE_FAILED


class QueryError(JourneyError):
    """An analyst's query was refused or failed."""


class ModelError(JourneyError):
    """A SQL model failed: a fault of this product or of the machine, not of the user's files."""

    exit_code = EXIT_NOT_EVALUATED


class TooLittleMemoryError(JourneyError):
    """The work does not fit into `memory_limit`; trying again changes nothing."""

    exit_code = EXIT_NOT_EVALUATED


class Stopped(KeyboardInterrupt):
    """Somebody asked the process to end. The marts stay as they were."""

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(f"stopped by {signal.Signals(number).name}")


def notes_of(error: BaseException) -> list[str]:
    """What was noted of an error on its way up (`add_note`)."""
    return list(getattr(error, "__notes__", ()))


def exit_code_of(error: BaseException) -> int:
    """What a command ends with that is ended by this."""
    if isinstance(error, JourneyError | Stopped):
        return error.exit_code
    return EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else EXIT_INTERNAL


def closest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name most like `name`, or None when nothing is near.

    >>> closest("chekout_started", ["checkout_started", "page_view"])
    'checkout_started'
    """
    matches = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.6)
    return matches[0] if matches else None


def advise(name: str, valid: Iterable[str], kind: str) -> str:
    """What to do about an unknown name: the closest valid one, and all of them.

    >>> advise("purchse", ["awareness", "purchase"], "stage")
    "use 'purchase' (closest known stage); known: awareness, purchase"
    """
    names = list(dict.fromkeys(valid))
    known = f"known: {', '.join(names)}" if names else f"no {kind} is known here"
    near = closest(name, names)
    return f"use {near!r} (closest known {kind}); {known}" if near else f"use a known {kind}; {known}"
