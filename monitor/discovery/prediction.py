"""How well samples tell the next one: whether two stretches join, and which of two ways to read
numbers makes a signal of them.

A line is fitted through the samples before (autoregression). What it leaves
over is the code that a good reading needs; where two stretches do not belong
together, it fails at the seam.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from monitor.records.signal import Float64

ORDER = 8
CODE_ORDER = 4  # of a phase, which has fewer samples
MAX_SAMPLES = 12_000
SURE = 6.0  # a log of odds: one in four hundred
MIN_SEAMS = 5
MAX_SEAMS = 64
N_STEPS = 4  # samples behind a seam that are still told by those before it


def fitted(
    stretches: Sequence[Float64], order: int = ORDER
) -> tuple[Float64, float] | None:
    """(order + 1,) weights, the last a constant, and the rest's standard deviation. None where
    there is too little.
    """
    rows, n = [], 0
    for one in stretches:
        if len(one) > order:
            rows.append(sliding_window_view(one, order + 1))
            n += len(one) - order
        if n > MAX_SAMPLES:
            break
    if n < 4 * (order + 1):
        return None
    table = np.concatenate(rows)
    middle = table.mean(axis=0)
    table = table - middle
    # by normal equations: far quicker, and the ridge keeps them solvable
    square = table.T @ table
    ridge = np.eye(order) * (1e-9 * np.trace(square) / (order + 1) + 1e-300)
    weights = np.linalg.solve(square[:-1, :-1] + ridge, square[:-1, -1])
    rest = table[:, -1] - table[:, :-1] @ weights
    constant = middle[-1] - middle[:-1] @ weights
    return np.append(weights, constant), float(np.sqrt(np.mean(rest**2)))


def predicted(weights: Float64, before: Float64) -> float:
    """The sample behind the last of `before`."""
    return float(before[-(len(weights) - 1) :] @ weights[:-1] + weights[-1])


def join_odds(
    stretches: Sequence[Float64], seams: Sequence[tuple[Float64, Float64]]
) -> float:
    """The log of odds that each pair of `seams` joins: the second begins where the first ends.

    Above SURE they do, below -SURE they do not, else the signal does not tell.
    Compared are the errors at the seams with those within, and with those
    between strangers.
    """
    model = fitted(stretches)
    if model is None or len(seams) < MIN_SEAMS:
        return 0.0
    weights, inside = model
    n_order = len(weights) - 1
    usable = [
        (a[-n_order:], b[:N_STEPS]) for a, b in seams if min(len(a), len(b)) >= n_order
    ]
    if len(usable) < MIN_SEAMS or inside <= 0:
        return 0.0
    before, behind = (np.array(side) for side in zip(*usable, strict=True))
    errors = _errors(weights, before, behind)
    shifted = [_errors(weights, before, np.roll(behind, step, axis=0)) for step in (2, 3)]
    apart = np.sqrt(np.mean(np.concatenate(shifted) ** 2, axis=0))
    return float(sum(map(_odds, errors.T, [inside] * N_STEPS, np.maximum(apart, inside))))


def partner_chance(channels: Sequence[Sequence[Float64]]) -> float:
    """That messages go on so well from the last one by accident: by the rank that the next message
    has among all as a continuation. A signal that swells and fades does not
    deceive it.

    channels : the pieces of each, one a message
    """
    table: Float64 | None = None
    for pieces in channels:
        model = fitted(pieces)
        if model is None or model[1] <= 0:
            continue
        n_order = len(model[0]) - 1
        if any(len(piece) < n_order for piece in pieces):
            return 1.0
        before = np.array([piece[-n_order:] for piece in pieces[:-1]][:MAX_SEAMS])
        behind = np.array([piece[:1] for piece in pieces[1:]][:MAX_SEAMS])
        rows = [
            _errors(model[0], np.repeat(one[None], len(behind), 0), behind)[:, 0] ** 2
            for one in before
        ]
        table = np.array(rows) / model[1] ** 2 + (0.0 if table is None else table)
    if table is None:
        return 1.0
    own = np.diag(table)
    ranks = np.sum(table <= own[:, None], axis=1) / len(own)
    return _fisher(ranks)


def _fisher(chances: Float64) -> float:
    """Of all together: the upper end of a chi-squared distribution with twice as many degrees."""
    half = -float(np.sum(np.log(chances)))
    terms = np.cumsum([0.0, *(np.log(half or 1e-300) - np.log(np.arange(1, len(chances))))])
    return float(min(1.0, np.sum(np.exp(terms - half))))


def _errors(weights: Float64, before: Float64, behind: Float64) -> Float64:
    """(n_seams, N_STEPS) of the first samples behind each seam."""
    whole = np.concatenate([before, behind], axis=1)
    windows = sliding_window_view(whole, len(weights), axis=1)
    told = windows[..., :-1] @ weights[:-1] + weights[-1]
    errors: Float64 = windows[..., -1] - told
    return errors


def _odds(errors: Float64, inside: float, apart: float) -> float:
    """Of two normal distributions with heavy tails: one wild error decides nothing."""
    close = np.log1p((errors / inside) ** 2 / 3) * 2 + np.log(inside)
    far = np.log1p((errors / apart) ** 2 / 3) * 2 + np.log(apart)
    return float(np.sum(far - close))


def code_bits(stretches: Sequence[Float64], lag: int) -> float:
    """Bits that a sample needs of its own, where each is told by those `lag`, 2 lag, ... before.

    Counted for steps of 1, each of `lag` phases with its own mean and spread.
    """
    total, n = 0.0, 0
    for phase in range(lag):
        columns = [one[phase::lag] for one in stretches]
        model = fitted(columns, CODE_ORDER)
        if model is None:
            return np.inf
        size = sum(len(one) for one in columns)
        total += size * np.log2(np.sqrt(model[1] ** 2 + 1 / 12) * 4.13)
        n += size
    return max(0.0, total / n)
