"""How many channels lie in one run of numbers, and whether side by side or one after the other.

Axes differ in mean, in strength and in what they do: told apart by the right
number, each needs less code. Where no number stands out, it is one channel only
if the signal is one that would show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.discovery import prediction
from monitor.records.signal import Float64

COUNTS = (1, 2, 3, 4, 6, 8)
MIN_NUMBERS = 240
ORDER = 24
SURE, SURE_OF_MANY, SURE_OF_PARTS = 8.0, 30.0, 120.0
SHARE_OF_PARTS = 0.1


@dataclass(frozen=True, slots=True)
class Reading:
    """odds : the log of odds against the next best"""

    n_channels: int
    layout: str  # interleaved, planar
    odds: float

    @property
    def is_sure(self) -> bool:
        return self.odds > (SURE if self.n_channels == 1 else SURE_OF_MANY)


def readings(runs: Sequence[Float64]) -> list[Reading]:
    """The ways to read runs, one a message, the likeliest first; none where they are too few."""
    runs = [run for run in runs if np.isfinite(run).all()]
    if sum(map(len, runs)) < MIN_NUMBERS or not runs:
        return []
    codes = {
        (n, "interleaved"): _code_side_by_side(runs, n)
        for n in COUNTS
        if all(len(run) % n == 0 for run in runs)
    }
    codes |= {
        (n, "planar"): codes[1, "interleaved"] + _code_in_turns(runs, n)
        for n in COUNTS[1:]
        if all(len(run) % n == 0 and len(run) >= 16 * n for run in runs)
    }
    usable = {key: code for key, code in codes.items() if np.isfinite(code)}
    order = sorted(usable, key=lambda key: usable[key])
    found = [Reading(*key, odds=_odds_to_next(key, order, usable)) for key in order]
    if (
        found
        and found[0].layout == "planar"
        and not _ends_within(runs, found[0].n_channels)
    ):
        found[0] = replace(found[0], odds=0.0)
    if found and found[0].n_channels == 1 and _breaks_somewhere(runs):
        found[0] = replace(found[0], odds=0.0)
    return found


def _breaks_somewhere(runs: Sequence[Float64]) -> bool:
    """One channel does not break where several in turn would."""
    usual = [
        n
        for n in COUNTS[1:]
        if all(len(run) % n == 0 and len(run) >= 16 * n for run in runs)
    ]
    return any(_join_odds(runs, n) < -SURE for n in usual)


def _ends_within(runs: Sequence[Float64], n: int) -> bool:
    """Whether the signal breaks where one channel would end and the next begin."""
    return _join_odds(runs, n) < 0


def _join_odds(runs: Sequence[Float64], n: int) -> float:
    parts = [run.reshape(n, -1) for run in runs]
    seams = [(one[k], one[k + 1]) for one in parts for k in range(n - 1)]
    stretches = [part for one in parts for part in one]
    return prediction.join_odds(stretches, seams)


def _odds_to_next(
    key: tuple[int, str],
    order: Sequence[tuple[int, str]],
    codes: dict[tuple[int, str], float],
) -> float:
    # A multiple of the right number fits as well, and needs more to say: it is no rival.
    rivals = [other for other in order if other != key and not _is_multiple(other, key)]
    odds = min((codes[other] for other in rivals), default=np.inf) - codes[key]
    parts = [codes[other] for other in order if other[0] > 1 and _is_multiple(key, other)]
    if key[0] > 1 and parts:
        # Splitting further must gain as splitting at all did: a wandering signal gains a little.
        gained = codes.get((1, "interleaved"), min(parts)) - min(parts)
        if min(parts) - codes[key] < max(SURE_OF_PARTS, SHARE_OF_PARTS * gained):
            return 0.0
    return odds


def _is_multiple(other: tuple[int, str], key: tuple[int, str]) -> bool:
    is_more = other[0] > key[0] > 1 and other[0] % key[0] == 0
    return is_more and other[1] == key[1]


def _code_side_by_side(runs: Sequence[Float64], n: int) -> float:
    """Nats for all of it: each channel by the samples of its own."""
    return sum(_code([run[phase::n] for run in runs], ORDER // n) for phase in range(n))


def _code_in_turns(runs: Sequence[Float64], n: int) -> float:
    """Nats more than for one channel, told by as many samples before."""
    order = min(ORDER, min(map(len, runs)) // n // 4)
    parts = [_code([run.reshape(n, -1)[part] for run in runs], order) for part in range(n)]
    return sum(parts) - _code(runs, order)


def _code(columns: Sequence[Float64], order: int) -> float:
    """Nats of one channel, and of what must be said about it (BIC). The first samples of a
    stretch, which nothing tells, count as far off the mean.
    """
    size = sum(map(len, columns))
    model = prediction.fitted(columns, order)
    if model is None:
        return np.inf
    everything = np.concatenate(columns)
    step = _step(everything)
    floor = step / np.sqrt(12)
    rest, spread = np.hypot(model[1], floor), np.hypot(float(everything.std()), floor)
    n_first = sum(min(order, len(one)) for one in columns)
    say = 0.5 * (order + 2) * np.log(size)
    return float((size - n_first) * np.log(rest) + n_first * np.log(spread) + say)


def _step(values: Float64) -> float:
    """The least distance between two values: what they are counted in."""
    steps = np.diff(np.unique(values[:20_000]))
    steps = steps[steps > 0]
    return float(steps.min()) if len(steps) else 1.0
