"""A sensor's commissioned self: baseline, thresholds, and the windows they came from."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.records.signal import Float32, Float64


@dataclass(frozen=True)
class Baseline:
    """A sensor's commissioned self.

    mean_db, std_db : float32, shape (n_channels, n_f), over all columns of all commissioning
        windows
    threshold : novelty above it is unlike the commissioned machine
    """

    mean_db: Float32
    std_db: Float32
    threshold: float


@dataclass(frozen=True, slots=True)
class HealthyWindows:
    """What the journal knows of a sensor's running windows, all on one grid.

    spectra_db : float32, shape (n_windows, n_channels, n_f, n_t), dB
    logits : shape (n_windows,), or None where no network judged them
    rms_ms2 : shape (n_windows,), of the strongest channel
    """

    sensor: str
    f_edges_hz: tuple[float, ...]
    spectra_db: Float32
    logits: Float64 | None
    rms_ms2: Float64
    model_id: str


@dataclass(frozen=True, slots=True)
class Commissioned:
    """A sensor's own thresholds. They hold for this grid; logit_threshold for this model alone."""

    sensor: str
    f_edges_hz: tuple[float, ...]
    baseline: Baseline
    logit_threshold: float | None
    model_id: str
    running_limit_ms2: float
    n_windows: int
    at_ns: int
