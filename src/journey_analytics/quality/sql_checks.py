"""Checks written as queries: each returns the bad rows with a reason, and says whether it fails or warns.

Belongs here: running sql/checks, and the unique-key check made from a contract.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import duckdb

from journey_analytics.contracts import Contract, contracts
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.models import sql_folder, tables_read
from journey_analytics.errors import ModelError, Problem
from journey_analytics.quality.results import CheckResult, Severity

_FIRST_LINE = re.compile(r"-- (fail|warn): .+")
_SAMPLE = 5


def run_sql_checks(engine: DuckDBEngine, gate: str, *, of_customers: bool | None = None) -> list[CheckResult]:
    """Run the queries in sql/checks that belong to a gate and return one result each.

    Args:
        engine: holds the tables they read.
        gate: `marts` takes those that read a mart, `staged` the others.
        of_customers: only those that hold for any set of customers by themselves, or only the others.
    """
    results = []
    known = contracts()
    for path in sorted((sql_folder() / "checks").glob("*.sql")):
        sql = path.read_text(encoding="utf-8")
        tables = sorted(tables_read(sql))
        severity = _severity(sql, path.name)
        is_of_gate = gate == ("marts" if any(table.startswith("mart_") for table in tables) else "staged")
        # a share, which only a warning asks for, is one thing of some customers and another of all
        is_of_customers = severity == "fail" and all(known[table].per_customer for table in tables)
        if is_of_gate and of_customers in (None, is_of_customers):
            results.append(_run(engine, gate, ", ".join(tables), path.stem, severity, sql))
    return results


def run_key_checks(engine: DuckDBEngine, gate: str, tables: Iterable[Contract]) -> list[CheckResult]:
    """Check that every contract's key is unique in its table."""
    results = []
    for contract in tables:
        key = ", ".join(f'"{name}"' for name in contract.key)
        sql = f"select {key}, count(*) as copies from {contract.table} group by {key} having count(*) > 1"
        results.append(_run(engine, gate, contract.table, f"unique key ({key})", "fail", sql))
    return results


def _severity(sql: str, name: str) -> Severity:
    match = _FIRST_LINE.match(sql)
    if match is None:
        raise ModelError(
            Problem(
                "a check does not say whether it fails or warns",
                f"sql/checks/{name}:1",
                "begin it with '-- fail: ...' or '-- warn: ...'",
            )
        )
    return "fail" if match[1] == "fail" else "warn"


def _run(
    engine: DuckDBEngine, gate: str, table: str, check: str, severity: Severity, sql: str
) -> CheckResult:
    try:
        count = int(engine.rows(f"select count(*) as n from ({sql})")[0]["n"])
        sample = engine.rows(f"select * from ({sql}) limit {_SAMPLE}") if count else []
    except duckdb.Error as cause:
        return CheckResult(gate, table, check, severity, "error", sample=str(cause))
    if not count:
        return CheckResult(gate, table, check, severity, "passed")
    text = "; ".join(", ".join(f"{k}={v}" for k, v in row.items()) for row in sample)
    return CheckResult(gate, table, check, severity, "failed", count, text)
