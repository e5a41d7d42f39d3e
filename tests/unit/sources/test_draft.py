"""Drafts of projects: tried on the files they are made from, and telling what they leave open."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from journey_analytics.errors import ConfigError
from journey_analytics.local_days import to_us
from journey_analytics.project import read_project
from journey_analytics.sources.draft import Draft, draft_project
from journey_analytics.sources.scaffold import write_project
from journey_analytics.sources.trial import try_draft

NOW_US = to_us(datetime(2026, 11, 22, tzinfo=UTC))
MONTHS_NUMBER = "%m/%d/%Y"


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def draft_of(*paths: Path) -> Draft:
    return draft_project(list(paths), NOW_US)


def told(draft: Draft, what: str) -> Any:
    (guess,) = [guess for guess in draft.guesses if guess.what == what]
    return guess


def test_a_german_export_loses_no_row(tmp_path: Path) -> None:
    file = written(
        tmp_path / "export.csv",
        "Zeitpunkt;Aktion;Kunden-Nr.;Umsatz",
        "01.02.2026 01:03:00;Seite;4711;",
        "02.02.2026 01:03:00;Bestellung;4711;1.234,56",
    )
    draft = draft_of(file)
    tried = try_draft(draft, NOW_US)
    assert (tried.totals.events, tried.totals.quarantined) == (2, 0)
    assert [str(row["revenue"]) for row in tried.rows] == ["None", "1234.5600"]
    assert draft.mapping["time_format"] == "%d.%m.%Y %H:%M:%S"
    assert (told(draft, "timezone").value, told(draft, "timezone").sureness) == ("UTC", "a guess")


def test_what_two_formats_leave_open_in_the_first_file_another_file_settles(tmp_path: Path) -> None:
    first = written(tmp_path / "a1.csv", "event,time,user_id", "view,02/03/2026,u1", "view,02/04/2026,u1")
    later = written(tmp_path / "a2.csv", "event,time,user_id", "view,02/13/2026,u1")
    alone = draft_of(first)
    try_draft(alone, NOW_US)
    assert alone.mapping["time_format"] == "%d/%m/%Y"
    assert "ambiguous" in told(alone, "time_format").why
    both = draft_of(first, later)
    assert try_draft(both, NOW_US).totals.quarantined == 0
    assert (both.mapping["time_format"], told(both, "time_format").value) == (MONTHS_NUMBER, MONTHS_NUMBER)
    assert told(both, "time_format").sureness == "likely"


def test_the_format_that_loses_fewer_rows_stays(tmp_path: Path) -> None:
    """Each format loses a row of the second file, and the first one was the guess."""
    first = written(tmp_path / "a1.csv", "event,time,user_id", "view,02/03/2026,u1")
    later = written(tmp_path / "a2.csv", "event,time,user_id", "view,02/13/2026,u1", "view,13/02/2026,u1")
    draft = draft_of(first, later)
    assert try_draft(draft, NOW_US).totals.quarantined == 1
    assert draft.mapping["time_format"] == "%d/%m/%Y"


def test_times_of_no_known_format_are_told(tmp_path: Path) -> None:
    draft = draft_of(written(tmp_path / "a.csv", "event,time,user_id", "view,noon,u1"))
    assert told(draft, "time_format").sureness == "not found"
    assert "noon" in told(draft, "time_format").why
    (fault,) = try_draft(draft, NOW_US).quarantine
    assert (fault["reason"], fault["row_number"], fault["value"]) == ("not a time", 1, "noon")


def test_the_time_is_found_by_its_values_and_what_is_missing_is_left_open(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "Foo,Bar,Baz", "view,14.02.2026 21:13,u1")
    draft = draft_of(file)
    assert draft.mapping["columns"]["occurred_at"] == '"Bar"'
    assert draft.gaps == ["event_name", "customer_ref"]
    # a key without the customer would take two customers' events for one
    assert "key" not in draft.mapping
    write_project(draft, tmp_path / "shop")
    assert "event_name, customer_ref" in (tmp_path / "shop/sources/a.yaml").read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match=r"columns\.event_name is missing"):
        read_project(tmp_path / "shop")


def test_files_that_differ_in_numbers_are_a_pattern_unless_it_finds_others(tmp_path: Path) -> None:
    """Next month's file is found too; one that was there and not given would come in unasked."""
    header = "event,time,user_id"
    months = [written(tmp_path / f"web-2026-0{n}.csv", header, f"view,2026-0{n}-01,u") for n in (1, 2)]
    draft = draft_of(*months)
    assert draft.name == "web"
    assert told(draft, "files").value == "web-2026-*.csv"
    write_project(draft, tmp_path / "shop")
    project = read_project(tmp_path / "shop")
    assert project.settings.project == "shop"
    assert project.sources[0].mapping.files == "../web-2026-*.csv"
    written(tmp_path / "web-2026-07.csv", header, "view,2026-07-01,u")
    assert told(draft_of(*months), "files").value == "the 2 given"
