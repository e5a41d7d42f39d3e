"""The command that counts an ad-hoc funnel: journey funnel."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from journey_analytics.cli.terminal import (
    AsJson,
    Project,
    examples,
    messages,
    output,
    print_json,
    snapshot_of,
)
from journey_analytics.durations import parse_duration
from journey_analytics.errors import EXIT_DONE, ConfigError, JourneyError, Problem

if TYPE_CHECKING:
    from datetime import timedelta

    from journey_analytics.funnels import FunnelResult

app = App()


@app.command(
    help_epilogue=examples(
        'journey funnel -p shop --steps "page_view;add_to_cart|checkout;order" --window 14d --by channel',
        'journey funnel --events visits.parquet --steps "view;cart;purchase" --mode strict --json',
        'journey funnel --steps "view;cart;order" --step-window 3=1d --exclude "refund:1-3" --optional 2',
    )
)
def funnel(
    *,
    steps: Annotated[str, Parameter(help="Event names in order, with ; between steps and | between names.")],
    project: Project = Path(),
    events: Annotated[
        Path | None,
        Parameter(
            help="Parquet or CSV file (or a folder of Parquet) to read instead of the project's marts."
        ),
    ] = None,
    mode: Annotated[
        Literal["ordered", "strict", "unordered"], Parameter(help="What may lie between steps.")
    ] = "ordered",
    window: Annotated[str | None, Parameter(help="From first step to last, such as 14d.")] = None,
    step_window: Annotated[
        list[str] | None, Parameter(help="From the step before, such as 3=1d.", negative="")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        Parameter(help="Leave out who has the event between two steps, such as refund:1-3.", negative=""),
    ] = None,
    optional: Annotated[
        list[int] | None, Parameter(help="Number of a step that may be left out.", negative="")
    ] = None,
    by: Annotated[str | None, Parameter(help="Column whose values make groups.")] = None,
    attribution: Annotated[
        Literal["first_touch", "last_touch", "step", "all_steps"],
        Parameter(help="Which event of a customer's chain gives the group."),
    ] = "first_touch",
    attribution_step: Annotated[int | None, Parameter(help="The step for attribution by step.")] = None,
    entity: Annotated[str, Parameter(help="Column of who goes through the funnel.")] = "customer_id",
    as_json: AsJson = False,
) -> int:
    """Count how many customers get through steps, in the published touchpoints or in any file of events."""
    _keep_to_threads(project)
    names = [part.strip().split("|") for part in steps.split(";")]
    span = None if window is None else _duration(window)
    step_windows = dict(_step_window(text) for text in step_window or [])
    exclusions = [_exclusion(text) for text in exclude or []]
    from journey_analytics.funnels import funnel as count

    result = count(
        events or snapshot_of(project).pattern("mart_touchpoints"),
        names,
        mode=mode,
        window=span,
        step_windows=step_windows,
        exclusions=exclusions,
        optional=optional or (),
        breakdown=by,
        attribution=attribution,
        attribution_step=attribution_step,
        entity=entity,
    )
    if as_json:
        print_json(
            {
                "steps": result.table.to_dicts(),
                "groups": None if result.by_group is None else result.by_group.to_dicts(),
                "events_without_customer": result.events_without_customer,
                "events_without_time": result.events_without_time,
                "notes": result.notes,
            }
        )
        return EXIT_DONE
    _print(result, by)
    return EXIT_DONE


def _keep_to_threads(folder: Path) -> None:
    """Let Polars, which asks once when it is imported, take no more threads than the project says."""
    from journey_analytics.yaml_file import YamlFile

    with suppress(JourneyError):  # a bare file needs no project, and one that is wrong is told of later
        threads = YamlFile(folder / "journey.yaml").content.get("threads")
        if isinstance(threads, int) and threads >= 1:
            os.environ.setdefault("POLARS_MAX_THREADS", str(int(threads)))


def _print(result: FunnelResult, by: str | None) -> None:
    from journey_analytics.reports.terminal import print_funnel

    print_funnel(output(), result.table, None)
    if by is not None and result.by_group is not None:
        output().print()
        print_funnel(output(), result.by_group, by)
    for name, left_out in (
        ("customer", result.events_without_customer),
        ("time", result.events_without_time),
    ):
        if left_out:
            messages.print(f"left out: {left_out:,} events without a {name}", highlight=False)
    for note in result.notes:
        messages.print(f"note: {note}", highlight=False, markup=False)


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as cause:
        raise _unreadable("--window", text, cause, "write a whole number and a unit, such as 14d") from cause


def _step_window(text: str) -> tuple[int, timedelta]:
    number, _, duration = text.partition("=")
    try:
        return int(number), parse_duration(duration)
    except ValueError as cause:
        raise _unreadable("--step-window", text, cause, "write STEP=TIME, such as 3=1d") from cause


def _exclusion(text: str) -> tuple[list[str], int, int]:
    names, _, between = text.rpartition(":")
    start, _, stop = between.partition("-")
    try:
        return names.split("|"), int(start), int(stop)
    except ValueError as cause:
        raise _unreadable("--exclude", text, cause, "write EVENT:FROM-TO, such as refund:1-3") from cause


def _unreadable(option: str, text: str, cause: ValueError, do: str) -> ConfigError:
    return ConfigError(Problem(f"{option} {text!r} cannot be read: {cause}", "the command", do))
