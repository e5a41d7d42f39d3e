"""Faults planted in nights of a generated shop: a check stops each of them; clean nights pass."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.unit.generator.shops import make_up
from tests.unit.quality.faults import FAULTS, Shop, staged

pytestmark = pytest.mark.slow

SPRING, NIGHTS = date(2025, 3, 1), 30
AUTUMN, CLEAN_NIGHTS = date(2025, 9, 25), 60
_HISTORY = 58


@pytest.fixture(scope="module")
def spring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Its nights hold Labour Day and no month that differs much from the one before."""
    folder = tmp_path_factory.mktemp("spring") / "shop"
    days = _HISTORY + NIGHTS
    make_up(folder, events=600_000, customers=24_000, days=days, start=SPRING, format="parquet")
    with staged(folder) as shop:
        yield shop


def test_twenty_kinds_of_faults_in_thirty_nights_are_all_stopped(spring: Shop) -> None:
    assert len({fault.kind for fault in FAULTS}) >= 20
    table, missed, alarms = [], [], []
    for number in range(NIGHTS):
        night, fault = SPRING + timedelta(days=_HISTORY + number), FAULTS[number % len(FAULTS)]
        stopping = [result for result in spring.results(night, fault) if result.stops]
        by_name = [result for result in stopping if result.check in fault.told_by]
        table.append((str(night), fault.kind, *((r.check, r.sample) for r in by_name[:1]), "not published"))
        missed += [] if by_name else [(night, fault.kind, [result.check for result in stopping])]
        alarms += [(night, result) for result in spring.results(night) if result.status != "passed"]
    for row in table:
        print(*row, sep=" | ")
    assert missed == []
    assert alarms == []


def test_sixty_clean_nights_with_black_friday_and_christmas_warn_at_most_once(tmp_path: Path) -> None:
    days = _HISTORY + CLEAN_NIGHTS
    make_up(tmp_path / "shop", events=400_000, customers=16_000, days=days, start=AUTUMN, format="parquet")
    with staged(tmp_path / "shop") as shop:
        unlike = [
            result
            for number in range(CLEAN_NIGHTS)
            for result in shop.results(AUTUMN + timedelta(days=_HISTORY + number))
            if result.status != "passed"
        ]
    assert len(unlike) <= 1, unlike
    assert not any(result.stops for result in unlike)
