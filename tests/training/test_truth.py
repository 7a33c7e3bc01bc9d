"""The figures on maps, on a network whose reasons are known: one cell-wise detector of one band."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.records.evidence import Grid
from monitor.simulator.machine import Truth
from training.network import NetworkSettings, build, keras, predict, set_head
from training.regions import band_region, planted_region, resonance_band_hz
from training.truth import Pointing, Scene, exact_map, grad_cam, map_figures, pointing

SETTINGS = NetworkSettings(1, 8, 10, (2,), (), ((1, 1),))
BAND = 5  # the one the network listens to


def detector() -> keras.Model:
    """Feature 0 is the level over -50 dB of band BAND, by way of the place channel; feature 1 is
    idle.
    """
    model = build(
        SETTINGS, np.full((1, 8), -50, np.float32), np.full((1, 8), 10, np.float32)
    )
    place = np.linspace(-1, 1, 8)[BAND]
    kernel = np.zeros((1, 1, 2, 2), np.float32)
    kernel[0, 0, 0, 0], kernel[0, 0, 1, 0] = 1.0, place
    model.get_layer("convolution_1").set_weights([kernel])
    set_head(model, np.array([3.0, 0.0]), -1.0)
    return model


def scene() -> Scene:
    """Band BAND rings; other bands are as loud, to the same extent, but below what the network
    hears.
    """
    random = np.random.default_rng(1)
    psd_db = np.full((12, 1, 8, 10), -50, np.float32)
    psd_db[:, :, BAND, 3:6] += random.uniform(15, 25, (12, 1, 3))
    psd_db[:, :, 1, 3:6] -= random.uniform(15, 25, (12, 1, 3))
    model = detector()
    logit, _ = predict(model, psd_db)
    reference = np.full((1, 8), -50, np.float32)
    return Scene(
        model, psd_db, logit, exact_map(model, psd_db), reference, 1, np.arange(12)
    )


def test_the_exact_map_names_what_the_network_listens_to() -> None:
    given = scene()
    found = map_figures(given, exact_map)
    assert found.additivity_residual.max < 1e-5
    assert found.deletion.more_than_random.low > 0
    assert found.deletion.more_than_equal_energy.low > 0
    assert found.insertion.more_than_random.low > 0
    assert found.deletion.named[0] == 0


def test_a_map_of_something_else_fails_deletion() -> None:
    given = scene()
    found = map_figures(given, lambda model, psd_db: -exact_map(model, psd_db))
    assert found.deletion.more_than_equal_energy.value <= 0
    assert found.additivity_residual.max > 0.1


def test_grad_cam_is_the_positive_part_without_the_sum() -> None:
    given = scene()
    usual, exact = grad_cam(given.model, given.psd_db), given.contribution
    positive = np.maximum(exact, 0)
    np.testing.assert_allclose(
        usual, positive / positive.max(axis=(1, 2), keepdims=True), atol=1e-5
    )
    assert map_figures(given, grad_cam).additivity_residual.max > 0.1


def test_pointing_counts_positive_evidence_only() -> None:
    contribution = np.zeros((1, 4, 5), np.float32)
    contribution[0, 1, 2], contribution[0, 3, 0], contribution[0, 0, 0] = 3.0, 1.0, -9.0
    region = np.zeros((1, 4, 5), bool)
    region[0, 1, 1:3] = True
    assert pointing(contribution, region) == Pointing(
        n_windows=1, evidence_share=0.75, region_area=0.1, peak_inside=1.0
    )


GRID = Grid((0.0, 100.0, 200.0, 400.0, 800.0), (0.0, 0.25, 0.5, 1.0))


def test_the_planted_region_is_band_by_times() -> None:
    truths = [
        Truth("bearing", 1.0, (120.0, 150.0), np.array([0.3, 0.4])),
        Truth("healthy", 0.0, None, np.empty(0)),
    ]
    region = planted_region(truths, GRID)
    assert np.argwhere(region).tolist() == [[0, 1, 1]]
    assert np.argwhere(planted_region(truths, GRID, 1)).tolist() == [
        [0, 0, 1],
        [0, 1, 1],
        [0, 2, 1],
    ]
    assert band_region((150.0, 300.0), GRID, 2).sum() == 2 * 2 * 3


@pytest.mark.parametrize("resonance_hz", [2000.0, 6000.0, 9000.0])
def test_spectral_kurtosis_finds_the_ringing_band(resonance_hz: float) -> None:
    random = np.random.default_rng(2)
    time_s = np.arange(2560) / 25_600
    signals = []
    for _ in range(6):
        signal = random.normal(size=2560)
        for start in range(200, 2560, 500):
            after = time_s[: 2560 - start]
            signal[start:] += (
                20 * np.exp(-after * 1500) * np.sin(2 * np.pi * resonance_hz * after)
            )
        signals.append(signal[None].astype(np.float32))
    low, high = resonance_band_hz(signals, 25_600.0)
    assert low < resonance_hz < high
    assert high - low < 4000
