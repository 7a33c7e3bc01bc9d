"""Times of single samples within a message, to the start, the rate and the unbroken pieces of it.

A rate told by a few rounded times is coarse. So the configured one stands,
unless the times deny it; the measured rate over many messages is the windower's
affair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Chunk, Float32, Message
from monitor.signal.payload.base import PayloadError, SensorRule
from monitor.signal.payload.facts import RATES, SPACINGS, chunk_of, quote
from monitor.signal.payload.times import NS_PER_UNIT, count_in_ns, rule_of, time_ns

RATE_TOLERANCE = 0.03  # as everywhere: less is a cheap sensor's clock
RELATIVE = "relative_"


def chunks_of(
    message: Message,
    sensor: str,
    rule: SensorRule,
    samples: Float32,
    facts: Mapping[str, Any],
    times: Sequence[object],
    unit: str,
) -> list[Chunk]:
    """The chunks of one stretch whose samples have a time each: more than one where samples are
    missing in between. Raises PayloadError.
    """
    if len(times) != samples.shape[1]:
        text = f"{samples.shape[1]} samples have {len(times)} times."
        raise PayloadError("bad_length", text)
    at_ns = _in_ns(times, unit)
    rate_hz, coarse_ns = rule.sample_rate_hz, _resolution_ns(times, unit)
    if not any(key in facts for key in (*RATES, *SPACINGS)):
        facts = dict(facts) | _rate_facts(at_ns, rate_hz, coarse_ns)
    chunks = []
    borders = [0, *_holes(at_ns, rate_hz, coarse_ns), len(at_ns)]
    for first, end in pairwise(borders):
        own = dict(facts) | _time_fact(facts, at_ns, first, unit)
        if first:
            own.pop("sequence", None)  # the number is the message's: its first piece has it
        chunks.append(chunk_of(message, sensor, rule, samples[:, first:end].copy(), own))
    return chunks


def _in_ns(times: Sequence[object], unit: str) -> NDArray[np.int64]:
    """(n,) ns, from 1970 or from any moment; never running backwards."""
    found = []
    for value in times:
        if unit.startswith(RELATIVE):
            at = count_in_ns(value, NS_PER_UNIT[unit.removeprefix(RELATIVE)])
        else:
            at = time_ns(value, unit)
        if at is None or not abs(at) < 2**62:
            what = "a count" if unit.startswith(RELATIVE) else rule_of(unit)
            raise PayloadError("bad_time", f"A sample's time {quote(value)} is not {what}.")
        found.append(at)
    at_ns = np.array(found, np.int64)
    if np.any(np.diff(at_ns) < 0):
        raise PayloadError("bad_time", "The times of the samples run backwards.")
    return at_ns


def _resolution_ns(times: Sequence[object], unit: str) -> int:
    """What a time may be off by rounding alone."""
    is_whole = all(isinstance(value, int) for value in times)
    return NS_PER_UNIT.get(unit.removeprefix(RELATIVE), 0) if is_whole else 0


def _rate_facts(at_ns: NDArray[np.int64], rate_hz: float, coarse_ns: int) -> dict[str, Any]:
    """The measured rate where the configured one cannot be meant."""
    span_ns = int(at_ns[-1] - at_ns[0]) if len(at_ns) > 1 else 0
    if not span_ns:
        return {}
    n_steps = len(at_ns) - 1
    expected_ns = n_steps / rate_hz * 1e9
    # A hole in between makes the span longer than it ought to be: the usual step tells the rate.
    usual_ns = float(np.median(np.diff(at_ns))) * n_steps
    for span in (float(span_ns), usual_ns):
        if abs(span - expected_ns) <= RATE_TOLERANCE * expected_ns + 2 * coarse_ns:
            return {}
    return {"sample_rate_hz": n_steps / span_ns * 1e9}


def _holes(at_ns: NDArray[np.int64], rate_hz: float, coarse_ns: int) -> list[int]:
    """The first sample behind each hole. Samples that share one time in groups tell of none."""
    steps_ns, period_ns = np.diff(at_ns), 1e9 / rate_hz
    if not len(steps_ns) or (np.any(steps_ns == 0) and coarse_ns < period_ns):
        return []
    usual_ns = max(float(np.median(steps_ns)), period_ns)
    return [int(at) + 1 for at in np.flatnonzero(steps_ns > 1.5 * usual_ns + 2 * coarse_ns)]


def _time_fact(
    facts: Mapping[str, Any], at_ns: NDArray[np.int64], first: int, unit: str
) -> dict[str, Any]:
    """The time of a piece's first sample: its own, or the message's and the way from there."""
    if not unit.startswith(RELATIVE):
        return {"time": ("ns", int(at_ns[first])), "time_fraction": ("ns", 0)}
    if "time" not in facts or not first:
        return {}
    message_unit, value = facts["time"]
    start_ns = time_ns(value, message_unit)
    # What is no time is refused where the first piece is made.
    return (
        {}
        if start_ns is None
        else {"time": ("ns", start_ns + int(at_ns[first] - at_ns[0]))}
    )
