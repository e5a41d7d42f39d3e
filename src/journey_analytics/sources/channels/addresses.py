"""The parts of a web address as SQL: host, path, campaign tags and click id.

Belongs here: reading addresses. Does not belong here: what the parts mean for a channel (sql.py).
"""

from __future__ import annotations

import re

from journey_analytics.engine.sql_text import quoted
from journey_analytics.sources.channels.rules import click_ids

_SEPARATORS = r"/?#\\"
_AUTHORITY = rf"(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//[^{_SEPARATORS}]*"
# without a scheme: a first part with a dot or a port is a host; `checkout/step` is a path
_BARE_AUTHORITY = rf"[\pL\pN_-]+(?:[.][\pL\pN_-]+)+(?:[.])?(?::[0-9]+)?(?:[{_SEPARATORS}]|$)"
_BARE_PORT = rf"[\pL\pN_-]+:[0-9]+(?:[{_SEPARATORS}]|$)"


def parse_url_sql(url_expr: str) -> dict[str, str]:
    """DuckDB expressions for the parts of an address.

    Args:
        url_expr: SQL of the address: whole, without a scheme, or only a path with its query. It is repeated
            in the results: name a column.

    Returns:
        host (lower case, without port and user), path (decoded; `/` when there is a host and no path),
        utm_source, utm_medium, utm_campaign (decoded, `+` is a blank) and click_id (the lower-case name of
        the first known click id that has a value). Each is null where the address does not have it.
        Parameters are read from the query, not from the fragment; of a parameter named twice the first
        counts. What cannot be decoded is kept as it is. Without a scheme, a first part with a dot or a port
        is taken for a host.
    """
    url = f"trim(cast(({url_expr}) as varchar))"
    full = f"regexp_matches({url}, {quoted('^' + _AUTHORITY)})"
    bare = f"regexp_matches({url}, {quoted(f'^(?:{_BARE_AUTHORITY}|{_BARE_PORT})')})"
    opaque = f"regexp_matches({url}, '^[a-zA-Z][a-zA-Z0-9+.-]*:')"
    # everything up to the last @ of the authority is a user's name, whatever it looks like
    in_full = rf"^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//(?:[^{_SEPARATORS}]*@)?(\[[^\]]*\]|[^{_SEPARATORS}:]*)"
    host = (
        f"nullif(rtrim(lower(case when {full} then regexp_extract({url}, {quoted(in_full)}, 1) "
        f"when {bare} then regexp_extract({url}, {quoted(rf'^[^{_SEPARATORS}:]*')}) end), '.'), '')"
    )
    after_full = rf"^{_AUTHORITY}([^?#]*)"
    after_bare = rf"^[^{_SEPARATORS}]*([^?#]*)"
    path = (
        f"case when {full} then {_path_or_root(url, after_full)} "
        f"when {bare} then {_path_or_root(url, after_bare)} "
        f"when {opaque} then null "
        f"else nullif(regexp_extract({url}, '^[^?#]*'), '') end"
    )
    before_fragment = f"split_part({url}, '#', 1)"
    query = f"substr({before_fragment}, instr({before_fragment}, '?'))"
    names = "|".join(re.escape(name) for name in click_ids())
    click_id = f"lower(regexp_extract({query}, {quoted(rf'(?i)(?:^[?]|[&;])({names})=[^&;]')}, 1))"
    return {
        "host": host,
        "path": _decoded(path),
        **{name: _parameter(url, query, name) for name in ("utm_source", "utm_medium", "utm_campaign")},
        "click_id": f"case when contains({before_fragment}, '?') then nullif({click_id}, '') end",
    }


def _path_or_root(url: str, pattern: str) -> str:
    return f"coalesce(nullif(regexp_extract({url}, {quoted(pattern)}, 1), ''), '/')"


def _parameter(url: str, query: str, name: str) -> str:
    value = f"regexp_extract({query}, {quoted(rf'(?i)(?:^[?]|[&;]){name}=([^&]*)')}, 1)"
    decoded = _decoded(f"replace({value}, '+', ' ')")
    has_one = rf"regexp_matches({url}, {quoted(rf'(?i)^[^?#]*[?][^#]*{name}=')})"
    return f"case when {has_one} then nullif(trim({decoded}), '') end"


def _decoded(text: str) -> str:
    """SQL: the text with its percent signs decoded; as it is when that gives no text."""
    return f"coalesce(try(url_decode({text})), {text})"
