"""The backfill flow, really run: which days, in which order, what is kept, and where it stops."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from journey_analytics.errors import EXIT_DONE, EXIT_GATE_FAILED, SourceError
from journey_analytics.history import snapshots
from journey_analytics.marts import current
from pipelines.backfill import backfill, main
from tests.conftest import copy_project, journey, mart_hashes

pytestmark = pytest.mark.slow

_FIRST, _LAST = date(2026, 1, 5), date(2026, 1, 7)


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=60):
        yield


def test_the_flow_publishes_what_the_command_publishes_and_does_no_day_twice(tiny: Path) -> None:
    """Three days; then one more, of which only that one is to do; with `all`, the old days are only kept."""
    published = backfill(tiny, _FIRST, _LAST, return_state=True).result()
    kept = {found.as_of: found for found in snapshots(tiny / "marts")}
    assert [kept[day].run_id for day in sorted(kept)] == published
    assert current(tiny / "marts").as_of == _LAST
    by_command = tiny.with_name("command")
    copied = journey(
        "backfill", "-p", str(copy_project(tiny, by_command)), "--from", str(_FIRST), "--to", str(_LAST)
    )
    assert copied.returncode == EXIT_DONE, copied.stderr
    for found in snapshots(by_command / "marts"):
        assert mart_hashes(found) == mart_hashes(kept[found.as_of])
    following = date(2026, 1, 8)
    (only,) = backfill(tiny, _FIRST, following, return_state=True).result()
    assert current(tiny / "marts").run_id == only
    assert len(backfill(tiny, _FIRST, _FIRST, "all", return_state=True).result()) == 1
    assert current(tiny / "marts").as_of == following


def test_the_flow_stops_at_the_first_day_that_fails_and_goes_on_there(tiny: Path) -> None:
    """No event had happened on the 4th; an event of that day that comes lets it go on."""
    first = date(2026, 1, 4)
    state = backfill(tiny, first, _FIRST, return_state=True)
    assert state.is_failed()
    with pytest.raises(SourceError, match="no event happened up to 2026-01-04"):
        state.result()
    assert not (tiny / "marts" / "CURRENT").exists()
    assert main([str(tiny), str(first), str(_FIRST)]) == EXIT_GATE_FAILED
    with (tiny / "input" / "web.csv").open("a", encoding="utf-8") as file:
        file.write("e0,2026-01-04 10:00:00,visit,ann,email,\n")
    assert main([str(tiny), str(first), str(_FIRST)]) == EXIT_DONE
    assert [found.as_of for found in snapshots(tiny / "marts")] == [_FIRST, first]
