"""Commands about what comes in: init, sources, channels."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.markup import escape
from rich.table import Table

from journey_analytics.cli.terminal import AsJson, Project, examples, messages, output, print_json
from journey_analytics.errors import EXIT_DONE, EXIT_GATE_FAILED

app = App()
sources_app = App(name="sources", help="What comes in: see what the mappings make of the files.")
channels_app = App(name="channels", help="How events get their channel.")
app.command(sources_app)
app.command(channels_app)


@app.command(
    help_epilogue=examples(
        "journey init shop --from exports/events.csv",
        "journey init web --from ga4/2026-*.parquet",
    )
)
def init(
    folder: Annotated[Path, Parameter(help="Folder of the new project.")],
    *,
    from_: Annotated[
        list[Path],
        Parameter(name="--from", help="Files of one export that hold the events.", consume_multiple=True),
    ],
) -> int:
    """Look at files and draft a project for them: format, columns, stages. It is tried on them, not run."""
    from journey_analytics.local_days import to_us
    from journey_analytics.reports.terminal import print_trial
    from journey_analytics.sources.draft import draft_project
    from journey_analytics.sources.scaffold import write_project
    from journey_analytics.sources.trial import try_draft

    now_us = to_us(datetime.now(UTC))
    draft = draft_project(from_, now_us)
    tried = None if draft.gaps else try_draft(draft, now_us)
    paths = write_project(draft, folder)
    table = Table("taken for", "what", "because of", "how sure")
    for guess in draft.guesses:
        table.add_row(*map(escape, (guess.what, guess.value, guess.why, guess.sureness)))
    for name, stage, word in draft.rules:
        table.add_row(f"stage {stage}" if stage else "no stage", escape(name), word or "-", "a guess")
    out = output()
    out.print(table)
    if tried is not None:
        out.print("tried on the files:")
        print_trial(out, tried)
    out.print("wrote " + ", ".join(str(path) for path in paths), soft_wrap=True, highlight=False)
    if draft.gaps:
        gaps = ", ".join(draft.gaps)
        out.print(f"\nto be filled in, in {paths[1]}: {gaps}", soft_wrap=True, highlight=False)
    out.print("\nnext: read them and correct what is wrong, then")
    for command in (f"journey sources check -p {folder}", f"journey run -p {folder}"):
        out.print(f"  {command}", soft_wrap=True, highlight=False)
    return EXIT_DONE


@sources_app.command(name="check", help_epilogue=examples("journey sources check -p shop"))
def sources_check(*, project: Project = Path(), as_json: AsJson = False) -> int:
    """Map the files without a run: rows, gaps, time span, duplicates, quarantine, channels.

    The exit code is 3 when a source has no usable event.
    """
    from dataclasses import asdict

    from journey_analytics.local_days import to_us
    from journey_analytics.project import read_project
    from journey_analytics.sources.preview import preview_sources

    previews = preview_sources(read_project(project), to_us(datetime.now(UTC)))
    if as_json:
        print_json([asdict(preview) for preview in previews])
    else:
        from journey_analytics.reports.terminal import print_preview

        for preview in previews:
            print_preview(output(), preview)
    empty = [preview.totals.source for preview in previews if not preview.totals.events]
    if empty:
        messages.print(f"no usable event: {', '.join(empty)}", highlight=False)
    return EXIT_GATE_FAILED if empty else EXIT_DONE


@channels_app.command(name="explain", help_epilogue=examples("journey channels explain 4711 -p shop"))
def channels_explain(
    event_id: Annotated[str, Parameter(help="Id of a published event.")],
    *,
    project: Project = Path(),
    as_json: AsJson = False,
) -> int:
    """Why an event has its channel: its source and medium, and each rule up to the one that took it."""
    from dataclasses import asdict

    from journey_analytics.marts import current
    from journey_analytics.project import read_project
    from journey_analytics.sources.channels.explanation import explain, told_by_source
    from journey_analytics.sources.evidence import traffic_of_event

    read = read_project(project)
    evidence = traffic_of_event(current(read.marts_folder), event_id)
    steps = explain(read.channels, evidence.inputs)
    # a source that is mapped no more says nothing
    source = next((source for source in read.sources if source.name == evidence.source), None)
    if source is not None and (told_itself := told_by_source(source, evidence.channel, steps[-1])):
        steps = [told_itself]
    if as_json:
        print_json(
            {"channel": evidence.channel, "inputs": evidence.inputs, "steps": [asdict(s) for s in steps]}
        )
        return EXIT_DONE
    out = output()
    told = ", ".join(f"{name} {value!r}" for name, value in evidence.inputs.items() if value is not None)
    out.print(f"event {event_id} of {evidence.source}: [bold]{evidence.channel}[/bold]")
    out.print(f"it came with {told or 'no tag, no click id and no referrer'}", markup=False)
    table = Table("rule", "channel", "taken", "why")
    for step in steps:
        table.add_row(step.rule, step.channel or "", "yes" if step.is_matched else "no", step.reason)
    out.print(table)
    return EXIT_DONE
