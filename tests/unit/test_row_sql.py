"""Conditions over a row: what they may hold, and what is said of the others."""

from __future__ import annotations

import pytest

from journey_analytics.row_sql import columns_named, rule_fault

_TYPES = {"revenue": "DECIMAL(18,4)", "event_name": "VARCHAR", "is_open": "BOOLEAN"}


@pytest.mark.parametrize(
    "text",
    [
        "revenue >= 0 or event_name = 'refund'",
        "is_open",
        "not is_open",
        "coalesce(is_open, false)",
        "isfinite(revenue)",
        "lower(event_name) not in ('null', 'nan')",
        "case when is_open then revenue > 0 else true end",
        "event_name like 'a%'",
        "revenue is null",
    ],
)
def test_a_condition_over_known_columns_is_a_rule(text: str) -> None:
    """One of a function whose type is not known here is left to the engine."""
    assert rule_fault(text, _TYPES) is None


@pytest.mark.parametrize(
    ("text", "fault", "do"),
    [
        ("revenu >= 0", "names an unknown column 'revenu'", "use 'revenue' (closest known column)"),
        ("revenue", "is a DECIMAL(18, 4), not a condition", "compare it with something"),
        ("revenue + 1", "not a condition", "compare it with something"),
        ("1 = 1", "looks at no column", "name one of revenue, event_name, is_open"),
        ("sum(revenue) > 0", "holds an aggregate", "one SQL condition"),
        ("revenue > (select 1)", "holds a subquery", "one SQL condition"),
        ("revenue > 0; drop table events", "is more than one expression", "one SQL condition"),
        ("revenue > 0, is_open", "is more than one expression", "one SQL condition"),
        ("read_text(event_name) = ''", "calls read_text", "one SQL condition"),
    ],
)
def test_anything_else_is_refused_with_what_to_do(text: str, fault: str, do: str) -> None:
    """The closest column for a name that is not known."""
    found = rule_fault(text, _TYPES)
    assert found is not None
    assert fault in found[0]
    assert do in found[1]


def test_columns_are_named_once_in_their_order() -> None:
    """As a reader meets them."""
    assert columns_named("low <= rate and rate <= high and low > 0") == ["low", "rate", "high"]
