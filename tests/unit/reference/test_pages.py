"""Reference pages: nothing that can be asked for is missing, and they are the same every time."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from pydantic import BaseModel

from journey_analytics.cli import app
from journey_analytics.contracts import contracts
from journey_analytics.engine.models import marts
from journey_analytics.record import append, record_tables, write_columns
from journey_analytics.reference.commands import commands
from journey_analytics.reference.dictionary import data_dictionary, views_sql
from journey_analytics.reference.project_files import FILES, project_files
from tests.conftest import journey
from tests.unit.published import publish


def test_every_published_column_stands_in_the_dictionary() -> None:
    """Under its table, with type, unit, values and meaning; and every rule of a row."""
    sections = dict(part.split("\n", 1) for part in data_dictionary().split("\n## ")[1:])
    record = {name for name, contract in contracts().items() if contract.record}
    assert set(sections) == {*marts(), *record}
    for table, section in sections.items():
        for column in contracts()[table].columns:
            line = next(line for line in section.splitlines() if line.startswith(f"| `{column.name}` |"))
            for part in (column.type, column.unit or "", *(column.values or ()), column.description):
                assert part.replace("|", "\\|") in line
        for rule in contracts()[table].rules:
            assert f"| `{rule.rule}` | {rule.description} | `{rule.holds}` |" in section


def test_limits_and_what_is_done_are_told_in_words() -> None:
    """Of a share, of a count, and of a rule that stops a run."""
    page = data_dictionary()
    assert "| `journeys_share` | DOUBLE | share |  | 0 to 1 |" in page
    assert "| `journeys_dropped` | BIGINT | journeys |  | 1 or more |" in page
    assert "`low" not in page
    assert "| `parts_add_up` | A journey converted, was lost or is still open. |" in page
    assert "| nothing is published |" in page


def test_views_find_their_snapshot_from_its_folder_and_from_anywhere(tmp_path: Path) -> None:
    """With the rows of every mart and of the record of runs, and what it is as the view's comment."""
    write_columns(tmp_path)
    run = {"begun_at": datetime(2026, 5, 1, tzinfo=UTC), "run_id": "a", "step": "load", "status": "done"}
    append(tmp_path, "mart_runs", [run], run_id="a", begun_us=1)
    snapshot = publish(tmp_path, mart_journeys=[{"journey_id": "a"}, {"journey_id": "b"}])
    here = Path.cwd()
    with duckdb.connect() as elsewhere:
        elsewhere.execute(f"set variable snapshot = '{snapshot.folder}'")
        elsewhere.execute(views_sql())
        assert elsewhere.execute("select count(*) from mart_journeys").fetchone() == (2,)
        names = elsewhere.execute("select view_name, comment from duckdb_views() where not internal")
        told = dict(names.fetchall())
        assert elsewhere.execute("select step from mart_runs").fetchall() == [("load",)]
        assert elsewhere.execute("select * from mart_restatements").fetchall() == []
    assert set(told) == {*marts(), *record_tables()}
    assert "Grain: one row per journey." in told["mart_journeys"]
    try:
        os.chdir(snapshot.folder)
        with duckdb.connect() as inside:
            inside.execute((snapshot.folder / "marts.sql").read_text(encoding="utf-8"))
            assert inside.execute("select count(*) from mart_journeys").fetchone() == (2,)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("model", FILES.values(), ids=FILES)
def test_every_key_of_a_file_says_what_it_is_for(model: type[BaseModel]) -> None:
    """In the model that reads it; and no line of a table ends without words."""
    page = project_files()
    assert "|  |\n" not in page
    for name, field in model.model_fields.items():
        assert f"| `{name}` |" in page
        assert str(field.description) in page


def test_keys_are_told_with_what_they_hold_and_what_they_are_when_left_out() -> None:
    """One that must be there, a choice, a duration, and a model inside a model."""
    page = project_files()
    for line in (
        "| `project` | text | must be there | Name of the project. |",
        "| `mode` | `append`, `replace_day` or `snapshot` | `append` |",
        "| `inactivity` | duration | 90 d |",
        "### journey.yaml: journey.restart",
        "| `on` | list of text | must be there |",
        "| `customer_ref` | The known customer id as delivered. |",
        "| `occurrence` | `{gte: 3}`: at least the third touchpoint",
        "| `in_list` | `in`, for a list of `lists` |",
    ):
        assert line in page


def test_keys_are_told_as_a_file_writes_them() -> None:
    lines = project_files().splitlines()
    accepted = lines[lines.index("### journey.yaml: quality.accept") :][4:10]
    assert [line.split("`")[1] for line in accepted if "`" in line][:4] == ["check", "date", "until", "why"]


def test_every_command_stands_in_the_reference_with_its_examples() -> None:
    """Those of groups too, each under its own heading."""
    page = commands(app)
    for command in ("run", "rules check", "marts describe", "sources check", "docs"):
        assert page.count(f"# journey {command}\n") == 1
    section = page.split("# journey marts describe\n")[1].split("\n#")[0]
    assert "journey marts describe mart_stage_dropoff -p data/complete_journey" in section
    assert "`--project, -p`: Project folder" in section


def test_pages_are_written_the_same_by_every_process(tmp_path: Path) -> None:
    """Whatever the order in which Python happens to keep sets."""
    assert journey("docs", str(tmp_path / "a")).returncode == 0
    command = [sys.executable, "-m", "journey_analytics", "docs", str(tmp_path / "b")]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    pages = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert sorted(pages) == ["commands.md", "data_dictionary.md", "project_files.md"]
    assert pages == {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}
