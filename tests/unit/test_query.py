"""Analysts' queries: one SELECT over the marts, and no way out of them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from time import monotonic

import polars as pl
import pytest

from journey_analytics.errors import QueryError
from journey_analytics.marts import Snapshot
from journey_analytics.query import query
from tests.unit.files import advice
from tests.unit.published import publish


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Marts with two journeys; the folder's name would end a SQL string."""
    journeys = [{"journey_id": "a", "state": "lost"}, {"journey_id": "b", "state": "converted"}]
    return publish(tmp_path_factory.mktemp("mart's"), mart_journeys=journeys)


def _files(snapshot: Snapshot) -> dict[str, int]:
    """Everything under the marts folder, with its size."""
    top = snapshot.folder.parents[1]
    return {str(path): path.stat().st_size for path in top.rglob("*") if path.is_file()}


def _refused(snapshot: Snapshot, sql: str) -> QueryError:
    before = _files(snapshot)
    with pytest.raises(QueryError) as caught:
        query(snapshot, sql)
    assert _files(snapshot) == before
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize(
    "sql",
    [
        "select journey_id from mart_journeys order by journey_id",
        "from mart_journeys select journey_id order by 1;",
        "with own as (select * from mart_journeys) select journey_id from own order by 1",
        "-- a comment\nselect journey_id from mart_journeys order by 1",
    ],
)
def test_one_select_gives_its_rows(snapshot: Snapshot, sql: str) -> None:
    """However it is written."""
    assert query(snapshot, sql)["journey_id"].to_list() == ["a", "b"]


def test_a_plan_may_be_looked_at(snapshot: Snapshot) -> None:
    """EXPLAIN runs nothing."""
    assert query(snapshot, "explain select * from mart_journeys").height >= 1


def test_times_are_utc_and_no_rows_keep_their_columns(snapshot: Snapshot) -> None:
    """An empty answer is an answer."""
    frame = query(snapshot, "select entered_at from mart_journeys where false")
    assert frame.schema == {"entered_at": pl.Datetime("us", "UTC")}
    assert frame.height == 0


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "  ;  ",
        "-- nothing",
        "select 1; select 2",
        "select 1; drop view mart_journeys",
        "copy mart_journeys to 'out.csv'",
        "copy (select 1) to '{folder}/out.parquet'",
        "attach ':memory:' as other",
        "attach '{folder}/other.db' as other",
        "set threads = 1",
        "set enable_external_access = true",
        "reset lock_configuration",
        "pragma database_list",
        "pragma enable_profiling",
        "create table t as select 1",
        "create or replace view mart_journeys as select 1",
        "insert into mart_journeys select * from mart_journeys",
        "update mart_journeys set state = 'lost'",
        "delete from mart_journeys",
        "drop view mart_journeys",
        "install httpfs",
        "load httpfs",
        "call pragma_version()",
        "export database '{folder}/out'",
        "begin",
        "checkpoint",
        "use memory",
    ],
)
def test_anything_but_one_select_is_refused(snapshot: Snapshot, sql: str) -> None:
    """Before it runs, with an example of what may be asked."""
    error = _refused(snapshot, sql.format(folder=str(snapshot.folder).replace("'", "''")))
    assert error.problems[0].what == (
        "a query is exactly one SELECT; it can read the marts and change nothing"
    )
    assert "select * from mart_stage_dropoff" in advice(error)


@pytest.mark.parametrize(
    "sql",
    [
        "explain analyze copy (select 1) to '{folder}/out.parquet'",
        "explain (analyze) copy (select 1) to '{folder}/out.csv'",
        "explain analyze create table t as select 1",
    ],
)
def test_explain_changes_nothing(tmp_path: Path, sql: str) -> None:
    """The snapshot's folder may be read, and so DuckDB would let it be written."""
    snapshot = publish(tmp_path)
    _refused(snapshot, sql.format(folder=snapshot.folder.resolve()))


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('{outside}')",
        "select * from read_text('{outside}')",
        "select * from read_blob('{outside}')",
        "select * from read_parquet('{outside}')",
        "select * from '{outside}'",
        "select * from glob('{top}/*')",
        "select * from sniff_csv('{outside}')",
        "select * from read_text('{folder}/../../CURRENT')",
        "select * from read_csv('https://example.com/a.csv')",
    ],
)
def test_no_file_outside_the_snapshot_can_be_read(snapshot: Snapshot, sql: str) -> None:
    """Not even the pointer beside it."""
    top = snapshot.folder.parents[1]
    names = {"outside": top / "CURRENT", "top": top, "folder": snapshot.folder}
    text = sql.format(**{name: str(path).replace("'", "''") for name, path in names.items()})
    _refused(snapshot, text)


def test_python_variables_are_no_tables(snapshot: Snapshot) -> None:
    """DuckDB would look for a frame of that name among the caller's."""
    secret = pl.DataFrame({"a": [1]})
    assert secret.height == 1
    for name in ("secret", "snapshot", "connection", "sql", "pl"):
        assert f"Table with name {name} does not exist" in str(_refused(snapshot, f"select * from {name}"))


def test_a_query_that_takes_too_long_is_stopped(snapshot: Snapshot) -> None:
    """And says how to allow more."""
    began = monotonic()
    with pytest.raises(QueryError) as caught:
        query(snapshot, "select count(*) from range(1000000000000) t(n) where n % 7 = 3", 0.2)
    assert monotonic() - began < 10
    assert caught.value.problems[0].what == "the query took longer than 0.2 seconds"
    assert "--timeout" in advice(caught.value)


def test_an_unknown_table_is_named_with_the_closest_mart(snapshot: Snapshot) -> None:
    """With the query beside it."""
    sql = "select * from mart_stage_dropof"
    error = _refused(snapshot, sql)
    assert "mart_stage_dropof does not exist" in error.problems[0].what
    assert error.problems[0].where.startswith(sql)
    assert advice(error).startswith("use 'mart_stage_dropoff' (closest known mart)")


def test_a_mistake_is_told_in_the_engines_words_with_its_place(snapshot: Snapshot) -> None:
    """The line, and a caret under the place."""
    error = _refused(snapshot, "select journey_id frm mart_journeys where x")
    assert "Parser Error" in error.problems[0].what
    assert "^" in error.problems[0].where
    assert "Binder Error" in _refused(snapshot, "select nope from mart_journeys").problems[0].what


def test_two_columns_of_one_name_are_no_crash(snapshot: Snapshot) -> None:
    """As every join with `select *` gives them: answered, or refused in our words."""
    sql = "select * from mart_journeys as a join mart_journeys as b on a.journey_id = b.journey_id"
    with suppress(QueryError):
        assert query(snapshot, sql).height == 2
