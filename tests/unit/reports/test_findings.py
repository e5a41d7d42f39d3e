"""Findings: what the report says first, from a snapshot made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from journey_analytics.reports.findings import TOO_EARLY, Findings, find, headline
from journey_analytics.reports.section import Section
from journey_analytics.reports.sections.channels import channels
from journey_analytics.reports.wording import percent
from tests.unit.published import Row, publish

_STAGES = ("awareness", "consideration", "purchase")


def _row(
    stage: str, reached: int, dropped: int, low: float | None, channel: str = "all", **more: object
) -> Row:
    """A row of mart_stage_dropoff whose other journeys all went on."""
    is_last = stage == "purchase"
    return {
        "funnel_kind": "progressive",
        "channel_role": "all" if channel == "all" else "first_touch",
        "channel": channel,
        "stage": stage,
        "stage_ordinal": _STAGES.index(stage) + 1,
        "journeys_reached": reached,
        "journeys_continued": reached - dropped,
        "journeys_dropped": dropped,
        "journeys_open": 0,
        "drop_off_rate": None if is_last or not reached else dropped / reached,
        "drop_off_rate_low": low,
        "drop_off_rate_high": None if low is None else min(low + 0.2, 1.0),
        **more,
    }


def _journeys(**states: int) -> list[Row]:
    return [
        {
            "journey_id": f"{state}{n}",
            "customer_id": f"c{n % 2}",
            "state": state,
        }
        for state, count in states.items()
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """100 journeys in the funnel, four in the table of journeys."""
    dropoff = [
        _row("awareness", 100, 40, 0.31),
        _row("consideration", 60, 45, 0.62),
        _row("purchase", 15, 0, None),
        _row("awareness", 30, 20, 0.48, "ads"),
        _row("awareness", 70, 20, 0.19, "email"),
        _row("consideration", 10, 9, 0.60, "ads"),
        _row("consideration", 50, 36, 0.58, "email"),
        _row("purchase", 1, 0, None, "ads"),
        _row("purchase", 14, 0, None, "email"),
        _row("purchase", 0, 0, None, "store"),
        _row("awareness", 999, 999, 0.99, "other role", channel_role="last_touch"),
        _row("awareness", 100, 50, 0.40, funnel_kind="touched"),
        _row("awareness", 999, 999, 0.99, "other kind", funnel_kind="touched"),
    ]
    journeys = _journeys(converted=1, lost=2, open=1)
    folder = tmp_path_factory.mktemp("marts")
    return find(publish(folder, mart_stage_dropoff=dropoff, mart_journeys=journeys))


def test_the_funnels_are_the_totals_in_the_order_of_their_stages(findings: Findings) -> None:
    """One for each kind."""
    funnel = findings.funnels["progressive"]
    assert [(cell.stage, cell.reached, cell.dropped) for cell in funnel] == [
        ("awareness", 100, 40),
        ("consideration", 60, 45),
        ("purchase", 15, 0),
    ]
    assert [cell.reached for cell in findings.funnels["touched"]] == [100]
    assert findings.stages == list(_STAGES)


def test_journeys_and_customers_are_those_of_the_journeys(findings: Findings) -> None:
    """Counted once each."""
    assert findings.states == {"converted": 1, "lost": 2, "open": 1}
    assert (findings.journeys, findings.customers) == (4, 2)


def test_the_worst_stage_is_where_most_journeys_end(findings: Findings) -> None:
    """By number, not by share; the last stage has no share."""
    worst = findings.worst_stage
    assert worst is not None
    assert (worst.stage, worst.dropped, worst.decided) == ("consideration", 45, 60)


def test_the_worst_cells_are_surely_bad_and_large_enough(findings: Findings) -> None:
    """By the lower end; ten decided journeys are too few to be called the worst."""
    cells = [(cell.stage, cell.channel) for cell in findings.worst_cells()]
    assert cells == [("consideration", "email"), ("awareness", "ads"), ("awareness", "email")]
    assert findings.worst_cells(1)[0].decided == 50


def test_channels_come_by_their_journeys(findings: Findings) -> None:
    """Of the role and the kind of the report alone."""
    assert findings.channels == ["email", "ads", "store"]


def test_a_cell_where_nobody_was_is_no_cell(findings: Findings) -> None:
    """It is drawn as nothing, not as a 0."""
    cell = findings.cell("awareness", "ads")
    assert cell is not None
    assert cell.reached == 30
    assert findings.cell("purchase", "store") is None
    assert findings.cell("awareness", "phone") is None


def test_the_headline_says_what_became_of_the_journeys(findings: Findings) -> None:
    """And where most of them ended."""
    assert headline(findings) == (
        "Of 4 journeys 1 reached purchase in time, 2 did not, and 1 still can. "
        "Most of those that ended did so in consideration: 45 of 60 (75.0 %) went no further."
    )


def test_no_drop_is_no_worst_stage(tmp_path: Path) -> None:
    """All went on: there is nothing to say about the worst."""
    rows = [_row("awareness", 5, 0, 0.0), _row("purchase", 5, 0, None)]
    found = find(publish(tmp_path, mart_stage_dropoff=rows, mart_journeys=_journeys(converted=5)))
    assert headline(found) == "Of 5 journeys 5 reached purchase in time, 0 did not, and 0 still can."
    assert found.worst_cells() == []


def test_while_no_journey_has_ended_it_is_too_early_for_rates(tmp_path: Path) -> None:
    """Two are open, so that none dropped says nothing; one that dropped is enough to say something."""
    rows = [_row("awareness", 5, 0, None, journeys_open=2), _row("purchase", 3, 0, None)]
    found = find(publish(tmp_path / "none", mart_stage_dropoff=rows, mart_journeys=_journeys(open=5)))
    assert headline(found).endswith(f"and 5 still can. {TOO_EARLY}")
    assert channels(found) == Section("channels", "Where: stage by channel", TOO_EARLY)
    rows = [_row("awareness", 5, 1, 0.1, journeys_open=2), _row("purchase", 3, 0, None)]
    found = find(publish(tmp_path / "one", mart_stage_dropoff=rows, mart_journeys=_journeys(open=5)))
    assert TOO_EARLY not in headline(found)
    assert TOO_EARLY not in channels(found).finding


def test_percent_has_one_decimal_and_a_dash_for_nothing() -> None:
    """A share of 0 is not a missing one."""
    assert [percent(share) for share in (0.0, 1.0, 0.2549, None)] == ["0.0 %", "100.0 %", "25.5 %", "–"]
