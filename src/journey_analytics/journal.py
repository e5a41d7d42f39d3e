"""An attempt of a run: the one way from the lock to the last step, and what is written down of it.

The CLI and the flow both drive an attempt. It takes the project's lock, does the steps one by one, and writes
down of each what came of it, how long it took and how much memory: in `_status.json` while it goes on, in the
table `mart_runs` when it ends, however it ends. What a killed run could not write, the next one does.

Belongs here: what is around every step. Does not belong here: the steps (run), retries and schedules
(pipelines), progress on a terminal (cli).
"""

from __future__ import annotations

import errno
import logging
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from time import perf_counter
from typing import Any

import duckdb

from journey_analytics import __version__, failpoints
from journey_analytics.engine.duckdb import too_little_memory
from journey_analytics.errors import (
    EXIT_DONE,
    DamagedError,
    JourneyError,
    MachineError,
    MartError,
    Problem,
    exit_code_of,
)
from journey_analytics.history import restore
from journey_analytics.local_days import check_day, local_day, to_us
from journey_analytics.lock import hold
from journey_analytics.machine import forget_peak_memory, free_bytes, peak_memory_bytes, size_of
from journey_analytics.marts import Snapshot, current, live_name
from journey_analytics.project import Project
from journey_analytics.record import append
from journey_analytics.run import Run, Step, start, steps_to_do
from journey_analytics.sources.erased import read_erasures
from journey_analytics.status import LastAttempt, LastSuccess, Restored, read_status, write_status
from journey_analytics.stopping import interrupting

_TABLE = "mart_runs"
_INPUTS = "inputs"
_RESTORE = "restore"
_REFUSED = (os.strerror(errno.ENOSPC), os.strerror(errno.EIO))
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt:
    """A run under way."""

    run: Run
    steps: tuple[Step, ...]
    """Those to do, in order."""
    is_up_to_date: bool
    """Whether the live marts were made from the same inputs, rules, settings and code."""
    notes: tuple[str, ...]
    """What somebody who looks on should know before the first step."""
    _journal: _Journal

    def do(self, step: Step) -> str:
        """Do one step, write down what came of it, and say it.

        Raises:
            JourneyError: the step refused; MachineError when the disk did.
        """

        def work() -> str:
            with interrupting(self.run.engine.interrupt):
                return step.work(self.run)

        return self._journal.keep(step.name, work, lambda: step.rows(self.run) if step.rows else None)


@contextmanager
def attempt(
    project: Project,
    *,
    now: datetime,
    as_of: date | None = None,
    force: bool = False,
    full: bool = False,
    moves_pointer: bool = True,
) -> Iterator[Attempt]:
    """Lock the project, look at its inputs, and give the steps that are to be done, in order, to the block.

    Args:
        project: as read from its folder.
        now: the clock, aware; events later than this are taken for faults.
        as_of: the local day to report at the end of, not after today; the day of the last event when None.
        force: do every step although the marts are up to date.
        full: the same, and make every table anew, whatever changed.
        moves_pointer: whether readers shall see the new snapshot; it is kept either way.

    Raises:
        ConfigError: the day cannot be computed with, or is still to come.
        LockedError: another run holds the project.
        SourceError: an input file is missing, empty or damaged.
        MachineError: the disk refused.
    """
    if as_of is not None:
        check_day(as_of, local_day(to_us(now), project.zone))
    try:
        with hold(project.lock_file, now), ExitStack() as engine:
            journal = _Journal(project, now)
            with journal.ended():
                notes = [*journal.notes_on_the_last(), *_finished_erasures(project)]

                def look() -> str:
                    journal.run = engine.enter_context(
                        start(project, now=now, as_of=as_of, moves_pointer=moves_pointer, full=full)
                    )
                    return f"{len(journal.run.batches):,} loads, {len(journal.run.new_batches):,} of them new"

                journal.keep(_INPUTS, look, lambda: None)
                run = journal.opened_run
                steps, is_up_to_date = steps_to_do(run, force=force or full)
                if is_up_to_date:
                    journal.rows[-1]["status"] = "up_to_date"
                yield Attempt(run, steps, is_up_to_date, (*notes, *_too_small(run)), journal)
    except OSError as error:
        # the lock itself is a file
        raise _told(error, project) from error


def restore_snapshot(project: Project, name: str, now: datetime) -> Snapshot:
    """Make a kept snapshot the live one again, if it is sound, and write that down.

    Raises:
        LockedError: a run holds the project.
        MartError: there is no such snapshot.
        DamagedError: files of it are not what was published.
    """
    with hold(project.lock_file, now):
        journal = _Journal(project, now)
        before = current(project.marts_folder).name
        snapshot = restore(project.marts_folder, name)
        journal.restored(snapshot, before)
        return snapshot


class _Journal:
    """What is written down of one attempt."""

    def __init__(self, project: Project, now: datetime) -> None:
        self._project = project
        self._now = now
        self._begun = perf_counter()
        self._status = read_status(project.marts_folder, project.settings.project)
        self.rows: list[dict[str, Any]] = []
        self.run: Run | None = None

    @property
    def opened_run(self) -> Run:
        """The run, once its inputs are known."""
        if self.run is None:
            message = "the run is not known before its inputs are"
            raise RuntimeError(message)
        return self.run

    @property
    def _run_id(self) -> str | None:
        return self.run.run_id if self.run else None

    def notes_on_the_last(self) -> list[str]:
        """Write down of the last attempt what it could not, and say what is worth knowing of it."""
        notes = []
        last = self._status.last_attempt
        if last is not None and last.state == "running":
            last.state = "killed"
            row = {"status": "killed", "detail": "the process ended in this step without a word"}
            about = last.steps[-1] if last.steps else self._about(last.begun_at)
            killed = {**about, "step": last.step, "try_number": 1, "rows": None}
            killed |= {"seconds": None, "peak_memory_bytes": None, **row}
            rows = [*last.steps, killed] if last.step else last.steps
            self._append(rows, last.run_id, last.begun_at)
            notes.append(
                f"the run of {last.begun_at:%Y-%m-%d %H:%M} was killed in step {last.step}; "
                "the marts stayed as they were before it, or became what it published"
            )
        restored = self._status.restored
        if restored is not None:
            notes.append(
                f"the live marts are an earlier set, {restored.name}, restored on "
                f"{restored.at:%Y-%m-%d %H:%M}; this run publishes anew"
            )
        return notes

    def keep(self, step: str, work: Callable[[], str], rows: Callable[[], int | None]) -> str:
        """Do the work of a step and write down what came of it."""
        failpoints.reach(f"{step}.begins")
        self._write(step)
        forget_peak_memory()
        begun = perf_counter()
        try:
            detail = work()
        except BaseException as error:
            told = _told(error, self._project)
            self.add(step, "failed", str(told) or type(told).__name__, seconds=perf_counter() - begun)
            told.add_note(self._what_is_live())
            if told is error:
                raise
            raise told from error
        self.add(step, "done", detail, seconds=perf_counter() - begun, rows=rows())
        failpoints.reach(f"{step}.done")
        return detail

    def _what_is_live(self) -> str:
        """What readers see after a step that failed: steps come after publishing too."""
        live = live_name(self._project.marts_folder)
        if live is None:
            return "no marts have been published yet"
        own = self.run.snapshot if self.run else None
        if own is None or own.name != live:
            return "the marts are the last good set"
        return f"the marts of this run are live, as of {own.as_of}; run again for what it left to do"

    def add(self, step: str, status: str, detail: str, *, seconds: float, rows: int | None = None) -> None:
        """Remember what came of a step."""
        self.rows.append(
            {
                **self._about(self._now),
                "step": step,
                "try_number": 1 + sum(row["step"] == step for row in self.rows),
                "status": status,
                "detail": detail,
                "rows": rows,
                "seconds": seconds,
                "peak_memory_bytes": peak_memory_bytes(),
            }
        )

    @contextmanager
    def ended(self) -> Iterator[None]:
        """Write down how the block ended."""
        try:
            yield
        except BaseException as error:
            try:
                self._end(error)
            except (OSError, duckdb.Error) as fault:
                # what stopped the run goes before; the next run finds that nothing was written
                _LOG.warning("the record of this run could not be written: %s", fault)
            told = _told(error, self._project)
            if told is error:
                raise
            raise told from error
        try:
            self._end(None)
        except (OSError, duckdb.IOException) as error:
            raise _told(error, self._project) from error

    def restored(self, snapshot: Snapshot, before: str) -> None:
        """Write down that an earlier snapshot is live."""
        self.add(_RESTORE, "done", f"{snapshot.name} in place of {before}", seconds=0.0)
        made = {"run_id": snapshot.run_id, "as_of": snapshot.as_of.isoformat()}
        self._append([{**row, **made} for row in self.rows], snapshot.run_id, self._now)
        self._status.restored = Restored(name=snapshot.name, at=self._now)
        write_status(self._project.marts_folder, self._status)

    def _end(self, error: BaseException | None) -> None:
        rows = [self._known(row) for row in self.rows]
        failpoints.reach("record.begins")
        self._append(rows, self._run_id, self._now)
        last = self._attempt(self.rows[-1]["step"] if error and self.rows else None)
        last.ended_at = self._now + timedelta(seconds=perf_counter() - self._begun)
        last.exit_code = EXIT_DONE if error is None else exit_code_of(error)
        if error is not None:
            last.state, last.message = "failed", str(error) or type(error).__name__
        else:
            is_up_to_date = self.rows[0]["status"] == "up_to_date"
            last.state = "up_to_date" if is_up_to_date else "done"
            as_of = last.as_of or current(self._project.marts_folder).as_of.isoformat()
            self._status.last_success = LastSuccess(
                ended_at=last.ended_at, run_id=self.opened_run.run_id, as_of=as_of
            )
            if self.opened_run.moves_pointer:
                self._status.restored = None
        self._status.last_attempt = last
        write_status(self._project.marts_folder, self._status)
        failpoints.reach("status.ended")

    def _write(self, step: str) -> None:
        self._status.last_attempt = self._attempt(step)
        write_status(self._project.marts_folder, self._status)

    def _attempt(self, step: str | None) -> LastAttempt:
        run = self.run
        return LastAttempt(
            begun_at=self._now,
            pid=os.getpid(),
            step=step,
            run_id=self._run_id,
            as_of=run.as_of.isoformat() if run and run.as_of else None,
            warnings=run.warnings if run else [],
            steps=[self._known(row) for row in self.rows],
        )

    def _known(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row with what every row of the attempt says by now."""
        as_of = self.run.as_of.isoformat() if self.run and self.run.as_of else None
        return {**row, "run_id": self._run_id, "as_of": as_of}

    def _about(self, begun_at: datetime) -> dict[str, Any]:
        return {
            "begun_at": begun_at.isoformat(),
            "version": __version__,
            "duckdb_version": duckdb.__version__,
            "python_version": platform.python_version(),
        }

    def _append(self, rows: list[dict[str, Any]], run_id: str | None, begun_at: datetime) -> None:
        append(self._project.marts_folder, _TABLE, rows, run_id=run_id or "unknown", begun_us=to_us(begun_at))


def _told(error: BaseException, project: Project) -> BaseException:
    """The error as people are told it: of the disk or of memory, wherever in a step it happened."""
    if isinstance(error, MachineError):
        return error
    if isinstance(error, duckdb.OutOfMemoryException):
        return too_little_memory("end this step", error)
    cause = error.__cause__ if isinstance(error, JourneyError) else error
    # a commit that the disk refuses is a fatal error to the engine; only its words say why
    is_refused = isinstance(cause, duckdb.Error) and any(words in str(cause) for words in _REFUSED)
    if not is_refused and not isinstance(cause, OSError | duckdb.IOException):
        return error
    where = getattr(cause, "filename", None) or project.folder
    return MachineError(
        Problem(
            f"the disk refused: {str(cause).splitlines()[0]}",
            f"{where}; {free_bytes(project.folder) / 1e9:.1f} GB are free",
            "make room or mend the disk, and run again",
        )
    )


def _finished_erasures(project: Project) -> list[str]:
    """What was still to do of an erasure that was cut short is done before anything else."""
    # imported where there is one: it takes as long as the rest of a command's start
    if all(erasure.is_done for erasure in read_erasures(project.store_folder)):
        return []
    from journey_analytics.erasure import finish_erasures

    return [f"the erasure {name} had been cut short and is done now" for name in finish_erasures(project)]


def _too_small(run: Run) -> list[str]:
    """A note when the disk may be too small for what this run will write."""
    project = run.project
    needed = sum(item.bytes for batch in run.new_batches for item in batch.items)
    try:
        needed += size_of(current(project.marts_folder).folder)
    except (MartError, DamagedError):
        needed *= 2
    free = free_bytes(project.folder)
    gb = f"this run writes up to {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
    return [f"the disk may be too small: {gb}"] if free < needed else []
