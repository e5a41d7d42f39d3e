"""Generated shops: as many events as asked for, the same bytes each time, what is planted is in the files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journey_analytics.errors import ConfigError
from journey_analytics.generator.files import FORMATS
from journey_analytics.generator.shop import Arguments
from tests.unit.generator.shops import START, hashes, make_up, rows


def test_the_same_arguments_give_the_same_bytes_and_another_seed_gives_others(tmp_path: Path) -> None:
    for file_format in FORMATS:
        folder = tmp_path / file_format
        for name, seed in (("one", 1), ("again", 1), ("other", 2)):
            make_up(folder / name, seed=seed, format=file_format)
        one, again, other = (hashes(folder / name) for name in ("one", "again", "other"))
        assert one == again
        landed = [path for path in one if path.startswith("landing/")]
        assert landed
        assert all(one[path] != other.get(path) for path in landed)


def test_the_number_of_threads_changes_no_byte(tmp_path: Path) -> None:
    make = (
        "import os, sys; os.cpu_count = lambda: int(sys.argv[2])\n"
        "from pathlib import Path\n"
        "from tests.unit.generator.shops import make_up\n"
        "make_up(Path(sys.argv[1]), events=20_000)"
    )
    for threads in ("1", "3"):
        subprocess.run(
            [sys.executable, "-c", make, str(tmp_path / threads), threads],
            env={**os.environ, "POLARS_MAX_THREADS": threads},
            check=True,
            timeout=60,
        )
    assert hashes(tmp_path / "1") == hashes(tmp_path / "3")


def test_a_file_longer_than_what_is_written_at_once_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_up(tmp_path / "at_once")
    monkeypatch.setattr("journey_analytics.generator.files._ROWS_AT_ONCE", 50)
    make_up(tmp_path / "in_parts")
    ask = "select * exclude (filename) from landed order by cast(id as integer), day"
    for source in ("web", "orders"):
        assert rows(tmp_path / "at_once", source, ask) == rows(tmp_path / "in_parts", source, ask)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.integers(1, 300),
    share=st.floats(0, 1),
    days=st.integers(1, 40),
    seed=st.integers(0, 2**63 - 1),
    start=st.dates(date(1990, 1, 2), date(2100, 1, 1)),
)
def test_any_shop_adds_up(
    tmp_path_factory: pytest.TempPathFactory, events: int, share: float, days: int, seed: int, start: date
) -> None:
    folder = tmp_path_factory.mktemp("shop")
    customers = max(1, int(events * share))
    truth = make_up(folder, events=events, customers=customers, days=days, seed=seed, start=start)
    assert truth["events"] == events
    assert truth["rows"] == events + truth["duplicates"]
    assert sum(source["events"] for source in truth["sources"].values()) == events
    assert sum(source["rows"] for source in truth["sources"].values()) == truth["rows"]
    assert sum(truth["customers"]["by_persona"].values()) == truth["customers"]["planted"] == customers
    assert sum(truth["channels"].values()) == sum(truth["stages"].values()) == truth["touchpoints"]
    people = pl.read_parquet(folder / "truth_customers.parquet")
    assert people["events"].sum() == events
    assert people["events"].min() >= 1
    assert people.height == customers + truth["bots"]["planted"]
    for source, counts in truth["sources"].items():
        ((landed, different, copies_alike),) = rows(
            folder,
            source,
            "select count(*), count(distinct id), count(distinct (id, ts, event)) from landed",
        )
        assert (landed, different, copies_alike) == (counts["rows"], counts["events"], counts["events"])


def test_late_events_lie_in_the_file_of_a_later_day_and_copies_in_the_same_or_the_next(
    tmp_path: Path,
) -> None:
    truth = make_up(tmp_path, events=20_000)
    happened = "cast(timezone('Europe/Berlin', cast(ts as timestamptz)) as date)"
    for source, counts in truth["sources"].items():
        ask = f"""
            with placed as (select *, {happened} as happened, row_number() over (
                partition by id order by day) as number from landed)
            select
                count(*) filter (number = 1 and day > happened),
                count(*) filter (number = 2),
                count(*) filter (day < happened),
                max(day - happened),
                count(*) filter (number > 2)
            from placed
        """
        ((late, copies, early, longest, more),) = rows(tmp_path, source, ask)
        assert (late, copies, early, more) == (counts["late"], counts["duplicates"], 0, 0)
        assert longest <= 4
    assert truth["late"] > 0
    assert truth["duplicates"] > 0


def test_every_day_lies_in_the_period_and_most_rows_of_a_day_happened_on_it(tmp_path: Path) -> None:
    make_up(tmp_path, days=3)
    days = rows(tmp_path, "web", "select distinct day from landed order by day")
    assert [day for (day,) in days] == [START, date(2025, 3, 29), date(2025, 3, 30)]


def test_ids_switch_as_planted(tmp_path: Path) -> None:
    truth = make_up(tmp_path, events=20_000, customers=300)
    linked = rows(tmp_path, "email", "select count(distinct id) from landed where event = 'profile_linked'")
    assert linked == [(truth["identity"]["aliases"],)]
    shared = rows(
        tmp_path,
        "web",
        "select count(*) from (select visitor from landed group by visitor "
        "having count(distinct substr(user_id, 2)) > 1)",
    )
    # a session in which somebody logs in is anonymous before, and known from then on
    logged_in = """
        select
            count(*) filter (landed.ts < logins.ts and landed.user_id is null),
            count(*) filter (landed.ts >= logins.ts and landed.user_id is null)
        from landed
        inner join (
            select session, min(ts) as ts from landed where event = 'login' group by session
        ) as logins on landed.session = logins.session
    """
    ((anonymous_before, anonymous_after),) = rows(tmp_path, "web", logged_in)
    assert truth["identity"]["aliases"] > 0
    assert shared == [(truth["identity"]["shared_cookies"],)]
    assert shared[0][0] > 0
    assert anonymous_before > 0
    assert anonymous_after == 0


def test_bots_are_busy_and_one_in_four_is_silent(tmp_path: Path) -> None:
    truth = make_up(tmp_path, events=20_000)
    named = rows(
        tmp_path,
        "web",
        "select count(distinct visitor), count(distinct id) from landed where lower(agent) like '%bot%'",
    )
    bots = truth["bots"]
    assert named == [(bots["named"], bots["named_events"])]
    assert bots["planted"] == bots["named"] + 1
    assert bots["events"] > bots["named_events"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"events": 0}, ["--events is 0", "name a number from 1"]),
        ({"customers": 0}, ["--customers is 0"]),
        ({"days": 0}, ["--days is 0"]),
        ({"seed": -1}, ["--seed is -1"]),
        ({"events": 5, "customers": 6}, ["6 customers cannot share 5 events", "at most 5 customers"]),
        ({"start": date(1989, 12, 31)}, ["1989-12-31", "name another first day"]),
        ({"start": date(2199, 12, 31)}, ["2199-12-31"]),
        ({"format": "parket"}, ["unknown format 'parket'", "use 'parquet'"]),
        ({"events": 0, "days": 0, "format": "xml"}, ["3 problems"]),
    ],
)
def test_bad_arguments_say_what_to_do(tmp_path: Path, asked: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        make_up(tmp_path / "shop", **asked)
    for word in words:
        assert word in caught.value.describe()
    assert not (tmp_path / "shop").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="this folder is not empty"):
        make_up(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_truth_names_its_arguments(tmp_path: Path) -> None:
    make_up(tmp_path)
    told = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))["arguments"]
    assert Arguments(**{**told, "start": date.fromisoformat(told["start"])}).problems() == []
    assert told["start"] == START.isoformat()
