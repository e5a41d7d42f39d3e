"""Commands that put stage rules to the events that have come in: coverage, explain, diff, suggest."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from journey_analytics.cli.rules import app, rules_app
from journey_analytics.cli.terminal import AsJson, Project, examples, messages, output, print_json
from journey_analytics.errors import EXIT_DONE, ConfigError, Problem

__all__ = ["app"]

_EXIT_BELOW = 1


@rules_app.command(
    name="coverage",
    help_epilogue=examples("journey rules coverage -p shop", "journey rules coverage -p shop --min 0.99"),
)
def rules_coverage(
    *,
    project: Project = Path(),
    least: Annotated[
        float | None,
        Parameter(name="--min", help="Exit code 1 when a smaller share of the events is mapped or ignored."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """How much of the events the rules take: unmapped event names, rules that take nothing, overlaps.

    The rules of today are put to the events of the last run.

    --json prints a list with one entry per stage model: {stage_model, as_of, events, mapped, ignored,
    unmapped, share, unmapped_names: [{name, stage, events, customers, event_share, first_seen_at,
    last_seen_at}], rules: [the same], silent_rules: [{name, stage, taken_before: {rule: events}}],
    events_of_several_rules, overlaps: [{first, first_stage, second, second_stage, events}]}.
    """
    from journey_analytics.project import read_project
    from journey_analytics.rehearsal import rehearse
    from journey_analytics.reports.rule_tables import print_coverage
    from journey_analytics.stages.coverage import measure_coverage

    if least is not None and not 0 <= least <= 1:
        raise ConfigError(
            Problem(f"--min is a share from 0 to 1, not {least:g}", "the command", "write 0.99")
        )
    read = read_project(project)
    with rehearse(read) as rehearsal:
        found = measure_coverage(rehearsal, read)
    if as_json:
        print_json([{**asdict(coverage), "share": coverage.share} for coverage in found])
    else:
        for coverage in found:
            print_coverage(output(), coverage, read.zone)
    below = [coverage for coverage in found if least is not None and coverage.share < least]
    for coverage in below:
        messages.print(
            f"{coverage.stage_model}: {coverage.mapped + coverage.ignored:,} of {coverage.events:,} events "
            f"are mapped or ignored, {coverage.share:.4f} of them, less than {least:g}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    return _EXIT_BELOW if below else EXIT_DONE


@rules_app.command(
    name="explain",
    help_epilogue=examples(
        "journey rules explain 4711 -p shop", "journey rules explain --customer ann -p shop"
    ),
)
def rules_explain(
    event_id: Annotated[str | None, Parameter(help="Id of an event.")] = None,
    *,
    customer: Annotated[
        str | None, Parameter(help="Explain every event of a customer instead; any id of theirs will do.")
    ] = None,
    project: Project = Path(),
    as_json: AsJson = False,
) -> int:
    """Why an event has its stage: its rule, and for each rule before it the condition that failed.

    The rules of today are put to the events of the last run, ignored events too.

    --json prints a list in order of time: {stage_model, source, event_id, customer_id, occurred_at,
    event_name, rule, stage, outcome, rules: [{rule, stage, is_taken, reasons: [{condition, found,
    columns}]}]}; outcome is mapped, ignored or unmapped.
    """
    from journey_analytics.project import read_project
    from journey_analytics.rehearsal import rehearse
    from journey_analytics.reports.rule_tables import print_explanation
    from journey_analytics.stages.explanation import explain_history
    from journey_analytics.stages.lookup import customer_of, customers_of_event

    if (event_id is None) == (customer is None):
        what = "explain takes the id of an event or a --customer" + (", not both" if event_id else "")
        raise ConfigError(Problem(what, "the command", "name one, see `journey rules explain --help`"))
    read = read_project(project)
    with rehearse(read) as rehearsal:
        if event_id is not None:
            customers = customers_of_event(rehearsal, event_id)
        else:
            customers = [customer_of(rehearsal, str(customer))]
        found = [
            explanation
            for stage_map in read.stage_maps
            for customer_id in customers
            for explanation in explain_history(rehearsal.engine, customer_id, stage_map, read.time)
            if event_id in (None, explanation.event_id)
        ]
    if as_json:
        print_json([asdict(explanation) for explanation in found])
        return EXIT_DONE
    out, told = output(), None
    for explanation in found:
        heading = (explanation.customer_id, explanation.stage_model)
        if heading != told:
            out.print("customer {}, stage model {}".format(*heading), markup=False, highlight=False)
            told = heading
        print_explanation(out, explanation, read.zone)
    return EXIT_DONE


@rules_app.command(
    name="diff",
    help_epilogue=examples(
        "journey rules diff new_stages.yaml -p shop", "journey rules diff old.yaml new.yaml -p shop --json"
    ),
)
def rules_diff(
    files: Annotated[
        list[Path],
        Parameter(
            name="files",
            help="The new stages.yaml; or an old and a new one. The old one is else the project's own.",
            negative="",
        ),
    ],
    /,
    *,
    project: Project = Path(),
    as_json: AsJson = False,
) -> int:
    """What other rules would do to events, journeys, customers and the funnel, before they go live.

    Both are put to the events of the last run, so the difference is that of two whole runs. Only the
    project's own stage model is compared; further ones stay as they are.

    --json prints {as_of, events: {kind, before, after, moved, moves: [{before, after, count}]},
    events_of_other_rules, journeys: the same, states: [moves], customers: the same, funnel: [{stage_model,
    funnel_kind, stage, before: {journeys_reached, ...}, after}]}.
    """
    from journey_analytics.project import read_project, with_stages
    from journey_analytics.rehearsal import rehearse
    from journey_analytics.reports.rule_tables import print_difference
    from journey_analytics.stages.difference import compare

    if len(files) > 2:
        raise ConfigError(
            Problem(f"diff takes one or two files, not {len(files)}", "the command", "name two")
        )
    read = read_project(project)
    old = with_stages(read, files[0]) if len(files) == 2 else read
    new = with_stages(read, files[-1])
    with rehearse(read) as rehearsal:
        difference = compare(rehearsal, old, new)
    if as_json:
        print_json(asdict(difference))
    else:
        print_difference(output(), difference)
    return EXIT_DONE


@rules_app.command(
    name="suggest",
    help_epilogue=examples("journey rules suggest -p shop", "journey rules suggest -p shop --measure"),
)
def rules_suggest(
    *,
    project: Project = Path(),
    measure: Annotated[
        bool,
        Parameter(
            negative="",
            help="Hide each mapped event name in turn and ask for it back: how often is it right?",
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """A stage for each event name that no rule takes: the rule to paste, its evidence and a confidence.

    The evidence: words of its name, names of mapped events like it, the stages before and after it, its place
    around conversion, revenue, and how many customers have it. Each number is the weighted log-odds of the
    stage against the next best.

    --json prints a list: {event_name, stage, confidence, confidences: {stage: confidence}, events, customers,
    evidence: [{kind, says, log_odds}], rule}; with --measure {asked: [{event_name, stage, events, ranked}],
    right_at_once, right_among_two, by_majority}.
    """
    from journey_analytics.project import read_project
    from journey_analytics.rehearsal import rehearse
    from journey_analytics.reports.rule_tables import print_measure, print_suggestions
    from journey_analytics.stages import suggestion

    read = read_project(project)
    with rehearse(read) as rehearsal:
        if measure:
            measured = suggestion.measure(rehearsal, read)
            if as_json:
                right = {"right_at_once": measured.right(1), "right_among_two": measured.right(2)}
                print_json({**asdict(measured), **right})
            else:
                print_measure(output(), measured)
            return EXIT_DONE
        suggestions = suggestion.suggest(rehearsal, read)
    if as_json:
        print_json([asdict(found) for found in suggestions])
    else:
        print_suggestions(output(), suggestions)
    return EXIT_DONE
