"""From commissioning windows to the reference that an alarm's promise rests on.

A fixed set of healthy blocks is compared with again and again, so it is not enough that a conformal
p-value is right on average over sets: it must hold given this one. Of n independent blocks, the
share of new windows above the k-th highest is at most Beta(k, n + 1 - k) distributed, whatever the
scores' distribution; its upper bound replaces k / (n + 1) (Bates et al. 2023; Shaer et al., arXiv
2602.13848). 1 / bound where a score is above, else 0, is an e-value; so is any mean of e-values.

Scores of commissioning windows against their own range flatter. So each half in
time is scored against the other half's range. The live range, of both halves,
is never narrower, so a live score is never higher than it would be against one
of them: the bound holds for it, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from scipy.special import betaincinv

from monitor.evidence.false_alarms import independent_count
from monitor.evidence.novelty import commissioned_range, n_odd_windows, score_of_levels
from monitor.records.commissioned import HealthyWindows
from monitor.records.promise import Reference, Step
from monitor.records.signal import Float64

CONFIDENCE = 0.95  # that a reference's bounds hold, all at once
# Of an e-value, what is left where no score is above any step; the rest is staked on the steps.
KEPT = 0.2
ALARM_RANKS = (1, 4)  # of the highest blocks
DRIFT_SHARES = (0.1, 0.3)  # of blocks
MIN_PIECES = 8  # that a memory must fit into the windows to be seen
ROUNDING = 1e-4  # of scores: spectra are stored in hundredths of a decibel


def reference_of(
    windows: HealthyWindows, n_runs: int, stride: float, window_s: float
) -> Reference | None:
    """None where the windows are too few to be halved.

    windows : in order of time
    stride : windows of the running machine for each of these
    window_s : from one window of the running machine to the next, in seconds
    """
    n = len(windows.spectra_db)
    level_db = windows.spectra_db.mean(axis=3, dtype=np.float64)
    halves = half_scores(level_db)
    if halves is None:
        return None
    series = [np.concatenate(halves), windows.rms_ms2]
    parts: dict[str, tuple[Float64, ...]] = {"novelty": halves}
    if windows.logits is not None:
        series.append(windows.logits)
        parts["network"] = (windows.logits,)
    length = max(memory(one) for one in series)
    blocks = {
        kind: [block_maxima(one, length) for one in part] for kind, part in parts.items()
    }
    n_steps = len(ALARM_RANKS) * sum(len(part) for part in blocks.values())
    share = (1 - CONFIDENCE) / n_steps
    return Reference(
        n_windows=n,
        n_runs=n_runs,
        n_blocks=int(n / length),
        block=max(1, math.ceil(length * stride)),
        window_s=window_s,
        healthy_s=n * stride * window_s,
        alarm={kind: tuple(alarm_steps(part, share)) for kind, part in blocks.items()},
        drift={kind: tuple(drift_steps(part, share)) for kind, part in blocks.items()},
    )


def half_scores(level_db: Float64) -> tuple[Float64, Float64] | None:
    """Novelty of each half's windows against the range of the other half, first half first.

    level_db : (n_windows, n_channels, n_f), in order of time. None for too few
        windows.
    """
    n_odd, middle = n_odd_windows(len(level_db)), len(level_db) // 2
    first, second = level_db[:middle], level_db[middle:]
    if len(first) < 2 * n_odd + 2:
        return None
    # As many odd windows as of the whole: so the half's range is never the wider one.
    of_first, of_second = (commissioned_range(half, n_odd) for half in (first, second))
    return score_of_levels(first, *of_second), score_of_levels(second, *of_first)


def memory(scores: Float64) -> float:
    """How many windows it takes for one independent one: how far a score still predicts the next.

    The larger of what neighbours say (independent_count), and what means of
    ever longer stretches say: their variance is that of one window by the
    independent ones in a stretch.
    """
    n = len(scores)
    longest = n / independent_count(scores)
    ranks = np.argsort(np.argsort(scores, kind="stable"), kind="stable").astype(np.float64)
    variance = float(ranks.var())
    length = 2
    while length * MIN_PIECES <= n:
        means = ranks[: n // length * length].reshape(-1, length).mean(axis=1)
        longest = max(longest, length * float(means.var(ddof=1)) / variance)
        length *= 2
    return longest


def block_maxima(scores: Float64, length: float) -> Float64:
    """The highest score of each whole block, highest first.

    length : of a block, in windows, at least 1; need be no whole number
    """
    n_blocks = int(len(scores) / length)
    borders = [round(i * length) for i in range(n_blocks)] + [len(scores)]
    found = [scores[begin:end].max() for begin, end in pairwise(borders)]
    return np.sort(np.asarray(found, np.float64))[::-1]


def alarm_steps(parts: Sequence[Float64], miss: float) -> Iterator[Step]:
    """parts : block maxima, highest first. miss : the chance that one step's bound does not hold"""
    for maxima in parts:
        yield from _steps(maxima, ALARM_RANKS, miss, len(parts))


def drift_steps(parts: Sequence[Float64], miss: float) -> Iterator[Step]:
    """As alarm_steps, of what healthy windows exceed often."""
    for maxima in parts:
        ranks = tuple(max(1, round(share * len(maxima))) for share in DRIFT_SHARES)
        yield from _steps(maxima, ranks, miss, len(parts))


def _steps(
    maxima: Float64, ranks: Sequence[int], miss: float, n_parts: int
) -> Iterator[Step]:
    stake = (1 - KEPT) / (len(ranks) * n_parts)
    for rank in ranks:
        if rank <= len(maxima):
            gain = stake / share_above(rank, len(maxima), miss)
            yield Step(float(maxima[rank - 1]) + ROUNDING, gain)


def share_above(rank: int, n_blocks: int, miss: float) -> float:
    """Upper bound of the share of healthy windows that lie above the rank-th highest of n_blocks
    independent blocks. It fails with probability `miss`.
    """
    return float(betaincinv(rank, n_blocks + 1 - rank, 1 - miss))
