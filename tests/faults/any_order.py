"""Everything that can happen to a project, in any order, against a full rebuild of what was delivered.

Files come in, late, twice, or under another name; customers merge, or are erased; rules change; work.duckdb
is lost; runs are let through or killed at a failpoint; days are filled in again; earlier sets are restored.
Whatever happened, every set of marts that was ever published equals the one made in a fresh folder, from the
files that lay there, without who was erased: the sha256 of every file.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from journey_analytics import cli
from journey_analytics.errors import EXIT_USAGE
from tests.conftest import copy_project
from tests.faults.children import ended, fork, run
from tests.faults.kills import failpoint_names
from tests.faults.outcome import Outcome
from tests.faults.shop import copy, files_of, live_snapshot, snapshot_folders
from tests.property.nights import (
    FIRST_DAY,
    MODES,
    Delivery,
    Event,
    Setup,
    add_lines,
    deliver,
    events,
    run_night,
    write_project,
    write_settings,
)

_SEED = 18
"""In the few steps that every change can afford, all kinds of things but a backfill happen under this one."""
_FIRST = Delivery("web", (Event("first", 0, "ad", customer="first"),))
_KILLED = -signal.SIGKILL
_DAYS = st.integers(0, 26).map(lambda days: FIRST_DAY.date() + timedelta(days=days))
_SEVERAL = st.lists(events(), min_size=1, max_size=9)
_CUSTOMERS = st.lists(st.sampled_from("abcde"), min_size=2, max_size=2, unique=True)
_SETUPS = st.builds(Setup, restart=st.booleans(), key=st.booleans(), further=st.booleans())
_PLACES = st.builds("{}:{}".format, st.sampled_from(failpoint_names()), st.sampled_from((1, 1, 1, 2)))
Files = dict[str, str]


class AnyOrder(RuleBasedStateMachine):
    """One project, what was delivered to it, and the sets it published."""

    scratch: Path
    outcomes: dict[str, Outcome]

    @initialize()
    def begin(self) -> None:
        """An event is there from the first day on, and was published."""
        self.folder = copy(self.scratch / "before", self.scratch / "project")
        self.log = self.scratch / "log"
        self.night = 0
        self.named = 0
        self.brought = [_FIRST]
        self.held: list[Delivery] = []
        self.made: dict[date | None, Files] = {}
        """What the project as it lies there gives when everything is made anew, by the day asked for."""
        self.published: dict[str, Files] = {}
        self.since_a_run: list[Outcome] = []
        self.live = self._look(None)

    @rule(source=st.sampled_from(("web", *MODES)), several=_SEVERAL, copies=st.integers(0, 3))
    def deliver(self, source: str, several: list[Event], copies: int) -> None:
        """A file comes; some of its events came before."""
        known = [event for delivery in self.brought if delivery.source == source for event in delivery.events]
        self._bring(Delivery(source, (*self._named(several), *known[:copies])))

    @rule(source=st.sampled_from(tuple(MODES)), several=_SEVERAL)
    def hold_back(self, source: str, several: list[Event]) -> None:
        """A file is written, and does not come."""
        self.held.append(Delivery(source, self._named(several)))

    @precondition(lambda self: self.held)
    @rule()
    def deliver_late(self) -> None:
        """A file comes that was written long before."""
        self._bring(self.held.pop(0))

    @rule(number=st.integers(0, 99))
    def deliver_again(self, number: int) -> None:
        """A file comes again under another name; of a list that is loaded whole, an earlier state."""
        self._bring(self.brought[number % len(self.brought)])

    @rule(number=st.integers(0, 99), several=_SEVERAL)
    def grow(self, number: int, several: list[Event]) -> None:
        """Lines come to a file."""
        files = sorted((self.folder / "landing" / "web").glob("*.csv"))
        self._changed()
        add_lines(files[number % len(files)], self._named(several))

    @rule(pair=_CUSTOMERS, quarter=st.integers(0, 2400), by_alias=st.booleans())
    def merge(self, pair: list[str], quarter: int, by_alias: bool) -> None:
        """Two customers turn out to be one: somebody says so, or they share a device."""
        one, other = pair
        linked = [Event("", quarter, "other", customer=one, alias=other)]
        if not by_alias:
            linked = [Event("", quarter, "view", customer=who, cookie="shared") for who in pair]
            linked += [Event("", quarter + 1, "page", cookie="shared")]
        self._bring(Delivery("web", self._named(linked)))

    @rule(setup=_SETUPS, within=st.sampled_from(("9d", "2d")))
    def change_rules(self, setup: Setup, within: str) -> None:
        """Somebody edits the settings and a rule."""
        self._changed()
        write_settings(self.folder, setup)
        rules = self.folder / "stages.yaml"
        text = (self.scratch / "before" / "stages.yaml").read_text(encoding="utf-8")
        rules.write_text(text.replace("within: 9d", f"within: {within}"), encoding="utf-8")

    @rule(is_cut=st.booleans())
    def lose_the_working_database(self, is_cut: bool) -> None:
        """It is deleted, or only half of it is left."""
        file = self.folder / "work.duckdb"
        if file.exists() and is_cut:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        else:
            file.unlink(missing_ok=True)

    @rule(day=st.none() | _DAYS, dies_at=st.none() | _PLACES)
    def run(self, day: date | None, dies_at: str | None) -> None:
        """A run is let through, or killed if it gets to that place: the old set is live, or the new one."""
        code = run(self.folder, self.log, *_as_of(day), failpoint=dies_at)
        if code != _KILLED:
            self._must(code)
        before, self.live = self.live, self._look(day)
        is_old = code == _KILLED and self.live == before
        if not is_old:
            self._equal(self.live, self._anew(day))
        self._count("kill -9" if code == _KILLED else "run", is_old=is_old)
        if code != _KILLED:
            for outcome in self.since_a_run:
                outcome.recovered += 1
            self.since_a_run.clear()

    @rule(first=_DAYS, days=st.integers(1, 2), reprocess=st.sampled_from(("none", "failed", "all")))
    def backfill(self, first: date, days: int, reprocess: str) -> None:
        """Days are run as their nights would have; those before the live one are only kept."""
        last = first + timedelta(days=days - 1)
        words = ["backfill", "-p", str(self.folder), "--from", str(first), "--to", str(last), "--json"]
        words += ["--reprocess", reprocess]
        planned = self.scratch / "planned"
        planned.unlink(missing_ok=True)
        self._must(ended(fork(partial(cli.main, [*words, "--dry-run"]), planned)))
        to_run = [day for day in json.loads(planned.read_text(encoding="utf-8")) if day["is_to_run"]]
        self._must(ended(fork(partial(cli.main, words), self.log)))
        before, self.live = self.live, self._look()
        shown = [date.fromisoformat(day["day"]) for day in to_run if day["moves_pointer"]]
        self._equal(self.live, self._anew(shown[-1]) if shown else before)
        self._count("backfill", is_old=not shown)

    @rule(who=st.sampled_from("abcde"))
    def erase(self, who: str) -> None:
        """A customer goes: its rows from every set that is kept, and from the sums with the next run."""
        words = ["erase", "--customer", who, "--yes", "-p", str(self.folder)]
        code = ended(fork(partial(cli.main, words), self.log))
        if code != EXIT_USAGE:  # unless nothing is held of it
            self._must(code)
            self._changed()
            self.published = {place.name: files_of(place) for place in snapshot_folders(self.folder)}
            self.live = files_of(live_snapshot(self.folder))
            self._count("erasure", is_old=True)

    @precondition(lambda self: self._not_live())
    @rule(number=st.integers(0, 99))
    def restore(self, number: int) -> None:
        """Somebody makes an earlier set the live one again."""
        kept = self._not_live()
        name = kept[number % len(kept)]
        self._must(
            ended(fork(partial(cli.main, ["marts", "restore", name, "-p", str(self.folder)]), self.log))
        )
        self.live = self.published[name]
        self._count("restore", is_old=True)

    @invariant()
    def what_is_live_is_what_was_published(self) -> None:
        """At any moment, byte for byte."""
        self._equal(files_of(live_snapshot(self.folder)), self.live)

    def teardown(self) -> None:
        """The last night needs no hand, whatever was before it."""
        if hasattr(self, "live"):
            self.run(None, None)

    def _not_live(self) -> list[str]:
        """The names of the sets that are kept beside the live one."""
        live = live_snapshot(self.folder)
        return [place.name for place in snapshot_folders(self.folder) if place != live]

    def _bring(self, delivery: Delivery) -> None:
        self._changed()
        self.brought.append(delivery)
        deliver(self.folder, self.night, [delivery])

    def _changed(self) -> None:
        """From here on the project gives other marts."""
        self.night += 1
        self.made.clear()

    def _count(self, what: str, *, is_old: bool) -> None:
        """Count what was seen, and that a run has to come after it."""
        outcome = self.outcomes.setdefault(what, Outcome(f"{what}, in any order"))
        outcome.tries += 1
        outcome.old_seen += is_old
        outcome.new_seen += not is_old
        outcome.to_recover += 1
        self.since_a_run.append(outcome)
        sys.stderr.write(f"{outcome}\n")

    def _named(self, several: list[Event]) -> tuple[Event, ...]:
        """The events under ids of their own: whoever tells an event again tells the same."""
        first, self.named = self.named, self.named + len(several)
        return tuple(replace(event, id=f"n{first + place}") for place, event in enumerate(several))

    def _look(self, *asked: date | None) -> Files:
        """What is live, after making sure that every set that is new equals a rebuild of its day."""
        for place in snapshot_folders(self.folder):
            if place.name not in self.published:
                manifest = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
                (day,) = asked or (date.fromisoformat(manifest["as_of"]),)
                self.published[place.name] = files_of(place)
                self._equal(self.published[place.name], self._anew(day))
        return self.published[live_snapshot(self.folder).name]

    def _anew(self, day: date | None) -> Files:
        """The marts as of a day, made in a fresh folder from what was delivered."""
        if day not in self.made:
            fresh = self.scratch / "fresh"
            shutil.rmtree(fresh, ignore_errors=True)
            copy_project(self.folder, fresh)
            if (erasures := self.folder / "store" / "erasures").exists():
                shutil.copytree(erasures, fresh / "store" / "erasures")
            self._must(ended(fork(partial(run_night, fresh, 0, day), self.log)))
            self.made[day] = files_of(live_snapshot(fresh))
        return self.made[day]

    def _equal(self, found: Files, expected: Files) -> None:
        differ = sorted(path for path, _ in found.items() ^ expected.items())
        assert not differ, f"{len(differ)} files differ: {', '.join(dict.fromkeys(differ))}"

    def _must(self, code: int) -> None:
        told = self.log.read_text(encoding="utf-8")[-4000:] if self.log.exists() else ""
        assert code == 0, f"exit code {code}:\n{told}"


def _as_of(day: date | None) -> list[str]:
    return [] if day is None else ["--date", str(day)]


def any_order(scratch: Path, *, quick: bool) -> list[Outcome]:
    """Let Hypothesis choose what happens, in which order, and with what."""
    before = scratch / "before"
    write_project(before, Setup())
    deliver(before, 0, [_FIRST])
    if code := run(before, scratch / "log"):
        raise SystemExit(f"the first run ended with {code}:\n{(scratch / 'log').read_text(encoding='utf-8')}")

    AnyOrder.scratch, AnyOrder.outcomes = scratch, {}
    run_machine(
        seed(_SEED)(AnyOrder) if quick else AnyOrder,
        settings=settings(
            max_examples=3 if quick else 40,
            stateful_step_count=12 if quick else 25,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            print_blob=True,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return list(AnyOrder.outcomes.values())
