"""Commands about runs that nobody watches: status, backfill."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from rich.table import Column, Table

from journey_analytics.cli.progress import run_with_progress
from journey_analytics.cli.terminal import AsJson, Project, examples, messages, output, print_json
from journey_analytics.errors import EXIT_DONE, EXIT_STALE, ConfigError, JourneyError, Problem

if TYPE_CHECKING:
    from journey_analytics.backfill import PlannedDay

app = App()


@app.command(help_epilogue=examples("journey status -p shop", "journey status -p shop --max-age 26h --json"))
def status(
    *,
    project: Project = Path(),
    max_age: Annotated[
        str | None,
        Parameter(help="End with exit code 6 unless a run came to its end within this time, such as 26h."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """What is live, how the last run went and who holds the project. For monitoring: needs no server."""
    from journey_analytics.durations import parse_duration
    from journey_analytics.project import read_project

    try:
        longest = None if max_age is None else parse_duration(max_age)
    except ValueError as cause:
        raise ConfigError(Problem(str(cause), "--max-age", "write for example --max-age 26h")) from cause
    told, age = _look(read_project(project))
    told["is_stale"] = longest is not None and (age is None or age > longest)
    if as_json:
        print_json(told)
    else:
        _print_status(told, age)
    if told["is_stale"]:
        messages.print(f"no run came to its end within {max_age}", style="bold red")
    return EXIT_STALE if told["is_stale"] else EXIT_DONE


def _look(project: Any) -> tuple[dict[str, Any], timedelta | None]:
    """What there is to say, and the time since the last success."""
    from journey_analytics.lock import holder
    from journey_analytics.marts import current
    from journey_analytics.status import read_status

    found = read_status(project.marts_folder, project.settings.project)
    held_by = holder(project.lock_file)
    last = found.last_attempt
    if last is not None and last.state == "running" and held_by is None:
        last.state = "killed"
    told: dict[str, Any] = {"live": None, "held_by": held_by, **found.model_dump(mode="json")}
    try:
        live = current(project.marts_folder)
        told["live"] = {"name": live.name, "run_id": live.run_id, "as_of": live.as_of.isoformat()}
    except JourneyError as error:
        told["fault"] = error.problems[0].what
    return told, found.age(datetime.now(UTC))


def _print_status(told: dict[str, Any], age: timedelta | None) -> None:
    live, last, success = told["live"], told["last_attempt"], told["last_success"]
    lines = [("live", f"as of {live['as_of']}, snapshot {live['name']}" if live else told["fault"])]
    if told["restored"]:
        lines.append(("", f"an earlier set, restored on {_minute(told['restored']['at'])}"))
    if success and age is not None:
        lines.append(("last success", f"{_minute(success['ended_at'])}, {_hours(age)} ago"))
    else:
        lines.append(("last success", "none"))
    if last:
        code = "" if last["exit_code"] is None else f", exit code {last['exit_code']}"
        where = f" in step {last['step']}" if last["step"] else ""
        lines.append(("last run", f"{_minute(last['begun_at'])}: {last['state']}{where}{code}"))
        lines += [("", line) for line in last["message"].splitlines()]
        lines += [("warning", warning) for warning in last["warnings"]]
    else:
        lines.append(("last run", "none"))
    lines.append(("held by", told["held_by"] or "nobody"))
    for name, text in lines:
        output().print(f"{name:<13} {text}", markup=False, highlight=False, soft_wrap=True)


def _minute(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _hours(age: timedelta) -> str:
    return f"{age / timedelta(hours=1):.1f} h"


@app.command(
    help_epilogue=examples(
        "journey backfill -p shop --from 2026-03-01 --to 2026-03-31 --dry-run",
        "journey backfill -p shop --from 2026-03-01 --to 2026-03-31 --reprocess all",
    )
)
def backfill(
    *,
    first: Annotated[date, Parameter(name="--from", help="First day.")],
    last: Annotated[date, Parameter(name="--to", help="Last day, included.")],
    project: Project = Path(),
    dry_run: Annotated[bool, Parameter(negative="", help="Show what would be done, and do nothing.")] = False,
    reprocess: Annotated[
        str,
        Parameter(
            help="Days to do again though nothing changed for them: none, failed (the last run did), all."
        ),
    ] = "failed",
    as_json: AsJson = False,
) -> int:
    """Run every day of a span as its night would have, in order; each publishes a snapshot.

    A day whose run published from the same inputs and rules is left out, so that a backfill that was stopped
    goes on where it stopped. It stops at the first day that fails, with that run's exit code. Days before the
    live one are kept for `--as-of` and `journey marts restore`; readers keep seeing the live one.
    """
    from journey_analytics.backfill import plan
    from journey_analytics.project import read_project

    read = read_project(project)
    days = plan(read, first, last, reprocess, now=datetime.now(UTC))
    if dry_run:
        if as_json:
            print_json([asdict(day) for day in days])
        else:
            _print_plan(days)
        return EXIT_DONE
    to_run = [day for day in days if day.is_to_run]
    done = []
    for number, planned in enumerate(to_run, start=1):
        messages.rule(f"{planned.day}, {number} of {len(to_run)}")
        try:
            done.append(
                run_with_progress(
                    read, planned.day, force=reprocess == "all", moves_pointer=planned.moves_pointer
                )
            )
        except BaseException:
            messages.print(
                f"the backfill stopped at {planned.day}: {len(done)} of {len(to_run)} days are done; "
                "the same command goes on from here"
            )
            raise
    if as_json:
        print_json(done)
    else:
        output().print(f"{len(done)} of {len(days)} days were run; the others needed none")
    return EXIT_DONE


def _print_plan(days: list[PlannedDay]) -> None:
    table = Table(Column("day", no_wrap=True), "run", "why", "run id")
    for day in days:
        does = ("yes, live" if day.moves_pointer else "yes, kept only") if day.is_to_run else "no"
        table.add_row(str(day.day), does, day.why, day.run_id)
    output().print(table)
    output().print(f"{sum(day.is_to_run for day in days)} of {len(days)} days to run")
