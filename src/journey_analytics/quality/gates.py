"""The gates: Great Expectations over the raw batch and over the marts, inside the working database.

Belongs here: suites made from contracts and from a source's key, and reading what they found.
Does not belong here: checks that take a query of their own (sql_checks.py).
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sqlalchemy.exc import SQLAlchemyError

from journey_analytics.contracts import Column, Contract, TableRule
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

QUARANTINED_RATE = "new_quarantined_rate"
"""Column of a source's loads: the share of the rows that came in which are set aside."""
MAX_QUARANTINED_RATE = 0.1
"""More bad rows than this share of a source, and the batch is not worth publishing."""


@dataclass(frozen=True)
class Suite:
    """What is expected of a table.

    Attributes:
        expectations: asked one by one.
        of_rows: asked one by one only where a row breaks one of `rules`, which one look tells of all.
        rules: what `of_rows` ask, as SQL.
    """

    expectations: Sequence[Any]
    of_rows: Sequence[Any] = ()
    rules: Sequence[TableRule] = ()


class RowsKeepRules(gxe.UnexpectedRowsExpectation):
    """Expect a query to find no row; how many it would find takes a second look and is not asked."""

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.table",)

    def _validate(
        self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None
    ) -> dict[str, bool]:
        del runtime_configuration, execution_engine  # a yes or no needs neither
        return {"success": not metrics["unexpected_rows_query.table"]}


def run_gate(
    engine: DuckDBEngine,
    gate: str,
    suites: Mapping[str, Suite],
    on_table: Callable[[str], None] = lambda _: None,
) -> list[CheckResult]:
    """Run every suite against its table and return one result per expectation.

    Args:
        engine: the open working database.
        gate: name of the gate, as results and messages call it.
        suites: table name to what is expected of it.
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
            for table, suite in suites.items():
                on_table(table)
                try:
                    asset = source.add_table_asset(table, table_name=table, schema_name="main")
                    batch = asset.add_batch_definition_whole_table(table)
                    found = _results(gate, table, batch.get_batch(), suite)
                except (ConnectionError, GreatExpectationsError, SQLAlchemyError) as cause:
                    told = " ".join(str(cause).split())
                    results.append(CheckResult(gate, table, "table", "fail", "error", sample=told))
                    continue
                results.extend(found)
        finally:
            take_back(name)
    return results


def _results(gate: str, table: str, batch: Any, suite: Suite) -> list[CheckResult]:
    """One result per expectation of the suite; those of rows are asked for only where some do not hold."""
    results = [_read(gate, table, found) for found in _validate(batch, table, suite.expectations)]
    if not suite.of_rows:
        return results
    if batch.validate(_all_at_once(suite.rules), result_format="BOOLEAN_ONLY").success:
        return results + [_passed(gate, table, expectation.configuration) for expectation in suite.of_rows]
    of_rows = [_read(gate, table, found) for found in _validate(batch, table, suite.of_rows)]
    if all(result.status == "passed" for result in of_rows):
        told = "a row breaks what no expectation of its columns says"
        of_rows.append(CheckResult(gate, table, "rows_keep_rules", "fail", "error", sample=told))
    return results + of_rows


def _all_at_once(rules: Sequence[TableRule]) -> RowsKeepRules:
    broken = " or ".join(rule.is_broken for rule in rules).replace("{", "{{").replace("}", "}}")
    return RowsKeepRules(unexpected_rows_query=f"select 1 as broken from {{batch}} where {broken} limit 1")


def _validate(batch: Any, name: str, expectations: Sequence[Any]) -> list[Any]:
    """The results of expectations: of what holds only that, of what does not how many rows and which values.

    Counts are taken for all expectations in one scan, values by a query for each.
    """
    suite = gx.ExpectationSuite(name=name, expectations=list(expectations))
    found = list(batch.validate(suite, result_format="BOOLEAN_ONLY").results)
    return [result if result.success or _exception(result) else _in_full(batch, result) for result in found]


def _in_full(batch: Any, result: Any) -> Any:
    return batch.validate(result.expectation_config.to_domain_obj(), result_format="BASIC")


def contract_suite(contract: Contract) -> Suite:
    """What a contract promises, as expectations: columns in order, rows, nulls, values and ranges."""
    return Suite(
        [
            gxe.ExpectTableColumnsToMatchOrderedList(column_list=contract.column_names),
            gxe.ExpectTableRowCountToBeBetween(min_value=0 if contract.may_be_empty else 1),
        ],
        of_rows=[expectation for column in contract.columns for expectation in _of_column(column)],
        rules=[rule for column in contract.columns for rule in column.rules],
    )


def _of_column(column: Column) -> Iterator[Any]:
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


def load_suite(*, is_known: bool = False) -> Suite:
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
    return Suite(suite)


def _read(gate: str, table: str, result: Any) -> CheckResult:
    config = result.expectation_config
    if config is None:
        return CheckResult(gate, table, "unknown", "fail", "error", sample="no configuration")
    passed = _passed(gate, table, config)
    broken = _exception(result)
    if broken:
        return replace(passed, status="error", sample=broken)
    if result.success:
        return passed
    found = dict(result.result or {})
    count = int(found.get("unexpected_count") or 0)
    values = found.get("partial_unexpected_list") or found.get("observed_value")
    return replace(passed, status="failed", rows_failed=count, sample=f"found {values}")


def _passed(gate: str, table: str, config: Any) -> CheckResult:
    column = config.kwargs.get("column")
    check = f"{config.type}({column})" if column else str(config.type)
    severity: Severity = "warn" if config.severity == FailureSeverity.WARNING else "fail"
    return CheckResult(gate, table, check, severity, "passed")


def _exception(result: Any) -> str | None:
    """The message of an expectation that broke; Great Expectations reports it as a plain failure."""
    info: Any = result.exception_info or {}
    found = [info, *info.values()] if isinstance(info, dict) else []
    for entry in found:
        if isinstance(entry, dict) and entry.get("raised_exception"):
            return str(entry.get("exception_message"))
    return None
