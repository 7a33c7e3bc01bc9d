"""The report's section on maps: do they tell the truth?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.evidence.model_folder import ModelManifest
from monitor.recordings.manifest import RecordingSet, runs
from monitor.recordings.recording import read
from monitor.records.evidence import Grid
from monitor.records.signal import Float32
from monitor.simulator.machine import Truth
from training import truth
from training.band_removal import Agreement, band_agreement
from training.dataset import NG
from training.judged_runs import Judged
from training.provenance import read_provenance
from training.recipe import Recipe, network_settings
from training.regions import band_region, planted_region, resonance_band_hz


@dataclass(frozen=True)
class FieldSize:
    """What part of the spectrogram one map cell sees."""

    hz: float
    s: float


@dataclass(frozen=True)
class MapSection:
    """figures : "exact map" and "Grad-CAM" of the fold with most windows, then the exact maps of
        other folds by name
    bands : with what whole bands are worth, by the way to explain
    fold : the one with most windows
    pointing : by the region pointed at
    """

    figures: dict[str, truth.MapFigures]
    bands: dict[str, Agreement]
    fold: str
    pointing: dict[str, truth.Pointing]
    receptive_field: FieldSize


def map_section(
    judged: list[Judged],
    recipe: Recipe,
    model: ModelManifest,
    pointing: dict[str, truth.Pointing],
) -> MapSection | None:
    """Figures on faulty windows called NG. None where there are none."""
    scenes = {
        one.fold: scene for one in judged if (scene := called_ng(one, recipe)) is not None
    }
    if not scenes:
        return None
    largest = max(scenes, key=lambda name: len(scenes[name].psd_db))
    others = {
        f"exact map, {name}": truth.map_figures(scenes[name], truth.exact_map)
        for name in scenes
        if name != largest
    }
    figures = {
        "exact map": truth.map_figures(scenes[largest], truth.exact_map),
        "Grad-CAM": truth.map_figures(scenes[largest], truth.grad_cam),
        **others,
    }
    field = FieldSize(model.receptive_field.hz, model.receptive_field.s)
    bands = band_agreement(scenes[largest])
    return MapSection(figures, bands, largest, pointing, field)


def called_ng(one: Judged, recipe: Recipe) -> truth.Scene | None:
    """Faulty windows that the network called NG: those whose maps have something to show."""
    chosen = np.flatnonzero((one.logit_margin > 0) & (one.data.label == NG))
    if len(chosen) == 0:
        return None
    network = network_settings(one.data.settings, one.data.psd_db.shape[1], recipe)
    return truth.Scene(
        one.learned.model,
        one.shown_db[chosen],
        one.logit[chosen],
        one.contribution[chosen],
        one.reference_db,
        network.frames_per_column,
        one.data.run[chosen],
    )


def point_at_planted(
    one: Judged, truths: Sequence[Truth], model: ModelManifest
) -> dict[str, truth.Pointing]:
    """Share of evidence at the planted fault, in all faulty windows called NG.

    A cell sees its neighbours, so the band is also given widened: by one on
    each side, and by as many as a cell sees.
    """
    chosen = np.flatnonzero((one.logit_margin > 0) & (one.data.label == NG))
    seen_bands = _bands_seen(model)
    found = {}
    for spread, name in (
        (0, "planted band"),
        (1, "planted band and one on each side"),
        (seen_bands, "what a cell sees"),
    ):
        struck = planted_region(truths, model.map_grid, spread)[chosen]
        always = np.repeat(struck.any(axis=2, keepdims=True), struck.shape[2], axis=2)
        found[f"{name}, while it sounds"] = truth.pointing(one.contribution[chosen], struck)
        found[f"{name}, at all times"] = truth.pointing(one.contribution[chosen], always)
    return found


def point_at_resonances(
    judged: list[Judged], manifest: RecordingSet, grid: Grid
) -> dict[str, truth.Pointing]:
    """Bearings run to failure: evidence in the band that spectral kurtosis finds in their last
    snapshots.
    """
    found = {}
    for one in judged:
        for sensor in np.unique(one.data.sensor):
            chosen = np.flatnonzero((one.data.sensor == sensor) & (one.data.label == NG))
            if len(chosen) == 0:
                continue
            band_hz = resonance_band_hz(
                _last_snapshots(manifest, str(sensor)), manifest.sample_rate_hz
            )
            region = band_region(band_hz, grid, len(chosen), 1)
            name = f"{sensor}, {band_hz[0]:.0f} to {band_hz[1]:.0f} Hz and one band on each side"
            found[name] = truth.pointing(one.contribution[chosen], region)
    return found


def _bands_seen(model: ModelManifest) -> int:
    """Neighbours on each side that a cell sees."""
    recipe = read_provenance(model).recipe
    return (
        network_settings(model.settings, model.n_channels, recipe).receptive_field[0] - 1
    ) // 2


def _last_snapshots(manifest: RecordingSet, sensor: str) -> list[Float32]:
    return [
        read(one)
        for run in runs(manifest)
        for one in run
        if one.sensor == sensor and one.label == "ng"
    ]
