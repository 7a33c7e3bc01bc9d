"""Windows of one rule: geometry, quality, spectra, and what the network says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitor.evidence.model_folder import find_model
from monitor.evidence.network import Classifier
from monitor.pipeline.analysis import Analyser, Analysis
from monitor.records.commissioned import Baseline
from monitor.records.signal import Float32, Window
from monitor.signal.spectrogram import spectrogram
from tests.signals import configure

RATE_HZ, N_WINDOW = 25_600, 25_600
FLAT = np.zeros((1, N_WINDOW), np.float32)


def analyser(levels: str | None = None, **sensor: Any) -> Analyser:
    """levels : of the network; None for no network"""
    if levels is None:
        return Analyser(configure(sensor=sensor).sensors[0], None)
    named = {"model": "simulator", "sample_rate_hz": RATE_HZ}
    classifier = Classifier(find_model("simulator"))
    classifier.manifest = classifier.manifest.model_copy(update={"levels": levels})
    return Analyser(configure(sensor=named | sensor).sensors[0], classifier)


@pytest.fixture(scope="module")
def absolute() -> Analyser:
    return analyser("absolute")


@pytest.fixture(scope="module")
def relative() -> Analyser:
    return analyser("relative")


def noise(seed: int) -> Float32:
    return np.random.default_rng(seed).normal(size=(1, N_WINDOW)).astype(np.float32)


def window(samples: Float32, measured_hz: float | None = None) -> Window:
    return Window("m/p", 0, 0, 0, RATE_HZ, samples, N_WINDOW, measured_hz)


def logits(found: list[Analysis]) -> list[float | None]:
    return [None if one.network is None else one.network.logit for one in found]


@pytest.mark.parametrize(
    ("overlap", "n_hop"), [(0.0, 1000), (0.25, 750), (0.5, 500), (0.9, 100)]
)
def test_windows_begin_so_far_apart_as_the_overlap_says(overlap: float, n_hop: int) -> None:
    settings = analyser(overlap=overlap).window_settings
    assert (settings.n_window, settings.n_hop) == (1000, n_hop)


def test_a_rule_knows_its_model(absolute: Analyser, relative: Analyser) -> None:
    assert absolute.manifest is not None
    assert absolute.model_id == absolute.manifest.id
    assert (absolute.needs_baseline, relative.needs_baseline) == (False, True)
    none = analyser()
    assert (none.manifest, none.model_id, none.needs_baseline) == (None, "", False)


def test_a_window_is_judged_alike_in_any_company(absolute: Analyser) -> None:
    """Those that cannot be judged stand between the others."""
    windows = [window(noise(seed) if seed % 3 else FLAT) for seed in range(7)]
    together = absolute.analyse(windows, [None] * 7)
    for one, found in zip(windows, together, strict=True):
        (alone,) = absolute.analyse([one], [None])
        assert found.quality.reason == alone.quality.reason
        assert found.quality.rms_ms2 == pytest.approx(alone.quality.rms_ms2)
        assert (found.network is None) == (one.samples is FLAT)
        if found.network is None or alone.network is None:
            assert found.quality.reason == "flat_line"
            assert found.spectrum_db is found.figures is None
            continue
        network, other = found.network, alone.network
        assert network.logit == pytest.approx(other.logit, abs=1e-5)
        np.testing.assert_allclose(network.contribution, other.contribution, atol=1e-5)
        assert found.spectrum_db == pytest.approx(alone.spectrum_db, abs=1e-3)
        assert found.figures == pytest.approx(alone.figures, rel=1e-4)


def test_a_map_adds_up_to_its_logit(absolute: Analyser) -> None:
    assert absolute.manifest is not None
    (found,) = absolute.analyse([window(noise(1))], [None])
    assert found.network is not None
    summed = found.network.contribution.sum(dtype=np.float64) + absolute.manifest.head.bias
    assert summed == pytest.approx(found.network.logit, abs=1e-4)
    assert 0 <= found.network.residual < 1e-4


def test_a_network_of_relative_levels_is_shown_them_less_the_sensor_s_own(
    absolute: Analyser, relative: Analyser
) -> None:
    """A sensor that is not commissioned has no logit."""
    windows = [window(noise(seed)) for seed in range(3)]
    settings = absolute.settings
    level_db = spectrogram(windows[1].samples[None], settings)[0].mean(axis=2)
    own = Baseline(level_db - 3, level_db + 1, 0.0)
    found = relative.analyse(windows, [None, own, None])
    assert [one.network is None for one in found] == [True, False, True]
    assert logits(relative.analyse(windows[:1], [None])) == [None]
    zero = Baseline(np.zeros_like(level_db), np.zeros_like(level_db), 0.0)
    shown_as_it_is = relative.analyse(windows, [zero] * 3)
    assert logits(shown_as_it_is) == pytest.approx(
        logits(absolute.analyse(windows, [None] * 3)), abs=1e-5
    )
    psd_db = spectrogram(windows[1].samples[None], settings)
    assert relative.classifier is not None
    expected, _ = relative.classifier.predict(psd_db - (level_db - 1)[None, :, :, None])
    assert logits(found)[1] == pytest.approx(float(expected[0]), abs=1e-4)


def test_a_rate_that_is_not_the_model_s_is_bad_unless_something_worse_is() -> None:
    rule = analyser(sample_rate_hz=RATE_HZ, window_s=1.0)
    found = rule.analyse(
        [
            window(noise(1), RATE_HZ * 1.01),
            window(noise(1), RATE_HZ * 1.05),
            window(FLAT, RATE_HZ * 1.05),
        ],
        [None] * 3,
    )
    reasons = [one.quality.reason for one in found]
    assert reasons == ["", "rate_mismatch", "flat_line"]
    assert [one.spectrum_db is None for one in found] == [False, True, True]
    assert found[1].quality.rms_ms2 == found[0].quality.rms_ms2
