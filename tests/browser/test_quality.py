"""quality.html in a real browser: quiet, readable wide and on a phone, light and dark."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.project import read_project
from journey_analytics.quality.check_names import Measure
from journey_analytics.quality.measures import DAYS, Measures, Series
from journey_analytics.quality.results import CheckResult
from journey_analytics.reports.quality import write_quality
from journey_analytics.sources.load import QUARANTINE
from tests.browser.conftest import SIZES, Opened
from tests.browser.projects import ARABIC, LONG, SCRIPT, write_single

pytestmark = pytest.mark.slow

Open = Callable[..., Opened]
DAY = date(2026, 6, 10)
RESULTS = [
    CheckResult("raw", "stg_events", "there are rows", "fail", "passed"),
    CheckResult(
        "staged",
        "stg_touchpoints",
        "events of web",
        "fail",
        "failed",
        sample="400 events",
        day=DAY,
        measured=400,
        low=600,
        high=1500,
    ),
    CheckResult(
        "staged", "stg_touchpoints", f"event {LONG} of web", "warn", "failed", 12, f"{SCRIPT} {LONG}"
    ),
    CheckResult(
        "staged", "stg_touchpoints", f"channel {ARABIC} of web", "fail", "error", sample="no such column"
    ),
    CheckResult(
        "staged", "stg_touchpoints", "hours of web", "warn", "accepted", sample="x; accepted: closed", day=DAY
    ),
]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The page of a run that a check stopped, with rows in quarantine."""
    project = read_project(write_single(tmp_path / "project"))
    days = np.full(DAYS, 1000.0)
    days[-1] = 400
    measures = Measures(DAY, (Series("web", Measure.EVENTS, "", days, np.ones(DAYS)),), {})
    begun = datetime(2026, 6, 11, 2, tzinfo=UTC)
    with DuckDBEngine() as engine:
        engine.execute(
            f"create table {QUARANTINE} as "
            "select 'web' as source, 'not a number' as reason, 'amount' as column_name, "
            f"'{LONG}.csv' as file, n as row_number, '{SCRIPT}' as value from range(1, 4) rows(n)"
        )
        return write_quality(
            project, engine, run_id="run1", begun_at=begun, as_of=DAY, results=RESULTS, measures=measures
        )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_quiet_fits_and_axe_finds_nothing_serious(
    size: str, scheme: str, written: Path, opened: Open
) -> None:
    seen = opened(written, size, scheme)
    assert seen.page.evaluate("document.documentElement.scrollWidth") == SIZES[size][0]
    assert seen.complaints == []
    found = Axe().run(seen.page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
    gates = seen.page.get_by_role("region", name="Gates")
    assert gates.evaluate("region => region.scrollWidth <= region.clientWidth")


def test_what_stopped_the_run_comes_first_and_names_are_shown_as_they_are(
    written: Path, opened: Open
) -> None:
    page = opened(written).page
    headings = page.locator(".alert h3").all_inner_texts()
    assert [heading.partition(":")[0] for heading in headings] == [
        "Failed",
        "Not evaluated",
        "Warned",
        "Accepted",
    ]
    assert SCRIPT in page.locator(".alert p").nth(2).inner_text()
    assert page.evaluate("document.scripts.length") == 0


def test_the_lines_that_tell_what_passes_stand_out_from_the_ground(written: Path, opened: Open) -> None:
    """Three to one, as WCAG 2 asks of what a chart is read by."""
    for scheme in ("light", "dark"):
        page = opened(written, scheme=scheme).page
        line, ground = (
            page.locator(one).first.evaluate(f"mark => getComputedStyle(mark).{style}")
            for one, style in ((".trend .limit", "stroke"), (".trend", "backgroundColor"))
        )
        assert _contrast(line, ground) >= 3


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
