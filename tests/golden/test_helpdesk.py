"""Support tickets by their own key: paths and transitions are the variants and successions published."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.marts import Snapshot
from journey_analytics.project import read_project
from journey_analytics.query import query
from journey_analytics.run import STEPS, start
from tests.conftest import CHECKOUT, NOW, copy_project, run_project, shared

NAME = "helpdesk_tickets"
COMPLETE = "path_start in ('Assign seriousness', 'Insert ticket') and path_end = 'Closed'"
# the write-up counts successions in the complete cases alone: this source leaves the others out
ONLY_COMPLETE = """\
files: {tickets: input/finale.csv}
query: |
  select * from tickets where "Case ID" in (
    select "Case ID" from tickets group by "Case ID"
    having min_by(Activity, _row) in ('Assign seriousness', 'Insert ticket')
      and max_by(Activity, _row) = 'Closed')
"""


def project_over_tickets(folder: Path) -> Path:
    """A copy of the project with the tickets as its input."""
    data = shared(NAME)
    project = copy_project(CHECKOUT / "tests" / "projects" / "helpdesk", folder / "helpdesk")
    (project / "input").symlink_to(data)
    return project


@pytest.fixture(scope="module")
def tickets(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return run_project(project_over_tickets(tmp_path_factory.mktemp("tickets")))


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBEngine]:
    """The marts of the complete tickets; they are not published, which takes longer than making them."""
    folder = project_over_tickets(tmp_path_factory.mktemp("complete"))
    path = folder / "sources" / "tickets.yaml"
    text = path.read_text(encoding="utf-8")
    assert "files: input/finale.csv\n" in text
    path.write_text(text.replace("files: input/finale.csv\n", ONLY_COMPLETE), encoding="utf-8")
    with start(read_project(folder), now=NOW) as run:
        for step in STEPS[: [step.name for step in STEPS].index("marts") + 1]:
            step.work(run)
        yield run.engine


def expected(metric: str) -> dict[str, float]:
    """Slice to value of one metric of expected.csv."""
    with (shared(NAME) / "expected.csv").open(encoding="utf-8") as file:
        return {row["slice"]: float(row["value"]) for row in csv.DictReader(file) if row["metric"] == metric}


def test_every_ticket_is_a_journey_whoever_its_customer(tickets: Snapshot) -> None:
    counted = query(
        tickets,
        "select count(*) as events, count(distinct journey_id) as cases, "
        "count(distinct customer_id) as customers, count(distinct event_name) as activities "
        "from mart_touchpoints",
    ).row(0, named=True)
    for metric, found in counted.items():
        assert found == expected(metric)["all"], metric
    assert tickets.marts["mart_journeys"] == expected("cases")["all"]
    by_activity = query(
        tickets,
        "select event_name, count(*) as events, count(distinct journey_id) as cases "
        "from mart_touchpoints group by event_name",
    )
    for name, events, cases in by_activity.iter_rows():
        assert events == expected("events")[f"activity={name}"], name
        assert cases == expected("cases")[f"activity={name}"], name


def test_paths_of_events_are_the_published_variants(tickets: Snapshot) -> None:
    paths = query(
        tickets,
        "select journeys, journeys_share, path_rank, is_cut from mart_paths "
        f"where path_kind = 'events' and {COMPLETE} order by path_rank",
    )
    journeys = paths["journeys"].to_list()
    assert sum(journeys) == expected("complete_cases").popitem()[1]
    assert len(journeys) == expected("variants")["complete cases"]
    for place in (1, 2, 3):
        assert journeys[place - 1] == expected(f"variant_{place}_cases")["complete cases"]
    assert sum(journeys[:5]) == expected("top5_variant_cases")["complete cases"]
    share = sum(journeys[:5]) / sum(journeys) * 100
    assert share == pytest.approx(expected("top5_variant_share_pct")["complete cases"], abs=0.01)
    for size, variants in Counter(journeys).items():
        if size <= 3:
            ending = "case" if size == 1 else "cases"
            assert variants == expected(f"variants_with_{size}_{ending}")["complete cases"]
    everything = query(
        tickets, "select count(*), sum(journeys) from mart_paths where path_kind = 'events'"
    ).row(0)
    assert everything == (expected("variants")["all cases"], 4_580)
    assert not any(paths["is_cut"])


def test_paths_of_stages_leave_repeats_out(tickets: Snapshot) -> None:
    """Every activity is a stage here, so a path of stages is a path of events without its repeats."""
    names = {name: name.lower().replace(" ", "_") for name in _activities(tickets)}
    collapsed: Counter[str] = Counter()
    paths = query(tickets, "select path, journeys from mart_paths where path_kind = 'events'")
    for path, journeys in paths.iter_rows():
        steps = path.split(" > ")
        kept = [names[step] for step, before in zip(steps, ["", *steps], strict=False) if step != before]
        collapsed[" > ".join(kept)] += journeys
    found = query(tickets, "select path, journeys from mart_paths where path_kind = 'stages'")
    assert dict(found.iter_rows()) == collapsed


def test_transitions_of_complete_tickets_are_the_published_successions(complete: DuckDBEngine) -> None:
    found = {
        f"{row['from_name']}>{row['to_name']}": row["transitions"]
        for row in complete.rows(
            "select from_name, to_name, transitions from mart_stage_transitions "
            "where path_kind = 'events' and channel_role = 'all' "
            "and from_name <> '(start)' and to_name not in ('(exit)', '(open)')",
        )
    }
    assert len(found) == expected("distinct_direct_successions")["complete cases"]
    published = expected("direct_succession")
    assert len(published) == 6
    assert {name: found[name] for name in published} == published


def test_durations_of_complete_tickets_are_as_published(complete: DuckDBEngine) -> None:
    rows = complete.rows("select last_us - entered_us as us from int_journeys order by us")
    days = [row["us"] / 86_400_000_000 for row in rows]
    assert int(days[len(days) // 2]) == expected("median_duration_days")["complete cases, whole days"]
    assert days[0] >= 30
    assert days[-1] <= 60


def _activities(snapshot: Snapshot) -> list[str]:
    names = query(snapshot, "select distinct event_name from mart_touchpoints")["event_name"].to_list()
    assert len(names) == 14
    return names
