"""What discovery must not take for vibration, and what it must ask before it goes on."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monitor.discovery.proposal import discover
from monitor.discovery.proposed import Discovery
from monitor.records.signal import Float64, Message
from tests.discovery.senders import T0_NS, G, vibration

N, RATE_HZ = 64, 1000.0
X = vibration(3, 6400, RATE_HZ, np.random.default_rng(1))
X[2] += G
Publish = Callable[[int, int, Float64], Any]


def heard(publish: Publish, n: int = 60, every_s: float = N / RATE_HZ) -> list[Message]:
    """publish: of number, start and samples, a tree, bytes or (topic, either) pairs."""
    messages = []
    for k in range(n):
        at_ns = T0_NS + round(k * every_s * 1e9)
        sent = publish(k, at_ns, np.round(X[:, k * N % 6400 :][:, :N], 4))
        for topic, tree in (
            sent if isinstance(sent, tuple) else (("plant/mill/spindle", sent),)
        ):
            payload = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
            messages.append(Message(topic, payload, at_ns + 70_000_000))
    return messages


def asked(found: Discovery) -> dict[str, str]:
    return {one.key: one.text for proposal in found.proposals for one in proposal.questions}


NO_VIBRATION: dict[str, Publish] = {
    "temperature": lambda k, at, x: {"temp": 21.5, "humidity": 40 + k % 3},
    "features": lambda k, at, x: {"rms": {"x": 0.3 + k % 3, "y": 0.2}, "kurtosis": 2.9},
    "position": lambda k, at, x: {"lat": 50.1, "lon": 8.2, "speed": 3.0 + k % 5},
    "spectrum by name": lambda k, at, x: {"fft": [1.0, 2.0, 3.0, 2.0], "fs": 1000},
    "velocity by name": lambda k, at, x: {"velocity": x[0].tolist(), "fs": 1000},
}


@pytest.mark.parametrize("name", NO_VIBRATION)
def test_what_is_no_vibration_by_name_is_left_out(name: str) -> None:
    found = discover(heard(NO_VIBRATION[name]))
    assert found.proposals == []
    assert [one.topic for one in found.passed_over] == ["plant/mill/spindle"]


def decibels(k: int) -> list[float]:
    """Of what follows each other in the signal."""
    whole = np.abs(np.fft.rfft(X[0, 64 * k : 64 * k + 128], 128)) + 1e-3
    return np.round(20 * np.log10(whole), 2).tolist()  # type: ignore[no-any-return]


ASKED: dict[str, tuple[str, Publish]] = {
    "a value a second": ("sample_rate_hz", lambda k, at, x: {"value": 21.5 + k % 4}),
    "a spectrum": (
        "vibration",
        lambda k, at, x: {"data": np.abs(np.fft.rfft(x[0], 128)).tolist(), "fs": 1000},
    ),
    "packed within the message": (
        "payload",
        lambda k, at, x: {"d": base64.b64encode(gzip.compress(x.tobytes())).decode()},
    ),
    "a spectrum in dB": (
        "vibration",
        lambda k, at, x: {"v": decibels(k), "fs": 1000, "unit": "g"},
    ),
    "random bytes": (
        "payload",
        lambda k, at, x: np.random.default_rng(k).bytes(512),
    ),
    "whole numbers that are called g": (
        "unit",
        lambda k, at, x: {"unit": "g", "v": np.round(200 * x[2]).tolist(), "fs": 1000},
    ),
    "counts whose name ends with g": (
        "unit",
        lambda k, at, x: {"az_g": np.round(20 * x[0]).tolist(), "fs": 1000},
    ),
    "m/s² that are called g": (
        "unit",
        lambda k, at, x: {"unit": "g", "v": x.tolist(), "fs": 1000},
    ),
    "g that are called m/s²": (
        "unit",
        lambda k, at, x: {"unit": "m/s2", "v": (x / G).tolist(), "fs": 1000},
    ),
    "m/s² of one axis that are called g": (
        "unit",
        lambda k, at, x: {"unit": "g", "v": x[2].tolist(), "fs": 1000},
    ),
    "levels of several kinds": (
        "samples",
        lambda k, at, x: {"levels": [{"type": "VIBRATION_RADIAL", "a": 2.5 + k % 3}]},
    ),
    "two unknown lists": (
        "samples",
        lambda k, at, x: {"p": x[0].tolist(), "q": x[2].tolist()},
    ),
    "another rate than comes": (
        "sample_rate_hz",
        lambda k, at, x: {"v": x[2].tolist(), "fs": 2000},
    ),
    "the speed of the shaft": (
        "sample_rate_hz",
        lambda k, at, x: {"v": x[2].tolist(), "freq": 24.7},
    ),
    "two sensors without a name on one topic": (
        "sample_rate_hz",
        lambda k, at, x: tuple(("all/vib", {"v": x[i].tolist()}) for i in (1, 2)),
    ),
    "no unit": ("unit", lambda k, at, x: {"v": x[0].tolist()}),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_is_not_certain_is_asked(name: str) -> None:
    key, publish = ASKED[name]
    every_s = 1.0 if name == "a value a second" else N / RATE_HZ
    found = discover(heard(publish, every_s=every_s))
    assert key in asked(found)
    assert not any(one.is_complete for one in found.proposals)


def test_the_answer_to_counts_that_are_called_g_holds() -> None:
    _, publish = ASKED["whole numbers that are called g"]
    (found,) = discover(heard(publish), {"unit": "g 0.0005"}).proposals
    assert "unit" not in found.payload  # what the messages say of it is not heeded
    (rule,) = found.rules
    assert (rule.settings["unit"], rule.settings["scale"]) == ("g", 0.0005)


def test_what_is_packed_within_a_message_is_called_so() -> None:
    _, publish = ASKED["packed within the message"]
    assert "gzip within the message" in asked(discover(heard(publish)))["payload"]


def local(k: int, at_ns: int, x: Float64) -> Any:
    """An hour ahead of UTC, and no word of it."""
    time = np.datetime64(at_ns + 3600 * 10**9, "ns").astype("datetime64[ms]")
    return {"time": str(time), "v": x[2].tolist()}


def test_a_local_time_is_asked_for_its_zone() -> None:
    messages = heard(local)
    (question,) = discover(messages).proposals[0].questions
    assert question.key == "time_zone"
    assert question.choices[0].value == "Europe/Berlin"
    (known,) = discover(messages, {"time_zone": "Europe/Berlin"}).proposals
    assert known.is_complete
    assert next(iter(known.streams.values())).starts[0] == T0_NS
    (without,) = discover(messages, {"time_zone": "none"}).proposals
    assert without.is_complete
    assert without.payload["time"] is None


def test_lost_messages_do_not_lower_the_rate() -> None:
    """A seventh is lost: the counter tells; without one it is asked."""

    def publish(k: int, at: int, x: Float64) -> Any:
        return () if k % 7 == 3 else (("p/m/v", {"v": x[2].tolist(), "seq": k}),)

    (found,) = discover(heard(publish)).proposals
    assert found.rules[0].settings["sample_rate_hz"] == RATE_HZ

    def silent(k: int, at: int, x: Float64) -> Any:
        return () if k % 7 == 3 else (("p/m/v", {"v": x[2].tolist()}),)

    assert "sample_rate_hz" in asked(discover(heard(silent)))


def test_times_in_milliseconds_tell_the_rate_of_all_messages() -> None:
    """By the 64 samples of each by itself it was 1616 Hz."""

    def publish(k: int, at: int, x: Float64) -> Any:
        ms = at // 10**6
        lines = [f"{ms + int(i / 1.6)},{value}" for i, value in enumerate(x[2])]
        return "\n".join(["t,x", *lines]).encode()

    (found,) = discover(heard(publish, every_s=N / 1600)).proposals
    assert found.rules[0].settings["sample_rate_hz"] == 1600


def test_sensors_of_one_shape_and_other_rates_get_their_rules() -> None:
    def publish(k: int, at: int, x: Float64) -> Any:
        slow = (("hall/m2/vib", {"v": x[2].tolist(), "fs": 500}),) if k % 2 else ()
        return ("hall/m1/vib", {"v": x[2].tolist(), "fs": 1000}), *slow

    (found,) = discover(heard(publish)).proposals
    rates = {rule.sensors: rule.settings["sample_rate_hz"] for rule in found.rules}
    assert rates == {("m1/main",): 1000.0, ("m2/main",): 500.0}
    assert found.topic == "hall/{machine}/vib"


def test_what_else_a_broker_brings_is_left_out() -> None:
    def publish(k: int, at: int, x: Float64) -> Any:
        return (
            ("hall/m1/vib", {"v": x[2].tolist(), "fs": 1000}),
            ("hall/m1/temp", {"value": 21.0}),
            ("hall/m1/state", b"online"),
            ("$SYS/broker/uptime", b"3 seconds"),
            ("camshaft/plant/status", {"v": x[2].tolist()}),
        )

    found = discover(heard(publish))
    assert [(one.topic, one.is_complete) for one in found.proposals] == [
        ("hall/{machine}/vib", True)
    ]
    assert {one.topic for one in found.passed_over} == {"hall/m1/temp", "hall/m1/state"}


def test_what_is_called_acceleration_is_asked_about_beside_others() -> None:
    """With a tachometer's list it was left out: "no samples of vibration"."""

    def publish(k: int, at: int, x: Float64) -> Any:
        both = {"acc": x[2].tolist(), "tacho": x[0].tolist()}
        return ("hall/m1/vib", {"v": x[2].tolist(), "fs": 1000}), ("hall/m2", both)

    assert asked(discover(heard(publish)))["samples"].endswith("at acc?")


SIGNS = {  # of numbers that never cross the zero of either type
    "a little below 0": (-500, "int16"),
    "a little above the middle": (33_300, "uint16"),
    "in between": (49_100, "asked"),
    "a little above 0": (1_000, "int16"),
    "1 g of 16384, as float32 of 2 begin": (16_384, "int16"),
}


@pytest.mark.parametrize("name", SIGNS)
def test_the_sign_of_whole_numbers_is_that_of_the_nearer_zero(name: str) -> None:
    middle, dtype = SIGNS[name]

    def publish(k: int, at: int, x: Float64) -> bytes:
        return bytes(np.round(x[0] * 60 + middle).astype("<i4").astype("<u2").tobytes())

    found = discover(heard(publish), {"unit": "counts 0.01", "sample_rate_hz": "1000"})
    (proposal,) = found.proposals
    if dtype == "asked":
        assert [one.key for one in proposal.questions] == ["dtype"]
    else:
        assert proposal.payload["dtype"] == dtype


SEVERAL_SIGNS = {  # of channels whose middles lie on either side of a zero
    "around 0": ((-4527, 6696), "int16"),
    "around 0, three": ((-5100, 6300, -300), "int16"),
    "around the middle": ((27_300, 38_900), "uint16"),
}


@pytest.mark.parametrize("name", SEVERAL_SIGNS)
def test_the_sign_is_that_of_the_nearer_zero_for_each_channel(name: str) -> None:
    middles, dtype = SEVERAL_SIGNS[name]

    def publish(k: int, at: int, x: Float64) -> bytes:
        table = x[: len(middles)] * 60 + np.array(middles)[:, None]
        return bytes(np.round(table.T).astype("<i4").astype("<u2").tobytes())

    found = discover(heard(publish), {"unit": "counts 0.01", "sample_rate_hz": "1000"})
    (proposal,) = found.proposals
    assert (proposal.payload["dtype"], proposal.questions) == (dtype, [])
