"""Rule tests as written: under `tests:` in stages.yaml, events and what the rules should make of them.

    tests:
      - event: {event_name: page_view, page_path: /pricing}
        stage: consideration
      - test: a second order within the year is loyalty
        history:
          - {event_name: order, revenue: 20, at: 2026-03-01 10:00}
        event: {event_name: order, revenue: 15, after: 30d}
        stage: loyalty
        rule: repeat_order
      - event: {event_name: heartbeat}
        ignore: true
      - event: {event_name: never_seen}
        unmapped: true

The events of one test are those of one customer. `at` is a local time of the project, with or without its
day; `after` is the time since the event before; an event that says neither comes a minute after that one.
The first comes on 2026-01-01 at midnight unless it says `at`.

Belongs here: the grammar of tests and every complaint about their text. Does not belong here: running them
(rule_test_run.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

from journey_analytics.durations import parse_duration
from journey_analytics.errors import Place, Problem, advise
from journey_analytics.stages.rules import StageRule
from journey_analytics.stages.stage_models import StageModel
from journey_analytics.touchpoints import PROPERTY, RULE_COLUMNS, Kind
from journey_analytics.yaml_file import KeyPath, YamlFile, plain

TEST_KEYS = {
    "test": "What it shows, in words.",
    "history": "Events of the customer before, each with its columns; `at` or `after` says when.",
    "event": "The event in question, with its columns; a minute after the last one without `at` or `after`.",
    "stage": "The stage expected.",
    "rule": "The rule expected to take it.",
    "ignore": "`true`: an ignoring rule is expected to take it.",
    "unmapped": "`true`: no rule is expected to take it.",
}
"""The keys of a test, and what each says."""
_TIME_KEYS = ("at", "after")
_COLUMNS = tuple(name for name in RULE_COLUMNS if name != "event_id")  # the run numbers the events itself
_LARGEST_NUMBER = 10**14  # what revenue can hold
_START = datetime(2026, 1, 1)  # noqa: DTZ001 - local time of whatever zone the project has
_STEP = timedelta(minutes=1)
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")

Outcome = Literal["stage", "ignored", "unmapped", "rule"]


@dataclass(frozen=True)
class ExampleEvent:
    """One event of a test.

    Attributes:
        values: column (or `properties.<name>`) to value; what is not named is missing.
        at: the local time from which it is reckoned.
        since: how long after that it comes.
    """

    values: Mapping[str, Any]
    at: datetime
    since: timedelta


@dataclass(frozen=True)
class RuleTest:
    """What the rules should make of the last of the events of one customer.

    Attributes:
        outcome: what is expected: a stage, to be ignored, no rule at all, or (`rule`) only a rule.
        rule: the rule that should take it, when the test says so.
    """

    name: str
    events: tuple[ExampleEvent, ...]
    outcome: Outcome
    stage: str | None = None
    rule: str | None = None
    place: Place | None = field(default=None, compare=False)


class TestReader:
    """Reads the tests of one file and collects every problem instead of stopping at the first.

    Args:
        file: the file, for the places of the problems.
        model: the stages that a test may expect.
        rules: the rules that a test may name; None when they are not known, and then every name passes.
    """

    __test__ = False  # not a test itself, whatever its name says to pytest

    def __init__(self, file: YamlFile, model: StageModel, rules: Sequence[StageRule] | None) -> None:
        self.file = file
        self.model = model
        self.rules = None if rules is None else {rule.name: rule for rule in rules}
        self.problems: list[Problem] = []

    def complain(self, what: str, path: KeyPath, do: str, *, value: bool = False) -> None:
        """Note a problem at the key (or value) at `path`."""
        self.problems.append(self.file.problem(what, path, do, value=value))

    def read(self) -> tuple[RuleTest, ...]:
        """The tests of the file that can be read."""
        entries = plain(self.file.content.get("tests"))
        if entries is None:
            return ()
        if not isinstance(entries, list):
            self.complain("'tests' is a list of tests", ("tests",), "write '- event: {...}' lines")
            return ()
        tests = [self.test(entry, ("tests", index)) for index, entry in enumerate(entries)]
        return tuple(test for test in tests if test is not None)

    def test(self, entry: Any, path: KeyPath) -> RuleTest | None:
        """The test at `path`, or None when something in it cannot be used."""
        if not isinstance(entry, Mapping):
            self.complain("a test is a list of keys", path, f"known keys: {', '.join(TEST_KEYS)}")
            return None
        count = len(self.problems)
        for key in entry:
            if key not in TEST_KEYS:
                self.complain(f"unknown key {key!r}", (*path, key), advise(key, TEST_KEYS, "key"))
        events = self.events(entry, path)
        outcome, stage, rule = self.expected(entry, path)
        if len(self.problems) > count:
            return None
        name = entry.get("test") or _described(events[-1], len(events))
        return RuleTest(str(name), events, outcome, stage, rule, self.file.place(path))

    def expected(self, entry: Mapping[str, Any], path: KeyPath) -> tuple[Outcome, str | None, str | None]:
        """What a test expects: the outcome, the stage and the rule."""
        given: list[Outcome] = []
        count = len(self.problems)
        for key, outcome in (("ignore", "ignored"), ("unmapped", "unmapped")):
            if key in entry and entry[key] is not True:
                self.complain(f"{key} is true, or is left out", (*path, key), "write true", value=True)
            elif key in entry:
                given.append(outcome)  # type: ignore[arg-type]  # a literal of the tuple above
        stage, rule = entry.get("stage"), entry.get("rule")
        if stage is not None:
            given.append("stage")
            if stage not in self.model.names:
                what = f"unknown stage {stage!r} in stage model {self.model.name!r}"
                advice = advise(str(stage), self.model.names, "stage")
                self.complain(what, (*path, "stage"), advice, value=True)
        if rule is not None:
            self.known_rule(rule, stage, (*path, "rule"))
        is_clear = len(given) == 1 or (not given and rule is not None)
        if len(self.problems) == count and (not is_clear or (rule is not None and "unmapped" in given)):
            do = "write one of stage, ignore: true and unmapped: true; or a rule, with or without its stage"
            self.complain("a test expects one outcome", path, do)
        return (given[0] if given else "rule"), stage, rule

    def known_rule(self, rule: Any, stage: Any, path: KeyPath) -> None:
        """Complain of a rule that is not there, or gives another stage than the test expects."""
        if self.rules is None:
            return
        if not isinstance(rule, str) or rule not in self.rules:
            advice = advise(str(rule), self.rules, "rule")
            self.complain(f"the test names no rule: there is no {rule!r}", path, advice, value=True)
        elif stage is not None and self.rules[rule].stage != stage:
            gives = self.rules[rule].stage
            what = f"stage rule {rule!r} {f'gives {gives!r}' if gives else 'ignores'}, not {stage!r}"
            self.complain(what, path, "correct the stage or the rule", value=True)

    def events(self, entry: Mapping[str, Any], path: KeyPath) -> tuple[ExampleEvent, ...]:
        """The history and the event in question, in the order of time."""
        if "event" not in entry:
            self.complain("a test needs an event", path, "write 'event: {event_name: page_view}'")
        history = entry.get("history", [])
        if not isinstance(history, list):
            self.complain("'history' is a list of events", (*path, "history"), "write '- {event_name: a}'")
            history = []
        places: list[tuple[Any, KeyPath]] = [
            (event, (*path, "history", index)) for index, event in enumerate(history)
        ]
        if "event" in entry:
            places.append((entry["event"], (*path, "event")))
        events: list[ExampleEvent] = []
        for event, place in places:
            found = self.event(event, place, events[-1] if events else None)
            if found is not None:
                events.append(found)
        return tuple(events)

    def event(self, entry: Any, path: KeyPath, before: ExampleEvent | None) -> ExampleEvent | None:
        """One event, reckoned from the one before."""
        if not isinstance(entry, Mapping) or not isinstance(entry.get("event_name"), str):
            self.complain("an event needs an event_name", path, "write {event_name: page_view}")
            return None
        values: dict[str, Any] = {}
        for column, value in entry.items():
            if column in _TIME_KEYS:
                continue
            if column not in _COLUMNS and not PROPERTY.fullmatch(column):
                known = [*_COLUMNS, "properties.<name>", *_TIME_KEYS]
                self.complain(f"unknown column {column!r}", (*path, column), advise(column, known, "column"))
            elif self.value_fits(column, value, (*path, column)):
                values[column] = value
        at, since = self.moment(entry, path, before)
        return ExampleEvent(values, at, since)

    def value_fits(self, column: str, value: Any, path: KeyPath) -> bool:
        """Whether the column can hold the value."""
        kind = RULE_COLUMNS.get(column)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        written = self.file.written(path)
        if kind is Kind.NUMBER and value is not None and not is_number:
            self.complain(f"{column} is a number, not {value!r}", path, "write a number", value=True)
        elif is_number and not abs(value) < _LARGEST_NUMBER:
            self.complain(
                f"{written} is more than a column can hold", path, "write a smaller one", value=True
            )
        elif kind is Kind.TEXT and value is not None and not isinstance(value, str):
            self.complain(
                f"{column} is text, and {written} is not", path, f"put it in quotes: '{written}'", value=True
            )
        elif kind is None and not isinstance(value, str | int | float | None):
            self.complain(f"{written} is no value of a property", path, "write text or a number", value=True)
        else:
            return True
        return False

    def moment(
        self, entry: Mapping[str, Any], path: KeyPath, before: ExampleEvent | None
    ) -> tuple[datetime, timedelta]:
        """When an event comes: a local time, and how long after it."""
        last = (before.at, before.since) if before else (_START, timedelta())
        if "at" in entry and "after" in entry:
            self.complain("'at' and 'after' exclude each other", (*path, "at"), "write one of them")
        elif "at" in entry:
            at = _local_time(entry["at"], last[0] + last[1])
            if at is None:
                what = f"{self.file.written((*path, 'at'))} is not a time"
                self.complain(what, (*path, "at"), "write 10:00, or 2026-03-01 10:00", value=True)
            elif before is not None and at < last[0] + last[1]:
                what = f"{at} is before the event that stands before it"
                do = "write the events in the order of time; name the day where it changes"
                self.complain(what, (*path, "at"), do, value=True)
            else:
                return at, timedelta()
        elif "after" in entry:
            try:
                return last[0], last[1] + parse_duration(entry["after"])
            except (ValueError, OverflowError) as cause:
                self.complain(str(cause), (*path, "after"), "correct the duration", value=True)
        elif before is not None:
            return last[0], last[1] + _STEP
        return last


def _local_time(given: Any, last: datetime) -> datetime | None:
    """A local time as YAML reads it; a time without a day is on the day of the event before."""
    if isinstance(given, datetime):
        return datetime.combine(given.date(), given.time()) if given.tzinfo is None else None
    if isinstance(given, date):
        return datetime.combine(given, time())
    if not isinstance(given, str):
        return None
    only_time = _TIME.fullmatch(given)
    try:
        if only_time:
            hour, minute, second = (int(part or 0) for part in only_time.groups())
            return datetime.combine(last.date(), time(hour, minute, second))
        moment = datetime.fromisoformat(given)
    except ValueError:
        return None
    return moment if moment.tzinfo is None else None


def _described(event: ExampleEvent, events: int) -> str:
    """A name for a test that has none."""
    said = ", ".join(f"{column} {value}" for column, value in event.values.items() if column != "event_name")
    name = f"{event.values['event_name']} ({said})" if said else str(event.values["event_name"])
    return name if events == 1 else f"{name} after {events - 1} more"
