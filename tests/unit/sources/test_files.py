"""Files as delivered: found in order, and refused as a whole when they cannot be read."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import ConfigError, JourneyError, SourceError
from journey_analytics.sources.channels.rules import read_channels
from journey_analytics.sources.files import csv_header, find_files
from journey_analytics.sources.formats import create_rows
from journey_analytics.sources.mapping import Source, read_mapping
from tests.unit.files import told, write


def _source(folder: Path, kind: str, files: str, extra: str = "") -> Source:
    text = f"source: web\nformat: {kind}\nfiles: {files}\n{extra}"
    columns = "columns: {occurred_at: ts, event_id: id, event_name: n, customer_ref: c}\n"
    return read_mapping(write(folder / "web.yaml", text + columns), read_channels(None))


def _rows(engine: DuckDBEngine, source: Source, folder: Path) -> list[dict[str, Any]]:
    """The rows of the source's files as delivered, without what is added for faults."""
    create_rows(engine, source.mapping, find_files(folder, source)["rows"], "delivered", folder / "scratch")
    return engine.rows("select * exclude (_fault, _text) from delivered")


def _refused(folder: Path, kind: str, files: str) -> SourceError:
    with pytest.raises(SourceError) as caught:
        find_files(folder, _source(folder, kind, files))
    return caught.value


def test_files_are_found_in_the_order_of_their_names(tmp_path: Path) -> None:
    """With their size and the hash of their content."""
    for name in ("b.csv", "a.csv", "c.txt"):
        write(tmp_path / "in" / name, f"id\n{name}\n")
    found = find_files(tmp_path, _source(tmp_path, "csv", "in/*.csv"))["rows"]
    assert [file.path.name for file in found] == ["a.csv", "b.csv"]
    assert found[0].bytes == len("id\na.csv\n")
    assert found[0].sha256 == hashlib.sha256(b"id\na.csv\n").hexdigest()


def test_files_of_a_list_are_those_named_each_once(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        write(tmp_path / name, f"id\n{name}\n")
    found = find_files(tmp_path, _source(tmp_path, "csv", "[c.csv, 'a*.csv', a.csv]"))["rows"]
    assert [file.name for file in found] == ["a.csv", "c.csv"]


def test_every_pattern_of_a_list_must_find_a_file(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "id\n1\n")
    error = _refused(tmp_path, "csv", "[a.csv, b.csv, 'c*.csv']")
    assert [what for _, what in told(error)] == ["no file matches 'b.csv'", "no file matches 'c*.csv'"]


def test_a_pattern_may_find_nothing_that_found_a_file_before_or_waits_for_the_first(tmp_path: Path) -> None:
    source = _source(tmp_path, "csv", "in/web-*.csv")
    assert find_files(tmp_path, source, delivered=["web-1.csv"]) == {}
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / ".gitkeep").touch()
    assert find_files(tmp_path, source, delivered=[]) == {}


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [
        ("in/wbe-*.csv", "use 'in/web-1.csv' (closest known file); known: in/web-1.csv, in/orders.csv"),
        ("ins/web-*.csv", "use 'in' (closest known folder)"),
        ("in/2026/web-*.csv", "put the file into"),
        ("*/web-1.cvs", "use 'in/web-1.csv' (closest known file)"),
    ],
)
def test_a_pattern_that_never_found_a_file_is_refused(tmp_path: Path, pattern: str, advice: str) -> None:
    """Though another source's file lies there, or a file of the same source came by another name."""
    for name in ("orders.csv", "web-1.csv"):
        write(tmp_path / "in" / name, "id\n1\n")
    with pytest.raises(SourceError) as caught:
        find_files(tmp_path, _source(tmp_path, "csv", f"'{pattern}'"), delivered=["old.csv"])
    assert [what for _, what in told(caught.value)] == [f"no file matches '{pattern}'"]
    do = caught.value.problems[0].do
    assert do.startswith(advice)
    assert do.endswith("or take the source out of journey.yaml until its first file is there")


def test_an_empty_list_of_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="files"):
        _source(tmp_path, "csv", "[]")


def test_a_pattern_without_a_file_is_told_with_the_closest(tmp_path: Path) -> None:
    """At the pattern, with the folder that was searched."""
    write(tmp_path / "in" / "events.csv", "id\n1\n")
    error = _refused(tmp_path, "csv", "in/event.csv")
    assert told(error) == [("web.yaml:3:8", "no file matches 'in/event.csv'")]
    assert str(tmp_path) in error.problems[0].where
    assert error.problems[0].do.startswith("use 'in/events.csv' (closest known file)")
    assert error.exit_code == 3


def test_an_empty_folder_says_where_to_put_the_file(tmp_path: Path) -> None:
    """There is no closest name then."""
    error = _refused(tmp_path, "csv", "landing/*.csv")
    assert error.problems[0].do.startswith(f"put the file into {tmp_path / 'landing'}; or ")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_empty_file_is_refused(tmp_path: Path, kind: str) -> None:
    """An upload that broke off before the first byte."""
    (tmp_path / f"a.{kind}").touch()
    error = _refused(tmp_path, kind, f"a.{kind}")
    assert error.problems[0].what == "the file is empty"
    assert error.problems[0].where == f"{tmp_path / f'a.{kind}'}, byte 0"


def test_a_parquet_file_cut_short_is_refused_with_its_length(tmp_path: Path) -> None:
    """Wherever it was cut."""
    path = tmp_path / "a.parquet"
    pl.DataFrame({"id": list(range(1000))}).write_parquet(path)
    whole = path.read_bytes()
    for size in (len(whole) - 1, len(whole) // 2, 5):
        path.write_bytes(whole[:size])
        error = _refused(tmp_path, "parquet", "a.parquet")
        assert error.problems[0].where == f"{path}, byte {size}"
        assert "cut short" in error.problems[0].what


def test_a_damaged_parquet_footer_is_refused(tmp_path: Path) -> None:
    """First and last bytes in place, the footer between them not."""
    path = tmp_path / "a.parquet"
    pl.DataFrame({"id": [1, 2]}).write_parquet(path)
    whole = bytearray(path.read_bytes())
    whole[-40:-8] = b"\xff" * 32
    path.write_bytes(bytes(whole))
    error = _refused(tmp_path, "parquet", "a.parquet")
    assert error.problems[0].what.startswith("the Parquet footer cannot be read")
    assert error.problems[0].where == f"{path}, byte {len(whole) - 8}"


def test_what_is_not_parquet_is_refused(tmp_path: Path) -> None:
    """By its first bytes."""
    write(tmp_path / "a.parquet", "id,name\n1,a\n")
    error = _refused(tmp_path, "parquet", "a.parquet")
    assert (error.problems[0].what, error.problems[0].where) == (
        "the file is not Parquet",
        f"{tmp_path / 'a.parquet'}, byte 0",
    )


def test_a_csv_that_is_not_utf8_is_refused_with_the_byte(tmp_path: Path) -> None:
    """Here the third."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"id\xfc,name\n1,a\n")
    error = _refused(tmp_path, "csv", "a.csv")
    assert error.problems[0].what == "the file is not utf-8 text"
    assert error.problems[0].where == f"{path}, byte 2"


def test_all_faulty_files_are_told_together(tmp_path: Path) -> None:
    """Nobody fetches files one at a time."""
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).touch()
    error = _refused(tmp_path, "csv", "'*.csv'")
    assert [Path(p.where.split(",")[0]).name for p in error.problems] == ["a.csv", "b.csv"]


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf", b"\n", b"\r\n"])
def test_a_csv_without_a_header_is_refused(tmp_path: Path, content: bytes) -> None:
    """A byte order mark alone, or an empty line: there is a file, and nothing in it."""
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(JourneyError):
        find_files(tmp_path, _source(tmp_path, "csv", "a.csv"))


@pytest.mark.parametrize("pattern", ["/absolute/*.csv", "''"])
def test_a_pattern_that_cannot_be_searched_is_refused(tmp_path: Path, pattern: str) -> None:
    """Patterns are relative to the project."""
    with pytest.raises(JourneyError):
        find_files(tmp_path, _source(tmp_path, "csv", pattern))


def test_a_repeated_column_gets_its_number(tmp_path: Path) -> None:
    """In the header and in the rows."""
    path = write(tmp_path / "a.csv", "Case,Variant,Variant\n1,a,b\n")
    assert csv_header(path, _source(tmp_path, "csv", path.name).mapping) == ["Case", "Variant", "Variant_2"]
    source = _source(tmp_path, "csv", "a.csv")
    with DuckDBEngine() as engine:
        rows = _rows(engine, source, tmp_path)
    assert rows == [{"Case": "1", "Variant": "a", "Variant_2": "b", "_file": "a.csv", "_row": 1}]


@pytest.mark.parametrize("header", ["id,ID", "a,a_2,a", "id,"])
def test_any_header_gives_names_that_differ(tmp_path: Path, header: str) -> None:
    """DuckDB folds the case of names, a made name may be taken, and a name may be missing."""
    write(tmp_path / "a.csv", f"{header}\n{','.join('x' * (header.count(',') + 1))}\n")
    source = _source(tmp_path, "csv", "a.csv")
    with DuckDBEngine() as engine:
        (row,) = _rows(engine, source, tmp_path)
    assert len(row) == header.count(",") + 1 + 2


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    """Excel writes one; lines may end as on Windows."""
    path = tmp_path / "a.csv"
    path.write_bytes("\ufeffid;name\r\n1;ä\r\n".encode())
    source = _source(tmp_path, "csv", "a.csv", "delimiter: ';'\n")
    assert csv_header(path, _source(tmp_path, "csv", path.name, "delimiter: ';'\n").mapping) == ["id", "name"]
    with DuckDBEngine() as engine:
        rows = _rows(engine, source, tmp_path)
    assert rows == [{"id": "1", "name": "ä", "_file": "a.csv", "_row": 1}]


def test_nothing_is_guessed_about_csv_fields(tmp_path: Path) -> None:
    """Leading zeros stay, an empty field is null, quotes may hold commas, quotes and lines."""
    write(tmp_path / "a.csv", 'id,n,t\n007,,"a,""b""\nc"\n1e5,null,2024-01-01\n')
    source = _source(tmp_path, "csv", "a.csv")
    with DuckDBEngine() as engine:
        rows = _rows(engine, source, tmp_path)
    assert [(row["id"], row["n"], row["t"], row["_row"]) for row in rows] == [
        ("007", None, 'a,"b"\nc', 1),
        ("1e5", "null", "2024-01-01", 2),
    ]


def test_a_name_that_reads_like_a_pattern_is_a_name(tmp_path: Path) -> None:
    write(tmp_path / "a[1].csv", "id\n1\n")
    write(tmp_path / "a1.csv", "id\n2\n")
    source = _source(tmp_path, "csv", "'a[[]1].csv'")
    with DuckDBEngine() as engine:
        rows = _rows(engine, source, tmp_path)
    assert [(row["id"], row["_file"]) for row in rows] == [("1", "a[1].csv")]


def test_rows_of_several_files_are_numbered_in_each(tmp_path: Path) -> None:
    """Columns are joined by name; a file may lack one."""
    write(tmp_path / "a.csv", "id,n\n1,x\n2,y\n")
    write(tmp_path / "b's.csv", "n,id\nz,3\n")
    source = _source(tmp_path, "csv", "'*.csv'")
    with DuckDBEngine() as engine:
        rows = _rows(engine, source, tmp_path)
    assert [(row["id"], row["n"], row["_file"], row["_row"]) for row in rows] == [
        ("1", "x", "a.csv", 1),
        ("2", "y", "a.csv", 2),
        ("3", "z", "b's.csv", 1),
    ]


@pytest.mark.parametrize(
    ("packed", "ending"),
    [(gzip.compress(b"id\n1\n"), ".gz"), (pa.compress(b"id\n1\n", "zstd", asbytes=True), ".zst")],
    ids=["gzip", "zstd"],
)
def test_a_packed_file_without_its_ending_is_told_as_such(tmp_path: Path, packed: bytes, ending: str) -> None:
    """And not as text in another encoding; under the name it should have it is read."""
    path = tmp_path / "web.csv"
    path.write_bytes(packed)
    (problem,) = _refused(tmp_path, "csv", "web.csv").problems
    assert f"{ending} by its content" in problem.what
    assert problem.do == f"call it web.csv{ending}"
    path.rename(tmp_path / f"web.csv{ending}")
    assert find_files(tmp_path, _source(tmp_path, "csv", "web.csv*"))["rows"]
