"""What one rule's windows have in common: spectrogram settings, grid and network. Analyses many
windows at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.config_sensors import SensorSettings
from monitor.evidence.base import NetworkOutput
from monitor.evidence.geometry import geometry_of, spectrum_settings
from monitor.evidence.model_folder import ModelManifest
from monitor.evidence.network import Classifier
from monitor.evidence.occlusion import Picture
from monitor.records.commissioned import Baseline
from monitor.records.signal import Float32, Window
from monitor.signal.indicators import figures
from monitor.signal.moments import moments
from monitor.signal.quality import Quality, assess, rate_reason
from monitor.signal.spectrogram import spectrogram, to_grid
from monitor.signal.windows import WindowSettings

N_AT_ONCE = 64  # windows: more at once only leave the cache


@dataclass(frozen=True, slots=True)
class Analysis:
    """Findings on one window, before any sensor's own thresholds. Spectrum and network only where
    it can be judged.

    spectrum_db : float32, (n_channels, n_f, n_t)
    figures : float32, (n_channels, len(FIGURES)), as signal.indicators has them
    """

    quality: Quality
    spectrum_db: Float32 | None = None
    figures: Float32 | None = None
    network: NetworkOutput | None = None


class Analyser:
    """A sensor rule and the model it names, if any. Raises ConfigError where they do not fit."""

    def __init__(self, rule: SensorSettings, classifier: Classifier | None) -> None:
        self.rule = rule
        self.classifier = classifier
        self.settings, self.grid = spectrum_settings(rule, self.manifest)
        self.geometry = geometry_of(rule, self.settings, self.grid)
        n_hop = max(1, round(self.settings.n_window * (1 - rule.overlap)))
        self.window_settings = WindowSettings(
            rule.acquisition,
            self.settings.n_window,
            n_hop,
            rule.sample_rate_hz,
            rule.sequence_bits,
            derives=rule.quantity == "velocity",
        )

    @property
    def manifest(self) -> ModelManifest | None:
        return self.classifier.manifest if self.classifier else None

    @property
    def model_id(self) -> str:
        return self.manifest.id if self.manifest else ""

    @property
    def needs_baseline(self) -> bool:
        return self.manifest is not None and self.manifest.needs_baseline

    @property
    def column_frames(self) -> list[int]:
        """The first frame of each column of the map."""
        delta_t_s = self.settings.delta_t_s
        return [round(edge_s / delta_t_s) for edge_s in self.grid.t_edges_s[:-1]]

    def picture(self, window: Window, baseline: Baseline) -> Picture:
        """A window as the network is shown it, with its commissioned levels to fill parts with."""
        assert self.classifier is not None  # else there is nobody to show it to
        predict, own_db = self.classifier.predict, baseline.centre_db
        psd_db = spectrogram(window.samples[np.newaxis], self.settings)[0]
        if self.needs_baseline:
            psd_db, own_db = psd_db - own_db[..., None], np.zeros_like(own_db)
        return Picture(lambda pictures: predict(pictures)[0], psd_db, own_db)

    def analyse(
        self, windows: Sequence[Window], baselines: Sequence[Baseline | None]
    ) -> list[Analysis]:
        """Analyse any number of windows under this rule; one result each, in order.

        baselines : of each window's sensor, None where it is not commissioned,
            or where no network needs it
        """
        parts = [slice(i, i + N_AT_ONCE) for i in range(0, len(windows), N_AT_ONCE)]
        return [
            analysis
            for part in parts
            for analysis in self._analyse(windows[part], baselines[part])
        ]

    def _analyse(
        self, windows: Sequence[Window], baselines: Sequence[Baseline | None]
    ) -> list[Analysis]:
        samples = np.stack([window.samples for window in windows])
        found = moments(samples)
        assessed = assess(samples, self.rule.full_scale_ms2, found)
        qualities = [
            _with_rate(quality, window, self.settings.sample_rate_hz)
            for quality, window in zip(assessed, windows, strict=True)
        ]
        good = [i for i, quality in enumerate(qualities) if not quality.reason]
        analyses = [Analysis(quality) for quality in qualities]
        if good:
            usable = samples if len(good) == len(windows) else samples[good]
            spectra, outputs = self._judge(usable, [baselines[i] for i in good])
            shapes = figures(found)
            for i, spectrum_db, output in zip(good, spectra, outputs, strict=True):
                analyses[i] = Analysis(qualities[i], spectrum_db, shapes[i], output)
        return analyses

    def _judge(
        self, samples: Float32, baselines: Sequence[Baseline | None]
    ) -> tuple[Float32, Sequence[NetworkOutput | None]]:
        """Spectra on the grid, and what the network says."""
        psd_db = spectrogram(samples, self.settings)
        return to_grid(psd_db, self.grid.shape[1]), self._outputs(psd_db, baselines)

    def _outputs(
        self, psd_db: Float32, baselines: Sequence[Baseline | None]
    ) -> Sequence[NetworkOutput | None]:
        """None where there is no network, or no baseline for one that needs it."""
        if self.classifier is None:
            return [None] * len(psd_db)
        if not self.needs_baseline:
            return predicted(self.classifier, psd_db)
        outputs: list[NetworkOutput | None] = [None] * len(psd_db)
        known = [(i, one.centre_db) for i, one in enumerate(baselines) if one is not None]
        if known:
            places = [i for i, _ in known]
            own_db = np.stack([centre for _, centre in known])
            relative = predicted(self.classifier, psd_db[places] - own_db[..., None])
            for i, output in zip(places, relative, strict=True):
                outputs[i] = output
        return outputs


def predicted(classifier: Classifier, psd_db: Float32) -> list[NetworkOutput]:
    """psd_db : (n, n_channels, n_bands, n_frames), levels as the network is shown them"""
    logit, contribution, residual = classifier.explain(psd_db)
    found = zip(logit.tolist(), contribution, residual.tolist(), strict=True)
    return [NetworkOutput(*one) for one in found]


def _with_rate(quality: Quality, window: Window, model_rate_hz: float) -> Quality:
    if quality.reason:
        return quality
    reason = rate_reason(window.sample_rate_hz, window.measured_rate_hz, model_rate_hz)
    return replace(quality, reason=reason) if reason else quality
