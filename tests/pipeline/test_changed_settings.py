"""Settings that change what a number means: no window holds samples read by two of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, cycle, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitor.config import Config
from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.pipeline.pipeline import Pipeline
from monitor.records.signal import Delivery, Message
from monitor.records.verdict import Status, Verdict
from tests.signals import RATE_HZ, START_NS, configure, rules

PAYLOAD = {"format": "raw", "dtype": "float32"}
AXES = ("x", "y", "z")
N_SENT, N_WINDOW = 6000, 1000
LEVELS = np.array([1.0, 2.0, 4.0])  # of the axes, in m/s²


def configured(payload: dict[str, Any], **sensor: Any) -> Config:
    topic = "vibration/{machine}/{point}/waveform"
    rule = {"channels": list(AXES), **sensor}
    return configure(
        sensor=rule, subscriptions=[{"topic": topic, "payload": PAYLOAD | payload}]
    )


def sent(lengths: Iterator[int], *, bare: bool = False) -> list[Message]:
    """Alternating samples, each axis at its level. bare: with neither time nor number."""
    signs = np.where(np.arange(N_SENT) % 2, 1.0, -1.0)
    frames = (signs[:, None] * LEVELS).astype("<f4")
    found, first = [], 0
    for number, end in enumerate(accumulate(lengths)):
        start_ns = START_NS + round(first / RATE_HZ * 1e9)
        properties = {"sequence": str(number), "start_time_ns": str(start_ns)}
        found.append(
            Message(
                topic="vibration/m/p/waveform",
                payload=frames[first:end].tobytes(),
                received_ns=START_NS + round(min(end, N_SENT) / RATE_HZ * 1e9),
                properties={} if bare else properties,
                delivery=Delivery(number, number + 1, False),
            )
        )
        if end >= N_SENT:
            return found
        first = end
    return found


CHANGES: dict[str, tuple[dict[str, Any], ...]] = {
    "unit": ({}, {"unit": "m/s2"}, {}, {"unit": "g"}),
    "scale": ({}, {}, {}, {"scale": 3.0}),
    "scale of an axis": ({}, {"scale": [1, 1, 1]}, {}, {"scale": [1, 1, 2.5]}),
    "order of the channels": ({}, {}, {}, {"channels": ["z", "y", "x"]}),
    "quantity": ({}, {}, {}, {"unit": "mm/s"}),
    "zero": ({}, {}, {"zero": 0.5}, {}),
}


def with_restart(
    folder: Path, before: Config, after: Config, messages: list[Message], at: int
) -> list[Verdict]:
    journal = Journal(folder / "journal")
    first = Pipeline(rules(before), {}, {}, 0.0)
    first.process(messages[:at], START_NS, 0.0)
    journal.commit(first.take_batch(True))
    second = Pipeline(rules(after), journal.streams(), journal.digests(), 0.0)
    second.process(messages[at:], START_NS, 0.0)
    journal.commit(second.take_batch(True))
    reader = JournalReader(folder / "journal")
    assert not reader.books().imbalance()
    return [row.verdict for row in reader.rows()]


def reloaded(
    before: Config, after: Config, messages: list[Message], at: int
) -> list[Verdict]:
    pipeline = Pipeline(rules(before), {}, {}, 0.0)
    pipeline.process(messages[:at], START_NS, 0.0)
    pipeline.change_rules(rules(after))
    pipeline.process(messages[at:], START_NS, 0.0)
    return pipeline.take_batch(True).verdicts


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("bare", [False, True])
def test_a_restart_ends_the_window_that_was_begun(
    tmp_path: Path, change: str, bare: bool
) -> None:
    """Its first part waits in the journal, read by the settings of before."""
    payload, sensor, new_payload, new_sensor = CHANGES[change]
    before, after = configured(payload, **sensor), configured(new_payload, **new_sensor)
    verdicts = with_restart(tmp_path, before, after, sent(repeat(700), bare=bare), 3)
    found = [(v.segment, v.first_sample, v.n_samples) for v in verdicts[:4]]
    assert found == [(0, 0, 1000), (0, 1000, 1000), (0, 2000, 100), (1, 0, 1000)]
    assert (verdicts[2].status, verdicts[2].reason) == (Status.BAD_DATA, "settings_changed")


def test_a_restart_with_other_limits_ends_nothing(tmp_path: Path) -> None:
    before, after = configured({}), configured({}, full_scale_ms2=1000.0)
    verdicts = with_restart(tmp_path, before, after, sent(repeat(700)), 3)
    assert {v.segment for v in verdicts} == {0}


def test_a_snapshot_is_of_one_reading_too(tmp_path: Path) -> None:
    snapshot = {"acquisition": "snapshot"}
    before, after = configured({}, **snapshot), configured({}, unit="g", **snapshot)
    verdicts = with_restart(tmp_path, before, after, sent(repeat(700)), 3)
    assert [v.segment for v in verdicts[:3]] == [0, 0, 1]


def test_silence_is_a_border_too() -> None:
    """Settings that wait for the end of a window wait no longer than its stream."""
    pipeline, messages = Pipeline(rules(configured({})), {}, {}, 0.0), sent(repeat(700))
    pipeline.process(messages[:3], START_NS, 0.0)
    pipeline.change_rules(rules(configured({}, scale=3.0)))
    pipeline.tick(START_NS + 60 * 10**9, 60.0)
    pipeline.process(messages[3:], START_NS + 61 * 10**9, 61.0)
    verdicts = pipeline.take_batch(True).verdicts
    assert "settings_changed" not in {one.reason for one in verdicts}
    later = [one for one in verdicts if one.segment > 0 and one.n_samples == N_WINDOW]
    assert [round(one.quality["rms_ms2"], 3) for one in later] == [12.0] * 3


@given(
    st.lists(st.integers(1, 900), min_size=1, max_size=9),
    st.integers(0, 9),
    st.sampled_from([0.0, 0.5, 0.75]),
    st.booleans(),
)
@hypothesis_settings(deadline=None, max_examples=60)
def test_no_window_mixes_two_units(
    lengths: list[int], at: int, overlap: float, is_restart: bool
) -> None:
    """However messages are cut, at a restart and at SIGHUP. Windows that overlap, and messages that
    lie across a border, were half in the one and half in the other.
    """
    before, after = (
        configured({}, overlap=overlap),
        configured({}, overlap=overlap, scale=3.0),
    )
    messages = sent(cycle(lengths))
    with TemporaryDirectory() as folder:
        verdicts = (
            with_restart(Path(folder), before, after, messages, at)
            if is_restart
            else reloaded(before, after, messages, at)
        )
    levels = [v.quality["rms_ms2"] for v in verdicts if v.n_samples == N_WINDOW]
    assert {round(level, 3) for level in levels} <= {4.0, 12.0}
