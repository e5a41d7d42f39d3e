"""The staged gate: which days are judged, what is accepted, and rows in quarantine beside earlier loads."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from journey_analytics.errors import ConfigError
from journey_analytics.local_days import end_of_day_us, to_moment
from journey_analytics.project import read_project
from journey_analytics.quality.check_names import Measure
from journey_analytics.quality.measures import DAYS, HOURS, Measures, Series
from journey_analytics.quality.quarantine import quarantine_check
from journey_analytics.quality.results import CheckResult, result_rows
from journey_analytics.quality.staged import Days, counted_days, days_of, learned_checks
from journey_analytics.record import append
from journey_analytics.run import start
from journey_analytics.sources.store import Load
from tests.unit.published import publish

DAY = date(2026, 6, 10)


def measured(source: str, tonight: float = 1000) -> Measures:
    hours = np.full((DAYS, HOURS), 1000 / HOURS)
    hours[-1] = tonight / HOURS
    events = Series(source, Measure.EVENTS, "", hours.sum(axis=1), np.ones(DAYS))
    orders = Series(source, Measure.EVENT, "order", hours.sum(axis=1), np.ones(DAYS))
    return Measures(DAY, (events, orders), {source: hours})


@pytest.fixture
def folder(tiny: Path) -> Path:
    """A project that has published up to the day before."""
    source = read_project(tiny).sources[0].name
    marts = read_project(tiny).marts_folder
    snapshot = publish(marts)
    before = CheckResult("staged", "t", f"events of {source}", "fail", "passed", day=DAY - timedelta(days=1))
    rows = result_rows([before], run_id=snapshot.run_id, begun_us=1, as_of=None)
    append(marts, "mart_quality_results", rows, run_id=snapshot.run_id, begun_us=1)
    return tiny


def judged(folder: Path, arrived: dict[date, int] | None = None) -> Days:
    project = read_project(folder)
    source = project.sources[0].name
    return days_of(project, measured(source), {source: arrived or {}})[source]


def test_the_day_after_the_last_one_is_judged(folder: Path) -> None:
    assert judged(folder).judged == (DAY,)


def test_the_last_day_that_is_over_is_yesterday_or_an_as_of_day_before_it(tiny: Path) -> None:
    project = read_project(tiny)
    morning = end_of_day_us(DAY, project.zone)
    before = DAY - timedelta(days=1)
    cases = {before: before, DAY: DAY, DAY + timedelta(days=1): DAY, DAY.replace(year=2030): DAY}
    with start(project, now=to_moment(morning)) as run:
        for run.as_of, last in cases.items():
            assert run.last_day_over == last


def test_without_a_new_day_none_is_judged(tiny: Path) -> None:
    project = read_project(tiny)
    source = project.sources[0].name
    snapshot = publish(project.marts_folder)
    before = CheckResult("staged", "t", f"events of {source}", "fail", "passed", day=DAY)
    rows = result_rows([before], run_id=snapshot.run_id, begun_us=1, as_of=None)
    append(project.marts_folder, "mart_quality_results", rows, run_id=snapshot.run_id, begun_us=1)
    found = judged(tiny)
    assert (found.judged, found.note) == ((), "no day came in since the last run")


def test_so_many_days_are_counted_as_those_of_the_latest_source_are_judged_by(folder: Path) -> None:
    """Two weeks and eight before them to the end of the last day; further back by the latest window."""
    zone = read_project(folder).zone
    plain = counted_days(read_project(folder), DAY)
    assert plain["counted_to_us"] == end_of_day_us(DAY, zone)
    assert plain["counted_from_us"] == end_of_day_us(DAY - timedelta(days=71), zone)
    mapping = next(iter(folder.glob("sources/*.yaml")))
    mapping.write_text(mapping.read_text() + "late_window: 3d\n", encoding="utf-8")
    late = counted_days(read_project(folder), DAY)
    assert late["counted_from_us"] == end_of_day_us(DAY - timedelta(days=74), zone)


def test_an_earlier_day_is_judged_again_when_a_tenth_of_it_came_in_anew(folder: Path) -> None:
    early, late = DAY - timedelta(days=13), DAY - timedelta(days=14)
    assert judged(folder, {early: 100, late: 1000}).judged == (early, DAY)
    assert judged(folder, {early: 99}).judged == (DAY,)


def test_a_first_run_is_only_history(tiny: Path) -> None:
    found = judged(tiny)
    assert (found.judged, found.complete_to) == ((), DAY)
    assert found.note.startswith("the first run")


def test_a_source_that_completes_late_is_judged_late(folder: Path) -> None:
    mapping = next(iter(folder.glob("sources/*.yaml")))
    mapping.write_text(mapping.read_text() + "late_window: 1d\n", encoding="utf-8")
    found = judged(folder, {DAY - timedelta(days=1): 1000})
    assert (found.judged, found.complete_to) == ((DAY - timedelta(days=1),), DAY - timedelta(days=1))


def test_what_journey_yaml_accepts_does_not_stop(folder: Path) -> None:
    settings, plain = folder / "journey.yaml", (folder / "journey.yaml").read_text(encoding="utf-8")
    source = read_project(folder).sources[0].name

    def check(accept: str) -> CheckResult:
        settings.write_text(
            f"{plain}\nquality: {{accept: [{accept}]}}\n" if accept else plain, encoding="utf-8"
        )
        project = read_project(folder)
        results = learned_checks(project, measured(source, 400), {source: Days((DAY,), DAY)})
        return next(result for result in results if result.check == f"events of {source}")

    assert (check("").status, check("").stops) == ("failed", True)
    day = "Wednesday 2026-06-10"
    assert check("").sample == f"400 events on {day}; usual is 1,000 events, 650 to 1,600 events would pass"
    covered = f"{{check: events of {source}, date: 2026-06-09, until: 2026-06-10, why: closed}}"
    assert (check(covered).status, check(covered).stops) == ("accepted", False)
    assert check(covered.replace("2026-06-10", "2026-06-09")).status == "failed"
    # there is such a check, but it says nothing of a day without revenue
    assert check(f"{{check: mean revenue of {source}, date: 2026-06-10, why: closed}}").status == "failed"
    # only the data knows whether there is such an event
    with pytest.raises(ConfigError, match="there is not: 'event odrer"):
        check(f"{{check: event odrer of {source}, date: 2026-06-10, why: closed}}")
    # nothing is missing in any order, so nothing is counted
    missing = f"{{check: missing device in order of {source}, date: 2026-06-10, why: closed}}"
    assert check(missing).status == "failed"
    with pytest.raises(ConfigError, match="there is not: 'missing device in odrer"):
        check(missing.replace("order", "odrer"))


def load(rows: int, quarantined: int) -> Load:
    moment = datetime(2026, 6, 1, tzinfo=UTC)
    return Load("b", "s", "web", 1, "m", 0, moment.date(), (), rows=rows, quarantined=quarantined)


@pytest.mark.parametrize(
    ("before", "tonight", "outcome"),
    [
        ([load(1000, 0)] * 10, load(1000, 0), ("passed", "fail")),
        ([load(1000, 0)] * 10, load(1000, 1), ("failed", "warn")),
        ([load(1000, 0)] * 10, load(1000, 11), ("failed", "fail")),
        ([load(1000, 5)] * 10, load(1000, 15), ("passed", "fail")),
        ([load(1000, 5)] * 10, load(1000, 16), ("failed", "fail")),
        ([load(1000, 5)] * 8 + [load(1000, 40)] * 2, load(1000, 40), ("passed", "fail")),
    ],
)
def test_rows_set_aside_are_judged_by_earlier_loads(
    before: list[Load], tonight: Load, outcome: tuple[str, str]
) -> None:
    result = quarantine_check("web", before, [tonight])
    assert result is not None
    assert (result.status, result.severity) == outcome


def test_nine_loads_are_too_few_to_say_what_is_usual() -> None:
    assert quarantine_check("web", [load(1000, 0)] * 9, [load(1000, 500)]) is None
