"""A sensor's commissioned self: baseline, thresholds, and the windows they came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.records.geometry import Geometry
from monitor.records.promise import Reference
from monitor.records.signal import Float32, Float64


@dataclass(frozen=True)
class Baseline:
    """A sensor's commissioned self.

    low_db, high_db : float32, shape (n_channels, n_f), the range of the
        commissioning windows' levels
    threshold : of novelty, by these windows alone; 0 where they did not tell
    rate_was_asked : a person asked for its rate of false alarms, so it holds
        whatever others reach
    """

    low_db: Float32
    high_db: Float32
    threshold: float
    rate_was_asked: bool = False

    @property
    def centre_db(self) -> Float32:
        """Of the range; what a network that sees relative levels sees them relative to."""
        return np.asarray((self.low_db + self.high_db) / 2, np.float32)


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
class WindowsFound:
    """The windows of a request, with what speaks against learning from them.

    spans_ns : start and end of each window, in order of time
    n_to_choose : windows that there were to choose these from
    n_ng : windows that were judged NG, or that a person called NG; what a
        person called a false alarm does not count
    n_doubtful : judged OK by a commissioning that took in NG windows and was
        undone since
    geometry_id : "" for windows older than recorded geometries
    alarm_since_ns : of the alarm that stands now; None where none does
    """

    healthy: HealthyWindows
    spans_ns: tuple[tuple[int, int], ...]
    n_to_choose: int
    n_ng: int
    n_doubtful: int
    n_window: int
    t_edges_s: tuple[float, ...]
    geometry_id: str
    alarm_since_ns: int | None


@dataclass(frozen=True, slots=True)
class Commissioned:
    """A sensor's own limits. They hold for one geometry; logit_threshold for this model alone.

    geometry : None for a commissioning older than recorded geometries
    commissioning_id : its row in the journal; None where it has none yet
    reference : of its healthy windows, for an alarm with a budget; None for a
        commissioning older than recorded references, or of too few windows
    """

    sensor: str
    f_edges_hz: tuple[float, ...]
    baseline: Baseline
    logit_threshold: float | None
    model_id: str
    running_limit_ms2: float
    n_windows: int
    at_ns: int
    geometry: Geometry | None = None
    commissioning_id: int | None = None
    reference: Reference | None = None

    def holds_for(self, geometry: Geometry) -> bool:
        """Of an old commissioning only bands and number of channels are known."""
        if self.geometry is not None:
            return self.geometry == geometry
        n_channels = self.baseline.low_db.shape[0]
        return self.f_edges_hz == geometry.f_edges_hz and n_channels == len(
            geometry.channels
        )
