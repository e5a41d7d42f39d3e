"""Rules over a row: how many rows of a table break each of a contract's, in one look at the table.

Great Expectations asks what a column promises by itself (gates.py); what a row promises as a whole is asked
here, by the same SQL that puts rows aside at load.

Belongs here: counting the rows that break rules, and a sample of them.
Does not belong here: the rules (sql/contracts), and queries over more than a row (sql_checks.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import duckdb

from journey_analytics.contracts import Contract, RowRule, TableRule
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.quality.results import CheckResult

_SAMPLE = 5


def run_row_rules(engine: DuckDBEngine, gate: str, contracts: Iterable[Contract]) -> list[CheckResult]:
    """Check the rules of these contracts that are more than what a column promises, one result each."""
    return [result for contract in contracts for result in _run(engine, gate, contract)]


def rows_broken(engine: DuckDBEngine, table: str, rules: Sequence[RowRule]) -> dict[str, int]:
    """Of each rule's name, how many rows of the table break it; one scan for all of them."""
    if not rules:
        return {}
    counts = ", ".join(f'count(*) filter (where {rule.is_broken}) as "{rule.rule}"' for rule in rules)
    return engine.rows(f'select {counts} from "{table}"')[0]


def _run(engine: DuckDBEngine, gate: str, contract: Contract) -> list[CheckResult]:
    try:
        broken = rows_broken(engine, contract.table, contract.rules)
    except duckdb.Error:
        # one that cannot be evaluated must not hide what the others find
        return [_result(engine, gate, contract, rule) for rule in contract.rules]
    return [
        _result(engine, gate, contract, rule)
        if broken[rule.rule]
        else CheckResult(gate, contract.table, rule.rule, rule.severity, "passed")
        for rule in contract.rules
    ]


def _result(engine: DuckDBEngine, gate: str, contract: Contract, rule: TableRule) -> CheckResult:
    """One rule by itself, with a sample of the rows that break it: their key and what the rule looks at."""
    shown = ", ".join(f'"{name}"' for name in dict.fromkeys([*contract.key, *rule.columns]))
    rows = f'from "{contract.table}" where {rule.is_broken}'
    try:
        count = int(engine.rows(f"select count(*) as n {rows}")[0]["n"])
        sample = engine.rows(f"select {shown} {rows} order by all limit {_SAMPLE}") if count else []
    except duckdb.Error as cause:
        told = str(cause)
        return CheckResult(gate, contract.table, rule.rule, rule.severity, "error", sample=told)
    if not count:
        return CheckResult(gate, contract.table, rule.rule, rule.severity, "passed")
    text = "; ".join(", ".join(f"{name}={value}" for name, value in row.items()) for row in sample)
    told = f"{rule.description} Not so: {text}"
    return CheckResult(gate, contract.table, rule.rule, rule.severity, "failed", count, told)
