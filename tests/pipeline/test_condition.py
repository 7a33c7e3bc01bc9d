"""Condition indicators of windows, from messages to verdicts."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from monitor.config import Config
from monitor.config_machines import surroundings_at
from monitor.pipeline.configured import configured_rules
from monitor.pipeline.pipeline import Pipeline
from monitor.records.signal import Float32, Message
from monitor.records.verdict import Verdict
from tests.signals import START_NS

RATE_HZ, SECOND_NS = 5120, 10**9


def config(**machine: Any) -> Config:
    raw = {"format": "raw", "dtype": "float32"}
    return Config.model_validate(
        {
            "subscriptions": [{"topic": "v/{machine}/{point}", "payload": raw}],
            "sensors": [{"sample_rate_hz": RATE_HZ}],
            "context": [{"name": "rpm", "topic": "rpm/{machine}"}],
            "machines": [{"match": "m/*", **machine}],
        }
    )


def sine(f_hz: float, velocity_mm_s: float, seconds: int = 1) -> Float32:
    """velocity_mm_s : RMS"""
    amplitude = velocity_mm_s / 1000 * 2**0.5 * 2 * np.pi * f_hz
    t = np.arange(seconds * RATE_HZ) / RATE_HZ
    noise = np.random.default_rng(1).normal(0, 1e-3, len(t))
    return (amplitude * np.sin(2 * np.pi * f_hz * t) + noise).astype("<f4")


def verdicts(known: Config, *sent: tuple[str, bytes]) -> list[Verdict]:
    """Messages a second apart, so far apart that each window's velocity is due."""
    rules = configured_rules(known)
    pipeline = Pipeline(rules, {}, {}, 0.0)
    found = []
    for index, (topic, body) in enumerate(sent):
        now_ns = START_NS + index * 10 * SECOND_NS
        pipeline.process([Message(topic, body, now_ns)], now_ns, 10.0 * index)
        found += pipeline.take_batch(with_tails=True).verdicts
    return [one for one in found if one.indicators]


def test_a_window_has_its_indicators() -> None:
    (one,) = verdicts(config(), ("v/m/p", sine(50, 3.0).tobytes()))
    assert one.indicators["velocity_rms_mm_s"] == pytest.approx(3.0, rel=0.01)
    assert one.indicators["crest"] == pytest.approx(2**0.5, rel=0.05)
    assert one.quality["velocity_rms_mm_s"] == one.indicators["velocity_rms_mm_s"]
    assert "zone" not in one.indicators


def test_zones_do_not_touch_the_verdict() -> None:
    of_group = config(zones={"group": 2, "foundation": "rigid"})
    (one,) = verdicts(of_group, ("v/m/p", sine(50, 3.0).tobytes()))
    (plain,) = verdicts(config(), ("v/m/p", sine(50, 3.0).tobytes()))
    assert one.indicators["zone"] == 3
    assert (one.status, one.reason, one.evidence) == (
        plain.status,
        plain.reason,
        plain.evidence,
    )


def test_a_slow_shaft_counts_from_two_hertz() -> None:
    known = config(shaft={"context": "rpm"})
    known = known.model_copy(
        update={"sensors": (known.sensors[0].model_copy(update={"window_s": 4.0}),)}
    )
    body = sine(4.0, 3.0, seconds=4).tobytes()
    (one,) = verdicts(known, ("rpm/m", b"240"), ("v/m/p", body))
    assert one.indicators["velocity_rms_from_2hz_mm_s"] == pytest.approx(3.0, rel=0.01)
    (fast,) = verdicts(known, ("rpm/m", b"1500"), ("v/m/p", body))
    assert fast.indicators["velocity_rms_mm_s"] < 0.5


@pytest.mark.parametrize(
    ("shaft", "told", "is_slow"),
    [
        ({"rpm": 500}, None, True),
        ({"rpm": 700}, None, False),
        ({"context": "rpm"}, b"600", False),
        ({"context": "rpm"}, b"599", True),
        ({"context": "rpm"}, b"1", True),
        ({"context": "rpm"}, b"0", False),  # stands still, so it was not measured
        ({"context": "rpm"}, None, False),
    ],
)
def test_the_shaft_s_speed_says_from_where_velocity_counts(
    shaft: dict[str, Any], told: bytes | None, is_slow: bool
) -> None:
    known = config(shaft=shaft)
    longer = known.sensors[0].model_copy(update={"window_s": 4.0})
    known = known.model_copy(update={"sensors": (longer,)})
    context = [] if told is None else [("rpm/m", told)]
    (one,) = verdicts(known, *context, ("v/m/p", sine(50.0, 3.0, seconds=4).tobytes()))
    assert ("velocity_rms_from_2hz_mm_s" in one.indicators) == is_slow
    assert ("velocity_rms_mm_s" in one.indicators) != is_slow


def test_the_strongest_channel_has_the_zone() -> None:
    known = config(zones={"limits_mm_s": [1, 2, 4]})
    two = known.sensors[0].model_copy(update={"channels": ("x", "y")})
    known = known.model_copy(update={"sensors": (two,)})
    body = np.stack([sine(50.0, 0.5), sine(50.0, 3.0)], axis=1).tobytes()
    (one,) = verdicts(known, ("v/m/p", body))
    assert one.indicators["zone"] == 3
    assert one.indicators["velocity_rms_mm_s.x"] == pytest.approx(0.5, rel=0.01)
    assert one.quality["velocity_rms_mm_s"] == pytest.approx(3.0, rel=0.01)


def test_a_window_that_cannot_be_judged_has_none() -> None:
    assert verdicts(config(), ("v/m/p", np.ones(RATE_HZ, "<f4").tobytes())) == []


def test_rules_know_the_machines() -> None:
    known = config(zones={"limits_mm_s": [1, 2, 3]})
    found = configured_rules(known).surroundings("m/p")
    assert found == partial(surroundings_at, known.machines)("m/p")
    assert found is not None
    assert found.limits_mm_s == (1, 2, 3)
