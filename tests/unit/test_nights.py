"""Nights: what is made anew, what is taken over, and when nothing can be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pytest

from journey_analytics.errors import GateError, SourceError
from journey_analytics.marts import current
from journey_analytics.nights import CHANGED
from journey_analytics.project import read_project
from journey_analytics.quality.late import late_events
from journey_analytics.quality.results import CheckResult
from journey_analytics.query import open_marts
from journey_analytics.run import STEPS, Run, _or_anew, start
from journey_analytics.run.gates import check_marts
from tests.property.nights import (
    FIRST_NIGHT,
    MODES,
    Delivery,
    Event,
    Setup,
    deliver,
    hashes,
    made_anew,
    run_night,
    write_project,
)
from tests.unit.files import told

_DAY = 96
"""Quarters of an hour."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Twenty customers with an event on each of twenty days, run once."""
    folder = tmp_path / "shop"
    write_project(folder, Setup())
    names = ("ad", "view", "order")
    events = [
        Event(f"{day}-{who}", _DAY * day + who, names[(day + who) % 3], customer=f"c{who}")
        for day in range(20)
        for who in range(20)
    ]
    deliver(folder, 0, [Delivery("web", tuple(events))])
    run_night(folder, 0)
    return folder


def _bring(folder: Path, night: int, *events: Event) -> None:
    deliver(folder, night, [Delivery("web", events)])


def test_a_night_makes_anew_the_customers_whose_events_came(shop: Path, tmp_path: Path) -> None:
    """Two of twenty; the marts are those of a run that makes everything."""
    _bring(shop, 1, Event("new", _DAY * 19 + 50, "order", "c3"), Event("late", _DAY * 4, "view", "c5"))
    run = run_night(shop, 1)
    assert run.night is not None
    assert (run.night.events, run.night.customers_before) == (2, 2)
    assert (run.customers, run.touchpoints) == (20, 402)
    assert hashes(shop) == made_anew(shop, tmp_path / "anew", 1)


@pytest.fixture
def sold(tmp_path: Path) -> Path:
    """Three customers who bought for 10.00, 20.00 and 30.50; then the second for 5.25 more."""
    folder = tmp_path / "sold"
    write_project(folder, Setup())
    first = {"ann": "10.00", "bob": "20.00", "cyd": "30.50"}
    orders = [
        Event(f"first-{who}", _DAY * 3, "order", who, revenue=revenue) for who, revenue in first.items()
    ]
    deliver(folder, 0, [Delivery("web", tuple(orders))])
    run_night(folder, 0)
    _bring(folder, 1, Event("second-bob", _DAY * 4, "order", "bob", revenue="5.25"))
    return folder


def _made(run: Run) -> None:
    for step in STEPS:
        if step.name in ("load", "check_raw", "identity", "stage", "journeys", "marts"):
            step.work(run)
    assert run.night is not None
    assert run.night.customers_before == 1


def _lost_of_those_made_anew(run: Run) -> None:
    run.engine.execute(f"delete from {CHANGED}.mart_touchpoints where event_id = 'second-bob'")


def _lost_of_those_taken_over(run: Run) -> None:
    assert run.night is not None
    (file,) = (run.night.base.folder / "mart_touchpoints").glob("*/part-0.parquet")
    rows = pl.read_parquet(file)
    rows.filter(pl.col("event_id") != "first-cyd").write_parquet(file)


def test_money_staged_and_published_is_that_of_all_customers(sold: Path) -> None:
    """A night that makes one of three anew is judged by the money of all three."""
    with start(read_project(sold), now=FIRST_NIGHT + timedelta(days=1)) as run:
        _made(run)
        check_marts(run)
        (staged,) = run.engine.rows("select touchpoints, revenue from int_staged_revenue")
        published = run.engine.rows("select sum(revenue) as revenue from mart_touchpoints")
    assert (staged["touchpoints"], staged["revenue"]) == (4, Decimal("65.75"))
    assert published == [{"revenue": Decimal("65.75")}]
    assert "passed" in {r.status for r in run.results if r.check == "staged_revenue_is_published"}


@pytest.mark.parametrize(
    ("lose", "published"),
    [(_lost_of_those_made_anew, "60.50"), (_lost_of_those_taken_over, "35.25")],
)
def test_a_night_that_loses_money_is_stopped(sold: Path, lose: Callable[[Run], None], published: str) -> None:
    """Whether of a customer made anew or of one taken over."""
    with start(read_project(sold), now=FIRST_NIGHT + timedelta(days=1)) as run:
        _made(run)
        lose(run)
        with pytest.raises(GateError):
            check_marts(run)
    (found,) = [result for result in run.results if result.check == "staged_revenue_is_published"]
    assert found.stops
    assert "65.75" in found.sample
    assert published in found.sample


def test_days_on_which_no_row_changed_are_the_same_files(shop: Path) -> None:
    """Hard links: one inode in both snapshots; the changed day has one of its own."""
    before = current(shop / "marts").folder / "mart_touchpoints"
    _bring(shop, 1, Event("new", _DAY * 19 + 50, "order", "c3"))
    run_night(shop, 1)
    after = current(shop / "marts").folder / "mart_touchpoints"
    days = sorted(path.name for path in before.iterdir())
    assert days == sorted(path.name for path in after.iterdir())
    linked = [
        day
        for day in days
        if (before / day / "part-0.parquet").stat().st_ino == (after / day / "part-0.parquet").stat().st_ino
    ]
    assert linked == days[:-1]


def test_the_same_event_again_changes_nobody(shop: Path) -> None:
    """It is a copy: the one loaded first stays."""
    _bring(shop, 1, Event("0-3", 3, "ad", customer="c3"), Event("1-3", 1, "ad", customer="c9"))
    run = run_night(shop, 1)
    assert run.night is not None
    assert (run.night.events, run.night.customers_before) == (0, 0)


def test_a_chain_of_ids_longer_than_the_rounds_is_followed_to_its_end(shop: Path, tmp_path: Path) -> None:
    """Sixty ids in a row are one customer, and an event of the first makes all anew."""
    (shop / "journey.yaml").write_text(
        (shop / "journey.yaml").read_text(encoding="utf-8") + "identity: {max_ids: 100}\n", encoding="utf-8"
    )
    chain = [Event(f"a{n}", _DAY + n, "view", customer=f"x{n}", alias=f"x{n + 1}") for n in range(60)]
    _bring(shop, 1, *chain)
    run_night(shop, 1)
    _bring(shop, 2, Event("last", _DAY * 19, "order", customer="x60"))
    run = run_night(shop, 2)
    assert run.night is not None
    assert (run.night.customers_before, run.night.touchpoints_before) == (1, 60)
    assert hashes(shop) == made_anew(shop, tmp_path / "anew", 2)


def test_journeys_that_ended_by_silence_alone_are_made_anew(shop: Path, tmp_path: Path) -> None:
    """One customer goes on eight days after the others' last event; inactivity is six days."""
    _bring(shop, 1, Event("alone", _DAY * 28, "view", customer="c0"))
    run = run_night(shop, 1)
    assert run.night is not None
    assert run.night.customers_before == 20
    assert hashes(shop) == made_anew(shop, tmp_path / "anew", 1)


def _delete(shop: Path) -> None:
    (shop / "work.duckdb").unlink()


def _cut(shop: Path) -> None:
    content = (shop / "work.duckdb").read_bytes()
    (shop / "work.duckdb").write_bytes(content[: len(content) // 2])


def _flip(shop: Path) -> None:
    content = bytearray((shop / "work.duckdb").read_bytes())
    for place in range(20_000, len(content), 1_000):
        content[place] ^= 1
    (shop / "work.duckdb").write_bytes(content)


def _no_database(shop: Path) -> None:
    (shop / "work.duckdb").write_bytes(b"not a database, and long enough to be one" * 1_000)


def _change_rules(shop: Path) -> None:
    rules = (shop / "stages.yaml").read_text(encoding="utf-8")
    (shop / "stages.yaml").write_text(rules.replace("within: 9d", "within: 2d"), encoding="utf-8")


def _damage_a_mart(shop: Path) -> None:
    path = next((current(shop / "marts").folder / "mart_touchpoints").glob("*/part-0.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (_delete, "there is no work.duckdb"),
        (_cut, "work.duckdb cannot be read"),
        (_flip, "work.duckdb cannot be read"),
        (_no_database, "work.duckdb cannot be read"),
        (_change_rules, "the settings, mappings or rules changed since the last run"),
        (_damage_a_mart, "a published file is damaged"),
    ],
)
def test_what_cannot_be_built_upon_is_made_anew_by_itself(
    shop: Path, tmp_path: Path, harm: Callable[[Path], None], reason: str
) -> None:
    """And the run says why."""
    harm(shop)
    _bring(shop, 1, Event("new", _DAY * 19 + 50, "order", customer="c3"))
    run = run_night(shop, 1)
    assert run.night is None
    assert run.rebuild is not None
    assert run.rebuild.startswith(reason)
    assert hashes(shop) == made_anew(shop, tmp_path / "anew", 1)
    _bring(shop, 2, Event("newer", _DAY * 19 + 51, "order", customer="c3"))
    assert run_night(shop, 2).night is not None


def test_a_night_that_runs_out_of_memory_does_not_make_everything_anew(shop: Path) -> None:
    """Which takes more still. Ten million rows of one partition, in ten megabytes and nowhere to spill to."""

    def asks(run: Run) -> str:
        run.engine.execute("set temp_directory = ''; set memory_limit = '10MB'")
        run.engine.rows(
            "select max(n) from (select lag(n) over (order by n) as n from range(10000000) r (n))"
        )
        return ""

    _bring(shop, 1, Event("new", _DAY * 19 + 50, "order", customer="c3"))
    steps = {step.name: step for step in STEPS}
    with start(read_project(shop), now=FIRST_NIGHT + timedelta(days=1)) as run:
        steps["load"].work(run)
        steps["identity"].work(run)
        night = run.night
        assert night is not None
        with pytest.raises(duckdb.OutOfMemoryException):
            _or_anew(asks)(run)
        assert (run.night, run.rebuild) == (night, None)


def test_a_full_run_is_made_when_asked_for(shop: Path) -> None:
    """With the same bytes."""
    before = hashes(shop)
    run = run_night(shop, 1, full=True)
    assert (run.night, run.rebuild) == (None, "as asked for")
    assert hashes(shop) == before


def test_the_first_event_of_a_starter_rule_makes_everything_anew(tmp_path: Path) -> None:
    """It puts a stage into every funnel."""
    folder = tmp_path / "shop"
    write_project(folder, Setup(starters=True))
    _bring(folder, 0, Event("a", 0, "page_view", customer="c1"), Event("b", 1, "page_view", customer="c2"))
    run_night(folder, 0)
    _bring(folder, 1, Event("c", 2, "order_completed", customer="c1"))
    run = run_night(folder, 1)
    assert run.rebuild == "a starter rule took its first event, or lost its last"
    assert hashes(folder) == made_anew(folder, tmp_path / "anew", 1)


def test_a_file_that_vanished_stays_in_force_and_a_night_may_bring_none(shop: Path) -> None:
    """What was loaded is in the store."""
    before = hashes(shop)
    for file in (shop / "landing" / "web").iterdir():
        file.unlink()
    run_night(shop, 1)
    assert hashes(shop) == before


def test_a_list_that_is_loaded_whole_may_come_back_to_an_earlier_state(shop: Path, tmp_path: Path) -> None:
    """One customer is on it, then another, then the one again: a copy of its first file."""
    one, other = (Delivery("list", (Event(who, _DAY, "view", customer=who),)) for who in ("c1", "new"))
    seen = []
    for night, state in enumerate([one, other, one], start=1):
        deliver(shop, night, [state])
        run = run_night(shop, night)
        seen.append((run.run_id, hashes(shop)))
        assert run.night is not None
    assert seen[0] == seen[2] != seen[1]
    (file,) = (shop / "landing" / "list").iterdir()
    file.unlink()
    run_night(shop, 4)
    assert hashes(shop) == seen[0][1]
    assert hashes(shop) == made_anew(shop, tmp_path / "anew", 5)


def test_a_pattern_that_never_found_a_file_is_told_with_the_closest_folder(shop: Path) -> None:
    """One that found some before may find none tonight."""
    mapping = shop / "sources" / "crm.yaml"
    plain = mapping.read_text(encoding="utf-8")
    (shop / "landing" / "web" / "000-0.csv").unlink()
    mapping.write_text(plain.replace("landing/crm/", "landing/crn/"), encoding="utf-8")
    with pytest.raises(SourceError) as caught:
        run_night(shop, 1)
    assert told(caught.value) == [("crm.yaml:4:8", "no file matches 'landing/crn/*.csv'")]
    assert caught.value.problems[0].do.startswith("use 'landing/crm' (closest known folder)")


def test_no_file_at_all_and_nothing_in_the_store_is_an_error(tmp_path: Path) -> None:
    """As for any project that was never fed: every source is named."""
    write_project(tmp_path / "shop", Setup())
    with pytest.raises(SourceError) as caught:
        run_night(tmp_path / "shop", 0)
    assert told(caught.value) == [
        (f"{source}.yaml:4:8", f"no file matches 'landing/{source}/*.csv'") for source in MODES
    ]


def _restated(folder: Path) -> list[tuple[str, str, str, int, int, str]]:
    with open_marts(current(folder / "marts")) as reader:
        rows = reader.execute(
            "select entry_date, channel, stage || ' ' || measure, before, after, reason "
            "from mart_restatements where channel_role = 'all' order by all"
        ).fetchall()
    return [(str(day), *rest) for day, *rest in rows]


def test_a_late_event_that_begins_a_journey_restates_its_day(shop: Path) -> None:
    """On the first of April one more journey began; nothing else fell."""
    _bring(shop, 1, Event("late", 5, "other", customer="late"), Event("now", _DAY * 20, "ad", customer="c1"))
    run_night(shop, 1)
    assert _restated(shop) == [("2026-04-01", "all", "(any) journeys_entered", 20, 21, "late_events")]


def test_journeys_that_go_on_restate_nothing(shop: Path) -> None:
    """Of two that began on the 21st of April one orders two days later, the other is lost by silence."""
    _bring(shop, 1, Event("n1", _DAY * 20, "ad", "n1"), Event("n2", _DAY * 20, "ad", "n2"))
    run_night(shop, 1)
    _bring(shop, 2, Event("other", _DAY * 21, "ad", "c1"))
    run_night(shop, 2)
    _bring(shop, 3, Event("order", _DAY * 22, "order", "n1"))
    run_night(shop, 3)
    run_night(shop, 4, as_of=date(2026, 5, 10))
    assert _restated(shop) == []


def test_a_merge_of_two_customers_is_told_as_such(shop: Path) -> None:
    """Two journeys of the first day become one."""
    _bring(shop, 1, Event("merge", _DAY * 20, "other", customer="c1", alias="c2"))
    run_night(shop, 1)
    restated = _restated(shop)
    assert ("2026-04-01", "all", "(any) journeys_entered", 20, 19, "identity_merge") in restated
    assert {reason for *_, reason in restated} == {"identity_merge"}


def test_other_rules_are_told_as_such(shop: Path) -> None:
    """A stage that nothing reaches any more has no row, which is none of its journeys."""
    rules = (shop / "stages.yaml").read_text(encoding="utf-8")
    (shop / "stages.yaml").write_text(
        rules.replace("event_name: view}", "event_name: never}"), encoding="utf-8"
    )
    run_night(shop, 1)
    restated = _restated(shop)
    assert restated
    assert {reason for *_, reason in restated} == {"rule_change"}


def _late(folder: Path, night: int, *events: Event) -> list[CheckResult]:
    _bring(folder, night, *events)
    with start(read_project(folder), now=FIRST_NIGHT + timedelta(days=night)) as run:
        STEPS[0].work(run)
        return late_events(run.engine, run.store, run.project.sources, run.new_loads)


def test_events_older_than_the_late_window_are_counted_and_kept(shop: Path) -> None:
    """Of three events two came more than fifty days after they happened, the window's length; the first
    load, which brings history, is never late.
    """
    mapping = shop / "sources" / "web.yaml"
    mapping.write_text(mapping.read_text(encoding="utf-8") + "late_window: 50d\n", encoding="utf-8")
    # the second night begins on 2026-06-02 at 02:00, fifty days after 2026-04-13 at 02:00
    at_the_window = _DAY * 12 + 8
    events = [Event(f"l{n}", at_the_window + n, "view", customer="c1") for n in (-2, -1, 0)]
    (result,) = _late(shop, 1, *events)
    assert (result.check, result.severity, result.status) == ("late events of web", "warn", "failed")
    assert (result.rows_failed, result.sample) == (2, "the first of 2026-04-13 01:30 UTC")
    run_night(shop, 1)
    with open_marts(current(shop / "marts")) as reader:
        kept = reader.execute("select count(*) from mart_touchpoints where event_id like 'l%'").fetchone()
    assert kept == (3,)


def test_gates_of_a_night_look_at_the_rows_it_made(shop: Path) -> None:
    """And everybody else at the rows of all."""
    _bring(shop, 1, Event("new", _DAY * 19 + 50, "order", customer="c3"))
    customers = "select distinct customer_id from mart_journeys order by customer_id"
    with start(read_project(shop), now=FIRST_NIGHT + timedelta(days=1)) as run:
        for step in STEPS:
            if step.name in ("load", "identity", "stage", "journeys", "marts"):
                step.work(run)
        assert run.night is not None
        with run.night.rows_made(run.engine):
            assert run.engine.rows(customers) == [{"customer_id": "c3"}]
        assert len(run.engine.rows(customers)) == 20
