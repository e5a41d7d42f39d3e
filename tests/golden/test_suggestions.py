"""Suggestions measured: each mapped event name of real data is hidden and asked for; -s shows the report.

The truth is the stage that the data's own description gives an event, see tests/projects.
The name that is asked for is hidden from the rules' outcome and from every count. The vocabulary of words
stays, because it is shipped knowledge; as its words, like the weights, were chosen with such names in view,
what the project's data gives without it is reported and held too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from journey_analytics.project import read_project
from journey_analytics.rehearsal import rehearse
from journey_analytics.stages.coverage import measure_coverage
from journey_analytics.stages.suggestion import Measure, measure
from tests.conftest import CHECKOUT, copy_project, run_project, shared

# project: data, then the least to be found at once and among the best two, and at once without the vocabulary
CASES = {
    "ga4": ("ga4_events_sample", 16, 17, 11),
    "tickets": ("helpdesk_tickets", 5, 10, 5),
    "cooltshirts": ("cooltshirts_page_visits", 3, 4, 1),
    "olist": ("olist_marketing_funnel", 1, 2, 0),
    "complete_journey": (None, 1, 2, 1),
}


def measured(project: str, data: str | None, folder: Path) -> tuple[Measure, Measure, float]:
    """With the vocabulary and without; and the share of events that the project's rules take."""
    source = CHECKOUT / "tests" / "projects" / project if data else CHECKOUT / "data" / project
    copy_project(source, folder)
    if data:
        (folder / "input").symlink_to(shared(data))
    run_project(folder)
    read = read_project(folder)
    with rehearse(read) as rehearsal:
        (coverage,) = measure_coverage(rehearsal, read)
        return measure(rehearsal, read), measure(rehearsal, read, without=["words"]), coverage.share


@pytest.mark.parametrize("project", CASES)
def test_hidden_event_names_are_found_again(project: str, tmp_path: Path) -> None:
    data, at_once, among_two, without_words = CASES[project]
    found, by_data, covered = measured(project, data, tmp_path / project)
    assert covered >= 0.99
    names = len(found.asked)
    print(
        f"\n{project}: of {names} event names {found.right(1)} found at once ({found.right(1) / names:.0%}), "
        f"{found.right(2)} among the best two ({found.right(2) / names:.0%}); without the vocabulary "
        f"{by_data.right(1)} and {by_data.right(2)}; by the stage with the most other names "
        f"{found.by_majority}"
    )
    for asked in found.asked:
        mark = "right " if asked.is_among(1) else "second" if asked.is_among(2) else "wrong "
        print(f"  {mark}  {asked.event_name}: {asked.stage}, suggested {', '.join(asked.ranked[:2])}")
    assert found.right(1) >= at_once
    assert found.right(2) >= among_two
    assert by_data.right(1) >= without_words
    assert found.right(1) > found.by_majority
