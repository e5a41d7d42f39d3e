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
_DAYS = 40
_SILENT_DAY = 20
"""Counted from the first: no event happened on it."""


def write_odd(folder: Path) -> Path:
    """Sixty channels with names of every kind; some journeys end at each stage, one day has no event."""
    rows = []
    for number in range(3_000):
        day = number * _DAYS // 3_000
        if day == _SILENT_DAY:
            continue
        channel = CHANNELS[number // 2 % len(CHANNELS) if number % 3 else number % 7]
        begun = _BEGIN + timedelta(days=day, minutes=number % 600)
        steps = 1 + (number % 4 > 0) + (number % 5 > 2 and number % 4 > 0)
        minutes = 1 + number % 90
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
