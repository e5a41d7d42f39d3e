"""Real exports through mappings of a few lines: counts and touches as published with the data, row by row."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import shared
from tests.unit.sources.loading import Loaded, load

COOLTSHIRTS = """\
source: shop
format: csv
files: {folder}/page_visits.csv
key: [user_id, timestamp, page_name]
columns:
  occurred_at: timestamp
  event_name: page_name
  customer_ref: user_id
  utm_source: utm_source
  utm_campaign: utm_campaign
"""
HELPDESK = """\
uses: generic
source: helpdesk
files: {folder}/finale.csv
time_format: "%Y/%m/%d %H:%M:%S.%g"
timezone: Europe/Rome
key: [Case ID, _row]
columns:
  occurred_at: '"Complete Timestamp"'
  event_name: Activity
  customer_ref: customer
  session_ref: '"Case ID"'
  properties.variant: Variant
  properties.variant_again: Variant_2
"""


def expected(name: str, metric: str, prefix: str = "") -> dict[str, int]:
    """Slice to value of one metric, as published or counted with the data."""
    with (shared(name) / "expected.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == metric]
    return {row["slice"].removeprefix(prefix): int(float(row["value"])) for row in rows}


@pytest.fixture(scope="module")
def ga4(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    data = shared("ga4_events_sample")
    own = "own_hosts: [shop.googlemerchandisestore.com]\n"
    return load(tmp_path_factory.mktemp("ga4"), f"uses: ga4\nfiles: {data}/*.parquet\n", own)


def test_ga4_every_row_is_an_event_a_copy_or_told(ga4: Loaded) -> None:
    kept = len({event["event_id"] for event in ga4.events})
    assert kept + ga4.duplicates + len(ga4.quarantine) == ga4.totals.rows == 24_219
    assert (ga4.duplicates, ga4.quarantine) == (0, [])


def test_ga4_events_and_users_are_as_counted(ga4: Loaded) -> None:
    events = expected("ga4_events_sample", "events", "event=")
    users = expected("ga4_events_sample", "users", "event=")
    assert Counter(event["event_name"] for event in ga4.events) == events
    seen = {(event["event_name"], event["anonymous_ref"]) for event in ga4.events}
    everybody = {"all": len({user for _, user in seen})}
    assert {**Counter(name for name, _ in seen), **everybody} == users
    # the export's user_id is always empty
    assert {event["customer_ref"] for event in ga4.events} == {None}


def test_ga4_revenue_stands_at_purchases_and_nowhere_else(ga4: Loaded) -> None:
    paid = [event for event in ga4.events if event["revenue"] is not None]
    assert {event["event_name"] for event in paid} == {"purchase"}
    assert int(sum(event["revenue"] for event in paid)) == 41_529


def test_ga4_the_shop_itself_is_never_where_somebody_came_from(ga4: Loaded) -> None:
    own = [event for event in ga4.events if event["utm_source"] == "shop.googlemerchandisestore.com"]
    assert len(own) > 4_000
    assert {event["channel"] for event in own} == {"direct"}


def test_ga4_marks_of_removed_values_are_no_channels(ga4: Loaded) -> None:
    channels = Counter(event["channel"] for event in ga4.events)
    assert None not in channels
    assert set(channels) == {
        "direct", "organic_search", "unassigned", "referral", "paid_search", "affiliates", "organic_video",
        "organic_social", "email",
    }  # fmt: skip
    hidden = {
        (event["utm_medium"], event["channel"])
        for event in ga4.events
        if event["utm_source"] in ("(data deleted)", "<Other>")
    }
    # what is left of them may still tell the channel: <Other> / organic was a search
    assert hidden == {
        ("(data deleted)", "unassigned"),
        ("<Other>", "unassigned"),
        ("referral", "referral"),
        ("organic", "organic_search"),
    }


def test_ga4_the_first_source_of_the_user_is_kept_apart(ga4: Loaded) -> None:
    pairs = Counter(ga4.told("first_user_source", "first_user_medium"))
    assert pairs["google", "organic"] == 7_388
    assert pairs["(direct)", "(none)"] == 5_662
    assert pairs["shop.googlemerchandisestore.com", "referral"] == 2_062
    own = [event for event in ga4.events if event["utm_source"] is not None]
    assert len(own) < 8_119


def test_cooltshirts_steps_and_touches_are_as_published(tmp_path: Path) -> None:
    name = "cooltshirts_page_visits"
    loaded = load(tmp_path, COOLTSHIRTS.format(folder=shared(name)))
    assert loaded.totals.rows == len(loaded.events) == 5_692
    seen = {(event["event_name"], event["customer_ref"]) for event in loaded.events}
    users = expected(name, "users", "page=")
    assert users.pop("all") == len({user for _, user in seen})
    assert Counter(page for page, _ in seen) == users
    visits = Counter(event["utm_campaign"] for event in loaded.events)
    assert visits.items() <= expected(name, "visits", "campaign=").items()
    first: dict[str, str] = {}
    last_on_purchase: dict[str, str] = {}
    for event in loaded.events:
        first.setdefault(event["customer_ref"], event["utm_campaign"])
        if event["event_name"] == "4 - purchase":
            last_on_purchase[event["customer_ref"]] = event["utm_campaign"]
    assert Counter(last_on_purchase.values()) == Counter(
        expected(name, "last_touch_on_purchase", "campaign=")
    )
    assert Counter(first.values()) == Counter(expected(name, "first_touch_users", "campaign="))


def test_helpdesk_keeps_both_columns_of_one_name(tmp_path: Path) -> None:
    name = "helpdesk_tickets"
    loaded = load(tmp_path, HELPDESK.format(folder=shared(name)))
    assert len(loaded.events) + len(loaded.quarantine) == 21_348
    assert loaded.duplicates == 0
    assert (loaded.quarantine, len({event["customer_ref"] for event in loaded.events})) == ([], 397)
    assert len({event["session_ref"] for event in loaded.events}) == 4_580
    variants = loaded.told("variant", "variant_again")
    assert all(one == again for one, again in variants)
    assert len({one for one, _ in variants}) == 226
    assert {event["channel"] for event in loaded.events} == {"unassigned"}
