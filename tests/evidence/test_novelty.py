from __future__ import annotations

import numpy as np
import pytest

from monitor.evidence.novelty import CommissionError, commission, novelty_map


def test_a_target_below_what_the_windows_can_show_is_refused() -> None:
    spectra = np.zeros((20, 1, 3, 4), np.float32)
    sentence = (
        r"false_alarm_rate = 0.01 per window: 20 windows can show no less than 0.04762; 99 windows"
        r" are needed\."
    )
    with pytest.raises(CommissionError, match=sentence):
        commission(spectra, 0.01)
    commission(np.zeros((99, 1, 3, 4), np.float32), 0.01)


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0, float("nan")])
def test_a_rate_outside_0_to_1_is_refused(rate: float) -> None:
    with pytest.raises(CommissionError, match="must lie between 0 and 1 per window"):
        commission(np.zeros((20, 1, 3, 4), np.float32), rate)


def test_too_few_or_bad_windows_are_refused() -> None:
    with pytest.raises(
        CommissionError, match="windows = 2: commissioning needs at least 3 windows"
    ):
        commission(np.zeros((2, 1, 3, 4), np.float32))
    spectra = np.zeros((5, 1, 3, 4), np.float32)
    spectra[3, 0, 1, 1] = np.nan
    with pytest.raises(CommissionError, match="not finite"):
        commission(spectra)


def test_a_steady_band_may_still_move_by_what_counts_little() -> None:
    steady = np.full((10, 2, 3, 4), -60, np.float32)
    baseline = commission(steady)
    assert (baseline.low_db == -60).all()
    assert (baseline.high_db == -60).all()
    assert baseline.threshold == 0
    assert novelty_map(steady[:1] + 0.5, baseline).sum() < 0.1
    assert novelty_map(steady[:1] + 2, baseline).sum() == pytest.approx(0.5)
