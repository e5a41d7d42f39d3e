"""Commands that open a number to its journeys, and a journey to its touchpoints: journeys."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich import box
from rich.table import Column, Table
from rich.text import Text

from journey_analytics.cli.terminal import (
    AsJson,
    AsOf,
    Project,
    examples,
    headings,
    messages,
    output,
    print_json,
    snapshot_of,
)
from journey_analytics.durations import short_duration
from journey_analytics.errors import EXIT_DONE

if TYPE_CHECKING:
    from journey_analytics.reports.journeys import Timeline

app = App()
journeys_app = App(name="journeys", help="The journeys behind a number, and one journey in full.")
app.command(journeys_app)

_MOMENT = "%Y-%m-%d %H:%M:%S"


@journeys_app.command(
    name="list",
    help_epilogue=examples(
        "journey journeys list -p shop --stage consideration --channel email --outcome dropped",
        "journey journeys list -p shop --stage usage --outcome dropped --as-of 2026-03-31",
        "journey journeys list -p shop --state lost --from 2026-03-01 --to 2026-03-31 --json",
    ),
)
def journeys_list(
    *,
    project: Project = Path(),
    stage: Annotated[str | None, Parameter(help="Journeys that reached this stage.")] = None,
    channel: Annotated[str | None, Parameter(help="With this channel, in the channel role.")] = None,
    outcome: Annotated[str | None, Parameter(help="What came of them at the stage.")] = None,
    stage_model: Annotated[
        str | None, Parameter(help="Stage model of the stage; by default the one that cuts journeys.")
    ] = None,
    funnel_kind: Annotated[
        str | None, Parameter(help="Kind of funnel at the stage; progressive by default.")
    ] = None,
    channel_role: Annotated[
        str | None, Parameter(help="Whose channel --channel names; first_touch by default.")
    ] = None,
    state: Annotated[str | None, Parameter(help="State of the journeys.")] = None,
    entered_from: Annotated[
        date | None, Parameter(name="--from", help="First day on which they began.")
    ] = None,
    entered_to: Annotated[date | None, Parameter(name="--to", help="Last day on which they began.")] = None,
    limit: Annotated[int, Parameter(help="Print at most so many.", validator=Number(gte=1))] = 50,
    as_json: AsJson = False,
    as_of: AsOf = None,
) -> int:
    """The journeys that a number of mart_stage_dropoff counts, or that fit; the latest first."""
    from journey_analytics.reports.export import plain_rows
    from journey_analytics.reports.journeys import Wanted, list_journeys

    wanted = Wanted(
        stage=stage,
        channel=channel,
        outcome=outcome,
        stage_model=stage_model,
        funnel_kind=funnel_kind,
        channel_role=channel_role,
        state=state,
        entered_from=entered_from,
        entered_to=entered_to,
    )
    count, frame = list_journeys(snapshot_of(project, as_of), wanted, limit)
    if as_json:
        print_json({"count": count, "journeys": plain_rows(frame)})
        return EXIT_DONE
    shown = [name for name in frame.columns if name not in ("last_touchpoint_at", "stage_left_at")]
    table = Table(*(Column(name, overflow="fold") for name in headings(frame, shown)), box=box.SIMPLE_HEAD)
    for row in frame.iter_rows(named=True):
        table.add_row(*(Text(_told(row[name])) for name in shown))
    output().print(table)
    told = f"{count:,} journeys" + (f", the latest {limit:,} of them shown" if count > limit else "")
    messages.print(told, style="dim", highlight=False)
    return EXIT_DONE


@journeys_app.command(
    name="show",
    help_epilogue=examples(
        "journey journeys show -p shop 0b7d3a5e6c7c1f0a4c3f5d2b1e9a8d70",
        'journey journeys show -p helpdesk "Case 1" --json',
    ),
)
def journeys_show(
    journey: Annotated[str, Parameter(help="Id of a published journey, or its own key (journey.key).")],
    *,
    project: Project = Path(),
    limit: Annotated[
        int, Parameter(help="Print at most so many touchpoints.", validator=Number(gte=1))
    ] = 1_000,
    as_json: AsJson = False,
    as_of: AsOf = None,
) -> int:
    """One journey touchpoint by touchpoint, in the project's time zone; a line between two sessions."""
    from journey_analytics.reports.export import plain_rows
    from journey_analytics.reports.journeys import read_timeline

    timeline = read_timeline(snapshot_of(project, as_of), journey)
    touchpoints = timeline.touchpoints.head(limit)
    if as_json:
        print_json(
            {
                "journey": plain_rows(timeline.journey)[0],
                "stages": plain_rows(timeline.stages),
                "touchpoints": plain_rows(touchpoints),
            }
        )
        return EXIT_DONE
    _print_header(timeline)
    table = Table(
        Column("#", justify="right"), f"time ({_zone(timeline)})", Column("gap", justify="right"),
        "event", "channel", "stage", "rule", "page", Column("revenue", justify="right"),
        box=box.SIMPLE_HEAD,
    )  # fmt: skip
    for row in touchpoints.iter_rows(named=True):
        if row["starts_session"] and table.row_count:
            table.add_section()
        money = _told(row["revenue"]) + (f" {row['currency']}" if row["currency"] else "")
        table.add_row(
            str(row["touchpoint_number"]),
            _told(row["occurred_at"]),
            _lasted(row["gap_seconds"]),
            *(Text(_told(row[name])) for name in ("event_name", "channel", "stage", "rule", "page_path")),
            Text(money),
        )
    output().print(table)
    if touchpoints.height < timeline.touchpoints.height:
        messages.print(
            f"the first {limit:,} of {timeline.touchpoints.height:,} touchpoints (--limit shows more)",
            style="dim",
            highlight=False,
        )
    return EXIT_DONE


def _print_header(timeline: Timeline) -> None:
    journey, out = timeline.journey.row(0, named=True), output()
    name = journey["journey_id"] + (f" ({journey['journey_ref']})" if journey["journey_ref"] else "")
    ended = "ended" if journey["is_ended"] else "not ended"
    out.print(f"journey   {name}", markup=False, highlight=False, soft_wrap=True)
    for label, told in (
        ("customer", f"{journey['customer_id']}, journey {journey['journey_number']}"),
        ("state", f"{journey['state']}, {ended}"),
        ("from", f"{_told(journey['entered_at'])} ({_zone(timeline)})"),
        ("to", f"{_told(journey['last_touchpoint_at'])} ({_zone(timeline)})"),
        (
            "length",
            f"{journey['touchpoints']:,} touchpoints in {journey['sessions']:,} sessions"
            + (f", revenue {_told(journey['revenue'])}" if journey["revenue"] is not None else ""),
        ),
    ):
        out.print(f"{label:8}  {told}", markup=False, highlight=False, soft_wrap=True)
    for model, stages in timeline.stages.group_by("stage_model", maintain_order=True):
        reached = ", ".join(
            row["stage"]
            + (" (passed through)" if row["is_skipped"] else f" {_lasted(row['dwell_seconds'])}".rstrip())
            for row in stages.iter_rows(named=True)
        )
        out.print(f"{'stages':8}  {model[0]}: {reached}", markup=False, highlight=False, soft_wrap=True)


def _zone(timeline: Timeline) -> str:
    """The zone of every time of a journey: the project's."""
    return str(timeline.journey["entered_at"].item(0).tzinfo)


def _told(value: Any) -> str:
    """A value in a cell; nothing where there is none."""
    if value is None:
        return ""
    return str(value.strftime(_MOMENT)) if hasattr(value, "strftime") else str(value)


def _lasted(seconds: float | None) -> str:
    return "" if seconds is None else short_duration(seconds)
