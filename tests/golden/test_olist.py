"""A second project, B2B leads to deals: its published table comes out of the marts exactly."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from journey_analytics.marts import Snapshot
from journey_analytics.query import query
from tests.conftest import CHECKOUT, copy_project, run_project, shared

METRICS = ("total_leads", "won_deals", "conv_rate_pct", "avg_days_to_close")
DAYS = (
    "cast(won.entered_at at time zone 'America/Sao_Paulo' as date) "
    "- cast(lead.entered_at at time zone 'America/Sao_Paulo' as date)"
)
STAGES = """
    from mart_journeys as journeys
    inner join mart_journey_stages as lead
        on journeys.journey_id = lead.journey_id and lead.stage = 'interest' and lead.funnel_kind = 'touched'
    left join mart_journey_stages as won
        on journeys.journey_id = won.journey_id and won.stage = 'purchase' and won.funnel_kind = 'touched'
"""


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    data = shared("olist_marketing_funnel")
    folder = copy_project(
        CHECKOUT / "tests" / "projects" / "olist", tmp_path_factory.mktemp("olist") / "olist"
    )
    (folder / "input").symlink_to(data)
    return run_project(folder)


def published() -> dict[tuple[str, str], str]:
    """(metric, channel) to the value as its source prints it."""
    path: Path = shared("olist_marketing_funnel") / "expected.csv"
    with path.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] in METRICS]
    channels = {"NULL": "unassigned"}
    names = [row["slice"].removeprefix("origin=") for row in rows]
    return {
        (row["metric"], channels.get(name, name)): row["value"] for row, name in zip(rows, names, strict=True)
    }


def test_all_44_published_values_come_out_of_the_marts(snapshot: Snapshot) -> None:
    found = query(
        snapshot,
        f"select first_channel, count(*) as total_leads, count(won.journey_id) as won_deals, "
        f"round(100.0 * count(won.journey_id) / count(*), 2) as conv_rate_pct, "
        f"round(avg({DAYS}), 1) as avg_days_to_close {STAGES} group by first_channel",
    )
    values = {(metric, row["first_channel"]): row[metric] for row in found.to_dicts() for metric in METRICS}
    expected = {key: float(value) for key, value in published().items()}
    assert len(expected) == 44
    assert {key: float(value) for key, value in values.items()} == expected


def test_leads_and_deals_stand_in_the_dropoff_mart_itself(snapshot: Snapshot) -> None:
    found = query(
        snapshot,
        "select channel, stage, journeys_entered, journeys_reached from mart_stage_dropoff "
        "where channel_role = 'first_touch' and funnel_kind = 'touched'",
    ).to_dicts()
    expected = published()
    for row in found:
        metric = "total_leads" if row["stage"] == "interest" else "won_deals"
        assert row["journeys_reached"] == int(expected[metric, row["channel"]]), row
        assert row["journeys_entered"] == int(expected["total_leads", row["channel"]]), row


def test_the_null_origin_is_a_group_of_its_own_apart_from_unknown(snapshot: Snapshot) -> None:
    found = query(
        snapshot,
        "select first_channel, count(*) as n from mart_journeys "
        "where first_channel in ('unassigned', 'unknown') group by first_channel",
    )
    assert dict(found.iter_rows()) == {"unassigned": 60, "unknown": 1099}


def test_wins_on_the_day_of_first_contact_come_after_it(snapshot: Snapshot) -> None:
    same_day = query(
        snapshot,
        f"select count(*) as n, count(*) filter (won.entered_at >= lead.entered_at) as in_order "
        f"{STAGES} where won.journey_id is not null and {DAYS} = 0",
    ).row(0)
    assert same_day == (33, 33)
    before = query(snapshot, f"select {DAYS} as days {STAGES} where won.entered_at < lead.entered_at")
    assert before["days"].to_list() == [-2]
