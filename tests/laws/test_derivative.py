"""Velocity becomes acceleration along the stream: the same however it is cut, right for every tone,
and never across a gap.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.journal.writer import Journal
from monitor.pipeline.pipeline import Pipeline
from monitor.records.signal import Chunk, Float32, Gap
from monitor.records.stream import Position
from monitor.signal.derivative import N_HALF, N_HISTORY, derivative
from monitor.signal.windows import Windower, WindowSettings
from tests.laws.test_windows import feed
from tests.signals import RATE_HZ, START_NS, configure, messages, noise, rules

NOTHING = np.zeros((2, 0), np.float32)
SETTINGS = WindowSettings("continuous", 50, 50, RATE_HZ, derives=True)
lengths = st.lists(st.integers(1, 90), min_size=1, max_size=12)


def cut_up(samples: Float32, sizes: list[int]) -> list[Float32]:
    borders = [
        0,
        *(at for at in accumulate(sizes) if at < samples.shape[1]),
        samples.shape[1],
    ]
    return [samples[:, first:end] for first, end in pairwise(borders)]


def chunks(pieces: list[Float32], start: int = 0) -> list[Chunk]:
    found, at = [], start
    for number, piece in enumerate(pieces):
        start_ns = START_NS + round(at / RATE_HZ * 1e9)
        found.append(Chunk("m/p", piece, RATE_HZ, START_NS, start_ns, start + number))
        at += piece.shape[1]
    return found


def two_channels(n: int) -> Float32:
    return np.concatenate([noise(n), noise(n, 1)])


@given(lengths)
def test_cut_differently_it_is_the_same_to_the_last_bit(sizes: list[int]) -> None:
    samples = two_channels(300)
    whole, _ = derivative(samples, NOTHING, RATE_HZ)
    history, found = NOTHING, []
    for piece in cut_up(samples, sizes):
        part, history = derivative(piece, history, RATE_HZ)
        found.append(part)
        assert history.shape == (2, N_HISTORY)
    np.testing.assert_array_equal(np.concatenate(found, axis=1), whole)


@given(st.floats(0.002, 0.42), st.floats(0, 6.3), st.floats(-5, 5))
def test_a_tone_reads_its_acceleration(share: float, phase: float, offset: float) -> None:
    """Amplitude within 0.4 %, and 12 samples late. A constant speed adds nothing."""
    turn = 2 * np.pi * share
    n = np.arange(400)
    velocity = (np.sin(turn * n + phase) + offset)[None].astype(np.float32)
    found, _ = derivative(velocity, NOTHING[:1], RATE_HZ)
    right = turn * RATE_HZ * np.cos(turn * (n - N_HALF) + phase)
    error = np.abs(found[0] - right)[N_HISTORY:].max()
    assert error < 0.0045 * turn * RATE_HZ + 2e-6 * RATE_HZ * (1 + abs(offset))


def test_a_stream_begins_without_a_blow() -> None:
    """Taken as constant before its first sample; not as zero, nor as a jump."""
    ramp = (1000 + 0.25 * np.arange(100))[None].astype(np.float32)
    found, _ = derivative(ramp, NOTHING[:1], RATE_HZ)
    assert np.abs(found).max() < 1.3 * 0.25 * RATE_HZ
    np.testing.assert_allclose(found[0, N_HISTORY:], 0.25 * RATE_HZ, rtol=0.005)


@given(lengths, st.integers(1, 290))
def test_windows_are_of_the_derivative_also_after_a_restart(
    sizes: list[int], at: int
) -> None:
    samples = two_channels(300)
    whole, _ = derivative(samples, NOTHING, RATE_HZ)
    before, after = samples[:, :at], samples[:, at:]
    first = Windower("m/p", SETTINGS)
    windows, ended = feed(first, chunks(cut_up(before, sizes)))
    stored = Position(**json.loads(json.dumps(asdict(first.position))))
    for name in ("last_message", "first_message"):
        setattr(stored, name, tuple(getattr(stored, name)))
    second = Windower("m/p", SETTINGS)
    tail = first.tail()
    second.restore(stored, [], None if tail is None else tail[1])
    pieces = chunks(cut_up(after, sizes), at)
    for index, piece in enumerate(pieces):  # their numbers go on
        assert first.position.sequence is not None
        pieces[index] = Chunk(
            **{
                name: getattr(piece, name)
                for name in (
                    "sensor",
                    "samples",
                    "sample_rate_hz",
                    "received_ns",
                    "start_ns",
                )
            },
            sequence=first.position.sequence + 1 + index,
        )
    more, also = feed(second, pieces)
    assert not ended + also
    found = np.concatenate([window.samples for window in windows + more], axis=1)
    np.testing.assert_array_equal(found, whole[:, : found.shape[1]])
    assert found.shape[1] == 300


def test_no_derivative_across_a_gap() -> None:
    samples = two_channels(300)
    sent = chunks(cut_up(samples, [60] * 5))
    windows, ended = feed(Windower("m/p", SETTINGS), sent[:2] + sent[3:])
    assert [item.reason for item in ended if isinstance(item, Gap)] == ["gap"]
    fresh, _ = derivative(samples[:, 180:], NOTHING, RATE_HZ)
    np.testing.assert_array_equal(windows[-1].samples, fresh[:, 50:100])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_stays_none(bad: float) -> None:
    samples = two_channels(200)
    samples[0, 100] = bad
    found, _ = derivative(samples, NOTHING, RATE_HZ)
    spoilt = ~np.isfinite(found[0])
    assert spoilt[100 : 100 + N_HISTORY].any()
    assert not spoilt[:100].any()
    assert not spoilt[101 + N_HISTORY :].any()


def test_severity_of_a_velocity_is_that_velocity(tmp_path: Any) -> None:
    """From mm/s to m/s² and back: RMS from 10 to 1000 Hz."""
    rate_hz = 4000
    n = np.arange(8 * rate_hz)
    velocity = 3.0 * np.sin(2 * np.pi * 80 * n / rate_hz)[None].astype(np.float32)
    sensor = {"sample_rate_hz": rate_hz, "unit": "mm/s", "window_s": 1}
    pipeline = Pipeline(rules(configure(sensor=sensor)), {}, {}, 0.0)
    sent = messages(velocity, [1000] * 32)
    for index, message in enumerate(sent):
        start_ns = str(START_NS + round(index * 1000 / rate_hz * 1e9))
        properties = dict(message.properties) | {"start_time_ns": start_ns}
        pipeline.process([message.__class__(message.topic, message.payload, START_NS, properties)],
                         START_NS, 0.0)  # fmt: skip
    batch = pipeline.take_batch(True)
    figures = [
        v.quality["velocity_rms_mm_s"]
        for v in batch.verdicts
        if v.quality.get("velocity_rms_mm_s")
    ]
    assert figures == pytest.approx([3 / np.sqrt(2)] * len(figures), rel=0.02)
    assert figures
    journal = Journal(tmp_path / "journal")
    journal.commit(batch)
    stored = journal.streams()["m/p"].position
    assert len(stored.history[0]) == N_HISTORY
