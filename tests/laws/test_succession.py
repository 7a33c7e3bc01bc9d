"""Law of a partition's succession: whenever a journal is lost, and however old what it handed on
is, the next owner's rows and those of the owners before are together the rows of one undisturbed
owner, and its books close.

The messages have neither time nor number: nothing but their records' offsets can tell where a
window begins.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.journal.reader import JournalReader
from monitor.journal.succession import SuccessionReader, journal_id, take_over
from monitor.pipeline.router import Rules
from monitor.pipeline.sensor import Sensor
from monitor.records.signal import Message
from monitor.records.verdict import Verdict
from monitor.succession.wire import Records, decode, encode
from tests.laws.test_numbered_source import Process, partition
from tests.signals import configure, rules

Rows = dict[tuple[str, int, int, int], Verdict]
WAYS = {
    "whole": rules(configure()),
    "overlapping": rules(configure(sensor={"overlap": 0.6})),
    "velocity": rules(configure(sensor={"unit": "mm/s"})),
}


class Owners:
    """One after another, each with a journal of its own, and the state topic between them."""

    def __init__(self, folder: Path, records: list[Message | None], way: Rules) -> None:
        self._folder, self._records, self._way = folder, records, way
        folder.mkdir()
        self.state: Records = {}
        self.paths: list[Path] = []
        self.succeed()

    def succeed(self) -> None:
        """The journal is lost, and with it what was not handed on."""
        path = self._folder / f"journal-{len(self.paths)}"
        self.paths.append(path)
        own, found = journal_id(path), decode(self.state)
        if found is not None and found[0].owner != own:
            take_over(path, found[0], None, 1, "so it is")
        self.begin()

    def begin(self) -> None:
        """With the journal that is there."""
        self.process = Process(self.paths[-1], self._records, self._way, hands_on=True)

    def hand_on(self) -> None:
        with closing(SuccessionReader(self.paths[-1])) as reader:
            handed = reader.read()
        if handed is not None:
            self.state = encode(handed.succession, {})

    def finish(self) -> None:
        process = self.process
        while not process.is_done:
            process.read(5)
            process.take(3, 1)
            process.commit(with_tails=True)
        process.commit(with_tails=True)
        process.die()

    def rows(self) -> Rows:
        """What all owners said; where several speak of one window they say the same."""
        found: Rows = {}
        for path in self.paths:
            for key, verdict in rows_of(path).items():
                assert_same(found.setdefault(key, verdict), verdict)
        return found


def rows_of(path: Path) -> Rows:
    with closing(JournalReader(path)) as reader:
        assert not reader.books().imbalance()
        return {
            (v.sensor, v.segment, v.first_sample, v.n_samples): v
            for v in (row.verdict for row in reader.rows())
        }


def assert_same(found: Verdict, expected: Verdict) -> None:
    assert (found.start_ns, found.end_ns) == (expected.start_ns, expected.end_ns)
    assert (found.status, found.reason) == (expected.status, expected.reason)
    assert found.quality == pytest.approx(expected.quality, abs=1e-5)


def received(path: Path) -> Mapping[str, int]:
    with closing(JournalReader(path)) as reader:
        samples = reader.books().samples
    return {name: book["received", ""] for name, book in samples.items()}


steps = st.one_of(
    st.tuples(st.just("read"), st.integers(1, 12)),
    st.tuples(st.just("take"), st.integers(1, 6)),
    st.tuples(st.just("verdicts"), st.just(0)),
    st.tuples(st.just("tails"), st.just(0)),
    st.tuples(st.just("hand on"), st.just(0)),
    st.tuples(st.just("die"), st.just(0)),
    st.tuples(st.just("lose"), st.just(0)),
)
ROUND = [("read", 9), ("take", 6), ("tails", 0), ("hand on", 0), ("take", 3), ("lose", 0)]


@settings(deadline=None, max_examples=25)
@given(
    counts=st.lists(st.sampled_from([1, 250, 400, 1700]), min_size=1, max_size=24),
    turns=st.integers(0, 5),
    plan=st.lists(steps, max_size=40),
    way=st.sampled_from(sorted(WAYS)),
)
@example([400] * 24, 0, ROUND * 3, "whole")
@example([400] * 24, 0, ROUND * 3, "overlapping")
@example([990] * 24, 0, ROUND * 3, "velocity")  # begins within the filter of a message
def test_journals_are_lost_and_no_window_is(
    counts: list[int], turns: int, plan: list[tuple[str, int]], way: str
) -> None:
    records = partition(counts, same=False)
    # The seeds' spectra are not what is looked at, and samples may be few.
    unlooked = patch.object(Sensor, "is_look_due", return_value=False)
    with unlooked, tempfile.TemporaryDirectory() as folder:
        undisturbed = Owners(Path(folder) / "undisturbed", records, WAYS[way])
        undisturbed.finish()
        owners = Owners(Path(folder) / "owners", records, WAYS[way])
        for index, (what, n) in enumerate(plan):
            if what == "read":
                owners.process.read(n)
            elif what == "take":
                owners.process.take(n, turns + index)
            elif what in ("verdicts", "tails"):
                owners.process.commit(what == "tails")
            elif what == "hand on":
                owners.hand_on()
            else:
                owners.process.die()
                (owners.begin if what == "die" else owners.succeed)()
        owners.finish()
        found, expected = owners.rows(), undisturbed.rows()
        assert found.keys() == expected.keys()
        for key, verdict in found.items():
            assert_same(verdict, expected[key])
        assert received(owners.paths[-1]) == received(undisturbed.paths[-1])
