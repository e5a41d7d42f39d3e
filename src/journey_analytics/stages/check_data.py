"""What is wrong with rules when they meet the events that have come in: unknown names, silent rules.

The rules of today are run over the published touchpoints, whatever rules these were published with. Ignored
touchpoints are not published, so rules that ignore are not judged; nor are rules that ask about columns that
are not published.

Belongs here: findings that need events. Does not belong here: proofs (check.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted
from journey_analytics.errors import closest
from journey_analytics.marts import Snapshot
from journey_analytics.stages.check import Finding
from journey_analytics.stages.compile import OUTPUT_TABLE, TOUCHPOINTS, ProjectTime, compile_rules
from journey_analytics.stages.condition_sql import condition_sql
from journey_analytics.stages.conditions import Comparison, Condition
from journey_analytics.stages.rules import StageRule
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.touchpoints import RULE_COLUMNS

_MART = "mart_touchpoints"
_AT_ONCE = 100
_MOST_NAMED = 3


def check_event_names(stages: StageMap, known: Collection[str]) -> list[Finding]:
    """Event names of the project's own rules that no event has.

    Args:
        stages: the rules.
        known: the names of all events that have come in.
    """
    found: list[Finding] = []
    own = stages.own_rules
    named = {name for rule in own for condition in _conditions(rule) for name in _names(condition)}
    for rule in own:
        asked_for = dict.fromkeys(name for condition in _conditions(rule) for name in _names(condition))
        for name in asked_for:
            if name in known:
                continue
            near = closest(name, sorted(known))
            found.append(
                Finding(
                    # a rule that names the close one too may list several spellings
                    "warning" if near and near not in named else "note",
                    "unknown_event_name",
                    rule.name,
                    f"stage rule {rule.name!r} asks for event {name!r}, which has not come in",
                    str(rule.place or ""),
                    f"use {near!r} (closest known name)" if near else "wait for it, or remove it",
                )
            )
    return found


def check_on_touchpoints(stages: StageMap, project_time: ProjectTime, snapshot: Snapshot) -> list[Finding]:
    """The project's own rules that take none of the published touchpoints."""
    with DuckDBEngine() as engine:
        source = f"read_parquet({quoted(snapshot.pattern(_MART))}, hive_partitioning = false)"
        published = {row["column_name"] for row in engine.rows(f"describe select * from {source}")}
        columns = [name if name in published else f"cast(null as varchar) as {name}" for name in RULE_COLUMNS]
        engine.execute(
            f"create view {TOUCHPOINTS} as select customer_id, "
            f"unix_micros(occurred_at) as occurred_us, properties, {', '.join(columns)} from {source}"
        )
        engine.create_table(OUTPUT_TABLE, compile_rules([stages], project_time))
        fired = {
            row["rule_number"] for row in engine.rows(f"select distinct rule_number from {OUTPUT_TABLE}")
        }
        silent = [
            (number, rule)
            for number, rule in enumerate(stages.own_rules, start=1)
            if number not in fired and not rule.ignores and _columns(rule) <= published
        ]
        return list(_silent(engine, stages.rules, silent))


def _silent(
    engine: DuckDBEngine, rules: Sequence[StageRule], silent: list[tuple[int, StageRule]]
) -> Iterator[Finding]:
    for start in range(0, len(silent), _AT_ONCE):
        some = silent[start : start + _AT_ONCE]
        counts = ", ".join(
            f"sum(case when {condition_sql(rule.when).sql('duckdb')} then 1 else 0 end) as n{number}"
            for number, rule in some
        )
        matched = engine.rows(f"select {counts} from {TOUCHPOINTS}")[0]
        for number, rule in some:
            if not matched[f"n{number}"]:
                what = f"stage rule {rule.name!r} has taken nothing: no touchpoint meets its conditions"
                do = "wait for such events, correct the conditions, or remove it"
                yield Finding("note", "never_fires", rule.name, what, str(rule.place or ""), do)
            else:
                yield _outrun(engine, rules, number, rule, int(matched[f"n{number}"]))


def _outrun(
    engine: DuckDBEngine, rules: Sequence[StageRule], number: int, rule: StageRule, matched: int
) -> Finding:
    """A rule whose conditions touchpoints meet, and that yet takes none."""
    taken = engine.rows(
        f"with numbered as (select source, event_id, rule_number from {OUTPUT_TABLE}) "
        f"select rule_number, count(*) as n from {TOUCHPOINTS} inner join numbered using (source, event_id) "
        f"where {condition_sql(rule.when).sql('duckdb')} and rule_number < {number} "
        "group by rule_number order by n desc, rule_number"
    )
    where = str(rule.place or "")
    before = sum(row["n"] for row in taken)
    if before < matched:
        what = f"stage rule {rule.name!r} has taken nothing: its context held at none of {matched:,} events"
        return Finding(
            "note", "never_fires", rule.name, what, where, "wait for such histories, or correct the context"
        )
    names = ", ".join(repr(rules[row["rule_number"] - 1].name) for row in taken[:_MOST_NAMED])
    what = (
        f"stage rule {rule.name!r} has taken nothing: {names}"
        f"{' and others' if len(taken) > _MOST_NAMED else ''} took all {matched:,} touchpoints first"
    )
    do = "put it in front, narrow what stands in front of it, or remove it"
    return Finding("warning", "shadowed_on_data", rule.name, what, where, do)


def _conditions(rule: StageRule) -> list[Condition]:
    """What the rule says of touchpoints: of its own and of earlier ones."""
    return [rule.when, *(earlier.when for earlier in rule.earlier if earlier.when is not None)]


def _columns(rule: StageRule) -> set[str]:
    """The columns the rule asks about; `properties` for any of them."""
    pending = _conditions(rule)
    found: set[str] = set()
    while pending:
        condition = pending.pop()
        if isinstance(condition, Comparison):
            found.add(condition.column if condition.column in RULE_COLUMNS else "properties")
        else:
            pending.extend(condition.parts)
    return found


def _names(condition: Condition) -> list[str]:
    """The event names that the condition asks for, wherever in it."""
    if not isinstance(condition, Comparison):
        return [name for part in condition.parts for name in _names(part)]
    if condition.column != "event_name" or condition.operator not in ("equals", "in"):
        return []
    return list(condition.value) if isinstance(condition.value, list) else [condition.value]
