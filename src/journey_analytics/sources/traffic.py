"""Where an event came from: tags, click id, referrer and page of a mapping, and the channel they lead to.

Belongs here: which column or address tells what, and when a channel is derived. Does not belong here: the
channel rules themselves (channels.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from journey_analytics.sources.channels.addresses import parse_url_sql
from journey_analytics.sources.channels.sql import channel_sql
from journey_analytics.sources.mapping import Source
from journey_analytics.touchpoints import TRAFFIC_COLUMNS, UNASSIGNED_CHANNEL

# event column: the address that may tell it, and which part of it
_PARTS_OF_ADDRESSES: dict[str, tuple[str, str]] = {
    "utm_source": ("page_url", "utm_source"),
    "utm_medium": ("page_url", "utm_medium"),
    "utm_campaign": ("page_url", "utm_campaign"),
    "page_path": ("page_url", "path"),
    "click_id": ("page_url", "click_id"),
    "landing_host": ("page_url", "host"),
    "referrer_host": ("referrer_url", "host"),
}
_CHANNEL_INPUTS = {
    "source": "utm_source",
    "medium": "utm_medium",
    "campaign": "utm_campaign",
    "click_id": "click_id",
    "referrer_host": "referrer_host",
    "landing_host": "landing_host",
}


@dataclass(frozen=True)
class Traffic:
    """SQL for where an event came from, in the order in which it must be computed.

    Attributes:
        addresses: select items that name the addresses, each evaluated once.
        parts: select items over those, `_found_<column>`.
        columns: event column to SQL over the parts: the mapping's own word before what an address says.
        derived: the channel they lead to; None when the mapping gives nothing to derive it from.
        given: the channel the source itself names; None when the mapping has none.
    """

    addresses: tuple[str, ...]
    parts: tuple[str, ...]
    columns: dict[str, str]
    derived: str | None
    given: str | None

    @property
    def channel(self) -> str:
        """The source's own channel where it has one, else the derived one; never null."""
        told = [name for name in (self.given, self.derived) if name]
        return f"coalesce({', '.join([*told, repr(UNASSIGNED_CHANNEL)])})"


def traffic_of(source: Source) -> Traffic:
    """What a mapping and the project's channel rules say of where events came from."""
    given = source.mapping.columns
    addresses = [
        f"cast(({given[name]}) as varchar) as _{name}"
        for name in ("page_url", "referrer_url")
        if name in given
    ]
    parts, columns = [], {}
    for column, (address, part) in _PARTS_OF_ADDRESSES.items():
        told = [text_sql(given[column])] if column in given else []
        if address in given:
            told.append(parse_url_sql(f"_{address}")[part])
        if told:
            parts.append(f"coalesce({', '.join(told)}) as _found_{column}")
            columns[column] = f"_found_{column}"
    derived = None
    if any(name in given for name in TRAFFIC_COLUMNS):
        inputs = {name: columns[column] for name, column in _CHANNEL_INPUTS.items() if column in columns}
        derived = channel_sql(source.channels, inputs)
    own = f"lower({text_sql(given['channel'])})" if "channel" in given else None
    return Traffic(tuple(addresses), tuple(parts), columns, derived, own)


def text_sql(expression: str) -> str:
    """The expression as text without blanks around it; empty text is null."""
    return f"nullif(trim(cast(({expression}) as varchar)), '')"
