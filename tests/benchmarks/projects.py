"""A project to measure: the settings and stage rules that benchmarks share."""

from __future__ import annotations

from pathlib import Path

_JOURNEY = """
project: bench
timezone: Europe/Berlin
conversion: {stage: purchase, window: 30d}
sources: [sources/web.yaml]
threads: 2
"""
_STAGES = """
rules:
  - {rule: view, stage: interest, when: {event_name: page_view}}
  - {rule: cart, stage: consideration, when: {event_name: [add_to_cart, begin_checkout]}}
  - {rule: repeat_order, stage: loyalty, when: {event_name: order}, after: {stage: purchase, within: 365d}}
  - {rule: order, stage: purchase, when: {event_name: order}}
"""


def write_project(folder: Path, mapping: str) -> None:
    """Make a project whose one source is mapped by this text."""
    (folder / "sources").mkdir(parents=True, exist_ok=True)
    (folder / "journey.yaml").write_text(_JOURNEY, encoding="utf-8")
    (folder / "sources" / "web.yaml").write_text(mapping, encoding="utf-8")
    (folder / "stages.yaml").write_text(_STAGES, encoding="utf-8")
