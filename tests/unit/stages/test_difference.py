"""What other rules would change: exactly what two whole runs differ by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journey_analytics.marts import Snapshot
from journey_analytics.project import read_project, with_stages
from journey_analytics.query import query
from journey_analytics.rehearsal import rehearse
from journey_analytics.stages.difference import Difference, Moves, compare
from tests.conftest import CHECKOUT, copy_project, run_project

Edit = Callable[[Path, str, str], None]
COUNTS = ("journeys_reached", "journeys_continued", "journeys_dropped", "journeys_open", "drop_off_rate")


def difference(folder: Path, new: Path) -> Difference:
    project = read_project(folder)
    with rehearse(project) as rehearsal:
        return compare(rehearsal, project, with_stages(project, new))


def changed_copy(folder: Path, *changes: tuple[str, str]) -> Path:
    """The project's rules with some texts replaced, as a file beside them."""
    text = (folder / "stages.yaml").read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "new_stages.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def rows(snapshot: Snapshot, sql: str) -> list[dict[str, Any]]:
    return query(snapshot, sql).to_dicts()


def places(snapshot: Snapshot, everything: set[tuple[str, str]]) -> dict[str, dict[Any, str]]:
    """Of each kind every thing with its place, from the marts; an event that is not in them is ignored."""
    events = {
        (row["source"], row["event_id"]): row["stage"] or "(unmapped)"
        for row in rows(snapshot, "select source, event_id, stage from mart_touchpoints")
    }
    journeys = rows(snapshot, "select journey_id, customer_id, furthest_stage from mart_journeys")
    order = [
        "(no stage)",
        "awareness",
        "interest",
        "consideration",
        "purchase",
        "usage",
        "loyalty",
        "advocacy",
    ]
    customers: dict[Any, str] = {}
    for row in journeys:
        found = row["furthest_stage"] or "(no stage)"
        known = customers.setdefault(row["customer_id"], found)
        customers[row["customer_id"]] = max(known, found, key=order.index)
    return {
        "events": {key: events.get(key, "(ignored)") for key in everything},
        "journeys": {row["journey_id"]: row["furthest_stage"] or "(no stage)" for row in journeys},
        "customers": customers,
    }


def moved(before: dict[Any, str], after: dict[Any, str]) -> dict[tuple[str, str], int]:
    pairs = (
        (before.get(key, "(not there)"), after.get(key, "(not there)"))
        for key in before.keys() | after.keys()
    )
    return Counter(pair for pair in pairs if pair[0] != pair[1])


def funnel(snapshot: Snapshot) -> dict[tuple[str, str], dict[str, Any]]:
    sql = "select * from mart_stage_dropoff where channel_role = 'all'"
    return {
        (row["funnel_kind"], row["stage"]): {name: row[name] for name in COUNTS}
        for row in rows(snapshot, sql)
    }


def written(folder: Path) -> dict[Path, int]:
    """Every file of the project and when it was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def counted(moves: Moves) -> dict[tuple[str, str], int]:
    assert moves.moved == sum(move.count for move in moves.moves)
    return {(move.before, move.after): move.count for move in moves.moves}


SAMPLE = CHECKOUT / "data" / "complete_journey"
TINY = CHECKOUT / "tests" / "projects" / "tiny"


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], tuple[Path, Snapshot]]:
    """A project's folder and what its run published, the same for every test."""
    made: dict[Path, tuple[Path, Snapshot]] = {}

    def run(project: Path) -> tuple[Path, Snapshot]:
        if project not in made:
            folder = copy_project(project, tmp_path_factory.mktemp("before") / project.name)
            made[project] = (folder, run_project(folder))
        return made[project]

    return run


@pytest.mark.parametrize(
    ("project", "changes"),
    [
        (TINY, [("order, revenue: {gt: 0}", "order, revenue: {gt: 50}")]),
        (TINY, [("stage: awareness\n", "ignore: true\n")]),
        (
            SAMPLE,
            [
                ("gte: 8, within: 56d", "gte: 4, within: 28d"),
                ("gt: 0}, within: 28d}", "gt: 0}, within: 40d}"),
                ("when: {event_name: coupon_redeemed}", "when: {event_name: coupon_returned}"),
                ("revenue: {lte: 0}}", "revenue: {lte: 5}}"),
            ],
        ),
    ],
    ids=["unmapped", "ignored", "contexts, unmapped and ignored"],
)
def test_a_difference_is_what_two_whole_runs_differ_by(
    run_once: Callable[[Path], tuple[Path, Snapshot]],
    tmp_path: Path,
    project: Path,
    changes: list[tuple[str, str]],
) -> None:
    folder, before = run_once(project)
    new = changed_copy(folder, *changes)
    files = written(folder)
    found = difference(folder, new)
    assert written(folder) == files
    changed_folder = copy_project(folder, tmp_path / project.name)
    new.replace(changed_folder / "stages.yaml")
    after = run_project(changed_folder)
    keys = {
        (row["source"], row["event_id"])
        for snapshot in (before, after)
        for row in rows(snapshot, "select source, event_id from mart_touchpoints")
    }
    placed = [places(snapshot, keys) for snapshot in (before, after)]
    for moves in (found.events, found.journeys, found.customers):
        assert counted(moves) == moved(placed[0][moves.kind], placed[1][moves.kind]), moves.kind
    assert found.events.moved > 0
    for moves in (found.journeys, found.customers):
        assert (moves.before, moves.after) == tuple(len(side[moves.kind]) for side in placed)
    states = [
        dict(query(s, "select journey_id, state from mart_journeys").iter_rows()) for s in (before, after)
    ]
    both = {key: before for key, before in states[0].items() if key in states[1]}
    changed = moved(both, {key: states[1][key] for key in both})
    assert {(move.before, move.after): move.count for move in found.states} == changed
    for side, snapshot in (("before", before), ("after", after)):
        told = {
            (stage.funnel_kind, stage.stage): {name: counts[name] for name in COUNTS}
            for stage in found.funnel
            if (counts := getattr(stage, side)) is not None
        }
        assert told == funnel(snapshot)


def test_the_same_rules_move_nothing_and_another_name_is_another_rule(tiny: Path) -> None:
    run_project(tiny)
    assert difference(tiny, tiny / "stages.yaml").is_empty
    renamed = difference(tiny, changed_copy(tiny, ("rule: cart", "rule: basket")))
    assert (renamed.events.moved, renamed.events_of_other_rules, renamed.is_empty) == (0, 2, False)
