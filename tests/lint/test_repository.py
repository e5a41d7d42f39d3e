"""The repository lint finds what it looks for, and the repository has none of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from journey_analytics.contracts import Contract, contracts
from journey_analytics.engine.models import models
from tests.lint.repository import (
    LARGEST_FILE,
    incomplete_contracts,
    lint_repository,
    loose_requirements,
    too_large,
    unknown_names,
    unwanted_text,
)

ROOT = Path(__file__).parents[2]
HASH = "--hash=sha256:" + "0" * 64


def joined(*parts: str) -> str:
    """A text that this file itself must not hold."""
    return "".join(parts)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def add(repository: Path, path: str, text: str) -> None:
    (repository / path).parent.mkdir(parents=True, exist_ok=True)
    (repository / path).write_text(text, encoding="utf-8")
    subprocess.run(["git", "-C", str(repository), "add", path], check=True)


def test_this_repository_is_clean() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    assert lint_repository(ROOT) == []


def test_only_tracked_files_are_read(repository: Path) -> None:
    add(repository, "README.md", "fine")
    (repository / "scratch").write_text(joined("/ho", "me/somebody/x"), encoding="utf-8")
    assert lint_repository(repository) == []


def test_file_deleted_from_disk_is_passed_over(repository: Path) -> None:
    add(repository, "README.md", "fine")
    (repository / "README.md").unlink()
    assert lint_repository(repository) == []


def test_findings_of_a_whole_repository(repository: Path) -> None:
    add(repository, "notes/todo.txt", joined("line\nsee /ro", "ot/x.txt"))
    add(repository, "requirements.lock", "polars==2.0\n")
    assert [line.split(": ")[0] for line in lint_repository(repository)] == [
        "notes",
        "notes/todo.txt:2",
        "requirements.lock:1",
    ]


@pytest.mark.parametrize(
    "text",
    [
        joined("https://py", "pi.org/project/x"),
        joined("https://files.python", "hosted.org/packages/x.whl"),
        joined("registry.npm", "js.org"),
        joined("http://deb.", "debian.org/debian bookworm main"),
        joined("http://ftp.de.", "debian.org/debian"),
        joined("https://cdn.js", "delivr.net/npm/htmx"),
        joined("http://10.0.0.1:3141/root/mirror/+sim", "ple/ https://mirror.example/sim", "ple/"),
        joined("--index", "-url https://mirror.example"),
        joined("extra-index", '-url = "https://mirror.example"'),
        joined("open('/ho", "me/somebody/data.csv')"),
        joined("cd /wo", "rk/main"),
        joined("path=/ro", "ot/.cache"),
        joined("/Us", "ers/somebody"),
        joined("C:\\Us", "ers\\somebody"),
    ],
)
def test_trace_of_a_registry_or_a_machine_is_found(text: str) -> None:
    assert list(unwanted_text("x", text.encode()))


@pytest.mark.parametrize(
    "text",
    [
        "uv pip compile --no-emit-index-url pyproject.toml",
        "https://keepachangelog.com/en/1.1.0/",
        "a simple/plain page",
        "pages/home/index.html, https://shop.example/work/with-us, ../root/x",
        "files.append(path); debian; pypi",
        "/usr/bin/env bash",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert list(unwanted_text("x", text.encode())) == []


def test_unknown_entry_at_the_top_is_found() -> None:
    paths = ["sql/x.sql", "requirements-dev.lock", ".gitignore", ".ci/run", "docs/x.md", "notes.txt"]
    assert [line.split(":")[0] for line in unknown_names(paths)] == ["docs", "notes.txt"]


def test_size_exactly_at_the_limit_is_allowed() -> None:
    assert list(too_large({"data/x": LARGEST_FILE})) == []
    assert len(list(too_large({"data/x": LARGEST_FILE + 1}))) == 1


def test_sample_project_is_measured_as_a_whole() -> None:
    sizes = {f"data/complete_journey/{n}": 3_000_000 for n in range(2)}
    assert list(too_large(sizes)) == []
    assert len(list(too_large({**sizes, "data/complete_journey/README.md": 1}))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "polars==2.0",
        f"polars>=2.0 \\\n    {HASH}",
        f"polars @ https://example.org/polars.whl \\\n    {HASH}",
        "-e .",
        "--find-links wheels",
        "-r other.lock",
    ],
)
def test_loose_requirement_is_found_at_its_line(line: str) -> None:
    text = f"# made by make lock\nduckdb==2.0.0 \\\n    {HASH} \\\n    {HASH}\n{line}\n"
    assert [finding.split(": ")[0] for finding in loose_requirements("r.lock", text)] == ["r.lock:5"]


def test_requirement_with_marker_and_extra_is_pinned() -> None:
    text = f"duckdb==2.0.0 ; sys_platform == 'win32' \\\n    {HASH}\na[b]==1.0 \\\n    {HASH}\n"
    assert list(loose_requirements("r.lock", text)) == []


def test_every_table_has_a_complete_contract() -> None:
    assert list(incomplete_contracts(models(), contracts())) == []


def test_table_without_contract_and_contract_without_table_are_found() -> None:
    known = {"mart_b": contracts()["mart_journeys"].model_copy(update={"table": "mart_b"})}
    assert list(incomplete_contracts(["mart_a"], known, inputs=())) == [
        "sql/contracts/mart_a.yml: the table has no contract",
        "sql/contracts/mart_b.yml: no model or seed makes this table",
    ]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"table": "mart_x"}, "it is the contract of mart_x"),
        ({"description": " "}, "the description is empty"),
        ({"grain": " "}, "the grain is empty"),
        ({"key": ()}, "the key is empty"),
        ({"key": ("no_such",)}, "a key column is not among the columns"),
        ({"key": ("converted_at",)}, "a key column may be null"),
        ({"day": "no_such"}, "the column that splits its files is not there"),
        ({"month": "no_such"}, "the column that splits its files is not there"),
        ({"day": "entry_date"}, "it is split by day and by month"),
        ({"columns": ()}, "there are no columns"),
    ],
)
def test_incomplete_contract_is_found(change: dict[str, object], complaint: str) -> None:
    contract: Contract = contracts()["mart_journeys"].model_copy(update=change)
    found = incomplete_contracts(["mart_journeys"], {"mart_journeys": contract}, inputs=())
    assert f"sql/contracts/mart_journeys.yml: {complaint}" in list(found)


def test_column_twice_and_without_description_are_found() -> None:
    contract = contracts()["seed_stages"]
    blank = contract.columns[0].model_copy(update={"description": " "})
    twice = contract.model_copy(update={"columns": (*contract.columns, blank)})
    found = list(incomplete_contracts([], {"seed_stages": twice}, inputs=["seed_stages"]))
    assert [line.split(": ")[1] for line in found] == [
        "a column stands there twice",
        "a column has no description",
    ]
