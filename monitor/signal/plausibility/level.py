"""Whether samples are of a level that their unit can have."""

from __future__ import annotations

import numpy as np

from monitor.records.signal import Float32
from monitor.signal.payload.units import MS2_PER_UNIT

MAX_RMS_MS2 = 10_000.0  # about 1,000 g: no machine shakes so for the length of a message
GRAVITY_MS2 = 9.80665
# Of a resting axis: sensors are not as exact, but an offset of 10 g is none of gravity's.
GRAVITY_SHARE = 0.015
RESTING_SHARE = 0.5  # of the mean: what shakes more does not rest


def level_trouble(
    samples: Float32, unit: str, full_scale_ms2: float | None, is_stated: bool = False
) -> str:
    """One sentence, without the sensor's name; '' where the level may be right.

    samples : float32, shape (n_channels, n), m/s²
    unit : as configured; full_scale_ms2 : likewise, what the sensor can measure
    is_stated : messages say in which unit they are, and it may be any
    """
    few = samples[:, :4096].astype(np.float64)
    if not np.isfinite(few).all():
        return ""  # has a reason of its own
    means, rms = few.mean(axis=1), few.std(axis=1)
    limit_ms2 = max(MAX_RMS_MS2, full_scale_ms2 or 0.0)
    if float(rms.max()) > limit_ms2:
        return (
            f"{float(rms.max()):,.0f} m/s² RMS ({float(rms.max()) / GRAVITY_MS2:,.0f} g) is more"
            " than any machine shakes: set payload.dtype, payload.byte_order or scale and unit (or"
            " full_scale_ms2, where the sensor measures as much)"
        )
    called = ("g", "m/s2") if is_stated else (unit,)
    key = "payload.unit: null, and unit" if is_stated else "unit"
    found = (_gravity_trouble(means, rms, one, key) for one in called)
    return next(filter(None, found), "") or _offset_trouble(means, unit, limit_ms2)


def _offset_trouble(
    means: np.ndarray[tuple[int, ...], np.dtype[np.float64]], unit: str, limit_ms2: float
) -> str:
    """Counts of a sensor at rest that are called g. The zero of counts may be anywhere."""
    offset_ms2 = float(np.abs(means).max())
    if unit == "counts" or offset_ms2 <= limit_ms2:
        return ""
    return (
        f"the samples lie about {offset_ms2:,.0f} m/s² ({offset_ms2 / GRAVITY_MS2:,.0f} g), where"
        " no sensor rests: are they counts? Set scale and unit"
    )


def _gravity_trouble(
    means: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    rms: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    unit: str,
    key: str,
) -> str:
    """Gravity in a resting axis shows the unit; only what no offset is likely to be."""
    mean = float(np.sqrt(np.square(means).sum()))
    if float(rms.max()) > RESTING_SHARE * mean:
        return ""
    other = next(
        (one for one in _OTHERS.get(unit, ()) if _is_gravity(mean, unit, one)), None
    )
    if other is None:
        return ""
    number = mean / MS2_PER_UNIT[unit]
    return (
        f"a resting axis reads {number:,.4g} {unit}, gravity would be"
        f" {GRAVITY_MS2 / MS2_PER_UNIT[unit]:,.4g}: set {key}: {other}"
    )


_OTHERS = {"g": ("m/s2", "mg"), "m/s2": ("mg",)}


def _is_gravity(mean_ms2: float, unit: str, other: str) -> bool:
    """Whether the stored numbers are gravity in another unit."""
    found_ms2 = mean_ms2 / MS2_PER_UNIT[unit] * MS2_PER_UNIT[other]
    return abs(found_ms2 / GRAVITY_MS2 - 1) < GRAVITY_SHARE
