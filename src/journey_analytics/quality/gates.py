"""The gates: Great Expectations over the raw batch and over the marts, inside the working database.

Belongs here: suites made from contracts and from a source's key, and reading what they found.
Does not belong here: checks that take a query of their own (sql_checks.py).
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from journey_analytics.contracts import Column, Contract
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.quality.duckdb_dialect import share, take_back
from journey_analytics.quality.results import CheckResult, Severity

# Before the import: the library reads from its environment whether it may send usage data.
os.environ["GX_ANALYTICS_ENABLED"] = "false"
with warnings.catch_warnings():
    # it imports pyspark where that is installed, which complains about pandas
    warnings.simplefilter("ignore", FutureWarning)
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.exceptions import GreatExpectationsError
    from great_expectations.expectations.metadata_types import FailureSeverity

Suites = Mapping[str, Sequence[Any]]

QUARANTINED_RATE = "new_quarantined_rate"
"""Column of a source's loads: the share of the rows that came in which are set aside."""
MAX_QUARANTINED_RATE = 0.1
"""More bad rows than this share of a source, and the batch is not worth publishing."""


def run_gate(
    engine: DuckDBEngine,
    gate: str,
    suites: Suites,
    on_table: Callable[[str], None] = lambda _: None,
) -> list[CheckResult]:
    """Run every suite against its table and return one result per expectation.

    Args:
        engine: the open working database.
        gate: name of the gate, as results and messages call it.
        suites: table name to expectations.
        on_table: called with each table's name before its checks.
    """
    name = f"gate_{gate}"
    results: list[CheckResult] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.ERROR)
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        source = context.data_sources.add_sql(
            name, connection_string=share(name, engine.connection), create_temp_table=False
        )
        try:
            for table, expectations in suites.items():
                on_table(table)
                try:
                    asset = source.add_table_asset(table, table_name=table, schema_name="main")
                    batch = asset.add_batch_definition_whole_table(table)
                    found = _validate(batch.get_batch(), table, expectations)
                except (ConnectionError, GreatExpectationsError, SQLAlchemyError) as cause:
                    told = " ".join(str(cause).split())
                    results.append(CheckResult(gate, table, "table", "fail", "error", sample=told))
                    continue
                results.extend(_read(gate, table, result) for result in found)
        finally:
            take_back(name)
    return results


def _validate(batch: Any, name: str, expectations: Sequence[Any]) -> list[Any]:
    """The results of a suite: of what holds only that, of what does not how many rows and which values.

    Counts are taken for all expectations in one scan, values by a query for each.
    """
    suite = gx.ExpectationSuite(name=name, expectations=list(expectations))
    found = list(batch.validate(suite, result_format="BOOLEAN_ONLY").results)
    return [result if result.success or _exception(result) else _in_full(batch, result) for result in found]


def _in_full(batch: Any, result: Any) -> Any:
    return batch.validate(result.expectation_config.to_domain_obj(), result_format="BASIC")


def contract_suite(contract: Contract) -> list[Any]:
    """What a contract promises, as expectations: columns in order, rows, nulls, values and ranges."""
    suite: list[Any] = [
        gxe.ExpectTableColumnsToMatchOrderedList(column_list=contract.column_names),
        gxe.ExpectTableRowCountToBeBetween(min_value=0 if contract.may_be_empty else 1),
    ]
    for column in contract.columns:
        suite.extend(_column_suite(column))
    return suite


def _column_suite(column: Column) -> Iterator[Any]:
    """The rules of a column as expectations, in the order in which `Column.rules` gives them."""
    warns = column.action == "report"
    severity = FailureSeverity.WARNING if warns else FailureSeverity.CRITICAL
    about: dict[str, Any] = {"column": column.name, "severity": severity}
    if not column.nullable:
        yield gxe.ExpectColumnValuesToNotBeNull(**about)
    if column.values:
        yield gxe.ExpectColumnValuesToBeInSet(value_set=list(column.values), **about)
    if column.min is not None or column.max is not None:
        yield gxe.ExpectColumnValuesToBeBetween(min_value=column.min, max_value=column.max, **about)


def load_suite(*, is_known: bool = False) -> list[Any]:
    """What a source's loads must be: not empty, and of the new rows few in quarantine, best none.

    Args:
        is_known: whether enough loads came before to say how many rows are usually set aside.
    """
    suite = [
        gxe.ExpectColumnValuesToBeBetween(column="rows", min_value=1),
        gxe.ExpectColumnValuesToBeBetween(column="new_rows", min_value=1),
        gxe.ExpectColumnValuesToBeBetween(
            column=QUARANTINED_RATE, min_value=0, max_value=MAX_QUARANTINED_RATE
        ),
    ]
    if not is_known:
        none = gxe.ExpectColumnValuesToBeBetween(
            column=QUARANTINED_RATE, min_value=0, max_value=0, severity=FailureSeverity.WARNING
        )
        suite.append(none)
    return suite


def _read(gate: str, table: str, result: Any) -> CheckResult:
    config = result.expectation_config
    if config is None:
        return CheckResult(gate, table, "unknown", "fail", "error", sample="no configuration")
    column = config.kwargs.get("column")
    check = f"{config.type}({column})" if column else str(config.type)
    severity: Severity = "warn" if config.severity == FailureSeverity.WARNING else "fail"
    broken = _exception(result)
    if broken:
        return CheckResult(gate, table, check, severity, "error", sample=broken)
    found = dict(result.result or {})
    if result.success:
        return CheckResult(gate, table, check, severity, "passed")
    count = int(found.get("unexpected_count") or 0)
    values = found.get("partial_unexpected_list") or found.get("observed_value")
    return CheckResult(gate, table, check, severity, "failed", count, f"found {values}")


def _exception(result: Any) -> str | None:
    """The message of an expectation that broke; Great Expectations reports it as a plain failure."""
    info: Any = result.exception_info or {}
    found = [info, *info.values()] if isinstance(info, dict) else []
    for entry in found:
        if isinstance(entry, dict) and entry.get("raised_exception"):
            return str(entry.get("exception_message"))
    return None
