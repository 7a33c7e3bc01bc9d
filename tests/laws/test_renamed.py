"""A point that had other names: read together, its rows are what they were under one name."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.journal.columns import Selection, Span
from monitor.journal.reader import JournalReader
from monitor.journal.trend_columns import TrendSelection
from monitor.journal.trend_reader import TrendReader
from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from monitor.records.trend import TIERS_S
from monitor.records.verdict import Status
from tests.laws.test_trends import (
    EVER,
    check_equal,
    statuses,
    steps,
    sums,
    window,
)

NEW, OLD, OLDER = "press 2/bearing", "press 1/bearing", "press 0/bearing"
FORMERLY = {NEW: (OLDER, OLD)}
owners = st.lists(st.sampled_from([OLDER, OLD, NEW]), min_size=25, max_size=25)


@settings(max_examples=40)
@given(steps, statuses, owners, st.integers(1, 7))
def test_rows_of_all_names_are_the_sums_of_all_windows(
    moves: list[float], words: list[Status], names: list[str], n_at_once: int
) -> None:
    """One after the other, or beside each other for a while; read whole, and some at a time."""
    times = 1e6 + np.cumsum(moves)
    verdicts = [
        replace(window(index, at_s, words[index]), sensor=names[index])
        for index, at_s in enumerate(times.tolist())
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        journal = Journal(path)
        journal.commit(Batch(verdicts=verdicts))
        journal.close()
        stored = [
            (row.row_id, row.verdict.end_ns, verdict)
            for row, verdict in zip(JournalReader(path).rows(), verdicts, strict=True)
        ]
        reader = TrendReader(path, FORMERLY)
        for tier_s in TIERS_S:
            expected = sums(stored, tier_s)
            whole = reader.rows(NEW, tier_s, *EVER)
            pages = reader.pages(NEW, tier_s, *EVER, n_at_once)
            paged = [row for page in pages for row in page]
            for found in (whole, paged):
                assert [row.start_ns for row in found] == [row.start_ns for row in expected]
                for one, other in zip(found, expected, strict=True):
                    check_equal(one, other)
        selection = Selection(path, Span(NEW, former=FORMERLY[NEW]))
        assert selection.n_windows == len(verdicts)
        blocks = list(selection.verdicts())
        ends = [end for block in blocks for end in block["end"].tolist()]
        assert ends == sorted(end_ns for _, end_ns, _ in stored)
        trends = TrendSelection(path, NEW, TIERS_S[0], *EVER, FORMERLY)
        assert trends.n_rows == len(sums(stored, TIERS_S[0]))
