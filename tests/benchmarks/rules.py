"""Stage rules, beside the same table copied with one case expression.

Made-up touchpoints, customers and event names skewed. The yardstick, measured in the same process before
and after every figure: the touchpoints copied with one `case` of 50 branches on the event's name. Fifty
rules, ten of them with a context, are to cost at most twice that.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from journey_analytics.stages.compile import OUTPUT_TABLE, TOUCHPOINTS, ProjectTime, compile_rules
from journey_analytics.stages.conditions import Comparison
from journey_analytics.stages.rules import Earlier, Occurrence, Reach, StageRule
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.stages.stage_models import shipped

_TOUCHPOINTS = """
    select
        'web' as source,
        'e' || cast(i as varchar) as event_id,
        1767225600000000 + i * 7000000 as occurred_us,
        case when i % 3 = 0 then 'u' || cast(i % 100000 as varchar) end as customer_ref,
        'a' || cast(i * 31 % 300000 as varchar) as anonymous_ref,
        cast(null as varchar) as alias_ref,
        'c' || cast(floor(power(random(), 2) * {customers}) as bigint) as customer_id,
        's' || cast(i // 7 as varchar) as session_ref,
        case
            when i % 10 < 6 then 'page_view' else 'event_' || cast(floor(random() * 60) as integer)
        end as event_name,
        ['email', 'ads', 'direct', 'organic_search'][1 + (i * 13) % 4] as channel,
        case when i % 4 = 0 then 'newsletter' end as utm_source,
        case when i % 4 = 0 then 'email' end as utm_medium,
        case when i % 4 = 0 then 'spring_' || cast(i % 12 as varchar) end as utm_campaign,
        case when i % 4 = 3 then 'www.google.com' end as referrer_host,
        '/page/' || cast(i % 1000 as varchar) as page_path,
        ['desktop', 'mobile', 'tablet'][1 + i % 3] as device,
        ['DE', 'FR', 'NL', 'AT'][1 + i % 4] as country,
        case when i % 6 = 5 then cast(i % 90 as decimal(18, 4)) end as revenue,
        case when i % 6 = 5 then 'EUR' end as currency,
        cast(null as double) as score,
        cast(null as varchar) as score_kind,
        case when i % 10 = 0 then '{{"plan": "pro", "seats": 5}}' end as properties
    from range({rows}) as events (i)
"""
_TIME = ProjectTime(ZoneInfo("Europe/Berlin"), timedelta(minutes=30))
_MONTH = Reach(timedelta(days=30))


def run(rows: int, console: Console) -> None:
    """Generate, compile, measure, print."""
    table = Table("rules", "seconds", "ratio")
    with tempfile.TemporaryDirectory() as folder, DuckDBEngine(Path(folder), Limits("8GB", 2)) as engine:
        engine.execute("select setseed(0.5)")
        engine.create_table(TOUCHPOINTS, _TOUCHPOINTS.format(rows=rows, customers=max(rows // 20, 1)))
        before = _seconds(engine, _yardstick())
        for name, rules in rule_sets().items():
            seconds = _seconds(engine, compile_rules([StageMap(shipped("seven_stage"), rules)], _TIME))
            after = _seconds(engine, _yardstick())
            table.add_row(name, f"{seconds:.2f}", f"{2 * seconds / (before + after):.2f}")
            before = after
    console.print(f"{rows:,} touchpoints; ratio 1 = the table copied with one case of 50 branches")
    console.print(table)


def rule_sets() -> dict[str, tuple[StageRule, ...]]:
    """The rules measured, by what they are."""
    plain = [_rule(number, f"event_{number}") for number in range(49)]
    with_context = [_in_context(number) for number in range(10)]
    fifty = (*with_context, *plain[10:], _rule(99, "page_view"))
    on_pages = replace(with_context[0], when=_named("page_view"))
    in_session = replace(on_pages, earlier=(), occurrence=Occurrence(3, Reach(same_session=True)))
    many = tuple(_rule(number, f"event_{number}") for number in range(490))
    return {
        "50 without a context": (*plain, _rule(99, "page_view")),
        "50, 10 with a context": fifty,
        "the same, one of the ten on six in ten events": (on_pages, *fifty[1:]),
        "the same, that one by sessions": (in_session, *fifty[1:]),
        "500, 10 with a context": (*with_context, *many),
    }


def _named(name: str) -> Comparison:
    return Comparison("event_name", "equals", name)


def _rule(number: int, name: str) -> StageRule:
    return StageRule(f"r{number}", "purchase" if number % 8 == 0 else "interest", _named(name))


def _in_context(number: int) -> StageRule:
    """Rules after an event, after a stage, not after an event, and for the third of a kind, in turn."""
    rule = replace(_rule(number, f"event_{number}"), name=f"context_{number}")
    if number % 4 == 3:
        return replace(rule, occurrence=Occurrence(3, _MONTH))
    earlier = (
        Earlier(None, _named(f"event_{number + 10}"), _MONTH),
        Earlier("purchase", None, _MONTH),
        Earlier(None, rule.when, is_wanted=False),
    )
    return replace(rule, earlier=(earlier[number % 4],))


def _yardstick() -> str:
    branches = " ".join(f"when event_name = 'event_{number}' then {number}" for number in range(50))
    return f"select *, case {branches} end as rule_number from {TOUCHPOINTS}"


def _seconds(engine: DuckDBEngine, sql: str) -> float:
    begun = perf_counter()
    engine.create_table(OUTPUT_TABLE, sql)
    return perf_counter() - begun
