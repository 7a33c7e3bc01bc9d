"""What a network's logit would be without parts of a window."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.records.evidence import Grid
from monitor.records.signal import Float32

# What a person should know who sees both, wherever they see it.
BESIDE_THE_MAP = (
    "The map says where the network sees the fault. This says what its logit would be without a"
    " part of the window, set to the level of the commissioning. Falls do not add up: parts that"
    " say the same stand in for each other."
)


@dataclass(frozen=True, slots=True)
class WithoutBand:
    """The logit without a whole band, at all times of the window."""

    low_hz: float
    high_hz: float
    logit: float


@dataclass(frozen=True, slots=True)
class Occlusion:
    """Parts of one window at the level that its sensor was commissioned with, and
    the network asked again. What parts are worth does not add up.

    grid : of patches, each one band high and about a tenth of the window long
    falls : float32, shape (n_f, n_patches), how far the logit falls without
        each; positive where it speaks for NG
    bands : those whose absence lets the logit fall furthest, the first most;
        neighbours are one
    """

    grid: Grid
    falls: Float32
    bands: tuple[WithoutBand, ...]
