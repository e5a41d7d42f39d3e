"""What came of a fault, counted, and the table of it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from rich.table import Column, Table


@dataclass
class Outcome:
    """One kind of fault: how often it was tried, and what was seen afterwards."""

    fault: str
    tries: int = 0
    old_seen: int = 0
    new_seen: int = 0
    broken_seen: int = 0
    """Live marts that were neither: mixed, incomplete, or not what their manifest says."""
    recovered: int = 0
    """The next run, without a hand, published what an undisturbed run publishes."""
    to_recover: int = 0
    note: str = ""

    def saw(self, live: str, old: str, new: str) -> None:
        """Count the live marts as the old set, the new one, or neither."""
        if live == old:
            self.old_seen += 1
        elif live == new:
            self.new_seen += 1
        else:
            self.broken_seen += 1
            self.note = self.note or live

    @property
    def holds(self) -> bool:
        """Whether nothing broken was seen and every run that had to recover did."""
        return (
            self.tries > 0
            and self.broken_seen == 0
            and self.recovered == self.to_recover > 0
            and not self.note
        )


def table(outcomes: list[Outcome]) -> Table:
    """One line per fault."""
    found = Table(*(Column(field.name.replace("_", " "), overflow="fold") for field in fields(Outcome)))
    for outcome in outcomes:
        found.add_row(*(str(getattr(outcome, field.name)) for field in fields(Outcome)))
    return found
