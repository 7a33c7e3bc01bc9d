"""What Camshaft says of one window, and the grid and band its evidence is told on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from monitor.records.signal import Float32


class Status(StrEnum):
    """What Camshaft says of one window. Only OK and NG are judgements of the machine."""

    OK = "OK"
    NG = "NG"
    BAD_DATA = "BAD_DATA"  # could not be judged, never OK; the reason says why
    IDLE = "IDLE"  # the machine does not run
    LEARNING = "LEARNING"  # neither a model nor a commissioned baseline yet
    NO_DATA = "NO_DATA"  # the sensor fell silent


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid that maps and spectra of one model share.

    f_edges_hz : n_f + 1 band edges. t_edges_s : n_t + 1 column edges, from the window's first
        sample.
    """

    f_edges_hz: tuple[float, ...]
    t_edges_s: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.f_edges_hz) - 1, len(self.t_edges_s) - 1


@dataclass(frozen=True, slots=True)
class Band:
    """The band that carries most of the positive evidence, and its share of it (0 to 1)."""

    low_hz: float
    high_hz: float
    share: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Camshaft says of one window. None where it does not apply (no network, not commissioned,
    not judged).
    """

    sensor: str
    segment: int
    first_sample: int
    n_samples: int
    start_ns: int
    end_ns: int
    status: Status
    reason: str = ""
    logit: float | None = None
    probability: float | None = None  # of NG: sigmoid(logit)
    bias: float | None = None
    threshold: float | None = None  # logit units
    residual: float | None = None
    novelty: float | None = None
    novelty_threshold: float | None = None
    band: Band | None = None
    alarm: str = "clear"  # clear, raised
    running: bool | None = None
    model_id: str = ""
    continuity: str = "verified"
    quality: Mapping[str, float] = field(default_factory=dict)
    grid: Grid | None = None
    contribution: Float32 | None = None  # (n_f, n_t), logit units
    novelty_map: Float32 | None = None  # (n_f, n_t), adds up to novelty
    spectrum_db: Float32 | None = None  # (n_channels, n_f, n_t), dB re 1 (m/s²)²/Hz

    @property
    def machine(self) -> str:
        return self.sensor.rpartition("/")[0]

    @property
    def point(self) -> str:
        return self.sensor.rpartition("/")[2]
