"""Trends in the journal: how long they stay, and journals without them."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.journal.schema import JournalError
from monitor.journal.trend_codec import decode
from monitor.journal.trend_reader import TrendReader
from monitor.journal.trends import ROWS_PER_BLOCK
from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from monitor.records.trend import DAY_S, HOUR_S, TEN_MINUTES_S, TIERS_S
from monitor.records.verdict import Verdict
from tests.verdicts import SECOND_NS, make_verdict

SENSOR = "press 7/bearing"
START_NS = 1_767_225_600 * SECOND_NS  # 2026-01-01
KEPT_S = {TEN_MINUTES_S: 2 * DAY_S, HOUR_S: 40 * DAY_S}
EVER = (0, 2**62)


def window(index: int, at_s: int) -> Verdict:
    end_ns = START_NS + at_s * SECOND_NS
    return replace(make_verdict(index), start_ns=end_ns - SECOND_NS, end_ns=end_ns)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with four windows a day for fifty days."""
    journal = Journal(tmp_path / "journal")
    windows = [window(index, 1 + index * DAY_S // 4) for index in range(200)]
    journal.commit(Batch(verdicts=windows))
    journal.close()
    return tmp_path / "journal"


def test_old_rows_go_tier_by_tier_and_are_counted(path: Path) -> None:
    journal = Journal(path)
    now_ns = START_NS + 50 * DAY_S * SECOND_NS
    taken = journal.thin_trends(KEPT_S, now_ns)
    assert taken["ten_minutes"] > 180
    assert 20 < taken["hours"] < 60
    assert journal.thin_trends(KEPT_S, now_ns).total() == 0
    reader = TrendReader(path)
    for tier_s, kept_s in KEPT_S.items():
        rows = reader.rows(SENSOR, tier_s, *EVER)
        # the newest window is not of now
        longest_s = kept_s + ROWS_PER_BLOCK * tier_s + DAY_S
        assert kept_s < (now_ns - rows[0].start_ns) / SECOND_NS <= longest_s
        assert rows[-1].end_ns > START_NS + 49 * DAY_S * SECOND_NS
    days = reader.rows(SENSOR, DAY_S, *EVER)
    assert sum(row.windows["NG"] for row in days) == 200


def test_a_step_takes_a_bounded_number_of_blocks(path: Path) -> None:
    journal = Journal(path)
    taken = journal.thin_trends(KEPT_S, START_NS + 50 * DAY_S * SECOND_NS, n_blocks=3)
    assert 0 < taken.total() <= 2 * 3 * ROWS_PER_BLOCK


def test_a_clock_that_steps_years_ahead_deletes_nothing_more(path: Path) -> None:
    journal = Journal(path)
    journal.thin_trends(KEPT_S, START_NS + 50 * DAY_S * SECOND_NS)
    assert journal.thin_trends(KEPT_S, START_NS + 5000 * DAY_S * SECOND_NS).total() == 0


def test_a_span_has_the_rows_that_begin_in_it(path: Path) -> None:
    reader = TrendReader(path)
    from_ns, to_ns = START_NS + DAY_S * SECOND_NS, START_NS + 2 * DAY_S * SECOND_NS
    for tier_s, n_rows in zip(TIERS_S, (4, 4, 1), strict=True):
        assert len(reader.rows(SENSOR, tier_s, from_ns, to_ns)) == n_rows
    assert reader.rows("nobody", HOUR_S, *EVER) == []


@pytest.mark.parametrize("n", [1, 4, 47, 48, 49, 199, 500])
def test_the_first_rows_are_those_of_all(n: int, path: Path) -> None:
    """Also where the newest is still open."""
    reader = TrendReader(path)
    for tier_s in TIERS_S:
        every = [(row.start_ns, row.windows) for row in reader.rows(SENSOR, tier_s, *EVER)]
        found = reader.rows(SENSOR, tier_s, *EVER, n)
        assert [(row.start_ns, row.windows) for row in found] == every[:n]


def test_the_span_of_all_rows_reaches_from_the_first_to_the_last(path: Path) -> None:
    reader = TrendReader(path)
    assert reader.span_ns(SENSOR) == (START_NS, START_NS + 50 * DAY_S * SECOND_NS)
    assert reader.span_ns("nobody") is None


def test_a_journal_that_an_older_program_wrote_has_no_trends(path: Path) -> None:
    link = sqlite3.connect(path)
    link.execute("DROP TABLE trend")
    link.execute("DROP TABLE trend_open")
    link.commit()
    reader = TrendReader(path)
    assert reader.rows(SENSOR, DAY_S, *EVER) == []
    assert reader.span_ns(SENSOR) is None


def test_a_damaged_row_is_told_in_one_sentence(path: Path) -> None:
    link = sqlite3.connect(path)
    link.execute("UPDATE trend SET body = substr(body, 1, 30)")
    link.commit()
    with pytest.raises(JournalError, match="trends cannot be read"):
        TrendReader(path).rows(SENSOR, DAY_S, *EVER)


@pytest.mark.parametrize("body", [b"", b"\1", b"\0abc", b"\1abc", b"\2" + bytes(40)])
def test_a_body_of_nonsense_is_no_row(body: bytes) -> None:
    with suppress(ValueError):
        assert decode(body, HOUR_S) == []
