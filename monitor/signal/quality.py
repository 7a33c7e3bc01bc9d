"""Can these windows be judged? Figures and reasons, computed for many windows at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.records.signal import Float32
from monitor.signal.moments import Moments, moments
from monitor.signal.rates import is_same_rate

# of a channel's samples at full scale: beyond it harmonics of the clipping look like a fault
CLIPPED_SHARE = 0.01
DECLARED_RATE_LIMIT = 0.001  # a model knows one rate


@dataclass(frozen=True, slots=True)
class Quality:
    """reason is '' for a window that can be judged. RMS and peak: of the strongest channel, mean
    removed.
    """

    reason: str
    rms_ms2: float
    peak_ms2: float
    clipped_share: float

    def figures(self) -> dict[str, float]:
        return {
            "rms_ms2": self.rms_ms2,
            "peak_ms2": self.peak_ms2,
            "clipped_share": self.clipped_share,
        }


def assess(
    samples: Float32, full_scale_ms2: float | None, found: Moments | None = None
) -> list[Quality]:
    """Judge the data, not the machine.

    samples : float32, shape (n_windows, n_channels, n_window), m/s²
    full_scale_ms2 : the sensor's limit; None where it is unknown (then nothing
        counts as clipped)
    found : the samples' moments, where they are known already

    Returns one Quality a window; reasons: not_finite, flat_line, clipped.
    """
    n_windows = len(samples)
    found = moments(samples) if found is None else found
    low, high = found.low, found.high
    with np.errstate(over="ignore"):
        rms, peak = found.rms.max(axis=1), found.peak.max(axis=1)
        # A square beyond float32 would make the spectrum infinite.
        finite = np.isfinite(np.square(rms)) & np.isfinite(peak)
    # A channel without any change over one block is stuck.
    flat = (low == high).any(axis=(1, 2))
    clipped = np.zeros(n_windows)
    if full_scale_ms2 is not None:
        limit = np.float32(full_scale_ms2 * 0.999)
        clipped = (np.abs(samples) >= limit).mean(axis=2).max(axis=1)
    return [
        Quality(
            reason=_reason(bool(finite[i]), bool(flat[i]), float(clipped[i])),
            rms_ms2=float(rms[i]) if finite[i] else 0.0,
            peak_ms2=float(peak[i]) if finite[i] else 0.0,
            clipped_share=float(clipped[i]),
        )
        for i in range(n_windows)
    ]


def rate_reason(declared_hz: float, measured_hz: float | None, model_hz: float) -> str:
    """'' where the sample rate may be trusted, else rate_mismatch."""
    if abs(declared_hz - model_hz) > DECLARED_RATE_LIMIT * model_hz:
        return "rate_mismatch"
    if measured_hz is not None and not is_same_rate(measured_hz, declared_hz):
        return "rate_mismatch"
    return ""


def _reason(finite: bool, flat: bool, clipped_share: float) -> str:
    if not finite:
        return "not_finite"
    if flat:
        return "flat_line"
    return "clipped" if clipped_share > CLIPPED_SHARE else ""
