"""The sample project fed week by week against one run over its year: the same bytes in every mart."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from tests.conftest import CHECKOUT, MADE_BY_RUNS
from tests.property.nights import hashes, run_night

_WEEKS = 53
_WEEK_OF = {
    "transactions": (
        "select * exclude (bought_at), week_of(bought_at) as week from ("
        "select *, min(transaction_timestamp) over (partition by basket_id) as bought_at from rows)"
    ),
    "campaigns": (
        "select rows.*, week_of(start_date) as week from rows "
        "inner join campaign_descriptions using (campaign_id)"
    ),
    "coupon_redemptions": "select *, week_of(redemption_date) as week from rows",
}
"""Each input with the week of 2017 in which its rows come; a basket's lines come together."""


@pytest.mark.slow
def test_a_year_fed_week_by_week_is_the_year_in_one_run(tmp_path: Path) -> None:
    """Fifty-three nights; in each the sources are loaded whole, and most households stay as they were."""
    weekly, held_back = tmp_path / "weekly", tmp_path / "held back"
    shutil.copytree(CHECKOUT / "data" / "complete_journey", weekly, ignore=MADE_BY_RUNS)
    held_back.mkdir()
    with duckdb.connect() as engine:
        engine.execute("create macro week_of(moment) as (dayofyear(moment) - 1) // 7")
        descriptions = weekly / "input" / "campaign_descriptions.parquet"
        engine.execute(f"create view campaign_descriptions as from '{descriptions}'")
        for name, rows in _WEEK_OF.items():
            file = weekly / "input" / f"{name}.parquet"
            engine.execute(f"create or replace table rows as from '{file}'")
            engine.execute(f"create or replace table dated as {rows}")
            for week in range(_WEEKS):
                target = held_back / f"{name}-{week:02}.parquet"
                engine.execute(f"copy (select * exclude (week) from dated where week = {week}) to '{target}'")
            file.unlink()
    for mapping in (weekly / "sources").glob("*.yaml"):
        text = mapping.read_text(encoding="utf-8")
        for name in _WEEK_OF:
            text = text.replace(f"input/{name}.parquet", f"input/{name}-*.parquet")
        mapping.write_text(text, encoding="utf-8")
    made_anew = 0
    for week in range(_WEEKS):
        for name in _WEEK_OF:
            file = f"{name}-{week:02}.parquet"
            (held_back / file).rename(weekly / "input" / file)
        run = run_night(weekly, week)
        made_anew += run.night is None
    at_once = tmp_path / "at once"
    shutil.copytree(weekly, at_once, ignore=MADE_BY_RUNS)
    run_night(at_once, _WEEKS)
    assert made_anew == 1
    assert hashes(weekly) == hashes(at_once)
