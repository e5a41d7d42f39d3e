"""The project that faults are tried on: four weeks of 2,000 events published, three days beside them."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.conftest import CHECKOUT, copy_project

_HEADER = "id,ts,action,customer,channel,amount\n"
_ACTIONS = ("visit", "visit", "visit", "cart", "order")
# midnight in Berlin, the project's zone: whole days, which no learned gate finds odd
_BEGIN = datetime(2025, 12, 31, 23, tzinfo=UTC)
_FIRST, _ALL = 28 * 72, 31 * 72
_ZONE = ZoneInfo("Europe/Berlin")
_CHANNELS = ("email", "ads", "direct", "referral")


def write_shop(folder: Path, settings: str = "") -> None:
    """Make the project with its first four weeks, not run yet, and further lines of journey.yaml."""
    copy_project(CHECKOUT / "tests" / "projects" / "tiny", folder)
    with (folder / "journey.yaml").open("a", encoding="utf-8") as file:
        file.write(settings)
    (folder / "input" / "web.csv").write_text(_HEADER + "".join(_events(0, _FIRST)), encoding="utf-8")


def deliver(folder: Path) -> None:
    """Put a file of three days more beside the first."""
    (folder / "input" / "web2.csv").write_text(_HEADER + "".join(_events(_FIRST, _ALL)), encoding="utf-8")


def _events(first: int, last: int) -> Iterator[str]:
    """Lines of events, one every 20 minutes from `_BEGIN` on, always the same."""
    dice = random.Random(first)
    for number in range(first, last):
        at = _BEGIN + timedelta(minutes=20 * number)
        action, channel, who = dice.choice(_ACTIONS), dice.choice(_CHANNELS), dice.randint(1, 300)
        amount = f"{dice.randint(5, 90)}.00" if action == "order" else ""
        yield f"e{number},{at:%Y-%m-%d %H:%M:%S},{action},c{who},{channel},{amount}\n"


def deliver_day(folder: Path, day: date) -> int:
    """Put a file beside the others with an event of every hour of a day in Berlin; how many there are."""
    begin, end = (
        midnight.astimezone(UTC) for midnight in (_midnight(day), _midnight(day + timedelta(days=1)))
    )
    hours = [begin + number * timedelta(hours=1) for number in range((end - begin) // timedelta(hours=1))]
    rows = (f"{at.isoformat()},{at:%Y-%m-%d %H:%M:%S},visit,c{at.hour % 5},email,\n" for at in hours)
    (folder / "input" / f"web-{day}.csv").write_text(_HEADER + "".join(rows), encoding="utf-8")
    return len(hours)


def two_in_the_morning(day: date) -> datetime:
    """When the night before a day is run: 02:00 of Berlin, or an hour later where clocks skip it."""
    return _midnight(day).replace(hour=2)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=_ZONE)


def live_set(folder: Path) -> str:
    """One hash over every file of the live marts, or what is wrong with them."""
    try:
        files = files_of(live_snapshot(folder))
    except (OSError, ValueError, KeyError) as fault:
        return f"broken: {fault}"
    lines = "".join(f"{path} {sha256}\n" for path, sha256 in files.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def live_snapshot(folder: Path) -> Path:
    """The folder of the live marts, found by following the pointer as any reader would."""
    name = (folder / "marts" / "CURRENT").read_text(encoding="utf-8").strip()
    return folder / "marts" / "snapshots" / name


def snapshot_folders(folder: Path) -> list[Path]:
    """The folders of all marts that are kept."""
    return sorted(place.parent for place in (folder / "marts" / "snapshots").glob("[!.]*/manifest.json"))


def files_of(snapshot: Path) -> dict[str, str]:
    """sha256 of every file of a set of marts: the manifest names them, and each must have its hash."""
    manifest = json.loads((snapshot / "manifest.json").read_text(encoding="utf-8"))
    found = {}
    for mart in sorted(manifest["marts"]):
        for file in manifest["marts"][mart]["files"]:
            found[file["path"]] = hashlib.sha256((snapshot / file["path"]).read_bytes()).hexdigest()
            if found[file["path"]] != file["sha256"]:
                raise ValueError(file["path"])
    return found


def copy(folder: Path, target: Path) -> Path:
    """A copy of a project with everything that runs made, in the place of an earlier one."""
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(folder, target, copy_function=shutil.copy2))
