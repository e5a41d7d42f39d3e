"""Where an event came from: tags, click id, referrer and page of a mapping, and the channel they lead to.

Belongs here: which column or address tells what, and when a channel is derived. Does not belong here: the
channel rules themselves (channels.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from journey_analytics.sources.channels.addresses import (
    parse_place_sql,
    parse_query_sql,
    split_url_sql,
)
from journey_analytics.sources.channels.sql import channel_sql, struct_sql
from journey_analytics.sources.mapping import Source
from journey_analytics.touchpoints import TRAFFIC_COLUMNS, UNASSIGNED_CHANNEL

# event column: the address that may tell it, and which part of it
_PARTS_OF_ADDRESSES: dict[str, tuple[str, str]] = {
    "utm_source": ("page_url", "in_query.utm_source"),
    "utm_medium": ("page_url", "in_query.utm_medium"),
    "utm_campaign": ("page_url", "in_query.utm_campaign"),
    "page_path": ("page_url", "in_place.path"),
    "click_id": ("page_url", "in_query.click_id"),
    "landing_host": ("page_url", "in_place.host"),
    "referrer_host": ("referrer_url", "in_place.host"),
}
_ADDRESSES = ("page_url", "referrer_url")
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
    """SQL for where events came from.

    Addresses and tags come again and again, and telling a channel from them is dear. So each combination of
    them is looked at once, in a table that the rows are then joined to.

    Attributes:
        inputs: name to SQL over a row as delivered: all that it says of where it came from.
        layers: select items over the inputs, layer by layer; each is evaluated over the one before.
        columns: event column to its name in the table: the mapping's own word before what an address says.
        derived: the name of the channel they lead to; None when the mapping gives nothing to derive it from.
        given: SQL over a row of the channel the source itself names; None when the mapping has none.
    """

    inputs: dict[str, str]
    layers: tuple[tuple[str, ...], ...]
    columns: dict[str, str]
    derived: str | None
    given: str | None

    @property
    def channel(self) -> str:
        """The source's own channel where it has one, else the derived one; never null."""
        told = [name for name in (self.given, self.derived) if name]
        return f"coalesce({', '.join([*told, repr(UNASSIGNED_CHANNEL)])})"

    def table_sql(self, raw: str) -> str:
        """A SELECT of every combination of the inputs once, with what they tell."""
        query = f"select distinct {_items(self.inputs)} from {raw}"
        for layer in self.layers:
            query = f"select {', '.join(['*', *layer])} from ({query})" if layer else query
        return query

    def joined_sql(self, raw: str, table: str) -> str:
        """The rows of `raw` with the columns that `table_sql` found for them."""
        if not self.inputs:
            return raw
        found = [f"traffic.{name}" for name in (*self.columns.values(), self.derived) if name]
        same = " and ".join(f"delivered.{name} is not distinct from traffic.{name}" for name in self.inputs)
        return (
            f"(select delivered.*, {', '.join(found)} from (select *, {_items(self.inputs)} from {raw}) "
            f"as delivered left join {table} as traffic on {same})"
        )


def traffic_of(source: Source) -> Traffic:
    """What a mapping and the project's channel rules say of where events came from."""
    given = source.mapping.columns
    told = {name: text_sql(given[name]) for name in _PARTS_OF_ADDRESSES if name in given}
    addresses = {name: f"cast(({given[name]}) as varchar)" for name in _ADDRESSES if name in given}
    halves, parsed = [], []
    for address in addresses:
        halves += [f"{half} as _{address}_{name}" for name, half in split_url_sql(f"_{address}").items()]
        # a subquery is answered once for each value of the column it names
        parsed += [
            f"(select {struct_sql(parse_place_sql(f'_{address}_place'))}) as _{address}_in_place",
            f"(select {struct_sql(parse_query_sql(f'_{address}_query'))}) as _{address}_in_query",
        ]
    found, columns = [], {}
    for column, (address, part) in _PARTS_OF_ADDRESSES.items():
        words = [f"_{column}"] if column in told else []
        if address in addresses:
            words.append(f"_{address}_{part}")
        if words:
            found.append(f"coalesce({', '.join(words)}) as _found_{column}")
            columns[column] = f"_found_{column}"
    channels = []
    if any(name in given for name in TRAFFIC_COLUMNS):
        inputs = {name: columns[column] for name, column in _CHANNEL_INPUTS.items() if column in columns}
        channels.append(f"{channel_sql(source.channels, inputs)} as _derived_channel")
    return Traffic(
        inputs={f"_{name}": sql for name, sql in (told | addresses).items()},
        layers=tuple(tuple(items) for items in (halves, parsed, found, channels)),
        columns=columns,
        derived="_derived_channel" if channels else None,
        given=f"lower({text_sql(given['channel'])})" if "channel" in given else None,
    )


def _items(columns: dict[str, str]) -> str:
    return ", ".join(f"{sql} as {name}" for name, sql in columns.items())


def text_sql(expression: str) -> str:
    """The expression as text without blanks around it; empty text is null."""
    return f"nullif(trim(cast(({expression}) as varchar)), '')"
