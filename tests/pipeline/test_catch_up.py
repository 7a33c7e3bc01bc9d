"""A partition that was taken over: what of an unfinished window is gone is counted, and nothing
that was taken before is taken for news.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from monitor.journal.reader import JournalReader
from monitor.pipeline.catch_up import CatchUp
from monitor.pipeline.pipeline import Pipeline
from monitor.pipeline.sensor import Sensor
from monitor.records.signal import Delivery, Message
from monitor.records.stream import Piece, Position, StoredStream, TailRecords
from tests.laws.test_numbered_source import partition
from tests.laws.test_succession import WAYS, Owners, rows_of
from tests.signals import RATE_HZ, START_NS, configure, messages, noise, rules

N_EACH = 400  # samples a message, of windows of 1,000
LATE_S = 3600.0


@pytest.fixture(autouse=True)
def _unlooked() -> object:
    with patch.object(Sensor, "is_look_due", return_value=False):
        yield


def taken_over(folder: Path, records: list[Message | None]) -> Owners:
    """The owner before had taken half of the records."""
    owners = Owners(folder / "owners", records, WAYS["whole"])
    owners.process.read(len(records) // 2)
    owners.process.take(len(records), 0)
    owners.process.commit(with_tails=True)
    owners.hand_on()
    owners.process.die()
    owners.succeed()
    return owners


def dropped(path: Path) -> dict[str, int]:
    with closing(JournalReader(path)) as reader:
        books = reader.books()
        assert not books.imbalance()
        return {
            name: n
            for name, book in books.samples.items()
            if (n := book.get(("dropped", "records_gone"), 0))
        }


def waiting(owners: Owners) -> dict[str, int]:
    """Samples of unfinished windows that are still to be read again."""
    return {
        name: one.records.n_samples
        for name, one in owners.process.journal.streams().items()
        if one.records is not None and one.misses_tail
    }


def test_a_tail_whose_records_are_gone_is_counted(tmp_path: Path) -> None:
    """Deleted by Kafka meanwhile; windows that begin later are judged."""
    records = partition([N_EACH] * 30, same=False)
    owners = taken_over(tmp_path, records)
    lost = waiting(owners)
    assert lost
    first = owners.process.progress.offset
    records[first : len(records) // 2] = [None] * (len(records) // 2 - first)
    owners.process.read(len(records))
    owners.finish()
    assert dropped(owners.paths[-1]) == lost
    assert {(key[0], key[1]) for key in rows_of(owners.paths[-1])} >= {(n, 1) for n in lost}


def test_a_tail_of_a_sensor_that_sends_no_more_is_counted_too(tmp_path: Path) -> None:
    records = partition([N_EACH] * 30, same=False)
    owners = taken_over(tmp_path, records)
    lost, gone = waiting(owners), "vibration/m/a/waveform"
    first = owners.process.progress.offset
    records[first:] = [
        None if one is None or one.topic == gone else one for one in records[first:]
    ]
    owners.process.read(len(records))
    owners.finish()
    assert dropped(owners.paths[-1]) == {"m/a": lost["m/a"]}


def test_a_topic_that_was_made_anew_begins_anew(tmp_path: Path) -> None:
    """Its records have numbers that were used before, and are others."""
    owners = taken_over(tmp_path, partition([N_EACH] * 30, same=False))
    process = owners.process
    process.progress.offset = process.progress.next_offset = 0
    process.records = partition([N_EACH] * 7, same=True)
    lost = waiting(owners)
    owners.finish()
    assert dropped(owners.paths[-1]) == lost
    assert {key[1] for key in rows_of(owners.paths[-1])} == {1}


def test_while_a_tail_is_read_again_the_sensor_is_not_silent(tmp_path: Path) -> None:
    whole = [1000 if number % 7 in (1, 4) else N_EACH for number in range(30)]  # m/b's
    owners = taken_over(tmp_path, partition(whole, same=False))
    owners.process.pipeline.tick(START_NS, LATE_S)
    batch = owners.process.pipeline.take_batch(with_tails=True)
    assert waiting(owners).keys() == {"m/a", "m/c"}
    assert {verdict.sensor for verdict in batch.verdicts} == {"m/b"}
    owners.process.die()


def test_what_is_read_again_is_settled_once_the_window_is_whole_again() -> None:
    """And what is of no unfinished window at once."""
    reading = Position(n_window=1000, n_hop=1000, rate_hz=RATE_HZ, n_counted=0)
    records = TailRecords(5, 600, (Piece(3, 3, 400), Piece(5, 5, 200)))
    stored = StoredStream(reading, [], [], False, None, None, None, records=records)
    found = Pipeline(rules(configure()), {"m/p": stored}, {}, 0.0, first_record=0)
    sent, settled = messages(noise(1000), [400, 400, 200]), []
    for record, message in zip((3, 4, 5), sent, strict=True):
        read = replace(message, delivery=Delivery(record, record, False), properties={})
        found.process([read], START_NS, 0.0)
        settled.append([one.token for one in found.take_batch(False).settled])
    assert settled == [[], [4], []]
    batch = found.take_batch(True)
    assert [one.token for one in batch.settled] == [3, 5]
    assert [update.n_waiting for update in batch.streams] == [600]


def test_a_message_that_had_been_refused_is_no_gap_of_now(tmp_path: Path) -> None:
    """It lies behind the beginning of another sensor's window, and is read again."""
    whole = [1000 if number % 7 in (1, 4) else 100 for number in range(30)]  # m/b's
    records = partition(whole, same=False)
    half = [one for one in records[: len(records) // 2] if one is not None]
    sent = [one for one in half if one.topic == "vibration/m/b/waveform"][-2]
    refused = records.index(sent)
    records[refused] = replace(sent, payload=b"odd")
    alone = Owners(tmp_path / "alone", records, WAYS["whole"])
    alone.finish()
    owners = taken_over(tmp_path, records)
    assert owners.process.progress.offset < refused
    assert "m/b" not in waiting(owners)
    owners.finish()
    assert owners.rows().keys() == alone.rows().keys()


def test_only_the_missing_pieces_are_taken_in_their_order() -> None:
    pieces = (Piece(3, 3, 400), Piece(4, 5, 200))
    records = TailRecords(5, 600, pieces)
    stored = StoredStream(Position(), [], [], False, None, None, None, records=records)
    found, samples = CatchUp({"m/p": stored}), noise(600)
    assert not found.take("m/q", 3, samples[:, :400])
    assert not found.take("m/p", 5, samples[:, 400:])  # its turn is later
    assert not found.take("m/p", 3, samples[:, :399])
    assert found.take("m/p", 3, samples[:, :400])
    assert found.whole("m/p") is None
    assert not found.take("m/p", 3, samples[:, :400])
    assert found.passed(5) == []
    assert found.passed(6) == ["m/p"]
    assert found.take("m/p", 5, samples[:, 400:])
    assert not found.take("m/p", 6, samples[:, 400:])
    whole = found.whole("m/p")
    assert whole is not None
    np.testing.assert_array_equal(whole[1], samples)
    assert "m/p" not in found
