"""A bad night: which gate stops it, with which words, what is set aside, and that the marts stay."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from journey_analytics.errors import JourneyError
from journey_analytics.journal import attempt
from journey_analytics.marts import current
from journey_analytics.project import read_project
from tests.conftest import copy_project, journey, mart_hashes

pytestmark = pytest.mark.slow

FIRST = date(2026, 1, 5)
DAYS = 64
NIGHT = FIRST + timedelta(days=DAYS)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEADER = "id,ts,name,who,visit,came_by,amount"
_HOURS = [1] * 6 + [4] * 4 + [8] * 8 + [12] * 4 + [3] * 2
_FILES = {
    "journey.yaml": """\
project: shop
timezone: UTC
stage_model: seven_stage
conversion: {stage: purchase, window: 30d}
sources: [sources/web.yaml]
""",
    "stages.yaml": """\
rules:
  - {rule: page, stage: interest, when: {event_name: page_view}}
  - {rule: order, stage: purchase, when: {event_name: order}}
""",
    "sources/web.yaml": """\
source: web
format: csv
files: landing/*.csv
columns:
  event_id: id
  occurred_at: ts
  event_name: name
  customer_ref: who
  session_ref: visit
  channel: came_by
  revenue: amount
rows:
  - {rule: revenue_not_negative, holds: revenue >= 0, description: The shop takes money.}
""",
}
Rows = list[list[str]]


def rows_of(day: date) -> Rows:
    """About 600 events of a day, one in ten an order."""
    draw = random.Random(day.toordinal())
    rows = []
    for number in range(draw.randint(570, 630)):
        hour = draw.choices(range(24), _HOURS)[0]
        moment = datetime(
            day.year, day.month, day.day, hour, draw.randrange(60), draw.randrange(60), tzinfo=UTC
        )
        is_order = draw.random() < 0.1
        channel = draw.choices(["email", "ads", "direct"], [3, 2, 5])[0]
        amount = f"{draw.uniform(20, 60):.2f}" if is_order else ""
        name = "order" if is_order else "page_view"
        rows.append(
            [f"{day}-{number}", f"{moment:%Y-%m-%d %H:%M:%S}", name, f"c{draw.randrange(400)}",
             f"s{number}", channel, amount]
        )  # fmt: skip
    return rows


def write(folder: Path, day: date, rows: Rows, header: str = HEADER) -> None:
    lines = [header, *(",".join(row) for row in rows)]
    (folder / "landing" / f"{day}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(folder: Path, night: date) -> None:
    with attempt(read_project(folder), now=NOW + timedelta(days=(night - FIRST).days), as_of=night) as tried:
        for step in tried.steps:
            tried.do(step)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop that has published nine weeks."""
    folder = tmp_path_factory.mktemp("bad") / "shop"
    for name, text in _FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "landing").mkdir()
    for number in range(DAYS):
        write(folder, FIRST + timedelta(days=number), rows_of(FIRST + timedelta(days=number)))
    run(folder, NIGHT - timedelta(days=1))
    return folder


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "shop"))


def each(change: Callable[[list[str]], list[str]], share: float = 1.0) -> Rows:
    draw = random.Random(1)
    return [change(list(row)) if draw.random() < share else row for row in rows_of(NIGHT)]


def at(place: int, value: Callable[[str], str]) -> Callable[[list[str]], list[str]]:
    def change(row: list[str]) -> list[str]:
        row[place] = value(row[place])
        return row

    return change


def an_hour_later(text: str) -> str:
    return f"{datetime.fromisoformat(text) + timedelta(hours=1):%Y-%m-%d %H:%M:%S}"


@dataclass(frozen=True)
class Night:
    """What is delivered, and what must be said of it."""

    rows: Rows
    says: tuple[str, ...]
    header: str = HEADER
    set_aside: int = 0


TWICE = rows_of(NIGHT) + each(at(0, lambda name: f"again-{name}"))
BAD = {
    "an empty file": Night([], ("the file has no header",), header=""),
    "a file without rows": Night([], ("new_rows",)),
    "half the rows": Night(rows_of(NIGHT)[::2], ("gate 'staged': the check 'events of web' failed",)),
    "all rows twice": Night(TWICE, ("gate 'staged': the check 'events of web' failed",)),
    "a column renamed": Night(rows_of(NIGHT), ("visitor",), header=HEADER.replace("who", "visitor")),
    "a column retyped": Night(
        each(at(6, lambda amount: f"EUR {amount}" if amount else "")),
        ("the check 'quarantine of web' failed",),
        set_aside=sum(row[2] == "order" for row in rows_of(NIGHT)),
    ),
    "an hour off": Night(
        each(at(1, an_hour_later)), ("gate 'staged': the check 'clock of web' failed", "1 hour later")
    ),
    "a channel vanishes": Night(
        [row for row in rows_of(NIGHT) if row[5] != "ads"],
        ("gate 'staged': the check 'channel ads of web' failed",),
    ),
    "3 % null ids": Night(
        each(at(3, lambda _: ""), 0.03), ("gate 'raw': the check 'quarantine of web' failed", "set aside"),
        set_aside=sum(not row[3] for row in each(at(3, lambda _: ""), 0.03)),
    ),
    "3 % null visits": Night(
        each(at(4, lambda _: ""), 0.04), ("the check 'missing session_ref in page_view of web' failed",)
    ),
    "negative revenue": Night(
        each(at(6, lambda amount: f"-{amount}" if amount else "")), ("the check 'quarantine of web' failed",),
        set_aside=sum(row[2] == "order" for row in rows_of(NIGHT)),
    ),
    "event times in 2099": Night(
        each(at(1, lambda text: text.replace("2026", "2099")), 0.05),
        ("gate 'raw': the check 'quarantine of web' failed",),
        set_aside=sum(row[1] > "2099" for row in each(at(1, lambda t: t.replace("2026", "2099")), 0.05)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_night_is_not_published(folder: Path, kind: str) -> None:
    before = mart_hashes(current(read_project(folder).marts_folder))
    night = BAD[kind]
    write(folder, NIGHT, night.rows, night.header)
    with pytest.raises(JourneyError) as caught:
        run(folder, NIGHT)
    assert any(words in str(caught.value) for words in night.says), str(caught.value)
    snapshot = current(read_project(folder).marts_folder)
    assert mart_hashes(snapshot) == before
    if "gate" in str(caught.value):
        page = (folder / "reports" / "quality.html").read_text(encoding="utf-8")
        assert "Nothing was published" in page
        told = json.loads(journey("quality", "-p", str(folder), "--json").stdout)
        assert told["headline"].startswith("Nothing was published")
        assert any(result["stops"] for result in told["results"])
    kept = list((folder / "store" / "quarantine").glob("*.parquet"))
    with duckdb.connect() as engine:
        (rows,) = engine.execute(
            f"select count(*) from read_parquet({[str(path) for path in kept]})"
        ).fetchone()
    assert rows == night.set_aside


def test_the_right_file_in_its_place_is_published(folder: Path) -> None:
    write(folder, NIGHT, TWICE)
    with pytest.raises(JourneyError, match="events of web"):
        run(folder, NIGHT)
    write(folder, NIGHT, rows_of(NIGHT))
    run(folder, NIGHT)
    snapshot = current(read_project(folder).marts_folder)
    with duckdb.connect() as engine:
        asked = (
            f"select count(*) from '{snapshot.pattern('mart_touchpoints')}' where occurred_date = '{NIGHT}'"
        )
        assert engine.execute(asked).fetchone() == (len(rows_of(NIGHT)),)


def test_a_night_without_a_file_is_noticed_when_its_day_is_asked_for(folder: Path) -> None:
    with pytest.raises(JourneyError, match="the check 'events of web' failed") as caught:
        run(folder, NIGHT)
    assert "0 events" in str(caught.value)


@pytest.mark.parametrize("files", [30, 1])
def test_a_month_in_one_go_is_published(folder: Path, files: int) -> None:
    """After an outage, as the files of its days or as a single one; equal to a run over everything."""
    days = [NIGHT + timedelta(days=number) for number in range(30)]
    if files == 1:
        write(folder, NIGHT, [row for day in days for row in rows_of(day)])
    else:
        for day in days:
            write(folder, day, rows_of(day))
    run(folder, days[-1])
    snapshot = current(read_project(folder).marts_folder)
    assert snapshot.marts["mart_touchpoints"] == sum(
        len(rows_of(FIRST + timedelta(days=number))) for number in range(DAYS + 30)
    )
    at_once = copy_project(folder, folder.with_name("at once"))
    run(at_once, days[-1])
    assert mart_hashes(snapshot) == mart_hashes(current(read_project(at_once).marts_folder))


def test_a_further_column_is_no_fault(folder: Path) -> None:
    write(folder, NIGHT, [[*row, "x"] for row in rows_of(NIGHT)], HEADER + ",more")
    run(folder, NIGHT)
    assert str(current(read_project(folder).marts_folder).manifest["as_of"]) == str(NIGHT)


def test_what_is_accepted_is_published(folder: Path) -> None:
    write(folder, NIGHT, rows_of(NIGHT)[::2])
    accept = f"quality: {{accept: [{{check: events of web, date: {NIGHT}, why: the shop was closed}}]}}\n"
    settings = folder / "journey.yaml"
    settings.write_text(_FILES["journey.yaml"] + accept, encoding="utf-8")
    run(folder, NIGHT)
    told = json.loads(journey("quality", "-p", str(folder), "--json").stdout)
    (accepted,) = [result for result in told["results"] if result["status"] == "accepted"]
    assert accepted["check"] == "events of web"
    assert "the shop was closed" in accepted["sample"]
    settings.write_text(settings.read_text().replace("events of web", "event of web"), encoding="utf-8")
    with pytest.raises(JourneyError, match="use 'events of web'"):
        run_again(folder)


def run_again(folder: Path) -> None:
    """The night after, with what journey.yaml accepts of it."""
    settings, after = folder / "journey.yaml", NIGHT + timedelta(days=1)
    settings.write_text(settings.read_text().replace(str(NIGHT), str(after)), encoding="utf-8")
    write(folder, after, rows_of(after))
    run(folder, after)
