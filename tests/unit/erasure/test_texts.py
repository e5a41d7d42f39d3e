"""Sentences and pages that name somebody who is erased, told from those that do not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.erasure.texts import TAKEN_OUT, Mentions, pages_naming, replace_sentences
from journey_analytics.project import read_project
from journey_analytics.record import append, record_sql
from journey_analytics.sources.erased import new_erasure
from journey_analytics.status import LastAttempt, Status, read_status, write_status

_JOURNEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def mentions() -> Mentions:
    """Of the customer 17, who also is the cookie c-1, with one event and one journey."""
    erasure = new_erasure(
        [],
        day="2026-06-01",
        until_us=0,
        reference="",
        customers=1,
        ids={"17", "anonymous:c-1", "O'Hara & Sons"},
        events={("web", "e9")},
    )
    return Mentions(erasure, {_JOURNEY}, ["web", "crm"])


@pytest.mark.parametrize(
    "said",
    [
        "source=web, event_id=e1, customer_id=17",
        "customer_id=17; customer_id=18",
        "customer_id=c-1",
        "event_id=e9, revenue=-3",
        f"journey_id={_JOURNEY}, touchpoints=0",
        "web.csv row 3: '17' is not a number",
        'customer_id "17"',
    ],
)
def test_a_sentence_with_one_of_their_values_names_them(mentions: Mentions, said: str) -> None:
    assert mentions.in_sentence(said)


@pytest.mark.parametrize(
    "said",
    ["17 rows broke the rule", "customer_id=171, event_id=e99", "on day 17: 'e1'", "journey_id=17a", ""],
)
def test_a_number_that_looks_like_an_id_does_not(mentions: Mentions, said: str) -> None:
    assert not mentions.in_sentence(said)


def test_pages_are_told_by_cells_and_journeys(mentions: Mentions, tmp_path: Path) -> None:
    cells = {
        "customer": "<td><bdi>17</bdi></td>",
        "escaped": "<td><bdi>O&#39;Hara &amp; Sons</bdi></td>",
        "journey": f"<code>journey journeys show {_JOURNEY}</code>",
        "number": '<td data-value="17">17</td><bdi>171</bdi>',
    }
    for name, cell in cells.items():
        (tmp_path / f"{name}.html").write_text(f"<html>{cell}</html>", encoding="utf-8")
    assert pages_naming(tmp_path, mentions) == ["customer.html", "escaped.html", "journey.html"]


def test_sentences_of_record_and_status_are_replaced_and_others_stay(mentions: Mentions, tiny: Path) -> None:
    project = read_project(tiny)
    folder = project.marts_folder
    checks = [
        {
            "begun_at": datetime(2026, 6, 1, tzinfo=UTC),
            "run_id": "r1",
            "gate": "raw",
            "table_name": "events",
            "check_name": name,
            "severity": "warn",
            "status": "failed",
            "rows_failed": 17,
            "sample": sample,
        }
        for name, sample in (("one", "customer_id=17"), ("other", "customer_id=18"), ("none", None))
    ]
    append(folder, "mart_quality_results", checks, run_id="r1", begun_us=1)
    last = LastAttempt(
        begun_at=datetime(2026, 6, 1, tzinfo=UTC),
        pid=1,
        message="customer_id=17",
        warnings=["events: one: customer_id=17", "events: other: customer_id=18"],
        steps=[{"step": "check_raw", "detail": "event_id=e9"}, {"step": "stage", "detail": "17 touchpoints"}],
    )
    write_status(folder, Status(project="tiny", last_attempt=last))
    with DuckDBEngine() as engine:
        assert replace_sentences(engine, project, mentions) == 4
        recorded = record_sql(folder, "mart_quality_results")
        rows = engine.rows(f"select check_name, sample, rows_failed from ({recorded}) order by all")
        assert replace_sentences(engine, project, mentions) == 0
    assert [tuple(row.values()) for row in rows] == [
        ("none", None, 17),
        ("one", TAKEN_OUT, 17),
        ("other", "customer_id=18", 17),
    ]
    told = read_status(folder, "tiny").last_attempt
    assert told is not None
    assert told.message == TAKEN_OUT
    assert told.warnings == [TAKEN_OUT, "events: other: customer_id=18"]
    assert [step["detail"] for step in told.steps] == [TAKEN_OUT, "17 touchpoints"]
