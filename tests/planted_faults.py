"""A large CSV file with planted faults: how it is written, and all that must come of it.

Belongs here: the faults, each with the reason it must be given. Does not belong here: loading.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MAPPING = """\
source: web
format: csv
files: events.csv
columns:
  event_id: id
  occurred_at: ts
  event_name: name
  customer_ref: who
  revenue: amount
  properties.note: note
"""
# kind of fault: the row as it stands in the file, and the reason of each record it makes (None: an event)
KINDS: dict[str, tuple[str, tuple[str | None, ...]]] = {
    "too few fields": ("{id},{ts},view", ("too few fields",)),
    "too many fields": ("{id},{ts},view,c,,,x", ("too many fields",)),
    "broken quoting": ('{id},{ts},"vi"ew,c,,', ("broken quoting",)),
    "split over two lines": ("{id},{ts},vi\new,c,,", ("too few fields", "too few fields")),
    "not utf-8": ("{id},{ts},vi\udce9w,c,,", ("not text in the declared encoding",)),
    "no time": ("{id},,view,c,,", ("no time",)),
    "not a time": ("{id},31/04/2026,view,c,,", ("not a time",)),
    "before 1990": ("{id},1970-01-01 00:00:00,view,c,,", ("before 1990",)),
    "in the future": ("{id},2099-01-01 00:00:00,view,c,,", ("in the future",)),
    "no event id": (",{ts},view,c,,", ("no event id",)),
    "no event name": ('{id},{ts},"  ",c,,', ("no event name",)),
    "no customer": ("{id},{ts},view,,,", ("no id",)),
    "not a number": ("{id},{ts},view,c,a lot,", ("not a number",)),
    "a copy": ("0,2026-01-01 00:00:00,view,c0,,", (None,)),
    "a quoted newline": ('{id},{ts},view,c,,"two\nlines"', (None,)),
}


@dataclass
class Planted:
    """What a file holds.

    Attributes:
        records: rows of any kind; events and bad ones.
        events: rows that are events, copies included.
        copies: events that repeat the id of another.
        bad: number and reason of each record that is no event, in order.
    """

    records: int = 0
    events: int = 0
    copies: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)

    @property
    def reasons(self) -> Counter[str]:
        """How often each reason must be given."""
        return Counter(reason for _, reason in self.bad)


def write_with_faults(path: Path, rows: int) -> Planted:
    """Write a file of so many rows, one in a hundred with a fault, and say what it holds."""
    chosen = random.Random(7)
    # some beside each other, so that a bad row is counted right behind another
    faulty = set(range(100, 200)) | set(chosen.sample(range(1, rows), rows // 100))
    kinds = list(KINDS)
    planted = Planted()
    start = datetime(2026, 1, 1)  # noqa: DTZ001 the file's times carry no zone
    with path.open("w", encoding="utf-8", errors="surrogateescape") as file:
        file.write("id,ts,name,who,amount,note\n")
        for number in range(rows):
            ts = start + timedelta(seconds=number)
            text, reasons = f"{number},{ts},view,c{number % 5000},,", (None,)
            if number in faulty:
                kind = kinds[number * 7 % len(kinds)]
                pattern, reasons = KINDS[kind]
                text = pattern.format(id=number, ts=ts)
                planted.copies += kind == "a copy"
            file.write(text + "\n")
            for reason in reasons:
                planted.records += 1
                if reason is None:
                    planted.events += 1
                else:
                    planted.bad.append((planted.records, reason))
    return planted
