"""A format that one file brings: several sensors and chunks in one message, up to the journal.

Nothing in monitor/ knows it. In the table it would be one line of formats.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config_sensors import SensorSettings, Subscription
from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.pipeline.pipeline import Pipeline
from monitor.records.signal import Delivery, Message
from monitor.signal.payload.base import DecoderSettings, PayloadError
from monitor.signal.payload.formats import DECODERS, decode
from tests.signals import START_NS, configure, noise, rules
from tests.toy_format import CborPayload
from tests.toy_format import decode as decode_cbor

TOPIC = "gateway/all"
RATE_HZ = 2000


@pytest.fixture(autouse=True)
def cbor() -> Iterator[None]:
    DECODERS[CborPayload] = decode_cbor
    yield
    del DECODERS[CborPayload]


def part(point: str, first: int, samples: np.ndarray, sequence: int) -> dict[str, Any]:
    t_ns = START_NS + first * 10**9 // RATE_HZ
    return {
        "machine": "m",
        "point": point,
        "seq": sequence,
        "t_ns": t_ns,
        "x": samples.tolist(),
    }


def message(number: int, *parts: dict[str, Any]) -> Message:
    payload = cbor2.dumps({"chunks": parts})
    return Message(
        TOPIC, payload, START_NS, {}, Delivery(number, number, redelivered=False)
    )


def pipeline() -> Pipeline:
    config = configure()
    payload: Any = CborPayload()
    subscription = Subscription.model_construct(topic="gateway/{machine}", payload=payload)
    return Pipeline(replace(rules(config), subscriptions=(subscription,)), {}, {}, 0.0)


def gateway(signals: dict[str, np.ndarray], n_each: int) -> list[Message]:
    """Every message brings both sensors, and two chunks of each."""
    messages = []
    length = min(signal.shape[1] for signal in signals.values())
    for number, first in enumerate(range(0, length, 2 * n_each)):
        parts = [
            part(point, at, signal[:, at : at + n_each], 2 * number + half)
            for point, signal in signals.items()
            for half, at in enumerate((first, first + n_each))
        ]
        messages.append(message(number + 1, *parts))
    return messages


def test_two_sensors_and_two_chunks_of_each_become_verdicts(tmp_path: Path) -> None:
    signals = {"drive": noise(8000), "fan": noise(8000, 1)}
    flow = pipeline()
    flow.process(gateway(signals, 400), START_NS, 0.0)
    journal = Journal(tmp_path / "journal")
    batch = flow.take_batch(with_tails=True)
    journal.commit(batch)
    assert len(batch.settled) == 10
    rows = [row.verdict for row in JournalReader(tmp_path / "journal").rows()]
    found = sorted((v.sensor, v.segment, v.first_sample) for v in rows)
    assert found == [(s, 0, 1000 * n) for s in ("m/drive", "m/fan") for n in range(8)]
    assert not JournalReader(tmp_path / "journal").books().imbalance()
    # None got the other's samples.
    levels = {v.sensor: v.quality["rms_ms2"] for v in rows if v.first_sample == 0}
    for point, signal in signals.items():
        first = signal[:, :1000] - signal[:, :1000].mean()
        rms = float(np.sqrt(np.mean(np.square(first))))
        assert levels[f"m/{point}"] == pytest.approx(rms, rel=0.01)
    journal.close()


@given(
    n_each=st.integers(50, 900), stored=st.lists(st.booleans(), min_size=30, max_size=30)
)
@settings(deadline=None, max_examples=20)
def test_a_message_is_settled_once_all_its_sensors_are_stored(
    n_each: int, stored: list[bool]
) -> None:
    flow = pipeline()
    sent = gateway({"drive": noise(6000), "fan": noise(6000, 1)}, n_each)
    settled: list[Delivery] = []
    for one, with_tails in zip(sent, cycle(stored), strict=False):
        flow.process([one], START_NS, 0.0)
        settled += flow.take_batch(with_tails).settled
    assert settled == [one.delivery for one in sent][: len(settled)]
    settled += flow.take_batch(with_tails=True).settled
    assert settled == [one.delivery for one in sent]


def test_a_redelivered_message_brings_no_sensor_twice() -> None:
    flow = pipeline()
    sent = gateway({"drive": noise(4000), "fan": noise(4000, 1)}, 500)
    flow.process(sent, START_NS, 0.0)
    again = [
        replace(m, delivery=Delivery(9, m.delivery.key, True)) for m in sent if m.delivery
    ]
    flow.process(again, START_NS, 0.0)
    batch = flow.take_batch(with_tails=True)
    assert len(batch.verdicts) == 8
    assert batch.counters["messages_redelivered"] == len(sent)
    assert len(batch.settled) == 2 * len(sent)


def test_one_bad_part_refuses_the_message_whole() -> None:
    flow = pipeline()
    good, bad = part("drive", 0, noise(1000), 0), part("fan", 0, np.zeros((2, 10)), 0)
    flow.process([message(1, good, bad), message(2, good)], START_NS, 0.0)
    batch = flow.take_batch(with_tails=True)
    assert batch.counters["bad_payloads.wrong_channels"] == 1
    assert [v.sensor for v in batch.verdicts] == ["m/drive"]
    assert len(batch.settled) == 2


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(payload: bytes) -> None:
    how = DecoderSettings(
        CborPayload(), "m/p", lambda name: SensorSettings(sample_rate_hz=100.0)
    )
    with suppress(PayloadError):
        decode_cbor(Message(TOPIC, payload, START_NS), how)


def test_the_table_finds_it_by_its_settings() -> None:
    how = DecoderSettings(
        CborPayload(), "m/p", lambda name: SensorSettings(sample_rate_hz=100.0)
    )
    chunks = decode(message(1, part("a", 0, noise(10), 0), part("b", 0, noise(10), 0)), how)
    assert [chunk.sensor for chunk in chunks] == ["m/a", "m/b"]
