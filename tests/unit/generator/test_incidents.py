"""Incidents: what their file may say, and what they do to visits and to nothing else."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from journey_analytics.errors import ConfigError
from journey_analytics.generator.behaviour import shipped_behaviour
from journey_analytics.generator.calendar import Period
from journey_analytics.generator.events import Shop, happen
from journey_analytics.generator.incidents import Incident, read_incidents
from journey_analytics.generator.kinds import CODES
from journey_analytics.generator.world import open_shop
from tests.unit.generator.shops import START, hashes, make_up

PERIOD = Period(date(2025, 3, 1), 20, ZoneInfo("Europe/Berlin"))
FIRST, LAST = date(2025, 3, 10), date(2025, 3, 14)


def _shop(*incidents: Incident) -> Shop:
    world = open_shop(3, shipped_behaviour(), PERIOD, 6_000)
    return happen(open_shop(3, shipped_behaviour(), PERIOD, world.people.count, incidents), 60_000)


def _incident(**said: Any) -> Incident:
    return Incident.model_validate({"from": FIRST, "to": LAST, "strength": 1.0, **said})


def _visits_with(shop: Shop, kind: str) -> np.ndarray[Any, Any]:
    return np.isin(np.arange(shop.visits.count), shop.events.visit[shop.events.kind == CODES[kind]])


def _in_days(shop: Shop, first: date = FIRST, last: date = LAST) -> np.ndarray[Any, Any]:
    day = PERIOD.day_numbers(shop.visits.start)
    return np.asarray((day >= (first - PERIOD.first).days) & (day <= (last - PERIOD.first).days))


def _has_channel(shop: Shop, channel: str) -> np.ndarray[Any, Any]:
    return np.asarray(shop.visits.channel == list(shipped_behaviour().channels).index(channel))


def test_nobody_orders_on_the_devices_and_days_of_a_full_conversion_drop() -> None:
    before, after = _shop(), _shop(_incident(kind="conversion_drop", stage="consideration", device="mobile"))
    mobile = after.visits.device == list(shipped_behaviour().devices).index("mobile")
    in_store = _has_channel(after, "store")
    hit = mobile & _in_days(after) & ~in_store
    orders = _visits_with(after, "order_placed")
    assert not orders[hit].any()
    assert _visits_with(before, "order_placed")[hit].any()
    assert orders[mobile & ~_in_days(after) & ~in_store].any()
    assert orders[in_store & _in_days(after)].all()
    # whoever would not have bought does what it did
    assert (_visits_with(before, "product_view") == _visits_with(after, "product_view")).all()


def test_strength_is_the_share_of_the_chance_that_is_lost() -> None:
    shops = (_shop(), _shop(_incident(kind="conversion_drop", stage="interest", strength=0.4)))
    shares = [_visits_with(shop, "product_view")[_in_days(shop)].mean() for shop in shops]
    assert shares[1] / shares[0] == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize(
    "said", [{"kind": "channel_outage", "channel": "email"}, {"kind": "slow_page", "page": "/"}]
)
def test_visits_by_a_channel_or_page_that_fails_end_where_they_begin(said: dict[str, str]) -> None:
    shop = _shop(_incident(**said))
    if "channel" in said:
        hit = _has_channel(shop, "email")
    else:
        hit = (shop.visits.landing == 0) & ~_has_channel(shop, "store")
    on_site = np.isin(shop.events.kind, [CODES[name] for name in ("page_view", "product_view", "login")])
    seen = np.isin(np.arange(shop.visits.count), shop.events.visit[on_site])
    is_person = shop.visits.person < shop.world.people.count
    assert not seen[hit & _in_days(shop) & is_person].any()
    assert seen[hit & ~_in_days(shop) & is_person].any()
    assert _visits_with(shop, "session_start")[hit & _in_days(shop) & is_person].all()


def test_lost_tags_lose_the_events_and_not_what_customers_do() -> None:
    before, after = _shop(), _shop(_incident(kind="tag_loss", stage="consideration"))
    in_days = _in_days(after)
    for kind in ("product_view", "add_to_cart", "checkout_started"):
        assert not _visits_with(after, kind)[in_days].any()
        assert (_visits_with(after, kind) == _visits_with(before, kind))[~in_days].all()
    assert (_visits_with(after, "order_placed") == _visits_with(before, "order_placed")).all()


def test_there_are_as_many_events_as_were_asked_for() -> None:
    shop = _shop(
        _incident(kind="slow_page", page="/", strength=0.5), _incident(kind="tag_loss", stage="usage")
    )
    assert shop.events.count == 60_000


def test_a_campaign_is_that_of_visits_that_show_it() -> None:
    shop = _shop(_incident(kind="conversion_drop", stage="awareness", campaign="spring"))
    bounced = shop.effects.bounced
    assert not bounced[_has_channel(shop, "organic_search")[: bounced.size]].any()
    assert bounced[_has_channel(shop, "email")[: bounced.size]].any()


def _file(folder: Path, *lines: str) -> Path:
    path = folder / "incidents.yaml"
    path.write_text("incidents:\n" + "".join(f"  - {{{line}}}\n" for line in lines), encoding="utf-8")
    return path


def test_the_declared_truth_lies_beside_the_data_and_nothing_else_changes_without(tmp_path: Path) -> None:
    day = START + timedelta(days=1)
    line = f"kind: slow_page, page: /, from: {day}, to: {day}, strength: 0.5"
    declared = _file(tmp_path, line)
    make_up(tmp_path / "plain")
    make_up(tmp_path / "trouble", incidents_file=declared)
    truth = json.loads((tmp_path / "trouble" / "truth.json").read_text(encoding="utf-8"))
    (incident,) = truth["incidents"]
    assert incident.pop("visits") > 0
    assert incident == {
        "kind": "slow_page", "page": "/", "from": str(day), "to": str(day), "strength": 0.5,
    }  # fmt: skip
    assert (tmp_path / "trouble" / "truth_incidents.yaml").read_bytes() == declared.read_bytes()
    plain, trouble = hashes(tmp_path / "plain"), hashes(tmp_path / "trouble")
    assert set(trouble) - set(plain) == {"truth_incidents.yaml"}
    assert "incidents" not in json.loads((tmp_path / "plain" / "truth.json").read_text(encoding="utf-8"))


_DAYS = "from: 2025-03-10, to: 2025-03-11"


@pytest.mark.parametrize(
    ("line", "what", "do"),
    [
        (f"kind: outage, {_DAYS}, strength: 1", "kind", "correct"),
        (f"kind: slow_page, {_DAYS}, strength: 1", "without page", "'page'"),
        (f"kind: tag_loss, stage: awareness, {_DAYS}, strength: 1", "'awareness'", "known"),
        (f"kind: channel_outage, channel: mail, {_DAYS}, strength: 1", "'mail'", "'email'"),
        (
            "kind: slow_page, page: /, from: 2025-03-11, to: 2025-03-10, strength: 1",
            "before it",
            "2025-03-11",
        ),
        ("kind: slow_page, page: /, from: 2025-02-28, to: 2025-03-10, strength: 1", "period", "2025-03-01"),
        ("kind: slow_page, page: /, from: 2025-03-10, to: 2025-03-21, strength: 1", "period", "2025-03-20"),
        (f"kind: slow_page, page: /, {_DAYS}, strength: 1.1", "strength", "correct"),
        (f"kind: slow_page, page: /, {_DAYS}, strength: 0", "strength", "correct"),
        (f"kind: slow_page, page: /, stage: interest, {_DAYS}, strength: 1", "no stage", "remove"),
    ],
)
def test_a_fault_is_told_with_its_place_and_what_to_do(tmp_path: Path, line: str, what: str, do: str) -> None:
    path = _file(tmp_path, line)
    with pytest.raises(ConfigError) as caught:
        read_incidents(path, shipped_behaviour(), PERIOD)
    (problem,) = caught.value.problems
    assert what in problem.what
    assert do in problem.do
    assert problem.where.startswith(f"{path}:2:")
