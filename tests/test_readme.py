"""What the README tells a newcomer to type works, and shows the numbers it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from journey_analytics.engine.models import marts
from journey_analytics.reports.findings import find
from tests.conftest import CHECKOUT, copy_project, journey, run_project

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
NAMED_BLOCK = re.compile(r"`(shop/[\w./]+)`[^`]*?\n\n```\w+\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^(journey .*?)(?=\n(?:journey|python|#)|\n*\Z)", re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Every `journey` command of the shell blocks, continued lines included, comments left out."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    text = "\n".join(re.sub(r"\s+#.*", "", block) for block in blocks)
    return COMMAND.findall(text)


def test_own_data_in_five_minutes(tmp_path: Path) -> None:
    files = NAMED_BLOCK.findall(README)
    assert [name for name, _ in files] == [
        "shop/input/events.csv",
        "shop/journey.yaml",
        "shop/sources/web.yaml",
        "shop/stages.yaml",
    ]
    for name, text in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    copy_project(CHECKOUT / "data" / "complete_journey", tmp_path / "data" / "complete_journey")
    run_project(tmp_path / "data" / "complete_journey")
    found = commands()
    assert len(found) >= 6
    for command in found:
        words = [
            str(tmp_path / word) if word in ("shop", "data/complete_journey") else word
            for word in shlex.split(command)[1:]
        ]
        result = journey(*words)
        assert result.returncode == 0, (command, result.stderr)


def test_the_table_shows_what_the_sample_gives(tmp_path: Path) -> None:
    snapshot = run_project(copy_project(CHECKOUT / "data" / "complete_journey", tmp_path / "sample"))
    for cell in find(snapshot).funnels["progressive"]:
        row = f"| {cell.stage} | {cell.reached:,} | {cell.continued:,} | {cell.dropped:,} | {cell.open:,} |"
        assert row in README


def test_every_mart_is_listed() -> None:
    for mart in marts():
        assert f"| `{mart}` |" in README
