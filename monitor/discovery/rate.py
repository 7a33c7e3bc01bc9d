"""The sample rate, and whether a sensor measures all the time or now and then.

A rate that messages state, or that the times of their samples tell, stands by
itself. Else it is so many samples in so much time, which holds only where one
message goes on where the last one ended: the samples at the seams must tell
that, for n samples every T seconds may be a snapshot too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from monitor.discovery import prediction
from monitor.discovery.notes import Choice, Notes
from monitor.discovery.prediction import SURE
from monitor.discovery.streams import PROVISIONAL_HZ, Stream
from monitor.records.signal import Float64

MIN_MESSAGES = 5
CHANCE = 2e-3  # beside these odds
JOINED = 14.0  # log of odds: seams, steps and channels are not as independent as they are counted
SLOWEST_HZ = 10.0  # what comes slower is no vibration
WHOLE = 0.1  # of a message's length: so near they follow each other without a gap
UNSURE_LIMIT = 0.015  # a rate is told no better than this: it is asked
CERTAINTY = 4.0
MAX_LOST = 100  # between two messages: more is another counter
UNEVEN, OF_JITTER = 0.02, 0.3  # of the mean distance against the usual one
COARSE = 0.02  # of the rate of one message by the times of its samples
SNAP = 0.008  # a usual rate is meant where one is so near
FLOOR = {True: 1e-4, False: 2e-3}  # least uncertainty by message times, by arrivals
USUAL = (
    1, 1.024, 1.25, 1.28, 1.344, 1.5, 1.6, 2, 2.048, 2.4, 2.5, 2.56, 3, 3.125, 3.2, 3.332, 4, 4.096,
    4.8, 5, 5.12, 6, 6.25, 6.4, 6.664, 7.5, 8, 8.192, 9.6, 4.41, 1.2, 1.6384, 3.2768, 6.5536,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cadence:
    """period_s : between snapshots; None for a continuous sensor"""

    rate_hz: float
    period_s: float | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A rate, and between which it must lie."""

    rate_hz: float
    low_hz: float
    high_hz: float

    @property
    def unsure(self) -> float:
        return (self.high_hz - self.low_hz) / 2 / self.rate_hz


def cadence_of(
    stream: Stream, is_weak: bool, notes: Notes, is_measured: bool = False
) -> Cadence | None:
    """None where it is asked for.

    is_weak : what the messages state may be another rate than that of the
        samples
    is_measured : they state none, but each sample has its time
    """
    answer = _answered(notes)
    n = len(stream.samples)
    if n < 2 or (n < MIN_MESSAGES and not _stated(stream) and answer is None):
        notes.ask(
            "messages", f"{n} message(s) of {stream.sensor} tell no rate: listen longer?"
        )
        return None
    told = _told(stream)
    stated = _stated(stream) if answer is None else answer
    if is_measured and stated is not None and answer is None:
        stated = _of_all_messages(stated, told)
    if stated is None:
        return _by_counting(stream, told, notes)
    return _by_statement(stream, stated, is_weak and answer is None, told, notes)


def _answered(notes: Notes) -> float | None:
    text = notes.answer("sample_rate_hz")
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value > 0 and math.isfinite(value) else None


def _stated(stream: Stream) -> float | None:
    rates = [rate for rate in stream.rates if rate != PROVISIONAL_HZ]
    return float(np.median(rates)) if len(rates) > len(stream.rates) / 2 else None


def _of_all_messages(measured: float, told: Told | None) -> float:
    """Times cut to milliseconds tell the rate of one message to a per cent, of all to far less."""
    if told is None or abs(told.rate_hz / measured - 1) > COARSE:
        return measured
    return nearest_usual(told.rate_hz, told.low_hz, told.high_hz)


def _told(stream: Stream) -> Told | None:
    """Samples a second, by the times of messages, else by their arrivals."""
    starts = [one for one in stream.starts if one is not None]
    has_times = len(starts) == len(stream.starts) and all(
        b > a for a, b in pairwise(starts)
    )
    times = np.array(starts if has_times else stream.arrivals, np.float64) / 1e9
    if len(times) < 3 or times[-1] <= times[0]:
        return None
    counts = np.array(stream.counts, np.float64)
    # A start lies before its samples, an arrival behind them.
    steps = counts[:-1] if has_times else counts[1:]
    before = np.concatenate(
        [[0.0], np.cumsum(steps * _messages_a_step(stream, times, has_times))]
    )
    times = times - times[0]
    slope, offset = np.polyfit(times, before, 1)
    spread = float(np.std(before - slope * times - offset))
    error = spread / (np.sqrt(len(times)) * max(float(np.std(times)), 1e-12))
    unsure = CERTAINTY * error + FLOOR[has_times] * slope
    return Told(float(slope), float(slope - unsure), float(slope + unsure))


def _messages_a_step(stream: Stream, times: Float64, has_times: bool) -> Float64:
    """How many messages were sent from one to the next: more than one where some were lost, which
    their numbers tell, or their times.
    """
    numbers = [one for one in stream.sequences if one is not None]
    if len(numbers) == len(times) and all(
        0 < b - a < MAX_LOST for a, b in pairwise(numbers)
    ):
        return np.diff(np.array(numbers, np.float64))
    steps = np.diff(times)
    if not np.median(steps):
        return np.ones(len(steps))
    ratios = steps / np.median(steps)
    whole = np.maximum(1.0, np.round(ratios))
    is_clear = has_times and bool(np.all(np.abs(ratios - whole) < 0.1))
    return whole if is_clear else np.ones(len(steps))


def _by_statement(
    stream: Stream, stated: float, is_weak: bool, told: Told | None, notes: Notes
) -> Cadence | None:
    rate_hz = nearest_usual(stated, stated * 0.998, stated * 1.002)
    share = math.nan if told is None else told.rate_hz / rate_hz
    if 1 - WHOLE < share < 1 + WHOLE or (told is None and len(stream.samples) < 3):
        notes.say(
            "sample_rate_hz", f"{rate_hz:g} Hz is stated, and so many samples a second come"
        )
        return Cadence(rate_hz)
    if is_weak or math.isnan(share) or share >= 1 + WHOLE:
        return _contradicted(stream, rate_hz, told, notes)
    if _joins(stream) > SURE:
        return _contradicted(stream, rate_hz, told, notes)
    between_s = period_s(stream)
    notes.say("sample_rate_hz", f"{rate_hz:g} Hz is stated")
    n = int(np.median(stream.counts))
    notes.say(
        "acquisition",
        f"snapshots: {n} samples last {n / rate_hz:.3g} s, and one comes every {between_s:.3g} s",
    )
    return Cadence(rate_hz, between_s)


def _contradicted(
    stream: Stream, stated: float, told: Told | None, notes: Notes
) -> Cadence | None:
    counted = None if told is None else told.rate_hz
    text = f"{stream.sensor}: the messages speak of {stated:.5g} Hz"
    if counted is not None:
        text += f", yet {counted:.5g} samples a second arrive"
    choices = [Choice(f"{stated:.5g}", "as stated")]
    if counted is not None:
        choices.append(Choice(f"{counted:.5g}", "as counted"))
    notes.ask("sample_rate_hz", f"{text}: which is the sample rate (Hz)?", choices)
    return None


def _by_counting(stream: Stream, told: Told | None, notes: Notes) -> Cadence | None:
    if told is None:
        notes.ask(
            "messages", f"The messages of {stream.sensor} tell no rate: listen longer?"
        )
        return None
    rate_hz = nearest_usual(told.rate_hz, told.low_hz, told.high_hz)
    is_single = max(stream.counts) == 1
    odds = math.inf if is_single else _joins(stream)
    if _is_uneven(stream):
        odds = min(odds, 0.0)
    if odds > JOINED and told.unsure <= UNSURE_LIMIT and rate_hz >= SLOWEST_HZ:
        goes_on = "each message goes on where the last ended"
        why = "one sample a message" if is_single else goes_on
        notes.say("sample_rate_hz", f"{told.rate_hz:.5g} samples a second come, and {why}")
        return Cadence(rate_hz)
    n, between_s = int(np.median(stream.counts)), period_s(stream)
    text = f"{n} samples come every {between_s:.3g} s"
    if odds < -SURE:
        text += (
            ", and do not go on where the last ones ended: snapshots. At which rate (Hz)?"
        )
        notes.ask("sample_rate_hz", f"{stream.sensor}: {text}")
        return None
    if rate_hz < SLOWEST_HZ and (is_single or odds > JOINED):
        text += ": too slow for vibration. Is it, and at which rate (Hz)?"
    else:
        text += (
            ": all there are, or snapshots at a higher rate? What is the sample rate (Hz)?"
        )
    choice = Choice(f"{rate_hz:g}", f"if every sample is sent; ±{told.unsure:.1%}")
    notes.ask("sample_rate_hz", f"{stream.sensor}: {text}", [choice])
    return None


def _is_uneven(stream: Stream) -> bool:
    """Whether messages come now and then at twice the distance: some may be lost, and nothing tells
    how many were sent.
    """
    numbers = [one for one in stream.sequences if one is not None]
    starts = [one for one in stream.starts if one is not None]
    if len(numbers) == len(stream.samples):
        return False
    times = np.array(
        starts if len(starts) == len(stream.samples) else stream.arrivals, np.float64
    )
    steps = np.diff(times) / np.array(stream.counts[1:], np.float64)
    usual = float(np.median(steps))
    if not usual:
        return True
    jitter = float(np.median(np.abs(steps - usual))) / usual
    return abs(float(np.mean(steps)) / usual - 1) > UNEVEN + OF_JITTER * jitter


def _joins(stream: Stream) -> float:
    """The log of odds that each message goes on where the last one ended, over all channels; 0
    where any other message would go on as well.
    """
    whole = [one for one in stream.samples if np.isfinite(one).all()]
    channels = [
        [one[channel] for one in whole] for channel in range(len(stream.samples[0]))
    ]
    odds = sum(prediction.join_odds(pieces, list(pairwise(pieces))) for pieces in channels)
    if odds > 0 and prediction.partner_chance(channels) > CHANCE:
        return 0.0
    return odds


def period_s(stream: Stream) -> float:
    """Between two messages, usually; to two digits, upwards."""
    steps = np.diff(np.array(stream.arrivals, np.float64)) / 1e9
    usual = float(np.median(steps)) if len(steps) else 0.0
    return float(f"{usual:.2g}") if usual else 0.0


def nearest_usual(rate_hz: float, low_hz: float, high_hz: float) -> float:
    """A rate that sensors have, where one lies between the limits; else to four digits."""
    if rate_hz <= 0:
        return rate_hz
    power = math.floor(math.log10(rate_hz))
    usual = [one * 10.0**step for one in USUAL for step in (power - 1, power, power + 1)]
    low_hz, high_hz = max(low_hz, rate_hz * (1 - SNAP)), min(high_hz, rate_hz * (1 + SNAP))
    inside = [one for one in usual if low_hz <= one <= high_hz]
    # The plainest of them: 1000 rather than 1024 where both would do.
    if inside:
        best = min(
            inside, key=lambda one: (len(f"{one:.6g}".rstrip("0")), abs(one - rate_hz))
        )
        return float(f"{best:.8g}")
    for digits in (1, 2, 3, 4):
        rounded = float(f"{rate_hz:.{digits}g}")
        if low_hz <= rounded <= high_hz:
            return rounded
    return float(f"{rate_hz:.5g}")


def alike(cadences: Sequence[Cadence]) -> bool:
    first = cadences[0]
    return all(
        abs(one.rate_hz / first.rate_hz - 1) < 0.03
        and (one.period_s is None) == (first.period_s is None)
        for one in cadences
    )
