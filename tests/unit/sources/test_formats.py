"""Files as they come: encodings, packing, ragged and broken rows, with the row each fault stands in."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zipfile
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from journey_analytics.errors import SourceError
from journey_analytics.sources import files, xes
from tests.unit.sources.loading import Loaded, load

COLUMNS = "columns: {occurred_at: seen, event_name: name, customer_ref: who}\nkey: [seen, name, who]\n"
ROWS = "seen,name,who\n2024-05-01,visit,Zoë\n2024-05-02,Kauf,Zoë\n"
EVENTS = [("2024-05-01 00:00:00", "visit", "Zoë"), ("2024-05-02 00:00:00", "Kauf", "Zoë")]


def csv(tmp_path: Path, content: bytes | str, more: str = "", name: str = "a.csv") -> Loaded:
    """A CSV file of three columns, loaded."""
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return load(tmp_path, f"source: test\nformat: csv\nfiles: {name}\n{COLUMNS}{more}")


def told(loaded: Loaded) -> list[tuple[str, ...]]:
    return loaded.told("at", "event_name", "customer_ref")


@pytest.mark.parametrize(
    ("content", "more"),
    [
        (ROWS.encode("latin-1"), "encoding: latin-1"),
        (ROWS.encode("utf-16"), "encoding: utf-16"),
        (b"\xef\xbb\xbf" + ROWS.encode(), ""),
        (ROWS.replace(",", "\t").encode(), 'delimiter: "\\t"'),
        (ROWS.replace(",", ";").encode(), 'delimiter: ";"'),
        (ROWS.replace(",", "|").replace("Kauf", "'Kauf'").encode(), "delimiter: '|'\nquote: \"'\""),
        (ROWS.replace("\n", "\r\n").encode(), ""),
        (ROWS.removesuffix("\n").encode(), ""),
        (ROWS.partition("\n")[2].encode(), "fields: [seen, name, who]"),
    ],
    ids=["latin-1", "utf-16", "bom", "tab", "semicolon", "quote", "crlf", "no last newline", "no header"],
)
def test_csv_dialects_read_the_same(tmp_path: Path, content: bytes, more: str) -> None:
    loaded = csv(tmp_path, content, more)
    assert told(loaded) == EVENTS
    assert loaded.bad_rows == []


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_packed_files_read_the_same(tmp_path: Path, ending: str) -> None:
    with pa.CompressedOutputStream(str(tmp_path / "b"), {"gz": "gzip", "zst": "zstd"}[ending]) as stream:
        stream.write(ROWS.encode())
    loaded = csv(tmp_path, (tmp_path / "b").read_bytes(), name=f"a.csv.{ending}")
    assert told(loaded) == EVENTS


def test_lines_that_end_in_different_ways_are_lines_all_the_same(tmp_path: Path) -> None:
    loaded = csv(
        tmp_path, 'seen,name,who\r\n2024-05-01,visit,a\n2024-05-01,"two\r\nlines",b\r\n2024-05-01,visit,c\n'
    )
    assert loaded.bad_rows == []
    assert sorted(loaded.told("customer_ref", "event_name")) == [
        ("a", "visit"),
        ("b", "two\r\nlines"),
        ("c", "visit"),
    ]


@pytest.mark.parametrize("block", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("packed", [False, True])
def test_a_carriage_return_inside_a_record_costs_that_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, *, packed: bool
) -> None:
    monkeypatch.setattr(files, "_BLOCK", block)
    text = (
        'seen,name,who\n2024-05-01,visit,Zo\xeb\n2024-05-01,vi\rsit,b\n2024-05-01,"a ""quoted""\rone",c\r\n'
        "2024-05-01,visit,d\r"
    ).encode()
    loaded = csv(tmp_path, gzip.compress(text) if packed else text, name="a.csv.gz" if packed else "a.csv")
    assert [row[1:] for row in loaded.bad_rows] == [
        (2, "who", "2024-05-01,vi", "too few fields"),
        (3, "who", "sit,b", "too few fields"),
    ]
    assert sorted(loaded.told("customer_ref", "event_name")) == [
        ("Zo\xeb", "visit"),
        ("c", 'a "quoted"\rone'),
        ("d", "visit"),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block", [1, 2, 1 << 20])
def test_blank_lines_are_no_records_however_lines_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, end: str
) -> None:
    monkeypatch.setattr(files, "_BLOCK", block)
    lines = ["seen,name,who", "2024-05-01,visit,a", "", "2024-05-01,b", "2024-05-01,visit,c", ""]
    loaded = csv(tmp_path, end.join(lines))
    assert loaded.bad_rows == [("a.csv", 2, "who", "2024-05-01,b", "too few fields")]


def test_a_bad_row_is_told_with_its_place_among_the_records(tmp_path: Path) -> None:
    loaded = csv(
        tmp_path,
        'seen,name,who\n2024-05-01,"two\n\nlines",a\n\n2024-05-01,b\n2024-05-01,visit,c\n\n\n2024-05-01,d,d,d\n'
        '2024-05-01,visit,"e"e\nnever,visit,f\n2024-05-01,visit,g',
    )
    assert loaded.bad_rows == [
        ("a.csv", 2, "who", "2024-05-01,b", "too few fields"),
        ("a.csv", 4, None, "2024-05-01,d,d,d", "too many fields"),
        ("a.csv", 5, "who", '2024-05-01,visit,"e"e', "broken quoting"),
        ("a.csv", 6, "occurred_at", "never", "not a time"),
    ]
    assert sorted(who for (who,) in loaded.told("customer_ref")) == ["a", "c", "g"]
    assert loaded.totals.rows == 7


def test_bad_rows_of_a_packed_file_have_the_same_places(tmp_path: Path) -> None:
    content = gzip.compress(b"seen,name,who\n\n2024-05-01,b\nnever,visit,c\n2024-05-01,visit,d\n")
    loaded = csv(tmp_path, content, name="a.csv.gz")
    assert [row[:2] + row[4:] for row in loaded.bad_rows] == [
        ("a.csv.gz", 1, "too few fields"),
        ("a.csv.gz", 2, "not a time"),
    ]


def test_a_file_that_grew_tells_each_bad_row_once(tmp_path: Path) -> None:
    content = "seen,name,who\n2024-05-01,visit,a\n\n\n2024-05-01,b\n"
    assert csv(tmp_path, content).totals.rows == 2
    loaded = csv(tmp_path, content + "\nnever,visit,c\n2024-05-02,visit,d\n")
    assert (loaded.totals.loads, loaded.totals.rows) == (2, 4)
    assert [row[1] for row in loaded.bad_rows] == [2, 3]


def test_text_in_another_encoding_is_a_bad_row(tmp_path: Path) -> None:
    content = ROWS + "2024-05-03,visit,Zoe\n" * 1_000
    loaded = csv(tmp_path, content.encode() + "2024-05-04,visit,Zoë\n".encode("latin-1"))
    assert [(row[1], row[4]) for row in loaded.bad_rows] == [(1_003, "not text in the declared encoding")]


def test_a_row_in_another_encoding_costs_itself_even_at_the_start(tmp_path: Path) -> None:
    loaded = csv(tmp_path, ROWS.encode("latin-1"))
    refused = [row[4] for row in loaded.bad_rows]
    assert refused == ["not text in the declared encoding"] * len(refused)
    assert len(refused) == sum(not line.isascii() for line in ROWS.splitlines())
    assert len(refused) > 0


def test_columns_of_one_name_are_numbered(tmp_path: Path) -> None:
    loaded = csv(
        tmp_path,
        "seen,name,who,Variant,x,Variant\n2024-05-01,visit,a,one,x,two\n",
    )
    assert len(loaded.events) == 1
    loaded = load(
        tmp_path,
        "source: test\nformat: csv\nfiles: a.csv\nkey: [seen, Variant_2]\n"
        "columns: {occurred_at: seen, event_name: name, customer_ref: who, "
        "properties.first: Variant, properties.second: Variant_2}\n",
    )
    assert loaded.told("first", "second") == [("one", "two")]


def test_declared_columns_a_csv_does_not_have_are_empty(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(ROWS, encoding="utf-8")
    columns = COLUMNS.replace("}", ", revenue: extra}")
    mapping = f"source: test\nformat: csv\nfiles: a.csv\n{columns}fields: {{WHO: VARCHAR, extra: VARCHAR}}\n"
    loaded = load(tmp_path, mapping)
    assert told(loaded) == EVENTS
    assert loaded.told("revenue") == [(None,), (None,)]


@pytest.mark.parametrize(("cut", "what"), [(slice(0, -12), "cut short"), (slice(0, None), "CRC")])
def test_a_damaged_gzip_file_stops_the_load_with_its_byte(tmp_path: Path, cut: slice, what: str) -> None:
    content = bytearray(gzip.compress(ROWS.encode() * 1_000)[cut])
    if what == "CRC":
        content[-6] ^= 1
    with pytest.raises(SourceError, match=what) as caught:
        csv(tmp_path, bytes(content), name="a.csv.gz")
    assert f"a.csv.gz, byte {len(content)}" in str(caught.value)


def test_a_zip_member_that_is_damaged_inside_stops_the_load(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(ROWS.encode()))
    content[-6] ^= 1
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a.csv.gz", bytes(content))
    with pytest.raises(SourceError, match=r"damaged or cut short: CRC") as caught:
        load(tmp_path, f"source: test\nformat: csv\nfiles: z.zip\n{COLUMNS}")
    assert "z.zip/a.csv.gz, byte" in str(caught.value)


def test_a_cut_parquet_file_stops_the_load_with_its_byte(tmp_path: Path) -> None:
    with duckdb.connect() as engine:
        engine.execute(f"copy (select 1 as a) to '{tmp_path}/a.parquet'")
    content = (tmp_path / "a.parquet").read_bytes()[:-4]
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(SourceError, match="footer is missing") as caught:
        load(tmp_path, f"source: test\nformat: parquet\nfiles: a.parquet\n{COLUMNS}")
    assert f"a.parquet, byte {len(content)}" in str(caught.value)


def test_json_lines_that_are_no_events_do_not_cost_the_file(tmp_path: Path) -> None:
    def line(who: str) -> str:
        return json.dumps({"seen": "2024-05-01", "name": "visit", "who": who}, ensure_ascii=False)

    text = "\n".join([line("a"), "", line("x" * (17 << 20)), "{", line("Zoë"), '["b"]', line("c")])
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + text.encode())
    fields = "fields: {seen: VARCHAR, name: VARCHAR, who: VARCHAR}\n"
    loaded = load(tmp_path, f"source: test\nformat: jsonl\nfiles: a.jsonl\n{fields}{COLUMNS}")
    assert sorted(who for (who,) in loaded.told("customer_ref")) == ["Zoë", "a", "c"]
    assert [(row[1], row[2], row[4]) for row in loaded.bad_rows] == [
        (2, None, "line too long"),
        (3, None, "not JSON"),
        (5, "occurred_at", "no time"),
    ]
    assert loaded.totals.rows == 6


def trace(number: int) -> str:
    time = '<date key="time:timestamp" value="2024-05-01"/>'
    event = f'<event><string key="concept:name" value="open"/>{time}</event>'
    return f'<trace><string key="concept:name" value="T{number}"/>{event * 20}</trace>'


def test_xes_is_unpacked_and_read_as_a_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, target = tmp_path / "log.xes.gz", tmp_path / "log.parquet"
    with gzip.open(path, "wt") as file:
        file.write("<log>")
        file.writelines(trace(number) for number in range(2_500))
        file.write("</log>")
    monkeypatch.setattr(xes, "_ROWS_PER_BATCH", 1_000)
    small = tmp_path / "small.xes"
    small.write_text(f"<log>{trace(1)}</log>", encoding="utf-8")
    xes.xes_to_parquet(small, target)  # so that what is imported on first use is not counted
    tracemalloc.start()
    try:
        xes.xes_to_parquet(path, target)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    counts = "count(*), count(distinct case_id), max(event_number)"
    assert duckdb.execute(f"select {counts} from '{target}'").fetchall() == [(50_000, 2_500, 50_000)]
    # all elements at once take ten times as much
    assert peak < 5_000_000


def test_broken_xes_stops_the_load_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "log.xes"
    path.write_text(f"<log>\n{trace(1)}\n<trace></log>\n", encoding="utf-8")
    with pytest.raises(SourceError, match="not well-formed: mismatched tag") as caught:
        xes.xes_to_parquet(path, tmp_path / "log.parquet")
    assert f"{path}:3:10" in str(caught.value)
