"""Every number of mart_stage_dropoff opens to as many journeys, and a journey to its touchpoints."""

from __future__ import annotations

import itertools
import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from journey_analytics.errors import ConfigError, MartError
from journey_analytics.marts import Snapshot, current
from journey_analytics.project import read_project
from journey_analytics.query import query
from journey_analytics.reports.journeys import Wanted, list_journeys, read_timeline
from journey_analytics.run import STEPS, start
from tests.conftest import CHECKOUT, NOW, copy_project, journey

FURTHER = """\
stage_model: {name: two_stage, stages: [{stage: look}, {stage: buy}]}
rules:
  - {rule: look, stage: look, when: {event_name: [visit, cart]}}
  - {rule: buy, stage: buy, when: {event_name: order}}
"""
OUTCOMES = {"continued": "journeys_continued", "dropped": "journeys_dropped", "open": "journeys_open"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project with a second stage model, on the day bob's journey has ended and cyd's has not."""
    made = copy_project(CHECKOUT / "tests" / "projects" / "tiny", tmp_path_factory.mktemp("it's") / "tiny")
    (made / "further.yaml").write_text(FURTHER, encoding="utf-8")
    settings = made / "journey.yaml"
    settings.write_text(
        settings.read_text(encoding="utf-8") + "further_stages: [further.yaml]\n", encoding="utf-8"
    )
    with start(read_project(made), now=NOW, as_of=date(2026, 4, 6)) as run:
        for step in STEPS:
            step.work(run)
    return made


@pytest.fixture(scope="module")
def snapshot(folder: Path) -> Snapshot:
    return current(folder / "marts")


def count(snapshot: Snapshot, **wanted: object) -> int:
    """How many journeys are found; the rows are as many, and each is another one."""
    found, frame = list_journeys(snapshot, Wanted(**wanted), 1_000)  # type: ignore[arg-type]
    assert frame["journey_id"].n_unique() == frame.height == found
    return found


def test_every_number_of_the_dropoff_mart_opens_to_as_many_journeys(snapshot: Snapshot) -> None:
    cells = query(snapshot, "select * from mart_stage_dropoff").to_dicts()
    assert {cell["stage_model"] for cell in cells} == {"seven_stage", "two_stage"}
    assert all(sum(cell[column] for cell in cells) for column in OUTCOMES.values())
    for cell in cells:
        place = {
            name: cell[name] for name in ("stage_model", "funnel_kind", "channel_role", "channel", "stage")
        }
        if not cell["journeys_reached"]:
            continue
        assert count(snapshot, **place) == cell["journeys_reached"], place
        for outcome, column in OUTCOMES.items():
            # a number that is the whole or nothing needs no second look but for a few
            if 0 < cell[column] < cell["journeys_reached"] or cell["channel_role"] == "all":
                assert count(snapshot, **place, outcome=outcome) == cell[column], (place, outcome)


def test_what_is_left_out_means_progressive_first_touch_and_the_projects_own_model(
    snapshot: Snapshot,
) -> None:
    found, frame = list_journeys(
        snapshot, Wanted(stage="consideration", channel="ads", outcome="dropped"), 50
    )
    assert (found, frame["customer_id"].to_list()) == (1, ["bob"])
    assert count(snapshot, stage="purchase") == 1
    assert count(snapshot, stage="purchase", channel="direct") == 0  # ann's journey began by e-mail
    assert count(snapshot, stage="purchase", channel="direct", channel_role="stage_entry") == 1


def test_days_are_included_at_both_ends_and_are_the_projects_own(snapshot: Snapshot) -> None:
    began = query(snapshot, "select entry_date from mart_journeys").to_series().to_list()
    days = [min(began) + timedelta(days=n) for n in range(-1, 5)]
    for first, last in itertools.combinations_with_replacement(days, 2):
        expected = sum(first <= day <= last for day in began)
        assert count(snapshot, entered_from=first, entered_to=last) == expected
        if expected:
            stage = count(snapshot, stage="awareness", entered_from=first, entered_to=last)
            assert stage == expected


def test_the_count_is_of_all_and_the_rows_are_the_latest(snapshot: Snapshot) -> None:
    found, frame = list_journeys(snapshot, Wanted(), 2)
    assert found == 3
    assert frame["customer_id"].to_list() == ["cyd", "bob"]
    assert str(frame["entered_at"][0]) == "2026-01-07 13:00:00+01:00"
    assert count(snapshot, state="converted") == 1
    assert list_journeys(snapshot, Wanted(channel="ads", state="converted"), 2)[0] == 0


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"stage": "considration"}, ["'consideration'", "--stage"]),
        ({"stage": "consideration", "stage_model": "two_stage"}, ["no stage", "look, buy"]),
        ({"stage_model": "two_stag", "stage": "look"}, ["'two_stage'", "--stage-model"]),
        ({"channel": "emial"}, ["'email'", "--channel"]),
        ({"channel": "ads", "channel_role": "all"}, ["no channel 'ads'", "known: all"]),
        ({"stage": "purchase", "channel": "emial", "outcome": "droped"}, ["'email'", "'dropped'"]),
        ({"stage": "purchase", "channel_role": "first"}, ["no channel role 'first'"]),
        ({"stage": "purchase", "funnel_kind": "progresive"}, ["'progressive'", "--funnel-kind"]),
        ({"state": "lots"}, ["'lost'", "--state"]),
        ({"outcome": "dropped"}, ["--outcome", "--stage", "awareness, consideration, purchase, loyalty"]),
        ({"channel_role": "last_touch"}, ["--channel-role", "--stage"]),
        ({"entered_from": date(2026, 2, 1), "entered_to": date(2026, 1, 1)}, ["swap them"]),
        ({"channel": "x' or '1' = '1"}, ["no channel"]),
    ],
)
def test_a_name_the_marts_do_not_hold_is_refused(
    snapshot: Snapshot, wanted: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        count(snapshot, **wanted)
    for word in words:
        assert word in str(caught.value)


def test_a_journey_is_its_touchpoints_with_the_gaps_between(snapshot: Snapshot) -> None:
    name = query(snapshot, "select journey_id from mart_journeys where customer_id = 'ann'").item()
    timeline = read_timeline(snapshot, name)
    rows = timeline.touchpoints.to_dicts()
    assert [(row["event_id"], row["gap_seconds"], row["starts_session"]) for row in rows] == [
        ("e1", None, True),
        ("e2", 600.0, False),
        ("e3", 48_000.0, True),
        ("e4", 1_243_800.0, True),
    ]
    # 23:30 UTC is the next day in Berlin
    assert str(rows[2]["occurred_at"]) == "2026-01-06 00:30:00+01:00"
    assert timeline.journey["state"].to_list() == ["converted"]
    # the project's own stage model comes first
    assert timeline.stages.select("stage_model", "stage").rows() == [
        ("seven_stage", "awareness"),
        ("seven_stage", "consideration"),
        ("seven_stage", "purchase"),
        ("seven_stage", "loyalty"),
        ("two_stage", "look"),
        ("two_stage", "buy"),
    ]


def test_every_journey_shows_as_many_touchpoints_as_it_counts(snapshot: Snapshot) -> None:
    for name, touchpoints in query(snapshot, "select journey_id, touchpoints from mart_journeys").iter_rows():
        assert read_timeline(snapshot, name).touchpoints.height == touchpoints


def test_an_unknown_journey_is_refused_with_the_closest(snapshot: Snapshot) -> None:
    name = query(snapshot, "select journey_id from mart_journeys where customer_id = 'ann'").item()
    with pytest.raises(MartError, match=f"use '{name}'"):
        read_timeline(snapshot, name[:-1] + "x")
    with pytest.raises(MartError, match="do:    list journeys"):
        read_timeline(snapshot, "it's not one")


def test_the_commands_print_what_was_found(folder: Path, snapshot: Snapshot) -> None:
    listed = journey("journeys", "list", "-p", str(folder), "--stage", "consideration", "--json")
    found = json.loads(listed.stdout)
    assert found["count"] == 2
    assert [row["customer_id"] for row in found["journeys"]] == ["bob", "ann"]
    assert found["journeys"][0]["stage_entered_at"] == "2026-01-06T09:05:00+01:00"
    told = journey("journeys", "list", "-p", str(folder), "--limit", "2")
    assert "bob" in told.stdout
    assert "35.5" not in told.stdout  # of ann, whose journey began first
    assert "3 journeys, the latest 2 of them shown" in told.stderr
    assert journey("journeys", "list", "-p", str(folder), "--stage", "x").returncode == 2
    name = found["journeys"][1]["journey_id"]
    shown = journey("journeys", "show", name, "-p", str(folder))
    for word in (
        "ann, journey 1",
        "converted, not ended",
        "Europe/Berlin",
        "repeat_order",
        "14 d 9 h",
        "35.5",
    ):
        assert word in shown.stdout, word
    as_json = json.loads(
        journey("journeys", "show", name, "-p", str(folder), "--json", "--limit", "3").stdout
    )
    assert as_json["journey"]["touchpoints"] == 4
    assert [row["event_id"] for row in as_json["touchpoints"]] == ["e1", "e2", "e3"]
    cut = journey("journeys", "show", name, "-p", str(folder), "--limit", "3")
    assert "the first 3 of 4 touchpoints" in cut.stderr


def test_the_journeys_of_a_past_report_are_those_of_its_snapshot(tmp_path: Path) -> None:
    """cyd's only visit is on the last day: on the day before there was no such journey."""
    made = copy_project(CHECKOUT / "tests" / "projects" / "tiny", tmp_path / "tiny")
    found = {}
    for day in (date(2026, 1, 6), date(2026, 4, 6)):
        with start(read_project(made), now=NOW, as_of=day) as run:
            for step in STEPS:
                step.work(run)
    for day in ("2026-01-06", "2026-04-06"):
        listed = journey("journeys", "list", "-p", str(made), "--as-of", day, "--json")
        assert listed.returncode == 0, listed.stderr
        found[day] = [row["journey_id"] for row in json.loads(listed.stdout)["journeys"]]
    live = json.loads(journey("journeys", "list", "-p", str(made), "--json").stdout)["journeys"]
    assert found["2026-04-06"] == [row["journey_id"] for row in live]
    (new, *_) = [name for name in found["2026-04-06"] if name not in found["2026-01-06"]]
    assert journey("journeys", "show", new, "-p", str(made), "--as-of", "2026-04-06").returncode == 0
    assert journey("journeys", "show", new, "-p", str(made), "--as-of", "2026-01-06").returncode == 2


def test_times_are_printed_with_the_zone_they_are_in(folder: Path) -> None:
    """Those of journeys in the project's, those of a query in UTC; days and texts have none."""
    at = ("-p", str(folder))
    listed = journey("journeys", "list", *at, "--stage", "consideration")
    assert "entered_at (Europe/Berlin)" in listed.stdout
    assert "stage_entered_at (Europe/Berlin)" in listed.stdout
    assert "customer_id (" not in listed.stdout
    name = json.loads(journey("journeys", "list", *at, "--limit", "1", "--json").stdout)["journeys"][0]
    shown = journey("journeys", "show", name["journey_id"], *at).stdout
    assert "time (Europe/Berlin)" in shown
    (to,) = [line for line in shown.splitlines() if line.startswith("to ")]
    assert to.endswith(" (Europe/Berlin)")
    asked = "select journey_id, entered_at, entry_date from mart_journeys limit 1"
    told = journey("query", *at, asked).stdout
    assert "entered_at (UTC)" in told
    assert "entry_date (" not in told
    assert journey("query", *at, "--csv", asked).stdout.startswith("journey_id,entered_at,entry_date\n")
