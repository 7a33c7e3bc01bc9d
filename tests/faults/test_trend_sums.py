"""The campaign's check of trends sees what differs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from tests.faults.trend_sums import check_trend_sums
from tests.verdicts import make_verdict


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Windows of twenty minutes."""
    journal = Journal(tmp_path / "journal")
    journal.commit(Batch(verdicts=[make_verdict(60 * index) for index in range(20)]))
    journal.close()
    return tmp_path / "journal"


def test_what_the_service_wrote_is_right(path: Path) -> None:
    check_trend_sums(path)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM verdict_row WHERE row_id = 20", "windows, the journal has"),
        (
            "UPDATE verdict_row SET status = 'OK' WHERE row_id = 3",
            "windows, the journal has",
        ),
        (
            "UPDATE verdict_row SET start_ns = start_ns + 9999 WHERE row_id = 3",
            "seconds of",
        ),
        ("DELETE FROM map WHERE row_id = 4", "bands of"),
        ("DELETE FROM window_indicators WHERE row_id = 5", "values, the windows have"),
        ("DELETE FROM trend WHERE tier_s = 600", "rows of 600 s"),
    ],
)
def test_what_differs_is_named(path: Path, damage: str, said: str) -> None:
    link = sqlite3.connect(path)
    link.execute(damage)
    link.commit()
    with pytest.raises(AssertionError, match=said):
        check_trend_sums(path)
