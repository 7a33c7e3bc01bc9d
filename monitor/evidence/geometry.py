"""The geometry that a rule and its model make: how a window becomes a spectrum, on what grid."""

from __future__ import annotations

from monitor.config_sensors import SensorSettings
from monitor.evidence.model_folder import ModelManifest
from monitor.records.evidence import Grid
from monitor.records.geometry import Geometry
from monitor.settings import ConfigError
from monitor.signal.quality import rate_reason
from monitor.signal.spectrogram import SpectrogramSettings, default_grid, default_settings


def spectrum_settings(
    rule: SensorSettings, manifest: ModelManifest | None
) -> tuple[SpectrogramSettings, Grid]:
    """Raises ConfigError where rule and model do not fit."""
    if manifest is not None:
        _check_fit(rule, manifest)
        return manifest.settings, manifest.map_grid
    n_window = round(rule.window_s * rule.sample_rate_hz)
    try:
        settings = default_settings(rule.sample_rate_hz, n_window)
    except ValueError as error:
        raise ConfigError(
            f"sensors[match={rule.match!r}].window_s = {rule.window_s} s at sample_rate_hz = "
            f"{rule.sample_rate_hz} Hz: {error}"
        ) from error
    return settings, default_grid(settings)


def geometry_of(
    rule: SensorSettings, settings: SpectrogramSettings, grid: Grid
) -> Geometry:
    return Geometry(
        sample_rate_hz=settings.sample_rate_hz,
        n_window=settings.n_window,
        n_fft=settings.n_fft,
        hop=settings.hop,
        taper=settings.taper,
        channels=rule.channels,
        ms2_per_number=rule.ms2_per_number,
        quantity=rule.quantity,
        f_edges_hz=grid.f_edges_hz,
        t_edges_s=grid.t_edges_s,
    )


def _check_fit(rule: SensorSettings, manifest: ModelManifest) -> None:
    if len(rule.channels) != manifest.n_channels:
        raise ConfigError(
            f"sensors[match={rule.match!r}].channels = {list(rule.channels)}: model {rule.model!r}"
            f" needs {manifest.n_channels} channels."
        )
    if rate_reason(rule.sample_rate_hz, None, manifest.settings.sample_rate_hz):
        raise ConfigError(
            f"sensors[match={rule.match!r}].sample_rate_hz = {rule.sample_rate_hz} Hz: model"
            f" {rule.model!r} was trained at {manifest.settings.sample_rate_hz} Hz and takes that"
            " rate to 0.1 %."
        )
