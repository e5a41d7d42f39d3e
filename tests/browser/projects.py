"""Projects whose events hold what a page can trip over."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

SCRIPT = "<script>alert(1)</script>"
ARABIC = "بحث مدفوع"
LONG = "campaign_" + "x" * 291
EMOJI_STAGE = "🛒 cart"
CHANNELS = (
    SCRIPT,
    ARABIC,
    LONG,
    "a & b <b>bold</b>",
    "it's %{x} `$home`",
    *(f"channel_{n:02}" for n in range(55)),
)
"""60 of them."""

_JOURNEY = f"""
project: "odd {SCRIPT}"
timezone: Europe/Berlin
conversion: {{stage: purchase, window: 2d}}
journey: {{inactivity: 3d}}
sources: [sources/web.yaml]
"""
_SOURCE = """
source: web
format: csv
files: input/web.csv
timezone: UTC
columns:
  event_id: id
  occurred_at: time
  event_name: event
  customer_ref: customer
  channel: channel
  utm_campaign: campaign
  page_path: page
"""
_STAGES = f"""
stage_model:
  name: odd
  stages:
    - {{stage: awareness, owner: marketing}}
    - {{stage: "{EMOJI_STAGE}", owner: sales, required: true}}
    - {{stage: purchase, owner: sales, required: true}}
rules:
  - rule: visit
    stage: awareness
    when: {{event_name: "visit {SCRIPT}"}}
  - rule: cart
    stage: "{EMOJI_STAGE}"
    when: {{event_name: cart}}
  - rule: order
    stage: purchase
    when: {{event_name: order}}
"""
_COLUMNS = ("id", "time", "event", "customer", "channel", "campaign", "page")
_EVENTS = (f"visit {SCRIPT}", "cart", "order")
_BEGIN = datetime(2026, 3, 1, 9, tzinfo=UTC)
_DAYS = 80
_A_DAY = 80
_SILENT_DAY = 40
_WORSE_FROM = 70
"""Days counted from the first: no event happened on the one; from the other on SCRIPT does worse."""


def write_odd(folder: Path) -> Path:
    """Sixty channels with names of every kind; journeys end at each stage, of late more of one channel."""
    rows = []
    for number in range(_DAYS * _A_DAY):
        day, place = divmod(number, _A_DAY)
        if day == _SILENT_DAY:
            continue
        channel = SCRIPT if place % 2 else CHANNELS[number // 2 % len(CHANNELS)]
        is_worse = channel == SCRIPT and day >= _WORSE_FROM
        chance = (number * 7919) % 100
        steps = 1 + (chance < (25 if is_worse else 75)) + (chance < (10 if is_worse else 30))
        begun = _BEGIN + timedelta(days=day, minutes=place)
        minutes = 1 + place % 9
        rows.extend(
            (begun + timedelta(minutes=step * minutes), _EVENTS[step], f"c{number}", channel)
            for step in range(steps)
        )
        if number % 11 == 0:  # comes back to an earlier stage
            rows.append((begun + timedelta(days=1), _EVENTS[0], f"c{number}", channel))
    return _write(folder, rows)


def write_single(folder: Path) -> Path:
    """One journey of one touchpoint, the smallest project that can be reported."""
    return _write(folder, [(_BEGIN, _EVENTS[0], "ann", "email")])


def _write(folder: Path, rows: list[tuple[datetime, str, str, str]]) -> Path:
    (folder / "sources").mkdir(parents=True)
    (folder / "input").mkdir()
    (folder / "journey.yaml").write_text(_JOURNEY, encoding="utf-8")
    (folder / "sources" / "web.yaml").write_text(_SOURCE, encoding="utf-8")
    (folder / "stages.yaml").write_text(_STAGES, encoding="utf-8")
    with (folder / "input" / "web.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for number, (time, event, customer, channel) in enumerate(rows):
            page = f"/{SCRIPT}" if number % 2 else "/"
            writer.writerow(
                (f"e{number}", time.strftime("%Y-%m-%d %H:%M:%S"), event, customer, channel, LONG, page)
            )
    return folder
