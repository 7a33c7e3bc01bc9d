"""What is wrong with a stream's clock, rate or length, in a sentence that names the key to change.
For the doctor, and for events of the running service. Pure.
"""

from __future__ import annotations

from monitor.records.stream import WhyArrival
from monitor.signal.arrivals import RateEstimate

SECOND_NS = 10**9
YEAR_S = 31_556_952
UNITS = ((YEAR_S, "year"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
COUNTS = ("ns", "us", "ms", "s")  # the finer first; a step is a factor of 1,000


def clock_trouble(
    why: WhyArrival, start_ns: int, received_ns: int, time_format: str | None = None
) -> str:
    """A message's time that cannot be used.

    time_format : payload.time_format, where it is known
    """
    off_ns = start_ns - received_ns
    if why == "runs_back":
        return (
            "message time has run back into a time that has its verdicts; rows have the time of"
            " arrival. Is it local time? Then set payload.time_zone"
        )
    off = f"time is {span_words(abs(off_ns))} {'ahead' if off_ns > 0 else 'behind'}"
    return f"{off}: {_guess(start_ns, received_ns, time_format)}; rows have the time of arrival"


def zone_trouble(off_ns: int) -> str:
    """A time that may be a backlog's, or local time taken for UTC.

    off_ns : the message's time less that of its arrival
    """
    off = f"time is {span_words(abs(off_ns))} {'ahead' if off_ns > 0 else 'behind'}"
    return (
        f"{off}: is it local time? Then set payload.time_zone; else set the sensor's clock"
    )


def rate_trouble(
    measured_hz: float, nominal_hz: float, by_arrival: RateEstimate | None
) -> str:
    """A sample rate that is not the configured one."""
    if by_arrival is None:
        return (
            f"runs at {measured_hz:.5g} Hz, {nominal_hz:g} Hz is configured: its windows are"
            " BAD_DATA; set sample_rate_hz"
        )
    return (
        f"{between(by_arrival)} samples a second arrive, {nominal_hz:g} Hz is configured: its"
        f" windows are BAD_DATA; {_rate_hint(by_arrival.rate_hz / nominal_hz)}"
    )


def snapshot_trouble(snapshot_s: float, window_s: float, has_model: bool) -> str:
    """A snapshot that is shorter than one window."""
    window = (
        f"the model's window of {window_s:g} s"
        if has_model
        else f"window_s = {window_s:g} s"
    )
    return f"a snapshot of {snapshot_s:g} s is shorter than {window}: it is never judged"


def never_whole_trouble(piece_s: float, window_s: float) -> str:
    """A continuous sensor whose stream breaks so often that no window is ever full."""
    return (
        f"the signal breaks off every {piece_s:.3g} s, before a window of {window_s:g} s is full:"
        " if the sensor rests in between, set acquisition: snapshot, and window_s; else check"
        " payload.sequence and payload.time"
    )


def period_trouble(pause_s: float, expected_s: float, acquisition: str) -> str:
    """A sensor that is silent and back with every message."""
    hint = (
        ""
        if acquisition == "snapshot"
        else ", and acquisition: snapshot if it rests in between"
    )
    return (
        f"messages come every {pause_s:.2g} s, expected_period_s = {expected_s:g} s is set: it"
        f" counts as silent in between; set expected_period_s: {pause_s:.2g}{hint}"
    )


def span_words(span_ns: int) -> str:
    """56 years, 3 days, 1 hour."""
    for unit_s, name in UNITS:
        n = span_ns / (unit_s * SECOND_NS)
        if n >= 0.995:
            return f"{n:.0f} {name}{'' if round(n) == 1 else 's'}"
    return f"{span_ns / SECOND_NS:.2g} seconds"


def _guess(start_ns: int, received_ns: int, time_format: str | None) -> str:
    """What may be wrong with a time that is far off."""
    for n_steps in (1, 2, 3):
        for factor, n_coarser in ((1000**n_steps, n_steps), (1 / 1000**n_steps, -n_steps)):
            if abs(start_ns * factor / received_ns - 1) < 0.1:
                return _other_count(time_format, n_coarser)
    return (
        "is payload.time_format right, and the clock of the sensor (and of this host) set?"
    )


def _other_count(time_format: str | None, n_coarser: int) -> str:
    """The count that fits, named where the configured one is known."""
    if time_format in COUNTS:
        at = COUNTS.index(time_format) + n_coarser
        if 0 <= at < len(COUNTS):
            return f"is payload.time_format {COUNTS[at]}?"
    word = "coarser" if n_coarser > 0 else "finer"
    return f"does the sensor count in a unit {1000 ** abs(n_coarser):,} times {word}" + (
        " than payload.time_format says?"
    )


def between(found: RateEstimate) -> str:
    if found.high_hz == float("inf"):
        return f"more than {found.low_hz:.3g}"
    return f"{found.low_hz:.4g} to {found.high_hz:.4g}"


def _rate_hint(share: float) -> str:
    """share : of the configured rate that arrives"""
    for factor in (2, 3, 4):
        if abs(share / factor - 1) < 0.2 or abs(share * factor - 1) < 0.2:
            return "correct sample_rate_hz, payload.dtype or the number of channels"
    more = " (or messages are lost on the way)" if share < 1 else ""
    return f"correct sample_rate_hz{more}"
