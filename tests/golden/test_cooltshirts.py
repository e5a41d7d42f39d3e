"""A funnel of four pages: the users of each, as the data's own README counts them."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, copy_project, journey, run_project, shared

PAGES = ("1 - landing_page", "2 - shopping_cart", "3 - checkout", "4 - purchase")
PUBLISHED = [1979, 1881, 1431, 361]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = shared("cooltshirts_page_visits")
    folder = copy_project(
        CHECKOUT / "tests" / "projects" / "cooltshirts", tmp_path_factory.mktemp("shop") / "cooltshirts"
    )
    (folder / "input").symlink_to(data)
    run_project(folder)
    return folder


def asked(project: Path, *more: str) -> dict[str, list[dict[str, object]]]:
    result = journey("funnel", "-p", str(project), "--steps", ";".join(PAGES), "--json", *more)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_four_pages_give_the_published_users(project: Path) -> None:
    assert [row["reached"] for row in asked(project)["steps"]] == PUBLISHED


def test_first_touch_groups_are_the_sources_that_open_journeys(project: Path) -> None:
    """Against a plain reading of the file: the sources of each user's landing pages, of which one counts."""
    groups = asked(project, "--by", "channel")["groups"]
    first = {row["group"]: row["reached"] for row in groups if row["step_number"] == 1}
    assert sum(first.values()) == PUBLISHED[0]
    openers = defaultdict(set)
    with (shared("cooltshirts_page_visits") / "page_visits.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["page_name"] == PAGES[0]:
                openers[row["user_id"]].add(row["utm_source"])
    certain = Counter(next(iter(sources)) for sources in openers.values() if len(sources) == 1)
    possible = Counter(source for sources in openers.values() for source in sources)
    assert set(first) == set(possible)
    assert all(certain[source] <= first[source] <= possible[source] for source in first)
