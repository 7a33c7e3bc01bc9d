"""The position and the fence are in the transaction."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.journal.positions import (
    SupersededError,
    next_generation,
    stored_position,
)
from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from monitor.records.position import Resumed, SourcePosition


def batch(offset: int, digests: dict[int, int], epoch: int | None = 4) -> Batch:
    position = SourcePosition("t", 2, 12, offset, epoch)
    return Batch(position=position, digests=digests)


def test_a_journal_without_position(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    assert journal.resumed() == Resumed(None, 0)
    journal.commit(Batch(digests={5: 1}))  # of MQTT: no position, and nothing is forgotten
    assert journal.digests() == {5: 1}
    assert stored_position(tmp_path / "journal") is None


def test_digests_before_the_position_go_and_those_of_senders_stay(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.commit(batch(5, {3: 1, 5: 2, 8: 3, -7: 4}))
    assert journal.digests() == {5: 2, 8: 3, -7: 4}
    assert journal.resumed() == Resumed(SourcePosition("t", 2, 12, 5, 4), 9)
    journal.commit(batch(9, {}, None))
    assert journal.digests() == {-7: 4}
    assert journal.resumed() == Resumed(SourcePosition("t", 2, 12, 9, None), 9)


def test_the_older_of_two_processes_stores_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    older = Journal(path, generation=next_generation(path))
    older.commit(batch(5, {}))
    newer = Journal(path, generation=next_generation(path))
    with pytest.raises(SupersededError, match=r"generation 2, ours is 1"):
        older.commit(batch(6, {}))
    with pytest.raises(SupersededError):
        older.store_health(1, {})
    with pytest.raises(SupersededError):
        Journal(path, generation=1)  # one that was started late
    assert stored_position(path) == SourcePosition("t", 2, 12, 5, 4)
    newer.commit(batch(7, {}))
    assert stored_position(path) == SourcePosition("t", 2, 12, 7, 4)
