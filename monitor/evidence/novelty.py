"""Novelty: how far a sensor's spectrum lies outside what it showed in commissioning. Needs no NG
example.

Of each channel and band the baseline keeps the range that the commissioning
windows' levels spanned. A level outside it counts by its distance d in dB as d²
/ (d² + 2²): not at all inside, one half at 2 dB, nearly one far outside. The
score is the mean over channels and bands, so it lies between 0 and 1. It is
bounded for what healthy machines do as they run in: a few bands change by 15 dB
and more. Failing ones change in many bands. Louder and quieter are alike.

The band's share is spread over the columns that lie beyond the range, so that
all cells add up to the score. docs/laboratory.md has what else was tried.
"""

from __future__ import annotations

import math

import numpy as np

from monitor.records.commissioned import Baseline
from monitor.records.signal import Float32, Float64

SCALE_DB = 2.0  # a band this far outside the range counts one half
MIN_WINDOWS = 3
MARGIN = 1.25  # on the highest of a few windows, where nobody asks for a rate
# a higher score belongs to an odd window; lower ones may raise the threshold
ODD_TIMES = 3.0
WINDOWS_PER_ODD_ONE = 50  # in commissioning: a dropout or a blow must not widen the range
# What other machines exceed in about 5 % of their healthy windows: eight bearings that ran to
# failure, two mills, a fan (docs/laboratory.md). For a model trained on few machines, and for a
# baseline without a threshold of its own.
NOVELTY_FLOOR = 0.3


class CommissionError(ValueError):
    """The windows cannot commission a sensor; str() is one sentence that names value, rule and what
    would do.
    """


def novelty_map(spectrum_db: Float32, baseline: Baseline) -> Float32:
    """Each cell's share of the novelty score; the sum over cells is the score.

    spectrum_db : float32, shape (n_windows, n_channels, n_f, n_t), dB
    Returns float32, shape (n_windows, n_f, n_t), not negative.
    """
    level_db = spectrum_db.mean(axis=3, dtype=np.float64)
    low_db, high_db = (
        baseline.low_db.astype(np.float64),
        baseline.high_db.astype(np.float64),
    )
    is_above = (level_db > high_db)[..., None]
    over, under = spectrum_db - high_db[..., None], low_db[..., None] - spectrum_db
    beyond = np.maximum(np.where(is_above, over, under), 0)
    total = beyond.sum(axis=3)
    share = _share_outside(level_db, low_db, high_db) / low_db.size
    per_db = np.divide(share, total, out=np.zeros_like(share), where=total > 0)
    return np.asarray((beyond * per_db[..., None]).sum(axis=1), np.float32)


def score_of_levels(level_db: Float64, low_db: Float64, high_db: Float64) -> Float64:
    """Novelty of each window. level_db : shape (n_windows, n_channels, n_f), mean over columns."""
    return np.asarray(_share_outside(level_db, low_db, high_db).mean(axis=(1, 2)))


def commissioned_range(
    level_db: Float64, n_odd: int | None = None
) -> tuple[Float64, Float64]:
    """Lowest and highest level of each channel and band, without the one in fifty that may be odd.

    level_db : shape (n_windows, n_channels, n_f). Returns two of shape
        (n_channels, n_f).
    n_odd : how many may be odd at each end; None for one in fifty
    """
    if n_odd is None:
        n_odd = n_odd_windows(len(level_db))
    ordered = np.sort(level_db, axis=0)
    return ordered[n_odd], ordered[len(ordered) - 1 - n_odd]


def n_odd_windows(n_windows: int) -> int:
    return n_windows // WINDOWS_PER_ODD_ONE


def commission(spectra_db: Float32, false_alarm_rate: float | None = None) -> Baseline:
    """Baseline and threshold from windows that the machine's owner declares healthy.

    spectra_db : float32, shape (n_windows, n_channels, n_f, n_t), dB
    false_alarm_rate : of healthy windows, between 1 / (n_windows + 1) and 1;
        None for lowest_rate()

    The threshold is a conformal bound on leave-one-out scores (the jackknife of
    Barber et al. 2021): the next healthy window lies above it with about the
    given probability, if it is exchangeable with the commissioning windows.
    Windows of one run are less varied than that, so cover the machine's usual
    operation.
    Raises CommissionError.
    """
    return commission_with_scores(spectra_db, false_alarm_rate)[0]


def commission_with_scores(
    spectra_db: Float32, false_alarm_rate: float | None
) -> tuple[Baseline, Float64]:
    """As commission(), with each window's score against a baseline of all others, (n_windows,)."""
    n_windows = len(spectra_db)
    if n_windows < MIN_WINDOWS:
        raise CommissionError(
            f"windows = {n_windows}: commissioning needs at least {MIN_WINDOWS} windows."
        )
    if not np.isfinite(spectra_db).all():
        raise CommissionError(
            "spectra_db holds values that are not finite: only judged windows can commission."
        )
    # refuses an impossible rate before the work
    _conformal_rank(n_windows, false_alarm_rate)
    level_db = spectra_db.mean(axis=3, dtype=np.float64)
    low_db, high_db = commissioned_range(level_db)
    scores = _leave_one_out(level_db)
    threshold = conformal_threshold(scores, false_alarm_rate)
    if false_alarm_rate is None:
        threshold = MARGIN * min(float(scores.max()), ODD_TIMES * threshold)
    baseline = Baseline(
        low_db.astype(np.float32),
        high_db.astype(np.float32),
        threshold,
        rate_was_asked=false_alarm_rate is not None,
    )
    return baseline, scores


def lowest_rate(n_windows: int) -> float:
    """Of false alarms per healthy window, that n_windows can show if one in fifty may be odd."""
    return (n_odd_windows(n_windows) + 1) / (n_windows + 1)


def conformal_threshold(scores: Float64, false_alarm_rate: float | None = None) -> float:
    """The healthy score that the next healthy one exceeds with about the given probability (split
    conformal bound).

    scores : shape (n_windows,). None for lowest_rate(). Raises CommissionError.
    """
    return float(np.sort(scores)[_conformal_rank(len(scores), false_alarm_rate) - 1])


def _conformal_rank(n_windows: int, false_alarm_rate: float | None) -> int:
    """Which of the sorted scores is the threshold, from 1."""
    if false_alarm_rate is None:
        return n_windows - n_odd_windows(n_windows)
    if not 0 < false_alarm_rate < 1:
        raise CommissionError(
            f"false_alarm_rate = {false_alarm_rate:g}: must lie between 0 and 1 per window."
        )
    rank = math.ceil((n_windows + 1) * (1 - false_alarm_rate) - 1e-9)
    if rank > n_windows:
        needed = math.ceil(1 / false_alarm_rate - 1e-9) - 1
        raise CommissionError(
            f"false_alarm_rate = {false_alarm_rate:g} per window: {n_windows} windows can show no"
            f" less than {1 / (n_windows + 1):.4g}; {needed} windows are needed."
        )
    return max(rank, 1)


def _leave_one_out(level_db: Float64) -> Float64:
    """Each window's score against the range of all others; level_db : (n_windows, ...)."""
    n_others = len(level_db) - 1
    n_odd = n_odd_windows(n_others)
    ordered = np.sort(level_db, axis=0)
    # Without a window that stands among the n_odd lowest, the next one is the lowest that counts.
    is_low, is_high = level_db <= ordered[n_odd], level_db >= ordered[n_others - n_odd]
    low_db = np.where(is_low, ordered[n_odd + 1], ordered[n_odd])
    high_db = np.where(is_high, ordered[n_others - n_odd - 1], ordered[n_others - n_odd])
    return np.asarray(_share_outside(level_db, low_db, high_db).mean(axis=(1, 2)))


def _share_outside(level_db: Float64, low_db: Float64, high_db: Float64) -> Float64:
    """How much each level counts, between 0 and 1."""
    squared = np.square(level_db - np.clip(level_db, low_db, high_db))
    return squared / (squared + SCALE_DB**2)
