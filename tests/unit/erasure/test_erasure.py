"""Erasure: one customer goes from every place, everybody else stays, and nothing old of it comes in again."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.erasure import Erased, erase
from journey_analytics.errors import ConfigError, DamagedError, LockedError
from journey_analytics.history import snapshots
from journey_analytics.lock import hold
from journey_analytics.marts import current, damage
from journey_analytics.project import read_project
from journey_analytics.record import record_sql
from journey_analytics.run import start
from journey_analytics.run.loading import load
from journey_analytics.sources.erased import read_erasures
from journey_analytics.sources.store import Store
from tests.property.nights import (
    FIRST_NIGHT,
    Delivery,
    Event,
    Setup,
    deliver,
    hashes,
    run_night,
    write_project,
)
from tests.unit.files import told

_DAY = 96
"""Quarters of an hour."""
_ZORA = re.compile(r"zora\d?|zcookie|kiosk-z")
"""Every id of Zora's, and the id of what she did without one on the device in the shop."""

_WEB = (
    Event("w1", 1, "ad", cookie="zcookie"),
    Event("w2", 2, "view", customer="zora", cookie="zcookie"),
    Event("w3", _DAY, "order", customer="zora", revenue="40"),
    Event("w4", _DAY + 1, "view", customer="zora2", alias="zora"),
    Event("w5", 2 * _DAY, "view", customer="zora2", cookie="kiosk"),
    Event("kiosk-z", 2 * _DAY + 1, "view", cookie="kiosk"),
    Event("w7", 2 * _DAY + 2, "ad", customer="mia", cookie="kiosk"),
    Event("w8", 2 * _DAY + 3, "view", cookie="kiosk"),
    Event("w9", 4 * _DAY, "order", customer="mia", revenue="9"),
    Event("w10", 5 * _DAY, "ad", customer="ben"),
)
_CRM = (Event("c1", _DAY + 5, "order", customer="zora"), Event("c2", _DAY + 5, "order", customer="ben"))
_LIST = (Event("l1", 3 * _DAY, "view", customer="zora3", alias="zora2"), Event("l2", 9, "ad", customer="mia"))
_BROKEN = (
    "b1,soon,view,zora,,,,ads,,\n"  # not a time
    "b2,soon,view,ben,,,,ads,,\n"
    "b3,zora,too,few\n"  # no row can be made of it
    "b4,2026-04-02T10:00:00+00:00,,,zcookie,,,ads,,\n"  # no event name
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Two nights: three sources, a state of one that was replaced since, and rows in quarantine."""
    return _made(tmp_path / "shop", left_out=re.compile("^$"))


def _made(folder: Path, left_out: re.Pattern[str]) -> Path:
    """The project, fed without the rows that a pattern is found in."""

    def left(events: tuple[Event, ...]) -> tuple[Event, ...]:
        return tuple(event for event in events if not left_out.search(repr(event)))

    write_project(folder, Setup())
    brought = (("web", _WEB[:6]), ("web", _WEB[6:]), ("crm", _CRM), ("list", _LIST))
    deliver(folder, 0, [Delivery(source, left(events)) for source, events in brought])
    with (folder / "landing" / "web" / "000-0.csv").open("a", encoding="utf-8") as file:
        file.writelines(row for row in _BROKEN.splitlines(keepends=True) if not left_out.search(row))
    run_night(folder, 0)
    later = (Event("l2", 9, "ad", customer="mia"), Event("l3", 10, "ad", customer="ben"))
    deliver(folder, 1, [Delivery("list", later)])
    run_night(folder, 1)
    return folder


def _erase(folder: Path, *asked: str, night: int = 1, dry_run: bool = False) -> Erased:
    now = FIRST_NIGHT + timedelta(days=night, hours=9)
    return erase(read_project(folder), asked, now=now, dry_run=dry_run)


def _named(folder: Path, pattern: re.Pattern[str] = _ZORA) -> dict[str, set[str]]:
    """What the pattern finds in each file that the product made: its name, and every value in it."""
    found = {}
    for path in folder.rglob("*"):
        if not path.is_file() or "landing" in path.parts or path.suffix == ".yaml":
            continue
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path, hive_partitioning=False)
            texts = [text for column in frame.select(pl.col(pl.String)) for text in column.drop_nulls()]
        else:
            texts = [path.read_bytes().decode("latin-1")]
        if named := {word for text in texts for word in pattern.findall(text)}:
            found[str(path.relative_to(folder))] = named
    return found


def test_nothing_that_the_product_keeps_names_them(shop: Path) -> None:
    """Before, store, quarantine, both snapshots and work.duckdb do; the input files are not touched."""
    before = _named(shop)
    assert {"events", "quarantine", "snapshots", "work.duckdb"} <= {
        p for path in before for p in Path(path).parts
    }
    assert set().union(*before.values()) == {"zora", "zora2", "zora3", "zcookie", "kiosk-z"}
    landed = {path: path.read_bytes() for path in (shop / "landing").rglob("*.csv")}
    found = _erase(shop, "zora")
    assert found.ids == 3  # two known ids and the cookie; the device in the shop is not hers alone
    assert _named(shop) == {}
    run_night(shop, 2)
    assert _named(shop) == {}
    assert landed == {path: path.read_bytes() for path in landed}


def test_the_marts_are_those_of_a_project_that_never_knew_them(shop: Path, tmp_path: Path) -> None:
    _erase(shop, "zora")
    run_night(shop, 2)
    other = _made(tmp_path / "other", left_out=_ZORA)
    run_night(other, 2)
    assert hashes(shop) == hashes(other)


@pytest.mark.parametrize("asked", ["zora", "zora2", "zcookie"])
def test_any_id_finds_the_customer(shop: Path, asked: str) -> None:
    found = _erase(shop, asked, dry_run=True)
    assert (found.erasure.customers, found.ids, found.erasure.removed.events) == (1, 3, 8)


def test_what_went_is_counted(shop: Path) -> None:
    """Seven events of web and CRM, one of the replaced list; three bad rows; rows of two snapshots.

    The two files of the web were read together; only the first has rows of hers, and the second of Mia's.
    """
    assert _erase(shop, "mia", dry_run=True).input_files == ("000-1.csv", "000-3.csv", "001-0.csv")
    found = _erase(shop, "zora")
    removed = found.erasure.removed
    assert (removed.events, removed.quarantined, removed.snapshots) == (8, 3, 2)
    assert found.input_files == ("000-0.csv", "000-2.csv", "000-3.csv")
    first, second = Store(shop / "store").of("web")
    assert first.segment == second.segment
    assert (first.rows, first.events, first.quarantined, first.erased) == (10, 0, 1, 9)
    assert (second.rows, second.events, second.quarantined, second.erased) == (4, 4, 0, 0)
    (proof,) = read_erasures(shop / "store")
    assert proof == found.erasure
    assert proof.is_done


def test_bad_rows_are_found_by_their_words_where_the_mapping_fits_no_more(shop: Path) -> None:
    mapping = shop / "sources" / "web.yaml"
    text = mapping.read_text(encoding="utf-8")
    mapping.write_text(text.replace("customer_ref: customer", "customer_ref: shopper"), encoding="utf-8")
    assert _erase(shop, "zora").erasure.removed.quarantined == 3
    assert not [path for path in _named(shop) if path.startswith("store")]


def test_what_a_run_left_that_was_cut_short_goes_too(shop: Path) -> None:
    """Files of events and bad rows that no entry of the ledger names; what waits to be cleared away."""
    deliver(shop, 2, [Delivery("web", (Event("w12", 7 * _DAY, "ad", customer="zora"),))])
    with (shop / "landing" / "web" / "002-0.csv").open("a", encoding="utf-8") as file:
        file.write("b6,soon,view,zora,,,,ads,,\n")
    with start(read_project(shop), now=FIRST_NIGHT + timedelta(days=2)) as run:
        load(run)
    assert len(Store(shop / "store").uncounted_quarantine()) == 1
    for name in (
        "work.spill/unpacked/a.csv",
        "marts/snapshots/.0f.tmp/b.parquet",
        "marts/record/mart_runs/1.tmp",
    ):
        left = shop / name
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_text("zora", encoding="utf-8")
    assert _erase(shop, "zora").erasure.removed.quarantined == 4
    assert _named(shop) == {}


def test_looking_changes_nothing(shop: Path) -> None:
    before = {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()}
    _erase(shop, "zora", dry_run=True)
    after = {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()}
    before[shop / "run.lock"] = after[shop / "run.lock"]
    assert after == before


def test_what_happened_before_never_comes_in_again(shop: Path) -> None:
    """In a file of another name, under another mapping, as a bad row; what happens later comes."""
    _erase(shop, "zora")
    later = 62 * _DAY + 48  # 2 June, 12:00: an hour after the erasure
    again = (
        *_WEB,
        Event("new", later, "view", customer="zora"),
        Event("w11", 6 * _DAY, "ad", customer="ben"),
    )
    deliver(shop, 2, [Delivery("web", again)])
    shutil.copy(shop / "landing" / "web" / "000-0.csv", shop / "landing" / "web" / "copy.csv")
    with (shop / "landing" / "web" / "copy.csv").open("a", encoding="utf-8") as file:
        file.write("b5,later,view,zora,,,,ads,,\nb6,2150-01-01T00:00:00+00:00,view,zora,,,,ads,,\n")
    mapping = shop / "sources" / "web.yaml"
    mapping.write_text(
        mapping.read_text(encoding="utf-8").replace("page_path: page", "page_path: upper(page)")
    )
    run_night(shop, 3)
    named = _named(shop)
    assert set().union(*named.values()) == {"zora"}
    assert not [path for path in named if "quarantine" in path]
    copy = next(load for load in Store(shop / "store").of("web") if load.files[0].name == "copy.csv")
    assert (copy.rows, copy.events, copy.quarantined, copy.erased) == (12, 0, 1, 11)
    touchpoints = pl.read_parquet(current(shop / "marts").folder / "mart_touchpoints" / "*" / "*.parquet")
    assert touchpoints.filter(pl.col("customer_id") == "zora")["event_id"].to_list() == ["new"]
    assert "w11" in touchpoints["event_id"]


def test_what_is_dated_a_little_ahead_is_old_too(shop: Path) -> None:
    """Of 2 June at 20:00, by a clock that is fast; erased at 11:00."""
    ahead = Delivery("web", (Event("w14", 62 * _DAY + 80, "view", customer="zora"),))
    deliver(shop, 2, [ahead])
    run_night(shop, 2)
    _erase(shop, "zora")
    deliver(shop, 3, [Delivery("web", (*ahead.events, Event("w15", 7 * _DAY, "ad", customer="ben")))])
    run_night(shop, 3)
    assert _named(shop) == {}


def test_kept_snapshots_are_sound_without_them_and_stay_in_their_order(shop: Path) -> None:
    """Files that both share are one file again, and what was said of everybody else is said still."""
    before = snapshots(shop / "marts")
    _erase(shop, "zora")
    after = snapshots(shop / "marts")
    assert [(s.name, s.published_us) for s in after] == [(s.name, s.published_us) for s in before]
    for old, new in zip(before, after, strict=True):
        assert damage(new) == []
        assert new.manifest["rows_erased"] == [read_erasures(shop / "store")[0].name]
        assert new.marts["mart_stage_funnel"] == old.marts["mart_stage_funnel"]
        assert 0 < new.marts["mart_touchpoints"] < old.marts["mart_touchpoints"]
    name = "mart_touchpoints/day=2026-04-03/part-0.parquet"
    inodes = {(snapshot.folder / name).stat().st_ino for snapshot in after}
    assert len(inodes) == 1
    assert not list((shop / "marts").rglob("*.erased"))
    about = [
        pl.read_parquet_metadata(s.folder / "mart_journeys" / "month=2026-04" / "part-0.parquet")
        for s in after
    ]
    assert about[0]["journey_key"] == "journey_id"


def test_what_an_earlier_snapshot_gave_somebody_else_goes_too(tmp_path: Path) -> None:
    """A list said that zora9 is Mia, so that her event was Mia's, until it was corrected."""
    folder = tmp_path / "shop"
    write_project(folder, Setup())
    said = (Event("l9", 3, "view", customer="mia", alias="zora9"), Event("l2", 9, "ad", customer="mia"))
    deliver(folder, 0, [Delivery("web", (Event("w20", 4, "ad", customer="zora9"),)), Delivery("list", said)])
    run_night(folder, 0)
    deliver(folder, 1, [Delivery("list", said[1:])])
    run_night(folder, 1)
    _erase(folder, "zora9")
    assert _named(folder, re.compile("zora9|w20")) == {}
    after, before = snapshots(folder / "marts")
    assert (after.marts["mart_touchpoints"], before.marts["mart_touchpoints"]) == (1, 2)


def test_an_id_that_is_only_claimed_stays_with_its_customer(shop: Path) -> None:
    """Somebody without a name said to be Ben, which makes no link; Ben is not erased with them."""
    deliver(shop, 2, [Delivery("web", (Event("w13", 7 * _DAY, "view", cookie="zcookie2", alias="ben"),))])
    run_night(shop, 2)
    assert _erase(shop, "anonymous:zcookie2").erasure.removed.events == 1
    assert _named(shop, re.compile("zcookie2")) == {}


def test_restated_numbers_say_why(shop: Path) -> None:
    """Three journeys began on 1 April, one of them Zora's; what changes afterwards is another matter."""
    _erase(shop, "zora")
    run_night(shop, 2)
    assert _restated(shop) == {("2026-04-01", "erasure", 3, 2)}
    deliver(shop, 3, [Delivery("web", (Event("w16", 5, "ad", customer="una"),))])
    run_night(shop, 3)
    assert _restated(shop) == {("2026-04-01", "late_events", 2, 3)}


def _restated(folder: Path) -> set[tuple[str, str, int, int]]:
    """How many journeys began, of all channels, by what the last run restated: day, reason, before, after."""
    with DuckDBEngine() as engine:
        rows = engine.rows(
            f"select * from ({record_sql(folder / 'marts', 'mart_restatements')}) "
            f"where run_id = '{current(folder / 'marts').run_id}' "
            "and measure = 'journeys_entered' and channel = 'all'"
        )
    return {(str(row["entry_date"]), row["reason"], row["before"], row["after"]) for row in rows}


def test_the_next_run_makes_everything_anew_and_the_one_after_does_not(shop: Path) -> None:
    _erase(shop, "zora")
    assert run_night(shop, 2).rebuild == "customers were erased"
    deliver(shop, 3, [Delivery("web", (Event("w12", 7 * _DAY, "ad", customer="ben"),))])
    assert run_night(shop, 3).rebuild is None


def test_an_id_of_several_customers_is_refused(shop: Path) -> None:
    """The device in the shop is Zora's and Mia's."""
    with pytest.raises(ConfigError) as refused:
        _erase(shop, "kiosk")
    assert told(refused.value) == [("mia", "the id 'kiosk' is of 2 customers")]
    assert read_erasures(shop / "store") == []


def test_nothing_held_is_told_and_so_is_an_earlier_erasure(shop: Path) -> None:
    with pytest.raises(ConfigError, match="nothing is held of 'nobody'"):
        _erase(shop, "nobody")
    name = _erase(shop, "zora").erasure.name
    with pytest.raises(
        ConfigError, match=f"(?s)nothing is held of 'anonymous:zcookie': erased before.*{name}"
    ) as refused:
        _erase(shop, "anonymous:zcookie")
    assert refused.value.exit_code == 2


def test_a_project_that_never_ran_holds_nothing(tmp_path: Path) -> None:
    write_project(tmp_path / "new", Setup())
    with pytest.raises(ConfigError, match="nothing is held of 'zora'"):
        _erase(tmp_path / "new", "zora")


def test_who_is_in_quarantine_alone_is_erased_there(shop: Path) -> None:
    path = shop / "landing" / "web" / "only.csv"
    path.write_text(
        (shop / "landing" / "web" / "000-0.csv").read_text().splitlines()[0] + "\nq1,x,view,unanamed,,,,,,\n"
    )
    run_night(shop, 2)
    removed = _erase(shop, "unanamed").erasure.removed
    assert (removed.events, removed.quarantined, removed.mart_rows) == (0, 1, 0)
    assert _named(shop, re.compile("unanamed")) == {}


@pytest.mark.parametrize("place", [0, 1])
def test_a_damaged_snapshot_stops_before_anything_is_written(shop: Path, place: int) -> None:
    """With its folder deleted, as it is told to, the erasure goes on and the next run publishes."""
    folder = snapshots(shop / "marts")[place].folder
    (folder / "mart_journeys" / "month=2026-04" / "part-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(DamagedError, match="cannot be read") as refused:
        _erase(shop, "zora")
    assert refused.value.exit_code == 3
    assert read_erasures(shop / "store") == []
    shutil.rmtree(folder)
    _erase(shop, "zora")
    run_night(shop, 2)
    assert _named(shop) == {}


def test_a_damaged_file_of_the_store_is_told(shop: Path) -> None:
    next((shop / "store" / "events").rglob("*.parquet")).write_bytes(b"PAR1")
    with pytest.raises(DamagedError, match="cannot be read"):
        _erase(shop, "zora")


def test_a_name_that_customers_share_takes_nobody_along(tmp_path: Path) -> None:
    """Ten said to be `guest`, which is too many to be one customer."""
    folder = tmp_path / "shop"
    write_project(folder, Setup())
    settings = folder / "journey.yaml"
    settings.write_text(settings.read_text(encoding="utf-8") + "identity: {max_ids: 3}\n", encoding="utf-8")
    said = [Event(f"g{n}", n, "view", customer=f"c{n}", alias="guest") for n in range(10)]
    deliver(folder, 0, [Delivery("web", tuple(said))])
    run_night(folder, 0)
    assert _erase(folder, "c4").erasure.removed.events == 1


def test_a_key_that_somebody_else_used_too_is_theirs(shop: Path) -> None:
    """Of two copies the one received first counts; without it the other does."""
    deliver(shop, 2, [Delivery("web", (Event("w3", _DAY, "order", customer="ben", revenue="40"),))])
    run_night(shop, 2)
    _erase(shop, "zora")
    run_night(shop, 3)
    touchpoints = pl.read_parquet(current(shop / "marts").folder / "mart_touchpoints" / "*" / "*.parquet")
    assert touchpoints.filter(pl.col("event_id") == "w3")["customer_id"].to_list() == ["ben"]


def test_what_was_linked_in_a_state_that_was_replaced_goes_too(tmp_path: Path) -> None:
    """The list of the first night links a cookie with her; that of the second does not have it."""
    folder = tmp_path / "shop"
    write_project(folder, Setup())
    first = (
        Event("l1", 1, "ad", customer="zora", cookie="zcookie"),
        Event("l2", 2, "ad", cookie="zcookie"),
        Event("l3", 3, "ad", customer="mia"),
    )
    deliver(folder, 0, [Delivery("list", first)])
    run_night(folder, 0)
    deliver(folder, 1, [Delivery("list", (Event("l4", 4, "ad", customer="zora"), first[2]))])
    run_night(folder, 1)
    _erase(folder, "zora")
    assert _named(folder) == {}


def test_a_day_that_was_replaced_stays_replaced(tmp_path: Path) -> None:
    """Ben's event was withdrawn by a file with nothing but one of hers; both are read again afterwards."""
    folder = tmp_path / "shop"
    write_project(folder, Setup())
    mia = Delivery("web", (Event("w1", 1, "ad", customer="mia"),))
    both = (Event("a1", 10, "ad", customer="zora"), Event("a2", 11, "ad", customer="ben"))
    deliver(folder, 0, [mia, Delivery("crm", both)])
    run_night(folder, 0)
    deliver(folder, 1, [Delivery("crm", both[:1])])
    run_night(folder, 1)
    _erase(folder, "zora")
    mapping = folder / "sources" / "crm.yaml"
    text = mapping.read_text(encoding="utf-8").replace("page_path: page", "page_path: upper(page)")
    mapping.write_text(text, encoding="utf-8")
    run_night(folder, 2)
    touchpoints = pl.read_parquet(current(folder / "marts").folder / "mart_touchpoints" / "*" / "*.parquet")
    assert touchpoints["event_id"].to_list() == ["w1"]


@pytest.mark.parametrize("name", ["zoë", "Anna K", "O'Brien", "x@y.de", "1228", "a-b.c"])
def test_any_id_is_found_in_lines_that_are_no_rows(tmp_path: Path, name: str) -> None:
    """As a field and in a word; a line about somebody else stays."""
    folder = tmp_path / "shop"
    write_project(folder, Setup())
    deliver(folder, 0, [Delivery("web", (Event("w1", 1, "ad", customer=name), Event("w2", 1, "ad", "mia")))])
    lines = f"b1,{name},few\nb2,mailto:{name},few\nb3,mia7,few\n"
    with (folder / "landing" / "web" / "000-0.csv").open("a", encoding="utf-8") as file:
        file.write(lines)
    run_night(folder, 0)
    assert _erase(folder, name).erasure.removed.quarantined == 2
    (folder / "landing" / "web" / "again.csv").write_text(
        (folder / "landing" / "web" / "000-0.csv").read_text(encoding="utf-8") + "w4,no,,,,,,,,\n",
        encoding="utf-8",
    )
    run_night(folder, 1)
    assert _named(folder, re.compile(re.escape(name))) == {}


def test_a_run_that_holds_the_project_is_not_disturbed(shop: Path) -> None:
    project = read_project(shop)
    with hold(project.lock_file, FIRST_NIGHT), pytest.raises(LockedError):
        _erase(shop, "zora")


def test_several_at_once_and_one_after_another_are_the_same(shop: Path, tmp_path: Path) -> None:
    other = shutil.copytree(shop, tmp_path / "other")
    _erase(shop, "zora", "ben")
    _erase(other, "ben")
    _erase(other, "zora")
    assert len({erasure.salt for erasure in read_erasures(other / "store")}) == 1
    run_night(shop, 2)
    run_night(other, 2)
    assert hashes(shop) == hashes(other)
