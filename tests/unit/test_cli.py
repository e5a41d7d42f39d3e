"""The command line as a user meets it: exit codes, places, words; a few cases in a process of their own."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from journey_analytics.cli import app
from journey_analytics.marts import current
from journey_analytics.run import STEPS
from tests.conftest import CHECKOUT, copy_project, journey, journey_process, mart_hashes, run_project

Edit = Callable[[Path, str, str], None]


def assert_refused(result: subprocess.CompletedProcess[str], exit_code: int, *words: str) -> None:
    """The exit code, every word on stderr, and no traceback."""
    assert result.returncode == exit_code, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr, result.stderr


def test_run_tells_what_it_did_and_shows_the_funnel(tiny: Path) -> None:
    result = journey_process("run", "-p", str(tiny))
    assert result.returncode == 0, result.stderr
    assert f"[1/{len(STEPS)}]" in result.stderr
    assert "7 touchpoints up to 2026-01-20, 1 copies, 0 later events" in result.stderr
    assert "Stage funnel" in result.stdout
    assert (tiny / "reports" / "report.html").is_file()
    again = journey("run", "-p", str(tiny), "--json")
    assert json.loads(again.stdout)["was_up_to_date"] is True


def test_tiny_marts_are_what_the_eye_counts(tiny: Path) -> None:
    """ann visits, fills a cart, orders twice; bob fills a cart; cyd visits once, delivered twice."""
    run_project(tiny)
    asked = journey(
        "query", "-p", str(tiny), "--json",
        "select stage, journeys_reached, journeys_continued, journeys_dropped, journeys_open "
        "from mart_stage_dropoff where channel_role = 'all' and funnel_kind = 'progressive' "
        "order by stage_ordinal",
    )  # fmt: skip
    rows = [tuple(row.values()) for row in json.loads(asked.stdout)]
    assert rows == [
        ("awareness", 3, 2, 0, 1),
        ("consideration", 2, 1, 0, 1),
        ("purchase", 1, 1, 0, 0),
        ("loyalty", 1, 1, 0, 0),
    ]
    # 23:30 UTC is already the next day in Berlin
    asked = journey(
        "query", "-p", str(tiny), "--csv",
        "select event_id, occurred_date, stage from mart_touchpoints "
        "where customer_id = 'ann' order by occurred_at",
    )  # fmt: skip
    assert list(csv.reader(io.StringIO(asked.stdout)))[1:] == [
        ["e1", "2026-01-05", "awareness"],
        ["e2", "2026-01-05", "consideration"],
        ["e3", "2026-01-06", "purchase"],
        ["e4", "2026-01-20", "loyalty"],
    ]


def test_date_reports_as_of_the_end_of_that_day(tiny: Path) -> None:
    result = journey("run", "-p", str(tiny), "--date", "2026-01-06", "--json")
    assert result.returncode == 0, result.stderr
    outcome = json.loads(result.stdout)
    assert outcome["as_of"] == "2026-01-06"
    assert outcome["marts"]["mart_touchpoints"] == 5  # e3 is of 6 January in Berlin; e4 and e7 come later


def test_marts_list_and_describe(tiny: Path) -> None:
    run_project(tiny)
    listed = json.loads(journey("marts", "list", "-p", str(tiny), "--json").stdout)
    assert {mart["mart"]: mart["rows"] for mart in listed["marts"]}["mart_journeys"] == 3
    described = journey("marts", "describe", "mart_journeys", "-p", str(tiny))
    for column in pl.read_parquet(
        f"{listed['folder']}/mart_journeys/*/part-0.parquet", hive_partitioning=False
    ).columns:
        assert column in described.stdout
    assert_refused(journey("marts", "describe", "mart_journey", "-p", str(tiny)), 2, "'mart_journeys'")


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    assert_refused(journey("run", "-p", str(tmp_path)), 2, "journey.yaml", str(tmp_path))
    assert_refused(journey("run", "-p", str(tmp_path / "no")), 2, "does not exist")


def test_nothing_published_yet_is_said(tiny: Path) -> None:
    assert_refused(journey("query", "-p", str(tiny), "select 1"), 2, "no marts have been published")


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "word"),
    [
        ("journey.yaml", "session_timeout", "sesion_timeout", "journey.yaml:5:1", "'session_timeout'"),
        ("journey.yaml", "stage: purchase", "stage: purchse", "journey.yaml:4:21", "'purchase'"),
        ("journey.yaml", "Europe/Berlin", "Europe/Berln", "journey.yaml:3:11", "'Europe/Berlin'"),
        ("journey.yaml", "30m", "30", "journey.yaml:5:18", "30m or 90d"),
        ("stages.yaml", "stage: awareness", "stage: awarenes", "stages.yaml:3:12", "'awareness'"),
        ("stages.yaml", "rule: cart", "rule: visit", "stages.yaml:5:5", "first on line 2"),
        ("sources/web.yaml", "event_name", "event_nam", "web.yaml:8:3", "'event_name'"),
        ("sources/web.yaml", "amount", "amunt", "web.yaml:11:12", "'amount'"),
        ("sources/web.yaml", "source: web", "source: [", "web.yaml:", "not valid YAML"),
    ],
)
def test_a_wrong_word_in_a_file_is_named_with_its_place_and_mend(
    tiny: Path, edit: Edit, file: str, old: str, new: str, place: str, word: str
) -> None:
    run_project(tiny)
    before = mart_hashes(current(tiny / "marts"))
    edit(tiny / file, old, new)
    assert_refused(journey("run", "-p", str(tiny)), 2, place, word)
    assert mart_hashes(current(tiny / "marts")) == before


def test_all_faults_of_a_project_are_told_together(tiny: Path, edit: Edit) -> None:
    edit(tiny / "stages.yaml", "stage: awareness", "stage: awarenes")
    edit(tiny / "stages.yaml", "stage: loyalty", "stage: loyal")
    edit(tiny / "sources/web.yaml", "occurred_at", "occured_at")
    result = journey("run", "-p", str(tiny))
    assert_refused(result, 2, "stages.yaml:3:12", "stages.yaml:9:12", "web.yaml:7:3", "'occurred_at'")


def test_a_missing_file_is_named(tiny: Path) -> None:
    (tiny / "input" / "web.csv").rename(tiny / "input" / "wb.csv")
    assert_refused(journey("run", "-p", str(tiny)), 3, "web*.csv", "'input/wb.csv'")


def test_an_empty_file_is_named(tiny: Path) -> None:
    (tiny / "input" / "web2.csv").touch()
    assert_refused(journey("run", "-p", str(tiny)), 3, "web2.csv, byte 0", "empty")


def test_a_header_without_rows_stops_at_the_raw_gate(tiny: Path) -> None:
    text = (tiny / "input" / "web.csv").read_text(encoding="utf-8")
    (tiny / "input" / "web.csv").write_text(text.splitlines()[0] + "\n", encoding="utf-8")
    assert_refused(journey("run", "-p", str(tiny)), 3, "GateError", "load_web")
    assert not (tiny / "marts" / "CURRENT").exists()


def test_a_truncated_parquet_file_is_named_with_its_length(tmp_path: Path) -> None:
    folder = copy_project(CHECKOUT / "data" / "complete_journey", tmp_path / "sample")
    path = folder / "input" / "transactions.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:1_000_000])
    refused = journey_process("run", "-p", str(folder))
    assert_refused(refused, 3, "transactions.parquet, byte 1000000", "cut short")
    assert not (folder / "marts" / "CURRENT").exists()


def test_a_damaged_parquet_page_stops_the_run(tmp_path: Path) -> None:
    """Header and footer are whole, a page of a column that is read is not."""
    folder = copy_project(CHECKOUT / "data" / "complete_journey", tmp_path / "sample")
    path = folder / "input" / "transactions.parquet"
    described = pq.read_metadata(path)
    names = described.schema.names
    chunk = described.row_group(0).column(names.index("sales_value"))
    content = bytearray(path.read_bytes())
    middle = chunk.data_page_offset + chunk.total_compressed_size // 2
    content[middle : middle + 1000] = bytes(1000)
    path.write_bytes(content)
    assert_refused(journey("run", "-p", str(folder)), 3, "'baskets' breaks off while it is read")
    assert not (folder / "marts" / "CURRENT").exists()


def test_bad_rows_go_to_quarantine_and_too_many_stop_the_run(tiny: Path) -> None:
    run_project(tiny)
    before = mart_hashes(current(tiny / "marts"))
    path = tiny / "input" / "web.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    good = [f"x{n},2026-01-0{n % 9 + 1} 10:00:00,visit,dan,email," for n in range(30)]
    path.write_text("\n".join([*lines, *good, "bad,31/04/2026,visit,eve,ads,"]) + "\n", encoding="utf-8")
    result = journey("run", "-p", str(tiny), "--strict")
    assert result.returncode == 1, result.stderr
    assert "1 rows in quarantine" in result.stderr
    assert "warning: load_web" in result.stderr
    good_marts = mart_hashes(current(tiny / "marts"))
    assert good_marts != before
    path.write_text("\n".join([*lines, "bad,31/04/2026,visit,eve,ads,"]) + "\n", encoding="utf-8")
    told = "1 of 1 rows that came in are set aside: 1 not a time (occurred_at '31/04/2026'), the first in "
    assert_refused(journey("run", "-p", str(tiny)), 3, "load_web", f"{told}web.csv")
    assert mart_hashes(current(tiny / "marts")) == good_marts


def test_usage_mistakes_name_the_flag(tiny: Path) -> None:
    wrong = journey("query", "-p", str(tiny), "--jso", "select 1")
    assert_refused(wrong, 2, "--json")
    assert_refused(journey("rn"), 2, "run")
    assert_refused(journey("run", str(tiny)), 2, f"name the project with -p: -p {tiny}")
    missing = journey("query", "-p", str(tiny))
    assert_refused(missing, 2, "SQL")
    assert "--sql" not in missing.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = journey_process("run", "-p", str(tmp_path), "--debug")
    assert "Traceback" in result.stderr


def test_every_command_has_help_with_an_example() -> None:
    for words in (
        ["run"],
        ["status"],
        ["backfill"],
        ["demo"],
        ["report"],
        ["init"],
        ["generate"],
        ["query"],
        ["funnel"],
        ["alerts"],
        ["quality"],
        ["docs"],
        ["erase"],
        ["quarantine", "list"],
        ["quarantine", "show"],
        ["quarantine", "release"],
        ["sources", "check"],
        ["channels", "explain"],
        ["rules", "check"],
        ["rules", "test"],
        ["marts", "list"],
        ["marts", "describe"],
        ["marts", "history"],
        ["marts", "diff"],
        ["marts", "restore"],
        ["marts", "verify"],
        ["journeys", "list"],
        ["journeys", "show"],
        ["rules", "coverage"],
        ["rules", "explain"],
        ["rules", "diff"],
        ["rules", "suggest"],
    ):
        text = journey(*words, "--help").stdout
        assert "Examples:" in text, words
        assert f"journey {' '.join(words)}" in text, words
    names = {name for name in app if not name.startswith("-")}
    assert names == {
        "run",
        "status",
        "backfill",
        "demo",
        "report",
        "init",
        "generate",
        "query",
        "sources",
        "channels",
        "rules",
        "marts",
        "alerts",
        "quality",
        "journeys",
        "funnel",
        "docs",
        "erase",
        "quarantine",
    }, "a new command needs a line above"


def test_version_names_the_package() -> None:
    assert journey("--version").stdout.startswith("journey ")


def test_help_loads_no_slow_library() -> None:
    code = (
        "import sys; from journey_analytics.cli import _call; _call(['--help'], debug=True); "
        "slow = {'great_expectations', 'prefect', 'pandas', 'duckdb', 'polars', 'numba'} & set(sys.modules); "
        "sys.exit(f'loaded {slow}' if slow else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_init_drafts_a_project_that_runs(tmp_path: Path) -> None:
    """From a bare CSV to a funnel, with what was guessed told."""
    rows = [
        "page;when;user_id;utm_source",
        *(f"1 - landing;{day}.01.2026 9:{day:02};u{day};google" for day in range(10, 20)),
        *(f"2 - cart;{day}.01.2026 10:{day:02};u{day};google" for day in range(10, 14)),
        "3 - purchase;13.01.2026 11:00;u10;google",
    ]
    (tmp_path / "export.csv").write_text("\n".join(rows).replace("page;when", "event;time"), encoding="utf-8")
    drafted = journey("init", str(tmp_path / "shop"), "--from", str(tmp_path / "export.csv"))
    assert drafted.returncode == 0, drafted.stderr
    for word in ("%d.%m.%Y %H:%M", "customer_ref", "stage purchase", "a guess"):
        assert word in drafted.stdout
    asked = journey("run", "-p", str(tmp_path / "shop"), "--json")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["marts"]["mart_touchpoints"] == 15
    again = journey("init", str(tmp_path / "shop"), "--from", str(tmp_path / "export.csv"))
    assert_refused(again, 2, "holds a project already")


def test_init_takes_the_files_it_was_given_and_no_other(tmp_path: Path) -> None:
    """Also where they lie in two folders, or have a name that reads like a pattern."""
    (tmp_path / "more").mkdir()
    for number, name in enumerate(("a.csv", "more/b[1].csv", "other.csv", "more/b1.csv")):
        text = f"event,time,user_id\nvisit,2026-01-0{number + 1} 09:00:00,u{number}\n"
        (tmp_path / name).write_text(text, encoding="utf-8")
    given = [str(tmp_path / "a.csv"), str(tmp_path / "more" / "b[1].csv")]
    drafted = journey("init", str(tmp_path / "shop"), "--from", *given)
    assert drafted.returncode == 0, drafted.stderr
    (preview,) = json.loads(journey("sources", "check", "-p", str(tmp_path / "shop"), "--json").stdout)
    assert sorted(row["customer_ref"] for row in preview["rows"]) == ["u0", "u1"]


def test_init_refuses_files_of_two_formats(tmp_path: Path) -> None:
    for name in ("a.csv", "b.jsonl"):
        (tmp_path / name).write_text("event,time,user_id\nvisit,2026-01-01 09:00:00,u\n", encoding="utf-8")
    given = [str(tmp_path / name) for name in ("a.csv", "b.jsonl")]
    assert_refused(journey("init", str(tmp_path / "shop"), "--from", *given), 2, "several endings")


def test_init_says_what_it_could_not_find(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n", encoding="utf-8")
    refused = journey("init", str(tmp_path / "shop"), "--from", str(tmp_path / "a.csv"))
    assert_refused(refused, 2, "no column looks like occurred_at", "columns: x, y")
    assert not (tmp_path / "shop").exists()


def test_sources_check_previews_without_a_run(tiny: Path) -> None:
    (preview,) = json.loads(journey("sources", "check", "-p", str(tiny), "--json").stdout)
    assert (preview["totals"]["rows"], preview["duplicates"]) == (8, 1)
    assert preview["channels"][0] == {"name": "email", "events": 4}
    assert not (tiny / "store").exists()
    assert "8 rows = 8 events (1 of them copies)" in journey("sources", "check", "-p", str(tiny)).stdout


def test_sources_check_without_a_usable_event_fails(tiny: Path, edit: Edit) -> None:
    edit(tiny / "sources" / "web.yaml", "occurred_at: ts", "occurred_at: action")
    checked = journey("sources", "check", "-p", str(tiny))
    assert checked.returncode == 3
    assert "no usable event: web" in checked.stderr
    assert "8 x not a time (occurred_at), first in web.csv row 1: 'visit'" in checked.stdout


def test_sources_check_tells_ids_with_several_contents(tiny: Path) -> None:
    rows = (tiny / "input" / "web.csv").read_text(encoding="utf-8")
    (tiny / "input" / "web2.csv").write_text(rows.replace("15.50", "99.90"), encoding="utf-8")
    (preview,) = json.loads(journey("sources", "check", "-p", str(tiny), "--json").stdout)
    assert (preview["duplicates"], preview["corrections"]) == (9, 1)
    assert (
        "1 of the event ids came with several contents" in journey("sources", "check", "-p", str(tiny)).stdout
    )


def test_channels_explain_names_the_rule(tiny: Path, edit: Edit) -> None:
    edit(tiny / "sources" / "web.yaml", "  channel: channel\n", "  utm_source: channel\n")
    run_project(tiny)
    told = json.loads(journey("channels", "explain", "e1", "-p", str(tiny), "--json").stdout)
    assert told["channel"] == "email"
    assert told["steps"][-1]["channel"] == "email"
    assert told["steps"][-1]["is_matched"] is True
    assert_refused(journey("channels", "explain", "nope", "-p", str(tiny)), 2, "'nope'")


def test_channels_explain_says_that_the_source_named_it(tiny: Path, edit: Edit) -> None:
    """Beside tags that the rules would take, and where there is nothing to derive one from."""
    run_project(tiny)
    (step,) = json.loads(journey("channels", "explain", "e1", "-p", str(tiny), "--json").stdout)["steps"]
    assert (step["rule"], step["channel"], step["is_matched"]) == ("source", "email", True)
    assert "(channel: channel)" in step["reason"]
    edit(tiny / "sources" / "web.yaml", "  channel: channel\n", "  channel: channel\n  utm_source: \"'x'\"\n")
    run_project(tiny)
    (step,) = json.loads(journey("channels", "explain", "e1", "-p", str(tiny), "--json").stdout)["steps"]
    assert (step["rule"], step["channel"]) == ("source", "email")
    edit(tiny / "sources" / "web.yaml", "  channel: channel\n  utm_source: \"'x'\"\n", "")
    run_project(tiny)
    (step,) = json.loads(journey("channels", "explain", "e1", "-p", str(tiny), "--json").stdout)["steps"]
    assert (step["rule"], step["channel"]) == ("unassigned", "unassigned")


def test_further_stage_models_stand_beside_the_projects_own(tiny: Path, edit: Edit) -> None:
    """The same journeys with the stages of another model; the page shows the project's own alone."""
    before = run_project(tiny)
    own = (
        "select * exclude (stage_model) from mart_stage_dropoff where stage_model = 'seven_stage' "
        "order by all"
    )
    alone = journey("query", "-p", str(tiny), "--json", own).stdout
    edit(tiny / "journey.yaml", "sources: [", "further_stages: [two.yaml]\nsources: [")
    (tiny / "two.yaml").write_text(
        "stage_model: {name: two, stages: [{stage: look}, {stage: buy}]}\n"
        "rules:\n"
        "  - {rule: visit, stage: look, when: {event_name: visit}}\n"
        "  - {rule: order, stage: buy, when: {event_name: order}}\n",
        encoding="utf-8",
    )
    result = journey("run", "-p", str(tiny))
    assert result.returncode == 0, result.stderr
    assert "two: " in result.stderr
    assert "buy" not in result.stdout
    assert journey("query", "-p", str(tiny), "--json", own).stdout == alone
    after = current(tiny / "marts")
    for mart in ("mart_journeys", "mart_touchpoints", "mart_sessions"):
        assert after.marts[mart] == before.marts[mart]
    asked = journey(
        "query", "-p", str(tiny), "--json",
        "select stage, journeys_reached from mart_stage_dropoff where stage_model = 'two' "
        "and funnel_kind = 'touched' and channel_role = 'all' order by stage_ordinal",
    )  # fmt: skip
    # all three visit, ann alone orders
    assert [tuple(row.values()) for row in json.loads(asked.stdout)] == [("look", 3), ("buy", 1)]
