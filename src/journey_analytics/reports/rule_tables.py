"""What is found out about stage rules, on a terminal: coverage, explanations, differences, suggestions.

Belongs here: tables and colours. Does not belong here: the findings themselves (stages).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from journey_analytics.reports.wording import percent
from journey_analytics.stages.coverage import Coverage, SilentRule
from journey_analytics.stages.difference import Difference, Move, Moves
from journey_analytics.stages.explanation import Explanation, RuleOutcome
from journey_analytics.stages.suggestion import Measure, Suggestion

_MOST = 20
_KIND = "progressive"
_FEW_UNMAPPED = 0.01
_SURE = 0.8


def print_coverage(console: Console, coverage: Coverage, zone: ZoneInfo) -> None:
    """Shares, unmapped names, rules that never fire, overlaps."""
    parts = [coverage.mapped, coverage.ignored, coverage.unmapped]
    mapped, ignored, unmapped = (percent(part / coverage.events) for part in parts)
    style = "green" if coverage.unmapped <= _FEW_UNMAPPED * coverage.events else "red"
    console.print(
        f"[bold]{escape(coverage.stage_model)}[/bold]: of {coverage.events:,} events up to {coverage.as_of} "
        f"{mapped} mapped, {ignored} ignored, [{style}]{unmapped} unmapped[/{style}]",
        highlight=False,
    )
    if coverage.unmapped_names:
        table = _table("Event names with events that no rule takes", "event name")
        for name in ("events", "share", "customers"):
            table.add_column(name, justify="right")
        table.add_column("first seen")
        table.add_column("last seen")
        for row in coverage.unmapped_names[:_MOST]:
            table.add_row(
                escape(row.name),
                f"{row.events:,}",
                percent(row.event_share),
                f"{row.customers:,}",
                _day(row.first_seen_at, zone),
                _day(row.last_seen_at, zone),
            )
        _print_cut(console, table, len(coverage.unmapped_names))
    if coverage.silent_rules:
        table = _table("Rules that take nothing", "rule", "stage", "why")
        for rule in coverage.silent_rules[:_MOST]:
            table.add_row(escape(rule.name), _stage(rule.stage), _why_silent(rule))
        _print_cut(console, table, len(coverage.silent_rules))
    if coverage.overlaps:
        share = percent(coverage.events_of_several_rules / coverage.events)
        title = f"{coverage.events_of_several_rules:,} events ({share}) that several rules would take"
        table = _table(title, "rule", "stage", "and behind it", "stage")
        table.add_column("events", justify="right")
        for pair in coverage.overlaps[:_MOST]:
            first, second = _stage(pair.first_stage), _stage(pair.second_stage)
            table.add_row(escape(pair.first), first, escape(pair.second), second, f"{pair.events:,}")
        _print_cut(console, table, len(coverage.overlaps))


def print_explanation(console: Console, explanation: Explanation, zone: ZoneInfo) -> None:
    """One event: its rule and stage, and what kept each rule before it from taking it."""
    when = explanation.occurred_at.astimezone(zone).isoformat(" ")
    styles = {"mapped": "green", "ignored": "yellow", "unmapped": "red"}
    told = {
        "mapped": f"{explanation.stage} by rule {explanation.rule}",
        "ignored": f"ignored by rule {explanation.rule}, so it is in no journey",
        "unmapped": "unmapped: no rule takes it",
    }[explanation.outcome]
    style = styles[explanation.outcome]
    console.print(
        f"{when}  [bold]{escape(explanation.event_name)}[/bold] {escape(explanation.event_id)}"
        f"  [{style}]{escape(told)}[/{style}]",
        highlight=False,
        soft_wrap=True,
    )
    failed = [outcome for outcome in explanation.rules if not outcome.is_taken]
    near = [outcome for outcome in failed if not outcome.is_for_other_events]
    for outcome in near:
        console.print(
            f"    not {_failure(outcome)}", style="dim", markup=False, highlight=False, soft_wrap=True
        )
    others = len(failed) - len(near)
    if others:
        rules = "rule is" if others == 1 else "rules are"
        console.print(f"    {others} earlier {rules} for other events", style="dim", highlight=False)


def print_difference(console: Console, difference: Difference) -> None:
    """What moves, and the funnel on each side."""
    if difference.is_empty:
        console.print(f"nothing moves up to {difference.as_of}: every event keeps its rule", style="green")
        return
    console.print(
        f"up to {difference.as_of}: another stage for {difference.events.moved:,} of "
        f"{difference.events.before:,} events, another rule for {difference.events_of_other_rules:,}",
        highlight=False,
    )
    for moves, title in (
        (difference.events, "Events"),
        (difference.journeys, "Journeys, by the furthest stage"),
        (difference.customers, "Customers, by the furthest stage"),
    ):
        _print_moves(console, _moves_title(moves, title), moves.moves, moves.kind)
    _print_moves(console, "Journeys, by state", difference.states, "journeys")
    for model in dict.fromkeys(stage.stage_model for stage in difference.funnel):
        table = _table(f"Funnel of {model} ({_KIND})", "stage")
        for name in ("reached before", "after", "change", "drop-off before", "after"):
            table.add_column(name, justify="right")
        for stage in difference.funnel:
            if stage.stage_model == model and stage.funnel_kind == _KIND:
                table.add_row(*_funnel_row(stage.stage, stage.before, stage.after))
        console.print(table)


def print_suggestions(console: Console, suggestions: Sequence[Suggestion]) -> None:
    """Each suggestion with its evidence, then the rules to paste."""
    if not suggestions:
        console.print("every event name has a stage or is ignored", style="green")
        return
    for suggestion in suggestions:
        style = "green" if suggestion.confidence >= _SURE else "yellow"
        second, confidence = list(suggestion.confidences.items())[1]
        console.print(
            f"[bold]{escape(suggestion.event_name)}[/bold]: [{style}]{escape(suggestion.stage)}, "
            f"{percent(suggestion.confidence)} sure[/{style}] "
            f"(next {escape(second)}, {percent(confidence)}); {suggestion.events:,} events "
            f"of {suggestion.customers:,} customers",
            highlight=False,
            soft_wrap=True,
        )
        for piece in suggestion.evidence:
            told = f"    {piece.log_odds:+5.1f}  {piece.kind}: {piece.says}"
            console.print(told, style="dim", markup=False, highlight=False, soft_wrap=True)
    console.print("\nto paste behind the other rules of stages.yaml, after a look at each:\n", style="bold")
    for suggestion in suggestions:
        console.print(suggestion.rule, end="", markup=False, highlight=False, soft_wrap=True)


def print_measure(console: Console, measure: Measure) -> None:
    """How often the stage of a hidden event name was found."""
    asked = len(measure.asked)
    console.print(
        f"of {asked} mapped event names, each hidden and asked for: {measure.right(1)} found at once, "
        f"{measure.right(2)} among the best two; {measure.by_majority} by always taking the stage with the "
        "most other names",
        highlight=False,
        soft_wrap=True,
    )
    table = _table("Those that were not found at once", "event name", "stage", "suggested", "then")
    for found in measure.asked:
        if not found.is_among(1):
            table.add_row(*(escape(cell) for cell in (found.event_name, found.stage, *found.ranked[:2])))
    if table.row_count:
        console.print(table)


def _table(title: str, *columns: str) -> Table:
    # a title is wider than some tables, and would be broken to their width
    whole = Text(f"\n{title}", no_wrap=True, overflow="ignore")
    table = Table(title=whole, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print_cut(console: Console, table: Table, rows: int) -> None:
    console.print(table)
    if rows > _MOST:
        console.print(f"and {rows - _MOST:,} more; --json lists them all", style="dim", highlight=False)


def _day(moment: datetime | None, zone: ZoneInfo) -> str:
    return "–" if moment is None else f"{moment.astimezone(zone):%Y-%m-%d}"


def _stage(stage: str | None) -> str:
    return "(ignored)" if stage is None else escape(stage)


def _why_silent(rule: SilentRule) -> str:
    if not rule.taken_before:
        return "no event fits it"
    takers = list(rule.taken_before.items())
    named = ", ".join(f"{escape(name)} ({events:,})" for name, events in takers[:3])
    return f"earlier rules take all that fits: {named}" + (" and others" if len(takers) > 3 else "")


def _failure(outcome: RuleOutcome) -> str:
    return f"{outcome.rule}: " + "; ".join(f"{r.condition} ({r.found})" for r in outcome.reasons)


def _moves_title(moves: Moves, title: str) -> str:
    counts = (
        f"{moves.before:,}"
        if moves.before == moves.after
        else f"{moves.before:,} before, {moves.after:,} after"
    )
    return f"{title} ({counts}; {moves.moved:,} move)"


def _print_moves(console: Console, title: str, moves: Sequence[Move], unit: str) -> None:
    if not moves:
        return
    table = _table(title, "from", "to")
    table.add_column(unit, justify="right")
    for move in moves[:_MOST]:
        table.add_row(escape(move.before), escape(move.after), f"{move.count:,}")
    _print_cut(console, table, len(moves))


def _funnel_row(stage: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[str]:
    sides = (before or {}, after or {})
    reached = [side.get("journeys_reached") for side in sides]
    rates = [percent(side.get("drop_off_rate")) for side in sides]
    counts = ["–" if count is None else f"{count:,}" for count in reached]
    change = (reached[1] or 0) - (reached[0] or 0)
    return [escape(stage), *counts, f"{change:+,}" if change else "0", *rates]
