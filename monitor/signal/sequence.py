"""Running numbers of messages: what comes next, what is missing, and what started over. Pure.

A counter of few bits wraps to zero. Where its width is declared, a loss across
the wrap is told from a restart: by the time that has passed where messages carry
one, else by whether the new number is one that counters start with.
"""

from __future__ import annotations

from dataclasses import dataclass

WRAPS = (2**8, 2**16, 2**32)  # where counters of no declared width may wrap to zero
FIRST_NUMBERS = (0, 1)  # where a counter starts over
# The messages missing by number and by time may differ by this share, and by a few messages.
TIME_TOLERANCE, TOLERATED_MESSAGES = 0.25, 2.0
# Without times: a first number this share of a lap ahead, or more, is a restart.
RESTART_SHARE = 1 / 8


@dataclass(frozen=True, slots=True)
class Step:
    """From the last number to the next.

    reason : "", gap, sequence_reset
    hole : numbers that are missing, from the first to behind the last; it may
        reach over the lap
    is_new_lap : the counter has wrapped
    """

    reason: str = ""
    hole: tuple[int, int] | None = None
    is_new_lap: bool = False


def step(last: int, now: int, bits: int | None, n_passed: float | None) -> Step:
    """bits : the counter's declared width; None: not declared
    n_passed : messages that would have filled the time since the last; None
        where none tells
    """
    if bits is None:
        return _plain_step(last, now)
    n_missing: int = (now - last - 1) % 2**bits
    if n_missing and _is_restart(now, n_missing, 2**bits, n_passed):
        return Step("sequence_reset")
    is_new_lap = now <= last  # the same number again is a whole lap later
    if not n_missing:
        return Step(is_new_lap=is_new_lap)
    return Step("gap", (last + 1, last + 1 + n_missing), is_new_lap)


def is_in(hole: tuple[int, int], number: int, bits: int | None) -> bool:
    first, end = hole
    if bits is None:
        return first <= number < end
    n_behind: int = (number - first) % 2**bits
    return n_behind < end - first


def _plain_step(last: int, now: int) -> Step:
    if now == 0 and last + 1 in WRAPS:
        return Step(is_new_lap=True)
    if now == last + 1:
        return Step()
    if now > last:
        return Step("gap", (last + 1, now))
    return Step("sequence_reset")


def _is_restart(now: int, n_missing: int, lap: int, n_passed: float | None) -> bool:
    if n_passed is not None and n_passed <= lap:
        off = abs(n_passed - n_missing)
        return off > TOLERATED_MESSAGES + TIME_TOLERANCE * n_missing
    if n_passed is not None:
        return False  # after more than a lap the number tells nothing
    if now in FIRST_NUMBERS:
        return n_missing >= RESTART_SHARE * lap
    return n_missing >= lap / 2
