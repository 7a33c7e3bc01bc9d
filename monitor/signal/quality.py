"""Can these windows be judged? Figures and reasons, computed for many windows at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.records.signal import Float32
from monitor.signal.rates import is_same_rate

# of a channel's samples at full scale: beyond it harmonics of the clipping look like a fault
CLIPPED_SHARE = 0.01
DECLARED_RATE_LIMIT = 0.001  # a model knows one rate
N_BLOCKS = 10  # a channel without any change over one block is stuck


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


def assess(samples: Float32, full_scale_ms2: float | None) -> list[Quality]:
    """Judge the data, not the machine.

    samples : float32, shape (n_windows, n_channels, n_window), m/s²
    full_scale_ms2 : the sensor's limit; None where it is unknown (then clipping
        is not looked for)

    Returns one Quality a window; reasons: not_finite, flat_line, clipped.
    """
    n_windows, n_channels, n_window = samples.shape
    n_blocks = min(N_BLOCKS, n_window)
    blocks = samples[:, :, : n_window // n_blocks * n_blocks].reshape(
        n_windows, n_channels, n_blocks, -1
    )
    low, high = blocks.min(axis=3), blocks.max(axis=3)
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and inf are what we look for
        mean = samples.mean(axis=2)
        # Before squaring: gravity would swamp a quiet machine in float32.
        centred = samples - mean[:, :, None]
        rms = np.sqrt(np.einsum("wcn,wcn->wc", centred, centred) / n_window).max(axis=1)
        peak = np.maximum(high.max(axis=2) - mean, mean - low.min(axis=2)).max(axis=1)
        finite = np.isfinite(rms) & np.isfinite(peak)
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
