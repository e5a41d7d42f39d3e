"""The canonical event: the columns every source is mapped to and every stage rule may ask about.

Belongs here: names and kinds of the columns. Their full contract is `sql/contracts/events.yml`.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Kind(StrEnum):
    """What a column holds, as far as mappings and rules need to know."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"


MAPPED_COLUMNS: dict[str, Kind] = {
    "occurred_at": Kind.TIME,
    "event_id": Kind.TEXT,
    "customer_ref": Kind.TEXT,
    "anonymous_ref": Kind.TEXT,
    "alias_ref": Kind.TEXT,
    "session_ref": Kind.TEXT,
    "event_name": Kind.TEXT,
    "channel": Kind.TEXT,
    "utm_source": Kind.TEXT,
    "utm_medium": Kind.TEXT,
    "utm_campaign": Kind.TEXT,
    "referrer_host": Kind.TEXT,
    "page_path": Kind.TEXT,
    "device": Kind.TEXT,
    "country": Kind.TEXT,
    "revenue": Kind.NUMBER,
    "currency": Kind.TEXT,
    "score": Kind.NUMBER,
    "score_kind": Kind.TEXT,
}
"""What a source mapping may fill, besides `properties.<name>`."""

ADDRESS_COLUMNS = ("page_url", "referrer_url", "click_id")
"""What a mapping may give besides, to find page, referrer, tags and channel in; not kept as they are."""

TRAFFIC_COLUMNS = ("utm_source", "utm_medium", "utm_campaign", "referrer_host", *ADDRESS_COLUMNS)
"""A channel is derived from these, when a mapping gives any of them."""

RULE_COLUMNS: dict[str, Kind] = {
    "source": Kind.TEXT,
    **{name: kind for name, kind in MAPPED_COLUMNS.items() if kind is not Kind.TIME},
}
"""What a stage rule may ask about, besides `properties.<name>`."""

PROPERTY_PREFIX = "properties."
PROPERTY = re.compile(r"properties[.][A-Za-z_][A-Za-z0-9_]*")
"""A property as rules and settings name it."""

UNASSIGNED_CHANNEL = "unassigned"
UNMAPPED = "(unmapped)"
"""What stands for the stage of an event that no rule takes."""
