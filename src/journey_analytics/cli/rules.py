"""Commands about stage rules: check, test."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App
from rich.table import Column, Table
from rich.text import Text

from journey_analytics.cli.terminal import AsJson, Project, examples, output, print_json
from journey_analytics.errors import EXIT_DONE, MartError

if TYPE_CHECKING:
    from journey_analytics.marts import Snapshot
    from journey_analytics.project import Project as ProjectRead
    from journey_analytics.stages.check import Finding
    from journey_analytics.stages.stage_map import StageMap

app = App()
rules_app = App(name="rules", help="Which event is which stage: check and test the stage rules.")
app.command(rules_app)

_EXIT_FOUND = 1
_TOLD = ("test", "expected", "got", "where")
_LEVEL_STYLES = {"warning": "yellow", "note": "dim"}


@rules_app.command(
    name="check", help_epilogue=examples("journey rules check -p shop", "journey rules check -p shop --json")
)
def rules_check(*, project: Project = Path(), as_json: AsJson = False) -> int:
    """Find rules that take nothing: they can never match, or earlier rules take all of theirs.

    What can be proved is proved from the rules alone. When events have come in, their names are compared with
    those the rules ask for, and the rules are run over the published touchpoints to see which stay silent.
    A warning is a fault; a note may be as it should be. Exit code 1 when there is a warning.

    --json prints {stage_models: [{stage_model, rules, own_rules}], looked_at_touchpoints, warnings,
    findings: [{stage_model, level, kind, rule, what, where, do}]}; kind is one of never_matches, shadowed,
    shadowed_on_data, never_fires, unknown_event_name, unused_list, slow_regex, not_all_compared.
    """
    from journey_analytics.project import read_project

    read = read_project(project)
    snapshot = _published(read)
    findings = [(found.model.name, f) for found in read.stage_maps for f in _findings(read, found, snapshot)]
    warnings = sum(finding.level == "warning" for _, finding in findings)
    counts = [
        {"stage_model": found.model.name, "rules": len(found.rules), "own_rules": len(found.own_rules)}
        for found in read.stage_maps
    ]
    if as_json:
        print_json(
            {
                "stage_models": counts,
                "looked_at_touchpoints": snapshot is not None,
                "warnings": warnings,
                "findings": [{"stage_model": model, **asdict(finding)} for model, finding in findings],
            }
        )
        return _EXIT_FOUND if warnings else EXIT_DONE
    out = output()
    for _, finding in findings:
        style = _LEVEL_STYLES[finding.level]
        out.print(f"[{style}]{finding.level}[/{style}]: ", end="")
        for line in (finding.what, f"  where: {finding.where}", f"  do:    {finding.do}"):
            out.print(line, markup=False, highlight=False, soft_wrap=True)
    for count in counts:
        told = f"{count['own_rules']} of them your own"
        out.print(f"{count['stage_model']}: {count['rules']} rules, {told}", highlight=False)
    told = f"{warnings} warnings, {len(findings) - warnings} notes"
    out.print(told + ("" if snapshot else "; no published touchpoints to look at yet"), highlight=False)
    return _EXIT_FOUND if warnings else EXIT_DONE


def _published(project: ProjectRead) -> Snapshot | None:
    from journey_analytics.marts import current

    try:
        return current(project.marts_folder)
    except MartError:
        return None


def _findings(project: ProjectRead, stages: StageMap, snapshot: Snapshot | None) -> list[Finding]:
    """What there is to say of the rules of one stage model."""
    from journey_analytics.sources.evidence import event_names
    from journey_analytics.sources.store import Store
    from journey_analytics.stages.check import check_rules
    from journey_analytics.stages.check_data import check_event_names, check_on_touchpoints

    findings = check_rules(stages)
    names = event_names(Store(project.store_folder))
    if names:
        findings += check_event_names(stages, names)
    if snapshot is not None:
        # one fault, one complaint: a rule that can take nothing, or waits for an event, has taken nothing
        explained = {f.rule for f in findings if f.level == "warning" or f.kind == "unknown_event_name"}
        on_data = check_on_touchpoints(stages, project.time, snapshot)
        findings += [finding for finding in on_data if finding.rule not in explained]
    return findings


@rules_app.command(
    name="test", help_epilogue=examples("journey rules test -p shop", "journey rules test -p shop --json")
)
def rules_test(*, project: Project = Path(), as_json: AsJson = False) -> int:
    """Run the tests of stages.yaml: example events, and the stage or rule that each should get.

    Exit code 1 when a test fails. Rules that no test falls to are named, which is no failure.

    --json prints {tests, failed, results: [{stage_model, test, passed, expected, got, where}],
    rules_without_test: [{stage_model, rule}]}.
    """
    from journey_analytics.project import read_project
    from journey_analytics.stages.rule_test_run import rules_without_test, run_rule_tests

    read = read_project(project)
    results: list[dict[str, Any]] = []
    untested: list[dict[str, str]] = []
    for found in read.stage_maps:
        verdicts = run_rule_tests(found, read.time)
        results.extend({"stage_model": found.model.name, **verdict.in_words} for verdict in verdicts)
        missing = rules_without_test(found, verdicts)
        untested.extend({"stage_model": found.model.name, "rule": rule.name} for rule in missing)
    failed = [result for result in results if not result["passed"]]
    if as_json:
        print_json(
            {"tests": len(results), "failed": len(failed), "results": results, "rules_without_test": untested}
        )
        return _EXIT_FOUND if failed else EXIT_DONE
    out = output()
    if failed:
        table = Table(*(Column(name, overflow="fold") for name in ("failed test", *_TOLD[1:])))
        for result in failed:
            table.add_row(*(Text(result[name]) for name in _TOLD))
        out.print(table)
    out.print(f"{len(results) - len(failed)} of {len(results)} tests passed", highlight=False)
    if untested:
        told = f"{len(untested)} rules without a test: {', '.join(entry['rule'] for entry in untested)}"
        out.print(told, markup=False, highlight=False, soft_wrap=True)
    return _EXIT_FOUND if failed else EXIT_DONE
