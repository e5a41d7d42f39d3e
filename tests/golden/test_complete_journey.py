"""The sample project, whole: against independent counts, published figures, invariants and golden marts."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from journey_analytics.marts import Snapshot
from journey_analytics.query import query
from tests.conftest import CHECKOUT, copy_project, journey, mart_hashes, run_project, shared

NEW_YORK = ZoneInfo("America/New_York")
SAMPLE = CHECKOUT / "data" / "complete_journey"
INPUT = SAMPLE / "input"
GOLDEN = Path(__file__).parent / "complete_journey"

# The package vignette of completejourney tells household 208 in full.
HOUSEHOLD_208_CAMPAIGNS = ["26", "27", "8", "13", "17", "18", "22"]
HOUSEHOLD_208_TYPES = list("baaabab")
HOUSEHOLD_208_REDEMPTIONS = [
    (date(2017, 5, 23), "8"),
    (date(2017, 11, 9), "18"),
    (date(2017, 11, 9), "18"),
    (date(2017, 11, 13), "18"),
    (date(2017, 11, 18), "18"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(SAMPLE, tmp_path_factory.mktemp("sample") / "complete_journey")


@pytest.fixture(scope="module")
def snapshot(folder: Path) -> Snapshot:
    return run_project(folder)


def test_household_208_is_found_day_by_day(snapshot: Snapshot) -> None:
    found = query(
        snapshot,
        "select occurred_date, event_name, utm_campaign, channel, stage from mart_touchpoints "
        "where customer_id = '208' and event_name <> 'basket' order by occurred_at, event_id",
    ).to_dicts()
    campaigns = [row for row in found if row["event_name"] == "campaign_received"]
    assert [row["utm_campaign"] for row in campaigns] == HOUSEHOLD_208_CAMPAIGNS
    assert [row["channel"] for row in campaigns] == [f"direct_mail_{t}" for t in HOUSEHOLD_208_TYPES]
    assert {row["stage"] for row in campaigns} == {"awareness"}
    redeemed = [row for row in found if row["event_name"] == "coupon_redeemed"]
    assert [(row["occurred_date"], row["utm_campaign"]) for row in redeemed] == HOUSEHOLD_208_REDEMPTIONS
    assert {row["stage"] for row in redeemed} == {"consideration"}


def test_household_208_bought_the_published_line_on_the_shops_day(snapshot: Snapshot) -> None:
    """2 pieces of product 896292 for 4 dollars, stored as 2017-11-14 00:14:05 UTC, bought on 13 November."""
    lines = pl.read_parquet(INPUT / "transactions.parquet").filter(pl.col("household_id") == 208)
    assert lines.height == 756
    line = lines.filter((pl.col("product_id") == 896292) & (pl.col("sales_value") == 4.0)).row(0, named=True)
    found = query(
        snapshot,
        f"select occurred_date from mart_touchpoints where source = 'baskets' "
        f"and event_id = '{line['basket_id']}'",
    )
    assert found.item() == date(2017, 11, 13)


def test_every_event_of_the_files_is_there_once(snapshot: Snapshot) -> None:
    lines = pl.read_parquet(INPUT / "transactions.parquet")
    baskets = lines.group_by("basket_id").agg(pl.col("sales_value").cast(pl.Decimal(18, 2)).sum())
    bought = baskets.filter(pl.col("sales_value") > 0)
    expected = {
        "basket": bought.height,  # a rule ignores baskets in which nothing was paid
        "campaign_received": pl.read_parquet(INPUT / "campaigns.parquet").height,
        "coupon_redeemed": pl.read_parquet(INPUT / "coupon_redemptions.parquet").height,
    }
    found = query(snapshot, "select event_name, count(*) as n from mart_touchpoints group by event_name")
    assert dict(found.iter_rows()) == expected
    money = query(snapshot, "select sum(revenue) as r from mart_touchpoints").item()
    assert money == bought["sales_value"].sum()
    journeys = query(snapshot, "select sum(revenue) as r from mart_journeys").item()
    assert journeys == money


def test_coupons_are_redeemed_on_days_with_a_basket(snapshot: Snapshot) -> None:
    """In the shops' days all are (in UTC days fewer); a few stand in a basket of their own worth nothing."""
    local = pl.col("transaction_timestamp").dt.replace_time_zone("UTC").dt.convert_time_zone(str(NEW_YORK))
    days = (
        pl.read_parquet(INPUT / "transactions.parquet")
        .group_by("household_id", "basket_id", local.dt.date().alias("day"))
        .agg(pl.col("sales_value").sum())
    )
    redeemed = pl.read_parquet(INPUT / "coupon_redemptions.parquet").with_columns(
        day=pl.col("redemption_date").dt.date()
    )
    on = ["household_id", "day"]
    assert redeemed.join(days, on=on, how="anti").height == 0
    unpaid = redeemed.join(days.filter(pl.col("sales_value") > 0.001), on=on, how="anti").height
    apart = query(
        snapshot,
        "select count(*) from mart_touchpoints as coupons where event_name = 'coupon_redeemed' "
        "and not exists (select 1 from mart_touchpoints as baskets where baskets.event_name = 'basket' "
        "and baskets.customer_id = coupons.customer_id "
        "and baskets.occurred_date = coupons.occurred_date)",
    ).item()
    assert apart == unpaid


def test_journeys_equal_a_sequential_reading_of_the_files(snapshot: Snapshot) -> None:
    """Journeys, stages and outcomes by a plain loop over each household, from the raw files."""
    expected = Counter(journey[:4] for journey in _read_journeys())
    found = query(
        snapshot,
        "select first_channel, furthest_stage, state, touchpoints, count(*) as n from mart_journeys "
        "group by all",
    )
    assert {tuple(row[:4]): row[4] for row in found.iter_rows()} == dict(expected)


def test_the_report_tells_what_the_files_say(snapshot: Snapshot, folder: Path) -> None:
    """Its first sentences, and the drop-off of each stage, by the plain loop over the raw files."""
    journeys = _read_journeys()
    states = Counter(state for _, _, state, _, _ in journeys)
    page = (folder / "reports" / "report.html").read_text(encoding="utf-8")
    words = " ".join(re.sub(r"<[^>]*>", " ", page.partition("<main")[2].partition("</main>")[0]).split())
    assert (
        f"Of {len(journeys):,} journeys {states['converted']:,} reached loyalty in time, {states['lost']:,} "
        f"did not, and {states['open']:,} still can."
    ) in words
    stages = ("awareness", "consideration", "purchase", "usage", "loyalty")
    ended = Counter(furthest for _, furthest, _, _, is_ended in journeys if is_ended)
    came = Counter(furthest for _, furthest, _, _, _ in journeys)
    decided = {
        stage: ended[stage] + sum(came[later] for later in stages[place + 1 :])
        for place, stage in enumerate(stages[:-1])
    }
    worst = max(decided, key=lambda stage: ended[stage])
    share = 100 * ended[worst] / decided[worst]
    assert (
        f"Most of those that ended did so in {worst}: {ended[worst]:,} of {decided[worst]:,} "
        f"({share:.1f} %) went no further."
    ) in words
    for stage in decided:
        reached = sum(came[later] for later in stages[stages.index(stage) :])
        row = rf"{stage} {reached:,} {reached - came[stage]:,} {ended[stage]:,}\b"
        assert re.search(row, words), row


def test_the_three_parts_add_up_in_every_row_and_channels_to_the_total(
    folder: Path, snapshot: Snapshot
) -> None:
    asked = journey(
        "query", "-p", str(folder), "--json",
        "select stage, channel, journeys_reached, journeys_continued, journeys_dropped, journeys_open "
        "from mart_stage_dropoff",
    )  # fmt: skip
    rows = json.loads(asked.stdout)
    assert rows
    for row in rows:
        parts = row["journeys_continued"] + row["journeys_dropped"] + row["journeys_open"]
        assert parts == row["journeys_reached"], row
    summed = query(
        snapshot,
        "select funnel_kind, channel_role, stage, sum(journeys_reached)::bigint as reached, "
        "sum(journeys_dropped)::bigint as dropped from mart_stage_dropoff group by all",
    ).to_dicts()
    totals: dict[tuple[str, str], set[tuple[int, int]]] = defaultdict(set)
    for row in summed:
        totals[row["funnel_kind"], row["stage"]].add((row["reached"], row["dropped"]))
    assert all(len(found) == 1 for found in totals.values()), totals


def test_marts_equal_the_golden_ones(snapshot: Snapshot, request: pytest.FixtureRequest) -> None:
    """mart_stage_dropoff in full, the larger marts by their text's hash; --update-golden writes them."""
    found = {
        "mart_stage_dropoff.csv": query(snapshot, "select * from mart_stage_dropoff order by all").write_csv(
            float_precision=10
        ),
        "summary.csv": query(
            snapshot,
            " union all ".join(
                f"select '{mart}' as mart, count(*) as rows, md5(string_agg(line, chr(10) order by line)) "
                f"as md5 from (select cast({mart} as varchar) as line from {mart})"
                for mart in sorted(snapshot.marts)
            )
            + " order by mart",
        ).write_csv(),
    }
    for name, text in found.items():
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"{name} changed; see CHANGELOG, Changed numbers"


def test_two_runs_and_shuffled_input_publish_the_same_bytes(
    folder: Path, snapshot: Snapshot, tmp_path: Path
) -> None:
    expected = mart_hashes(snapshot)
    assert mart_hashes(run_project(folder)) == expected
    shuffled = copy_project(folder, tmp_path / "shuffled")
    for path in (shuffled / "input").glob("*.parquet"):
        frame = pl.read_parquet(path)
        frame.sample(fraction=1.0, shuffle=True, seed=7).write_parquet(path, row_group_size=50_000)
    settings = shuffled / "journey.yaml"
    settings.write_text(settings.read_text(encoding="utf-8") + "\nthreads: 1\n", encoding="utf-8")
    assert mart_hashes(run_project(shuffled)) == expected


def test_full_data_gives_the_published_counts(tmp_path: Path) -> None:
    """All 2,469 households: the bundled half is cut by whole households, so the same files fit in."""
    full = copy_project(SAMPLE, tmp_path / "full")
    for path in (full / "input").iterdir():
        path.unlink()
        path.symlink_to(shared("complete_journey") / path.name)
    snapshot = run_project(full)
    counted = query(
        snapshot,
        "select event_name, channel, count(*) as n, count(distinct customer_id) as households "
        "from mart_touchpoints group by all",
    )
    found = {(name, channel): (n, households) for name, channel, n, households in counted.iter_rows()}
    assert found["campaign_received", "direct_mail_a"] == (3647, 1490)
    assert found["campaign_received", "direct_mail_b"] == (2368, 995)
    assert found["campaign_received", "direct_mail_c"] == (574, 397)
    assert found["coupon_redeemed", "direct_mail_a"] == (1718, 371)
    assert found["coupon_redeemed", "direct_mail_b"] == (323, 116)
    assert found["coupon_redeemed", "direct_mail_c"] == (61, 30)
    assert found["basket", "store"][0] == 155_848 - 478  # baskets of nothing paid are ignored
    money = query(snapshot, "select sum(revenue) from mart_touchpoints").item()
    assert str(money) == "4596039.5800"


def _read_journeys() -> list[tuple[str, str, str, int, bool]]:
    """First channel, furthest stage, state, touchpoints and whether it ended, read household by household."""
    kinds = dict(
        pl.read_parquet(INPUT / "campaign_descriptions.parquet")
        .select("campaign_id", "campaign_type")
        .iter_rows()
    )
    starts = dict(
        pl.read_parquet(INPUT / "campaign_descriptions.parquet")
        .select("campaign_id", "start_date")
        .iter_rows()
    )
    utc = ZoneInfo("UTC")
    events: dict[int, list[tuple[datetime, int, str, str]]] = defaultdict(list)
    for campaign, household in pl.read_parquet(INPUT / "campaigns.parquet").iter_rows():
        at = starts[campaign].replace(tzinfo=NEW_YORK).astimezone(utc)
        events[household].append((at, 1, "awareness", f"direct_mail_{kinds[campaign][-1].lower()}"))
    for household, _, campaign, day in pl.read_parquet(INPUT / "coupon_redemptions.parquet").iter_rows():
        at = day.replace(tzinfo=NEW_YORK).astimezone(utc)
        events[household].append((at, 3, "consideration", f"direct_mail_{kinds[campaign][-1].lower()}"))
    baskets = (
        pl.read_parquet(INPUT / "transactions.parquet")
        .group_by("household_id", "basket_id")
        .agg(pl.col("transaction_timestamp").min(), pl.col("sales_value").sum().round(2))
        .filter(pl.col("sales_value") > 0)
        .sort("household_id", "transaction_timestamp", pl.col("basket_id").cast(pl.String))
    )
    bought: dict[int, list[datetime]] = defaultdict(list)
    for household, _, at, _ in baskets.iter_rows():
        history = bought[household]
        moment = at.replace(tzinfo=utc)
        if not history or moment - history[-1] > timedelta(days=28):
            stage = (4, "purchase")
        elif len(history) >= 7 and moment - history[-7] <= timedelta(days=56):
            stage = (6, "loyalty")
        else:
            stage = (5, "usage")
        history.append(moment)
        events[household].append((moment, *stage, "store"))
    as_of = datetime(2018, 1, 1, tzinfo=NEW_YORK)
    journeys = []
    for history in events.values():
        history.sort(key=lambda event: event[:2])
        for events_of, has_next in _cut(history):
            entered, last = events_of[0][0], events_of[-1][0]
            furthest = max(events_of, key=lambda event: event[1])[2]
            converted = [at for at, _, stage, _ in events_of if stage == "loyalty"]
            ended = has_next or as_of - last > timedelta(days=56)
            if converted and converted[0] - entered <= timedelta(days=182):
                state = "converted"
            elif ended or as_of - entered > timedelta(days=182):
                state = "lost"
            else:
                state = "open"
            journeys.append((events_of[0][3], furthest, state, len(events_of), ended))
    return journeys


def _cut(
    history: list[tuple[datetime, int, str, str]],
) -> list[tuple[list[tuple[datetime, int, str, str]], bool]]:
    """A household's events cut into journeys, each with whether another follows."""
    journeys: list[list[tuple[datetime, int, str, str]]] = []
    last_at = last_past_purchase = None
    for event in history:
        at, ordinal, stage, _ = event
        silent = last_at is None or at - last_at > timedelta(days=56)
        restarts = (
            stage == "awareness"
            and last_past_purchase is not None
            and at - last_past_purchase >= timedelta(days=28)
        )
        if silent or restarts:
            journeys.append([])
            last_past_purchase = None
        journeys[-1].append(event)
        last_at = at
        if ordinal >= 4:
            last_past_purchase = at
    return [(cut, number < len(journeys)) for number, cut in enumerate(journeys, start=1)]
