"""A struct for each instant, as small computers send their arrays of structs."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.discovery.proposal import discover
from monitor.discovery.proposed import Proposal
from monitor.records.signal import Message
from tests.discovery.senders import T0_NS, vibration

N, RATE_HZ = 100, 1600.0
X = vibration(3, 16 * N, RATE_HZ, np.random.default_rng(4)) * 400
Fields = list[tuple[str, str]]
PERIODS = {"us": 10**3, "ms": 10**6, "s": 10**9}
UP_NS = 81_234_567_000  # since the sensor began


def sent(
    fields: Fields, unit: str = "us", head: bytes = b"", period: int = 1
) -> list[Message]:
    """fields : t of the clock, i of a counter, x, y, z of samples, any other of padding"""
    messages = []
    for k in range(16):
        instants = np.arange(k * N, (k + 1) * N)
        start_ns = k * period * N / RATE_HZ * 1e9
        within_ns = np.arange(N) / RATE_HZ * 1e9
        table = np.zeros(N, fields)
        names = dict(fields)
        if "t" in names:
            table["t"] = (UP_NS + start_ns + within_ns) / PERIODS[unit]
        if "i" in names:
            table["i"] = instants % (1 << 16)
        for axis, samples in zip("xyz", X, strict=True):
            if axis in names:
                table[axis] = samples[instants]
        received_ns = T0_NS + round(start_ns + N / RATE_HZ * 1e9) + 10_000_000
        messages.append(Message("hall/mill/imu", head + table.tobytes(), received_ns))
    return messages


def found(messages: list[Message]) -> Proposal:
    (proposal,) = discover(messages, {"unit": "counts 0.0025"}).proposals
    return proposal


CODES = ("<i2", ">i2", "<f4", ">i4")
CLOCKS = (("<u4", "us"), (">u4", "ms"), ("<f8", "s"), ("<u8", "us"))


@pytest.mark.parametrize(("code", "clock"), list(zip(CODES, CLOCKS, strict=True)))
def test_clock_and_samples_are_told_apart(code: str, clock: tuple[str, str]) -> None:
    axes: Fields = [(axis, code) for axis in "xyz"]
    for at, fields in enumerate(([("t", clock[0]), *axes], [*axes, ("t", clock[0])])):
        proposal = found(sent(fields, clock[1]))
        assert proposal.questions == []
        frame = proposal.payload["frame"]
        assert frame["bytes"] == np.dtype(fields).itemsize
        assert frame["time"]["at"] == (0 if at == 0 else 3 * np.dtype(code).itemsize)
        assert frame["time"]["format"] == f"relative_{clock[1]}"
        (rule,) = proposal.rules
        assert rule.settings["sample_rate_hz"] == pytest.approx(RATE_HZ, rel=0.01)
        (stream,) = proposal.streams.values()
        stored = X.astype(code) if code[1] == "i" else X
        np.testing.assert_allclose(np.concatenate(stream.samples, 1), stored, rtol=1e-6)


def test_a_counter_of_instants_is_no_channel() -> None:
    proposal = found(sent([("i", "<u2"), ("x", "<i2"), ("y", "<i2"), ("z", "<i2")]))
    assert proposal.payload["frame"] == {"bytes": 8, "at": [2, 4, 6]}


def test_padding_is_no_channel() -> None:
    fields = [("t", "<u4"), ("x", "<i2"), ("y", "<i2"), ("z", "<i2"), ("pad", "<i2")]
    proposal = found(sent(fields))
    assert proposal.payload["frame"]["at"] == [4, 6, 8]


def test_a_header_before_the_structs() -> None:
    fields = [("t", "<u4"), ("x", "<i2"), ("y", "<i2"), ("z", "<i2")]
    proposal = found(sent(fields, head=b"\x01\x02IMU\x00\x00\x00"))
    assert proposal.payload["header"]["bytes"] == 8
    assert proposal.payload["frame"]["at"] == [4, 6, 8]


def test_fields_of_two_widths_are_asked() -> None:
    fields = [("t", "<u4"), ("state", "u1"), ("x", "<i2"), ("y", "<i2")]
    (proposal,) = discover(sent(fields)).proposals
    assert proposal.questions
    assert not proposal.is_complete


def test_of_many_fields_a_person_says_which_are_vibration() -> None:
    fields: Fields = [("t", "<u4"), *((axis, "<f4") for axis in "xyz"), ("i", "<f4")]
    messages = sent(fields)
    (asked,) = discover(messages, {"unit": "m/s2"}).proposals
    assert [one.key for one in asked.questions] == ["channels"]
    (told,) = discover(messages, {"unit": "m/s2", "channels": "4,8,12"}).proposals
    assert told.payload["frame"]["at"] == [4, 8, 12]
