"""Stage rules as written: ordered, named, first match wins.

A rule has a `when` (conditions on the touchpoint's own columns) and may have a context: `after` and
`not_after` (something earlier in the same customer's history), `occurrence` (the how-manieth touchpoint of
this kind it is). Each context may say `within: 30d` (not longer ago), `same_session: true` (not before the
session of the touchpoint began), or both. A context looks at what an earlier touchpoint is by its own
columns, never at that one's context: `after: {stage: purchase}` means an earlier touchpoint that a rule of
that stage without a context would take. So the result never depends on its own outcome.

A session is what it is everywhere: touchpoints with no gap longer than the project's `session_timeout`, those
that a rule without a context ignores not counted.

`from:` and `until:` say on which days, in the project's time zone, a rule takes touchpoints; the day of
`until` is not one of them. They say nothing of the touchpoints that a context counts as of the rule's kind.

Belongs here: the grammar of a rule and every complaint about its text.
Does not belong here: conditions (conditions.py), the file around rules (stages_file.py), SQL (compile.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from journey_analytics.durations import parse_duration
from journey_analytics.errors import Place, Problem, advise
from journey_analytics.stages.conditions import Condition, ConditionReader, Lists
from journey_analytics.stages.stage_models import StageModel
from journey_analytics.yaml_file import KeyPath, YamlFile, plain

RULE_KEYS = {
    "rule": "Name of the rule.",
    "stage": "The stage that its touchpoints are in.",
    "ignore": "`true`, instead of a stage: its touchpoints are taken out of journeys.",
    "when": "Conditions on the touchpoint, all of which hold.",
    "after": "Something earlier in the customer's history: `stage`, or conditions; `within`, `same_session`.",
    "not_after": "Something that is not earlier in the customer's history; keys as in `after`.",
    "occurrence": "`{gte: 3}`: at least the third touchpoint of its kind; `within`, `same_session`.",
    "from": "The first day on which the rule holds.",
    "until": "The day on which it holds no more.",
}
"""The keys of a rule, and what each says."""
_REACH_KEYS = ("within", "same_session")
_MOST_WITH_CONTEXT = 1_000


@dataclass(frozen=True)
class Reach:
    """How far back a context looks: so long ago, to the start of the session, or (None, False) for ever."""

    within: timedelta | None = None
    same_session: bool = False


@dataclass(frozen=True)
class Earlier:
    """Something earlier in the same customer's history that must be there, or must not."""

    stage: str | None
    when: Condition | None
    reach: Reach = Reach()
    is_wanted: bool = True


@dataclass(frozen=True)
class Occurrence:
    """The touchpoint is at least the `at_least`-th of its kind within reach."""

    at_least: int
    reach: Reach = Reach()


@dataclass(frozen=True)
class StageRule:
    """One rule: what it takes, and the stage it gives (None for a rule that ignores).

    Attributes:
        from_day: the first local day on which it takes touchpoints.
        until_day: the first local day on which it takes none any more.
        place: where it is written.
    """

    name: str
    stage: str | None
    when: Condition
    earlier: tuple[Earlier, ...] = ()
    occurrence: Occurrence | None = None
    from_day: date | None = None
    until_day: date | None = None
    place: Place | None = field(default=None, compare=False)

    @property
    def ignores(self) -> bool:
        """Whether touchpoints of this rule are taken out of journeys."""
        return self.stage is None

    @property
    def has_context(self) -> bool:
        """Whether the rule asks about the customer's history."""
        return bool(self.earlier) or self.occurrence is not None


class RuleReader:
    """Walks the rules of one file and collects every problem instead of stopping at the first.

    Args:
        file: the file, for the places of the problems.
        model: the stages that rules may give.
        lists: the named lists that conditions may ask for.
    """

    def __init__(self, file: YamlFile, model: StageModel, lists: Lists) -> None:
        self.file = file
        self.model = model
        self.problems: list[Problem] = []
        self.conditions = ConditionReader(file, lists, self.problems.append).conditions

    def complain(self, what: str, path: KeyPath, do: str, *, value: bool = False) -> None:
        """Note a problem at the key (or value) at `path`."""
        self.problems.append(self.file.problem(what, path, do, value=value))

    def read(self, following: Sequence[StageRule] = ()) -> tuple[StageRule, ...]:
        """The rules of the file that can be read.

        Args:
            following: rules that stand behind them, of which a context may speak too.
        """
        entries = plain(self.file.content.get("rules"))
        if not isinstance(entries, list):
            self.complain("'rules' is a list of rules", ("rules",), "write '- rule: some_name' lines")
            return ()
        rules = [self.rule(entry, ("rules", index)) for index, entry in enumerate(entries)]
        seen: dict[str, int] = {}
        for index, rule in enumerate(rules):
            if rule is not None and rule.name in seen:
                first = self.file.place(("rules", seen[rule.name], "rule")).line
                self.complain(
                    f"stage rule {rule.name!r} is named twice (first on line {first})",
                    ("rules", index, "rule"),
                    "give each rule a name of its own",
                )
            elif rule is not None:
                seen[rule.name] = index
        complete = tuple(rule for rule in rules if rule is not None)
        with_context = sum(rule.has_context for rule in complete)
        if with_context > _MOST_WITH_CONTEXT:
            self.complain(
                f"{with_context:,} stage rules have a context, and each costs every run a look at histories",
                ("rules",),
                f"keep to {_MOST_WITH_CONTEXT:,}; one rule can take a list of event names",
            )
        if len(complete) == len(rules):  # a rule that is refused may be the one that another needs
            plainly_given = {rule.stage for rule in (*complete, *following) if not rule.has_context}
            for index, rule in enumerate(complete):
                self.check_stages_have_plain_rules(rule, plainly_given, ("rules", index))
        return complete

    def rule(self, entry: Any, path: KeyPath) -> StageRule | None:
        """The rule at `path`, or None when something in it cannot be used."""
        if not isinstance(entry, Mapping):
            self.complain("a rule is a list of keys", path, f"known keys: {', '.join(RULE_KEYS)}")
            return None
        count = len(self.problems)
        for key in entry:
            if key not in RULE_KEYS:
                self.complain(f"unknown key {key!r}", (*path, key), advise(key, RULE_KEYS, "key"))
        name = entry.get("rule")
        if not isinstance(name, str) or not name:
            self.complain("a rule needs a name", (*path, "rule"), "write 'rule: some_name'")
            name = "(unnamed)"
        stage = self.stage_of(entry, path, name)
        if "when" not in entry:
            self.complain(f"stage rule {name!r} has no 'when'", path, "say what it takes")
            return None
        when = self.conditions(entry["when"], (*path, "when"))
        earlier = tuple(
            found
            for key in ("after", "not_after")
            if key in entry and (found := self.earlier(entry[key], (*path, key), key)) is not None
        )
        occurrence = None
        if "occurrence" in entry:
            occurrence = self.occurrence(entry["occurrence"], (*path, "occurrence"))
        from_day, until_day = self.day(entry, path, "from"), self.day(entry, path, "until")
        if from_day is not None and until_day is not None and from_day >= until_day:
            self.complain(
                f"stage rule {name!r} takes nothing: it begins on the day it ends, or later",
                (*path, "until"),
                f"name a day after {from_day}; the day of 'until' is not included",
                value=True,
            )
        if len(self.problems) > count or when is None:
            return None
        place = self.file.place((*path, "rule"))
        return StageRule(name, stage, when, earlier, occurrence, from_day, until_day, place)

    def stage_of(self, entry: Mapping[str, Any], path: KeyPath, name: str) -> str | None:
        """The stage a rule gives; None when it ignores."""
        stage, ignore = entry.get("stage"), entry.get("ignore", False)
        if ignore is not True and ignore is not False:
            self.complain("ignore is true or false", (*path, "ignore"), "correct it", value=True)
        if (stage is None) == (ignore is not True):
            self.complain(
                f"stage rule {name!r} needs either a stage or 'ignore: true'",
                path,
                f"stages of {self.model.name}: {', '.join(self.model.names)}",
            )
        elif stage is not None:
            self.known_stage(stage, (*path, "stage"))
        return stage if isinstance(stage, str) else None

    def known_stage(self, stage: Any, path: KeyPath) -> None:
        """Complain of a stage that the model does not have."""
        if stage not in self.model.names:
            self.complain(
                f"unknown stage {stage!r} in stage model {self.model.name!r}",
                path,
                advise(str(stage), self.model.names, "stage"),
                value=True,
            )

    def check_stages_have_plain_rules(
        self, rule: StageRule, plainly_given: set[str | None], path: KeyPath
    ) -> None:
        """Complain of a context that waits for a stage which only rules with a context give."""
        for earlier in rule.earlier:
            if earlier.stage is not None and earlier.stage not in plainly_given:
                self.complain(
                    f"stage rule {rule.name!r} looks back at stage {earlier.stage!r}, "
                    "which no rule without a context gives",
                    (*path, "after" if earlier.is_wanted else "not_after"),
                    "name the earlier event instead, for example {event_name: order_completed}",
                )

    def earlier(self, entry: Any, path: KeyPath, key: str) -> Earlier | None:
        """What an `after` or a `not_after` speaks of."""
        if not isinstance(entry, Mapping):
            self.complain(f"{key!r} names a stage or columns", path, "write {stage: purchase}")
            return None
        columns = {name: test for name, test in entry.items() if name not in ("stage", *_REACH_KEYS)}
        stage = entry.get("stage")
        if (stage is None) == (not columns):
            self.complain(
                f"{key!r} takes either a stage or columns of the earlier touchpoint",
                path,
                "write {stage: purchase} or {event_name: order_completed}",
            )
            return None
        if stage is not None:
            self.known_stage(stage, (*path, "stage"))
        when = self.conditions(columns, path) if columns else None
        return Earlier(stage, when, self.reach(entry, path), is_wanted=key == "after")

    def occurrence(self, entry: Any, path: KeyPath) -> Occurrence | None:
        """The how-manieth touchpoint of its kind the rule takes."""
        keys = ("gte", *_REACH_KEYS)
        if not isinstance(entry, Mapping) or "gte" not in entry:
            self.complain("'occurrence' needs a count", path, "write {gte: 2} or {gte: 2, within: 30d}")
            return None
        for key in entry:
            if key not in keys:
                self.complain(f"unknown key {key!r}", (*path, key), advise(key, keys, "key"))
        count = entry["gte"]
        if not isinstance(count, int) or isinstance(count, bool) or count < 2:
            self.complain(f"gte is a whole number from 2, not {count!r}", (*path, "gte"), "correct it")
            return None
        return Occurrence(count, self.reach(entry, path))

    def reach(self, entry: Mapping[str, Any], path: KeyPath) -> Reach:
        """How far back a context looks."""
        same_session = entry.get("same_session", False)
        if same_session is not True and same_session is not False:
            self.complain("same_session is true or false", (*path, "same_session"), "correct it", value=True)
        within = None
        if "within" in entry:
            try:
                within = parse_duration(entry["within"])
            except ValueError as cause:
                self.complain(str(cause), (*path, "within"), "correct the duration", value=True)
        return Reach(within, same_session is True)

    def day(self, entry: Mapping[str, Any], path: KeyPath, key: str) -> date | None:
        """The day that `from` or `until` names."""
        given = entry.get(key)
        if isinstance(given, str):
            with contextlib.suppress(ValueError):
                given = date.fromisoformat(given)
        if isinstance(given, date) and not isinstance(given, datetime):
            return given
        if key in entry:
            self.complain(
                f"{key} is a day, not {self.file.written((*path, key))}",
                (*path, key),
                "write it as 2026-03-01, without a time",
                value=True,
            )
        return None
