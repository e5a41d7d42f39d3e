"""What a stages.yaml comes to: which event is which stage, and the tests that say so.

Belongs here: the whole that other rooms are handed. Does not belong here: reading it (stages_file.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from journey_analytics.stages.rule_tests import RuleTest
from journey_analytics.stages.rules import StageRule
from journey_analytics.stages.stage_models import StageModel


@dataclass(frozen=True)
class StageMap:
    """A stage model and the rules that map events to its stages, in order of precedence.

    Attributes:
        rules: the project's own first, then shipped starter rules.
        starter_rules: how many of the rules are shipped.
        tests: the project's own; those of the starter rules when it has no rules of its own.
        unused_lists: named lists that no rule asks for.
        written: what the files that it was read from say, shipped ones too, without tests; the same
            text gives the same stages.
        unseen: numbers of starter rules that are known to have taken nothing.
    """

    model: StageModel
    rules: tuple[StageRule, ...]
    starter_rules: int = 0
    tests: tuple[RuleTest, ...] = ()
    unused_lists: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    unseen: frozenset[int] = frozenset()

    @property
    def own_rules(self) -> tuple[StageRule, ...]:
        """The rules that the project itself has written."""
        return self.rules[: len(self.rules) - self.starter_rules]

    @property
    def observed_stages(self) -> list[str]:
        """The stages some rule gives, in the model's order; the others cannot be seen in this data.

        A starter rule waits for events that may not be in the data at all: it shows a stage by taking one.
        """
        given = {rule.stage for number, rule in enumerate(self.rules, start=1) if number not in self.unseen}
        return [stage for stage in self.model.names if stage in given]
