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


def split_url_sql(url_expr: str) -> dict[str, str]:
    """DuckDB expressions for the two halves of an address, which are read apart: few places, many queries.

    Args:
        url_expr: SQL of the address: whole, without a scheme, or only a path with its query. It is repeated
            in the results: name a column.

    Returns:
        place (scheme, host and path) and query (from its question mark on; null where there is none). The
        fragment is in neither.
    """
    url = f"trim({url_expr})"
    return {
        "place": f"case when contains({url_expr}, '?') or contains({url_expr}, '#') "
        f"then regexp_extract({url}, '^[^?#]*') else {url} end",
        "query": f"case when contains({url_expr}, '?') "
        f"then nullif(regexp_extract({url}, '^[^?#]*([?][^#]*)', 1), '') end",
    }


def parse_place_sql(place: str) -> dict[str, str]:
    """DuckDB expressions for what stands before an address's query.

    Args:
        place: the name of a column with the place, as `split_url_sql` gives it.

    Returns:
        host (lower case, without port and user) and path (decoded; `/` when there is a host and no path);
        null where the address does not have it. What cannot be decoded is kept as it is. Without a scheme, a
        first part with a dot or a port is taken for a host.
    """
    full = f"regexp_matches({place}, {quoted('^' + _AUTHORITY)})"
    bare = f"regexp_matches({place}, {quoted(f'^(?:{_BARE_AUTHORITY}|{_BARE_PORT})')})"
    opaque = f"regexp_matches({place}, '^[a-zA-Z][a-zA-Z0-9+.-]*:')"
    # everything up to the last @ of the authority is a user's name, whatever it looks like
    in_full = rf"^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//(?:[^{_SEPARATORS}]*@)?(\[[^\]]*\]|[^{_SEPARATORS}:]*)"
    host = (
        f"nullif(rtrim(lower(case when {full} then regexp_extract({place}, {quoted(in_full)}, 1) "
        f"when {bare} then regexp_extract({place}, {quoted(rf'^[^{_SEPARATORS}:]*')}) end), '.'), '')"
    )
    path = (
        f"case when {full} then {_path_or_root(place, rf'^{_AUTHORITY}([^?#]*)')} "
        f"when {bare} then {_path_or_root(place, rf'^[^{_SEPARATORS}]*([^?#]*)')} "
        f"when {opaque} then null "
        f"else nullif({place}, '') end"
    )
    return {"host": host, "path": _decoded(path)}


def parse_query_sql(query: str) -> dict[str, str]:
    """DuckDB expressions for the campaign tags and the click id of an address's query.

    Args:
        query: the name of a column with the query, as `split_url_sql` gives it.

    Returns:
        utm_source, utm_medium, utm_campaign (decoded, `+` is a blank) and click_id (the lower-case name of
        the first known click id that has a value). Each is null where the query does not have it. Of a
        parameter named twice the first counts. What cannot be decoded is kept as it is.
    """
    names = "|".join(re.escape(name) for name in click_ids())
    click_id = f"lower(regexp_extract({query}, {quoted(rf'(?i)(?:^[?]|[&;])({names})=[^&;]')}, 1))"
    return {
        **{name: _parameter(query, name) for name in ("utm_source", "utm_medium", "utm_campaign")},
        "click_id": f"nullif({click_id}, '')",
    }


def _path_or_root(place: str, pattern: str) -> str:
    return f"coalesce(nullif(regexp_extract({place}, {quoted(pattern)}, 1), ''), '/')"


def _parameter(query: str, name: str) -> str:
    value = f"regexp_extract({query}, {quoted(rf'(?i)(?:^[?]|[&;]){name}=([^&]*)')}, 1)"
    decoded = _decoded(f"replace({value}, '+', ' ')")
    # most queries have none, and a plain search tells so far sooner than the expression
    return f"case when contains(lower({query}), '{name}=') then nullif(trim({decoded}), '') end"


def _decoded(text: str) -> str:
    """SQL: the text with its percent signs decoded; as it is when that gives no text."""
    return f"coalesce(try(url_decode({text})), {text})"
