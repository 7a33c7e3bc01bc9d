"""Where in a binary message the samples begin and end: what does not follow from its neighbours, or
is the same in every message, is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from monitor.discovery import prediction
from monitor.records.signal import Float64

MAX_HEAD = 64  # numbers that may be a header
MAX_TAIL = 8
MIN_MESSAGES = 4
FOREIGN = 5.0  # times what is usual
CHANCE, DOUBT = 1e-5, 0.01
ORDER = 4
DENSE = 0.6
MAX_GAP = 16  # numbers that look like samples: what lies behind is some
FAR_SHARE = 0.2
N_BESIDE = 24  # numbers that a place is compared with


def head_of(runs: Sequence[Float64], lag: int) -> int | None:
    """How many numbers at the beginning are no samples. None where that cannot be told."""
    if len(runs) < MIN_MESSAGES:
        return None
    # Read backwards, with the end where all are aligned, the beginning is an end.
    return _foreign([run[::-1] for run in runs], lag, MAX_HEAD)


def tail_of(runs: Sequence[Float64], lag: int) -> int | None:
    """How many numbers at the end are no samples."""
    if len(runs) < MIN_MESSAGES:
        return None
    return _foreign(list(runs), lag, MAX_TAIL)


def _foreign(runs: list[Float64], lag: int, most: int) -> int | None:
    """The number of foreign ones at the end, up to the innermost of them."""
    shortest = min(map(len, runs))
    most = min(most, shortest // 2)
    model = _models(runs, lag, most)
    if model is None:
        return None
    foreign: list[int] = []
    for place in range(1, most + 1):
        if place - (foreign[-1] if foreign else 0) > MAX_GAP:
            break
        values = np.array([run[-place] for run in runs])
        if _is_odd(values, _phase(runs, place, lag)) or _is_untold(runs, place, lag, model):
            foreign.append(place)
    if not foreign:
        return 0 if _is_told(runs, lag, model) else None
    # What is before the samples is foreign for the most part.
    return foreign[-1] if len(foreign) >= DENSE * foreign[-1] else None


def _is_told(runs: list[Float64], lag: int, models: list[tuple[Float64, float]]) -> bool:
    """Whether the last number is no doubtful case: a byte's checksum looks like a sample."""
    chance = _chance(runs, 1, lag, models)
    return chance > DOUBT or bool(runs[0].max() > 256)


def _phase(runs: list[Float64], place: int, lag: int) -> Float64:
    """The numbers of the channel that this place would be of, behind it in the same messages."""
    found = []
    for run in runs:
        at = len(run) - place
        found.append(run[at % lag : at : lag][-N_BESIDE:])
    return np.concatenate(found)


def _models(runs: list[Float64], lag: int, most: int) -> list[tuple[Float64, float]] | None:
    """One for each phase, counted from the beginning of a run."""
    found = []
    for phase in range(lag):
        model = prediction.fitted(
            [run[phase : len(run) - most : lag] for run in runs], ORDER
        )
        if model is None:
            return None
        found.append(model)
    return found


def _is_untold(
    runs: list[Float64], place: int, lag: int, models: list[tuple[Float64, float]]
) -> bool:
    """Farther from what the numbers before it tell than most numbers are."""
    errors = _errors(runs, place, lag, models)
    if not errors:
        return False
    if float(np.median(errors)) > FOREIGN:
        return True
    return _chance(runs, place, lag, models) < CHANCE


def _chance(
    runs: list[Float64], place: int, lag: int, models: list[tuple[Float64, float]]
) -> float:
    """The chance that at least so many numbers at one place are among the farthest off."""
    errors = _errors(runs, place, lag, models)
    usual = [
        one
        for step in range(1, 17)
        for one in _errors(runs, place + step * lag, lag, models)
    ]
    if len(usual) < 8 * max(1, len(errors)):
        return 1.0
    limit = float(np.quantile(usual, 1 - FAR_SHARE))
    n, of = sum(error > limit for error in errors), len(errors)
    return sum(
        math.comb(of, k) * FAR_SHARE**k * (1 - FAR_SHARE) ** (of - k)
        for k in range(n, of + 1)
    )


def _errors(
    runs: list[Float64], place: int, lag: int, models: list[tuple[Float64, float]]
) -> list[float]:
    """How far the number at a place from the end is from what is told, in usual errors."""
    found = []
    for run in runs:
        at = len(run) - place
        before = run[max(at % lag, at - ORDER * lag) : at : lag]
        if len(before) < ORDER:
            return []
        weights, usual = models[at % lag]
        found.append(abs(prediction.predicted(weights, before) - run[at]) / max(usual, 0.3))
    return found


def _is_of_other_size(values: Float64, spread: float) -> bool:
    """Many far from the size of the others: bytes that were no such number."""
    sizes = np.abs(values)
    return bool(
        np.mean((sizes > 1e6 * spread) | ((sizes < 1e-9 * spread) & (sizes > 0))) > 0.3
    )


def _is_odd(values: Float64, middle: Float64) -> bool:
    """The same in all messages, or nearly, or growing by the same: samples are not so."""
    steps = np.diff(values)
    n, spread = len(values), float(middle.std())
    share = min(1.0, 0.4 * float(np.ptp(values)) / spread) if spread > 0 else 1.0
    if _is_of_other_size(values, spread) and not _is_of_other_size(middle, spread):
        return True
    if n * share ** (n - 1) < CHANCE and np.ptp(values) > 0:
        return True
    if len(set(steps.tolist())) > 1:
        return False
    _, counts = np.unique(middle, return_counts=True)
    alike = float(np.sum((counts / len(middle)) ** 2))
    return bool(alike ** (n - 1) < CHANCE)
