"""Source mappings: every complaint that needs no data, at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from journey_analytics.errors import ConfigError
from journey_analytics.sources.channels.rules import read_channels
from journey_analytics.sources.mapping import Source, read_mapping
from tests.unit.files import told, write

_TOP = "source: web\nformat: csv\nfiles: in.csv\n"
_COLUMNS = {
    "occurred_at": "ts",
    "event_id": "id",
    "event_name": "name",
    "customer_ref": "who",
}


def _text(top: str = _TOP, **columns: str | None) -> str:
    """A mapping whose columns begin on line 5, one a line; a column given as None is left out."""
    merged = {name: text for name, text in {**_COLUMNS, **columns}.items() if text is not None}
    return top + "columns:\n" + "".join(f"  {name}: {text}\n" for name, text in merged.items())


def _read(tmp_path: Path, text: str) -> Source:
    return read_mapping(write(tmp_path / "web.yaml", text), read_channels(None))


def _refused(tmp_path: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, text)
    return caught.value


def test_a_mapping_is_read(tmp_path: Path) -> None:
    """One unnamed pattern is called rows."""
    mapping = _read(tmp_path, _text()).mapping
    assert (mapping.source, mapping.timezone, mapping.delimiter) == ("web", "UTC", ",")
    assert mapping.inputs == {"rows": ("in.csv",)}
    assert mapping.query is None


def test_an_unknown_key_is_named_with_the_closest(tmp_path: Path) -> None:
    """At the key."""
    error = _refused(tmp_path, _text(_TOP.replace("format", "formt")))
    assert ("web.yaml:2:1", "unknown key 'formt'") in told(error)
    assert "use 'format' (closest known key)" in str(error)


@pytest.mark.parametrize(
    ("old", "new", "place", "what"),
    [
        ("source: web", "source: Web-1", "web.yaml:1:9", "source: String should match pattern"),
        (
            "format: csv",
            "format: xlsx",
            "web.yaml:2:9",
            "format: Input should be 'csv', 'jsonl', 'parquet', 'xes' or 'access_log'",
        ),
        ("files", "timezone: Mars/Base\nfiles", "web.yaml:3:11", "timezone: unknown time zone"),
        ("files", "delimiter: ';;'\nfiles", "web.yaml:3:12", "delimiter: String should have at most"),
        ("files", "key: id\nfiles", "web.yaml:3:6", "key: this is no list: id"),
        ("files", "late_window: 9999999d\nfiles", "web.yaml:3:14", "late_window: Input should be less than"),
    ],
)
def test_a_wrong_value_is_told_at_the_value(
    tmp_path: Path, old: str, new: str, place: str, what: str
) -> None:
    """With what it may be."""
    ((where, found),) = told(_refused(tmp_path, _text(_TOP.replace(old, new))))
    assert where == place
    assert found.startswith(what)


def test_files_of_a_wrong_type_are_one_problem_of_files(tmp_path: Path) -> None:
    """Whichever of its kinds was meant."""
    error = _refused(tmp_path, _text(_TOP.replace("in.csv", "[[a.csv], b.csv]")))
    ((place, what),) = told(error)
    assert place == "web.yaml:3:8"
    assert what.startswith("files: ")


def test_an_unknown_event_column_is_named_with_the_closest(tmp_path: Path) -> None:
    """So is a property whose name could not be asked for."""
    error = _refused(tmp_path, _text(revenu="total"))
    assert told(error) == [("web.yaml:9:3", "unknown event column 'revenu'")]
    assert "use 'revenue' (closest known column)" in str(error)
    for name in ("properties.", "properties.a-b", "properties.1a", '"properties.a b"'):
        assert "unknown event column" in str(_refused(tmp_path, _text(**{name: "x"})))


@pytest.mark.parametrize("column", ["occurred_at", "event_name"])
def test_a_column_that_every_event_needs_is_missed(tmp_path: Path, column: str) -> None:
    """At `columns`."""
    error = _refused(tmp_path, _text(**{column: None}))
    assert told(error) == [("web.yaml:4:1", f"columns.{column} is missing")]


def test_some_id_of_the_customer_is_needed(tmp_path: Path) -> None:
    """The anonymous one will do."""
    error = _refused(tmp_path, _text(customer_ref=None))
    assert told(error) == [("web.yaml:4:1", "neither customer_ref nor anonymous_ref is mapped")]
    _read(tmp_path, _text(customer_ref=None, anonymous_ref="cookie"))


def test_events_must_be_told_apart(tmp_path: Path) -> None:
    """By an id or by a key."""
    error = _refused(tmp_path, _text(event_id=None))
    assert told(error) == [("web.yaml:4:1", "events cannot be told apart: there is no event_id and no key")]
    _read(tmp_path, _text("key: [a, b]\n" + _TOP, event_id=None))


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("a b c", "is not an SQL expression"),
        ("(a", "is not an SQL expression"),
        ("a, b", "is more than one expression"),
        ("a; drop table events", "is more than one expression"),
        ("a from other", "is a query, not an expression"),
        ("a where b", "is a query, not an expression"),
        ("'*'", None),
        ("'\"*\"'", None),
        ("a as b", "is not one value"),
        ("(select 1)", "holds a subquery"),
        ("a in (select b from c)", "holds a subquery"),
        ("exists (select 1)", "holds a subquery"),
        ("row_number() over ()", "holds a window"),
        ("max(a)", "holds an aggregate"),
        ("upper(max(a))", "holds an aggregate"),
    ],
)
def test_an_expression_is_one_value_of_a_row(tmp_path: Path, expression: str, what: str | None) -> None:
    """Nothing that reads elsewhere or looks at other rows."""
    text = _text(channel=f'"{expression}"' if what else expression)
    if what is None:
        # in YAML's quotes the star is SQL's star, in SQL's quotes too it is a column of that name
        if expression == "'*'":
            assert "is not one value" in str(_refused(tmp_path, text))
        else:
            _read(tmp_path, text)
        return
    ((place, found),) = told(_refused(tmp_path, text))
    assert place == "web.yaml:9:12"
    assert found.startswith("channel: ")
    assert what in found


@pytest.mark.parametrize(
    ("query", "what", "do"),
    [
        ("selct 1", "the query is not", "write a single SELECT over: baskets, lines"),
        ("select 1; select 2", "the query is not one SELECT", "over: baskets, lines"),
        ("drop table baskets", "the query is not one SELECT", "over: baskets, lines"),
        ("copy baskets to 'x'", "the query is not one SELECT", "over: baskets, lines"),
        ("select * from basket", "the query reads 'basket'", "use 'baskets' (closest known file)"),
        ("select * from '/etc/passwd'", "the query reads", "known: baskets, lines"),
        ("select * from read_csv('x')", "the query calls read_csv", "over: baskets, lines"),
        ("select * from main.baskets", "which is not one of its files", "over: baskets, lines"),
        ("select (select max(a) from secret) from lines", "the query reads 'secret'", "known:"),
        ("with x as (select * from read_text('x')) select * from x", "the query calls read_text", ""),
    ],
)
def test_a_query_is_one_select_over_its_own_files(tmp_path: Path, query: str, what: str, do: str) -> None:
    """Nothing else can be reached through it."""
    top = "source: web\nformat: csv\nfiles: {baskets: b.csv, lines: l.csv}\n"
    ((place, found),) = told(error := _refused(tmp_path, _text(f'{top}query: "{query}"\n')))
    assert place == "web.yaml:4:8"
    assert what in found
    assert do in error.problems[0].do


def test_a_query_may_use_names_of_its_own(tmp_path: Path) -> None:
    """CTEs, joins, aliases, unions."""
    query = (
        "with b as (select * from baskets) select l.id from b join lines as l using (id) "
        "union all select id from lines"
    )
    top = "source: web\nformat: csv\nfiles: {baskets: b.csv, lines: l.csv}\n"
    assert _read(tmp_path, _text(f"{top}query: {query}\n")).mapping.query == query


def test_several_files_need_a_query(tmp_path: Path) -> None:
    """It is not for us to guess how they belong together."""
    top = _TOP.replace("in.csv", "{a: a.csv, b: b.csv}")
    assert told(_refused(tmp_path, _text(top))) == [("web.yaml:3:1", "several files need a 'query'")]


def test_several_faults_of_one_file_come_together(tmp_path: Path) -> None:
    """Each at its own line and column."""
    text = _text(_TOP + "query: select * from other\n", event_name=None, revenu="max(x)")
    assert sorted(told(_refused(tmp_path, text))) == [
        ("web.yaml:4:8", "the query reads 'other'"),
        ("web.yaml:5:1", "columns.event_name is missing"),
        ("web.yaml:9:11", "revenu: 'max(x)' holds an aggregate"),
        ("web.yaml:9:3", "unknown event column 'revenu'"),
    ]
