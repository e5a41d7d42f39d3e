"""`journey funnel`: words become the arguments of a funnel, and its result text or JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import journey, run_project
from tests.unit.funnels.frames import events

ROWS = events(
    ("ann", 0, "view", "ads"), ("ann", 1, "cart", "ads"), ("ann", 2, "order", "email"),
    ("bob", 0, "view", "email"), ("bob", 1, "basket", "email"), ("bob", 2, "refund", None),
    ("bob", 3, "order", None),
    ("cem", 0, "view", None), ("cem", 60 * 24 * 2, "order", None), (None, 0, "view", "ads"),
)  # fmt: skip


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("events") / "visits.parquet"
    ROWS.write_parquet(path)
    return path


def asked(visits: Path, *more: str, steps: str = "view;cart|basket;order") -> dict[str, Any]:
    result = journey("funnel", "--events", str(visits), "--steps", steps, "--json", *more)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("options", "reached"),
    [
        ((), [3, 2, 2]),
        (("--mode", "strict"), [3, 2, 1]),
        (("--mode", "unordered"), [3, 3, 2]),
        (("--exclude", "refund:2-3"), [2, 1, 1]),
        (("--exclude", "refund|nothing:1-2", "--exclude", "none:1-2"), [3, 2, 2]),
        (("--optional", "2"), [3, 2, 3]),
        (("--optional", "2", "--window", "47h"), [3, 2, 2]),
        (("--optional", "2", "--step-window", "3=1m"), [3, 2, 1]),
        (("--entity", "channel"), [2, 2, 1]),
    ],
)
def test_options_reach_the_funnel(visits: Path, options: tuple[str, ...], reached: list[int]) -> None:
    found = asked(visits, *options)
    assert [row["reached"] for row in found["steps"]] == reached
    assert found["groups"] is None
    assert found["events_without_customer"] == (4 if "channel" in options else 1)


def test_a_table_loads_no_slow_library(visits: Path) -> None:
    """Its steps are few: what draws them must not take longer than what counts them."""
    arguments = ["funnel", "--events", str(visits), "--steps", "view;order"]
    code = (
        f"import sys; from journey_analytics.cli import _call; _call({arguments}, debug=True); "
        "slow = {'great_expectations', 'prefect', 'pandas', 'scipy.stats', 'plotly'} & set(sys.modules); "
        "sys.exit(f'loaded {slow}' if slow else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "of step before" in result.stdout


@pytest.mark.parametrize(
    ("options", "groups"),
    [
        ((), {"ads": 1, "email": 1, "unknown": 1}),
        (("--attribution", "last_touch"), {"email": 1, "unknown": 2}),
        (("--attribution", "step", "--attribution-step", "2"), {"ads": 1, "email": 1, "unknown": 1}),
        (("--attribution", "all_steps"), {"mixed": 2, "unknown": 1}),
    ],
)
def test_groups_are_those_of_the_attribution(
    visits: Path, options: tuple[str, ...], groups: dict[str, int]
) -> None:
    rows = asked(visits, "--by", "channel", *options)["groups"]
    assert {row["group"]: row["reached"] for row in rows if row["step_number"] == 1} == groups


def test_the_table_shows_steps_groups_and_what_was_left_out(visits: Path) -> None:
    result = journey("funnel", "--events", str(visits), "--steps", "view;order", "--by", "channel")
    assert result.returncode == 0, result.stderr
    for word in ("view", "order", "100.0 %", "unknown", "95 % CI", "2 d", "3 m"):
        assert word in result.stdout
    assert "1 events without a customer" in result.stderr


def test_without_a_file_the_published_touchpoints_are_read(tiny: Path) -> None:
    """ann and bob fill a cart, cyd only visits; ann orders twice, the second time long after."""
    run_project(tiny)
    steps = "visit;cart;order;order"
    result = journey("funnel", "-p", str(tiny), "--steps", steps, "--json")
    assert result.returncode == 0, result.stderr
    assert [row["reached"] for row in json.loads(result.stdout)["steps"]] == [3, 2, 1, 1]
    in_time = journey("funnel", "-p", str(tiny), "--steps", steps, "--window", "14d", "--json")
    assert [row["reached"] for row in json.loads(in_time.stdout)["steps"]] == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--window", "14"), ["--window '14' cannot be read", "14d"]),
        (("--step-window", "x=1d"), ["--step-window 'x=1d'", "3=1d"]),
        (("--exclude", "refund"), ["--exclude 'refund'", "refund:1-3"]),
        (("--exclude", "refund:3-1"), ["exclusion 1: 3 is no step"]),
        (("--by", "chanel"), ["no column 'chanel'", "use 'channel'"]),
    ],
)
def test_what_cannot_be_read_ends_with_exit_code_2(
    visits: Path, options: tuple[str, ...], words: list[str]
) -> None:
    result = journey("funnel", "--events", str(visits), "--steps", "view;cart;order", *options)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


def test_a_name_that_no_event_has_is_noted_with_the_closest_that_one_has(visits: Path) -> None:
    """It may truly be absent, so it is no error; known names are not noted."""
    options = ("--exclude", "refnd:1-2")
    notes = [
        "no event is called 'baskt'; the closest that occurs is 'basket'",
        "no event is called 'unheard of'",
        "no event is called 'refnd'; the closest that occurs is 'refund'",
    ]
    found = asked(visits, *options, steps="view;cart|baskt;unheard of")
    assert found["notes"] == notes
    told = journey("funnel", "--events", str(visits), "--steps", "view;cart|baskt;unheard of", *options)
    assert told.returncode == 0
    for note in notes:
        assert f"note: {note}" in told.stderr
    assert asked(visits)["notes"] == []


def test_a_column_that_is_not_asked_for_may_hold_anything(tmp_path: Path) -> None:
    """A revenue that is no number stops only who asks about revenue; a time that is none stops everybody."""
    events = tmp_path / "events.csv"
    text = 'customer_id,occurred_at,event_name,revenue\nc,2026-03-01 09:00:00,view,"2.890,00"\n'
    events.write_text(text, encoding="utf-8")
    assert asked(events, steps="view")["steps"][0]["reached"] == 1
    by_revenue = journey("funnel", "--events", str(events), "--steps", "view", "--by", "revenue")
    assert by_revenue.returncode == 2
    assert "journey init" in by_revenue.stderr
    events.write_text(text.replace("2026-03-01", "01.03.2026"), encoding="utf-8")
    assert journey("funnel", "--events", str(events), "--steps", "view").returncode == 2


_THREADS = """
import sys, threading
from journey_analytics.cli import main
seen = set()
threading.setprofile(lambda *_: seen.add(threading.current_thread().name))
try:
    main(sys.argv[1:])
except SystemExit as ended:
    import polars
    pool = [name for name in seen if name.startswith("ThreadPoolExecutor")]
    print(ended.code, polars.thread_pool_size(), len(pool))
"""


def test_a_funnel_takes_no_more_threads_than_its_project_says(tiny: Path, visits: Path) -> None:
    """Neither Polars nor the pool in which chains are found."""
    settings = tiny / "journey.yaml"
    settings.write_text(settings.read_text(encoding="utf-8") + "threads: 1\n", encoding="utf-8")
    asked_for = ("funnel", "-p", str(tiny), "--events", str(visits), "--steps", "view;order")
    ended = subprocess.run(
        [sys.executable, "-c", _THREADS, *asked_for], capture_output=True, text=True, check=True, timeout=120
    )
    assert ended.stdout.splitlines()[-1] == "0 1 1"
