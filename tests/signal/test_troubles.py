"""What is wrong with a stream, in words: the key that is named is the one to change."""

from __future__ import annotations

from itertools import pairwise

import pytest

from monitor.signal.arrivals import RateEstimate
from monitor.signal.troubles import (
    between,
    clock_trouble,
    period_trouble,
    rate_trouble,
    snapshot_trouble,
    span_words,
    zone_trouble,
)

SECOND_NS = 10**9
NOW_NS = 1_760_000_000 * SECOND_NS
UNITS_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "year": 31_556_952}


@pytest.mark.parametrize(("small", "large"), list(pairwise(UNITS_S)))
def test_a_span_is_told_in_the_largest_unit_that_it_fills(small: str, large: str) -> None:
    ns = UNITS_S[large] * SECOND_NS
    assert span_words(ns) == span_words(995 * ns // 1000) == f"1 {large}"
    assert span_words(9 * ns) == f"9 {large}s"
    of_small = 0.994 * ns / (UNITS_S[small] * SECOND_NS)
    assert span_words(994 * ns // 1000) == f"{of_small:.0f} {small}s"


def test_less_than_a_second_has_two_figures() -> None:
    assert span_words(123_456_789) == "0.12 seconds"
    assert span_words(56 * UNITS_S["year"] * SECOND_NS) == "56 years"
    assert span_words(23 * UNITS_S["hour"] * SECOND_NS) == "23 hours"
    assert span_words(59 * SECOND_NS) == "59 seconds"


@pytest.mark.parametrize("n_steps", [1, 2, 3])
@pytest.mark.parametrize("off", [0.92, 1.0, 1.08])
def test_a_time_off_by_powers_of_a_thousand_is_another_count(
    n_steps: int, off: float
) -> None:
    times = f"{1000**n_steps:,} times"
    late = clock_trouble("far_ahead", round(NOW_NS * off * 1000**n_steps), NOW_NS)
    assert f"unit {times} finer than payload.time_format says" in late
    early = clock_trouble("far_behind", round(NOW_NS * off / 1000**n_steps), NOW_NS)
    assert f"unit {times} coarser than payload.time_format says" in early


@pytest.mark.parametrize("off", [1e-12, 0.5, 10 / 11, 0.88e3, 1.12e-3, 1e12])
def test_a_time_off_otherwise_is_none(off: float) -> None:
    said = clock_trouble("far_behind", round(NOW_NS * off), NOW_NS, "ms")
    assert "is payload.time_format right, and the clock" in said


@pytest.mark.parametrize(
    ("configured", "off", "right"),
    [("ns", 1e-3, "us"), ("ns", 1e-9, "s"), ("s", 1e3, "ms"), ("s", 1e9, "ns")],
)
def test_the_count_that_fits_is_named(configured: str, off: float, right: str) -> None:
    said = clock_trouble("far_behind", round(NOW_NS * off), NOW_NS, configured)
    assert f"is payload.time_format {right}?" in said


@pytest.mark.parametrize(("configured", "off"), [("ns", 1e3), ("s", 1e-3)])
def test_no_count_beyond_the_last_is_named(configured: str, off: float) -> None:
    said = clock_trouble("far_behind", round(NOW_NS * off), NOW_NS, configured)
    assert "does the sensor count in a unit" in said


def test_local_time_is_asked_after() -> None:
    assert "ahead" in zone_trouble(7200 * SECOND_NS)
    said = zone_trouble(-7200 * SECOND_NS)
    assert said.startswith("time is 2 hours behind: is it local time? Then set payload.tim")
    assert "Then set payload.time_zone" in clock_trouble("runs_back", 0, NOW_NS)


def test_a_rate_by_arrival_is_as_sure_as_it_is() -> None:
    assert between(RateEstimate(1000.0, 512.3, float("inf"))) == "more than 512"
    assert between(RateEstimate(1000.0, 900.0, 1100.0)) == "900 to 1100"


@pytest.mark.parametrize("factor", [1 / 4, 1 / 3, 1 / 2, 2, 3, 4])
@pytest.mark.parametrize("off", [0.85, 1.15])
def test_small_factors_are_bytes_or_channels(factor: float, off: float) -> None:
    rate_hz = 1000 * factor * off
    said = rate_trouble(rate_hz, 1000.0, RateEstimate(rate_hz, rate_hz, rate_hz))
    assert said.endswith(
        "; correct sample_rate_hz, payload.dtype or the number of channels"
    )


@pytest.mark.parametrize(
    ("share", "ends"),
    [
        (0.15, "sample_rate_hz (or messages are lost on the way)"),
        (0.7, "sample_rate_hz (or messages are lost on the way)"),
        (1.0, "; correct sample_rate_hz"),
        (1.5, "; correct sample_rate_hz"),
        (5.0, "; correct sample_rate_hz"),
    ],
)
def test_messages_are_lost_where_less_arrives(share: float, ends: str) -> None:
    rate_hz = 1000 * share
    said = rate_trouble(rate_hz, 1000.0, RateEstimate(rate_hz, rate_hz, rate_hz))
    assert said.endswith(ends)
    assert "1000 Hz is configured: its windows are BAD_DATA" in said


def test_the_key_of_a_window_or_a_period_is_named() -> None:
    assert "the model's window of 2 s: it" in snapshot_trouble(1.0, 2.0, True)
    assert "window_s = 2 s: it is" in snapshot_trouble(1.0, 2.0, False)
    assert "acquisition: snapshot" in period_trouble(9.0, 1.0, "continuous")
    assert period_trouble(9.0, 1.0, "snapshot").endswith("; set expected_period_s: 9")
