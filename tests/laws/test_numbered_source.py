"""Law of a source that numbers its records: whatever is killed between any two steps, nothing is
missing and nothing is judged twice.

The messages have neither time nor number, so that nothing but the position and the digests in the
journal can tell a repeat.
"""

from __future__ import annotations

import tempfile
from collections import deque
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.pipeline.pipeline import Pipeline
from monitor.pipeline.router import Rules
from monitor.pipeline.sensor import Sensor
from monitor.records.position import SourcePosition
from monitor.records.signal import Delivery, Message
from monitor.sources.kafka.progress import Progress
from tests.signals import START_NS, configure, noise, rules

SENSORS = ("m/a", "m/b", "m/c")
RULES = rules(configure())
Row = tuple[str, int, int, int]


def partition(counts: list[int], same: bool) -> list[Message | None]:
    """Records of several sensors, as many samples each; None is a hole in the offsets.

    same : all payloads of a length are alike
    """
    records: list[Message | None] = []
    for number, n in enumerate(counts):
        sensor = SENSORS[number % 7 % len(SENSORS)]
        if number % 5 == 4:
            records.append(None)
        samples = noise(n, 0 if same else number).astype("<f4")
        topic = f"vibration/{sensor}/waveform"
        records.append(Message(topic, samples.tobytes(), START_NS + number))
    return records


class Process:
    """One life of the service on the journal: what service.py does, step by step."""

    def __init__(
        self,
        path: Path,
        records: list[Message | None],
        rules: Rules = RULES,
        hands_on: bool = False,
    ) -> None:
        """hands_on : it notes which records its unfinished windows came in"""
        self.journal = Journal(path)
        resumed = self.journal.resumed()
        streams, digests = self.journal.streams(), self.journal.digests()
        remembered = self.journal.remembered()
        self.pipeline = Pipeline(
            rules,
            streams,
            digests,
            0.0,
            remembered,
            first_record=resumed.first if hands_on else None,
        )
        place = resumed.position
        self.progress = Progress(0 if place is None else place.offset)
        self.known_before = resumed.known_before
        self.records = records
        self.inbox: dict[str, deque[Message]] = {}

    def read(self, n: int) -> None:
        """The source's thread: the next records into the inbox."""
        for offset in range(self.progress.next_offset, len(self.records))[:n]:
            message = self.records[offset]
            if message is None:
                continue
            self.progress.deliver(offset, 0)
            delivery = Delivery(offset, offset, offset < self.known_before)
            waiting = self.inbox.setdefault(message.topic, deque())
            waiting.append(replace(message, delivery=delivery))

    def take(self, n: int, turn: int) -> None:
        """The pipeline's turn: topics come one after another, so offsets get out of order."""
        taken: list[Message] = []
        while self.inbox and len(taken) < n:
            topics = list(self.inbox)
            topic = topics[turn % len(topics)]
            taken.append(self.inbox[topic].popleft())
            if not self.inbox[topic]:
                del self.inbox[topic]
        self.pipeline.process(taken, START_NS, 0.0)

    def commit(self, with_tails: bool, dies_before: bool = False) -> None:
        batch = self.pipeline.take_batch(with_tails)
        self.progress.settle(receipt.token for receipt in batch.settled)  # type: ignore[misc]
        batch.position = SourcePosition("t", 0, 1, self.progress.offset, 0)
        if not dies_before:
            self.journal.commit(batch)
            self.pipeline.forget_before(batch.position.offset)

    def die(self) -> None:
        self.journal.close()

    @property
    def is_done(self) -> bool:
        return not self.inbox and self.progress.next_offset >= len(self.records)


def rows_of(path: Path) -> list[Row]:
    """Each verdict once; whole books are checked on the way."""
    reader = JournalReader(path)
    assert not reader.books().imbalance()
    rows = [row.verdict for row in reader.rows()]
    reader.close()
    return sorted((v.sensor, v.segment, v.first_sample, v.n_samples) for v in rows)


def expected_rows(records: list[Message | None]) -> list[Row]:
    n_received = dict.fromkeys(SENSORS, 0)
    for message in records:
        if message is not None:
            sensor = message.topic.removeprefix("vibration/").removesuffix("/waveform")
            n_received[sensor] += len(message.payload) // np.dtype("f4").itemsize
    return sorted(
        (sensor, 0, 1000 * n, 1000)
        for sensor, received in n_received.items()
        for n in range(received // 1000)
    )


steps = st.one_of(
    st.tuples(st.just("read"), st.integers(1, 12)),
    st.tuples(st.just("take"), st.integers(1, 6)),
    st.tuples(st.just("verdicts"), st.just(0)),
    st.tuples(st.just("tails"), st.just(0)),
    st.tuples(st.just("die"), st.just(0)),
    st.tuples(st.just("die before the store"), st.integers(0, 1)),
)


@settings(deadline=None, max_examples=60)
@given(
    counts=st.lists(st.sampled_from([1, 250, 400, 1700]), min_size=1, max_size=24),
    same=st.booleans(),
    turns=st.integers(0, 5),
    plan=st.lists(steps, max_size=40),
)
def test_killed_between_any_two_steps_nothing_is_missing_and_nothing_double(
    counts: list[int], same: bool, turns: int, plan: list[tuple[str, int]]
) -> None:
    records = partition(counts, same)
    # Payloads that are all alike are implausible, which is another law's business.
    unlooked = patch.object(Sensor, "is_look_due", return_value=False)
    with unlooked, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        process = Process(path, records)
        for index, (what, n) in enumerate(plan):
            if what == "read":
                process.read(n)
            elif what == "take":
                process.take(n, turns + index)
            elif what in ("verdicts", "tails"):
                process.commit(what == "tails")
            else:
                if what == "die before the store":
                    process.commit(bool(n), dies_before=True)
                process.die()
                process = Process(path, records)
        while not process.is_done:
            process.read(5)
            process.take(3, turns)
            process.commit(with_tails=True)
        process.commit(with_tails=True)
        resumed, digests = process.journal.resumed(), process.journal.digests()
        process.die()
        assert rows_of(path) == expected_rows(records)
        n_last = max(n for n, message in enumerate(records) if message is not None)
        assert resumed.position is not None
        assert resumed.position.offset == n_last + 1
        assert digests == {}  # of records that cannot come again nothing is kept
        counted = JournalReader(path).books().counters["messages_received"]
        assert counted >= sum(message is not None for message in records)
