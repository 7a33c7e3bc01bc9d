"""Novelty: how unlike its own commissioned self a sensor sounds. Needs no NG example.

The score is the mean over channels and cells of the squared standardised dB difference from the
sensor's baseline, so each cell's share adds up to it exactly, and a machine that falls silent in a
band scores as one that grows loud.
"""

from __future__ import annotations

import math

import numpy as np

from monitor.records.commissioned import Baseline
from monitor.records.signal import Float32, Float64

# a band steadier than this in commissioning is not held to it: mountings and gains drift that much
MIN_STD_DB = 0.5
MIN_WINDOWS = 3


class CommissionError(ValueError):
    """The windows cannot commission a sensor; str() is one sentence that names value, rule and what
    would do.
    """


def novelty_map(spectrum_db: Float32, baseline: Baseline) -> Float32:
    """Each cell's share of the novelty score; the sum over cells is the score.

    spectrum_db : float32, shape (n_windows, n_channels, n_f, n_t), dB
    Returns float32, shape (n_windows, n_f, n_t), not negative.
    """
    standardised = (spectrum_db - baseline.mean_db[:, :, None]) / baseline.std_db[:, :, None]
    n_shares = math.prod(spectrum_db.shape[1:])
    shares: Float32 = np.square(standardised, out=standardised).sum(axis=1)
    return shares / np.float32(n_shares)


def commission(spectra_db: Float32, false_alarm_rate: float | None = None) -> Baseline:
    """Baseline and threshold from windows that the machine's owner declares healthy.

    spectra_db : float32, shape (n_windows, n_channels, n_f, n_t), dB
    false_alarm_rate : of healthy windows, between 1 / (n_windows + 1) and 1; None takes the lowest

    The threshold is a conformal bound on leave-one-out scores (the jackknife of Barber et al.
    2021): the next healthy window lies above it with about the given probability, if it is
    exchangeable with the commissioning windows. Windows of one run are less varied than that, so
    cover the machine's usual operation.
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
    _conformal_rank(n_windows, false_alarm_rate)  # refuses an impossible rate before the work
    mean_db, std_db, scores = _leave_one_out(spectra_db.astype(np.float64))
    threshold = conformal_threshold(scores, false_alarm_rate)
    return Baseline(mean_db.astype(np.float32), std_db.astype(np.float32), threshold), scores


def conformal_threshold(scores: Float64, false_alarm_rate: float | None = None) -> float:
    """The healthy score that the next healthy one exceeds with about the given probability (split
    conformal bound).

    scores : shape (n_windows,). None takes the lowest rate n_windows can show. Raises
        CommissionError.
    """
    return float(np.sort(scores)[_conformal_rank(len(scores), false_alarm_rate) - 1])


def _conformal_rank(n_windows: int, false_alarm_rate: float | None) -> int:
    """Which of the sorted scores is the threshold, from 1."""
    if false_alarm_rate is None:
        return n_windows
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


def _leave_one_out(spectra_db: Float64) -> tuple[Float64, Float64, Float64]:
    """Mean and std per channel and band over all cells, and each window's score against the other
    windows' baseline.
    """
    n_windows, _, _, n_t = spectra_db.shape
    centre = spectra_db.mean(axis=(0, 3))
    deviation = spectra_db - centre[:, :, None]
    sums = deviation.sum(axis=3)  # (n_windows, n_channels, n_f), as all below
    squares = np.square(deviation).sum(axis=3)
    std_db = np.sqrt(squares.sum(axis=0) / (n_windows * n_t))

    n_others = (n_windows - 1) * n_t
    mean_others = -sums / n_others  # the sum over all windows is zero
    variance_others = (squares.sum(axis=0) - squares) / n_others - mean_others**2
    std_others = np.maximum(np.sqrt(np.maximum(variance_others, 0)), MIN_STD_DB)
    squared_difference = squares / n_t - 2 * mean_others * sums / n_t + mean_others**2
    scores = (squared_difference / std_others**2).mean(axis=(1, 2))
    return centre, np.maximum(std_db, MIN_STD_DB), scores
