"""The records that stages hand to each other. Frozen; arrays are read-only by convention; units are in the names.

Samples are counted per segment, an unbroken run of samples of one sensor. Times are UTC in nanoseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


class Status(StrEnum):
    """What Camshaft says of one window. Only OK and NG are judgements of the machine."""

    OK = "OK"
    NG = "NG"
    BAD_DATA = "BAD_DATA"  # could not be judged, never OK; the reason says why
    IDLE = "IDLE"  # the machine does not run
    LEARNING = "LEARNING"  # neither a model nor a commissioned baseline yet
    NO_DATA = "NO_DATA"  # the sensor fell silent


@dataclass(frozen=True, slots=True)
class Delivery:
    """What an acknowledgement needs to know of a QoS 1 message.

    connection counts this process's connections to the broker: a PUBACK is sent on the delivering one only.
    """

    connection: int
    packet_id: int
    duplicate: bool  # MQTT's DUP flag: the broker may have delivered it before


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message as it arrived. delivery is None for QoS 0."""

    topic: str
    payload: bytes
    received_ns: int
    properties: Mapping[str, str] = field(default_factory=dict)  # MQTT 5 user properties
    delivery: Delivery | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """One decoded payload.

    samples : float32, shape (n_channels, n), m/s²
    start_ns : time of the first sample, None where the message carries no time
    sequence : the sender's message counter, None where it keeps none
    """

    sensor: str  # "machine/point"
    samples: Float32
    sample_rate_hz: float
    received_ns: int
    start_ns: int | None = None
    sequence: int | None = None
    duplicate: bool = False  # MQTT's DUP flag


@dataclass(frozen=True, slots=True)
class Window:
    """One block to judge; no gap inside.

    samples : float32, shape (n_channels, n_window), m/s²
    """

    sensor: str
    segment: int
    first_sample: int
    start_ns: int
    sample_rate_hz: float
    samples: Float32
    n_new: int  # samples that no earlier window held: the books count each sample once
    measured_rate_hz: float | None = None  # from message times within the segment, None while unknown
    continuity: str = "verified"  # "unverified" where neither time nor sequence could show a loss before us


@dataclass(frozen=True, slots=True)
class Gap:
    """The partial window before a break in a continuous stream. It becomes one BAD_DATA row (none if it is empty)."""

    sensor: str
    segment: int
    first_sample: int
    start_ns: int
    end_ns: int
    n_samples: int
    n_new: int  # as in Window
    reason: str  # gap, overlap, time_jump, rate_change, sequence_reset


@dataclass(frozen=True, slots=True)
class Drop:
    """Samples that will not be analysed, and the counted reason."""

    sensor: str
    n_samples: int
    reason: str  # duplicate, out_of_order, segment_end, overload, ...


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the network says of one window.

    features : float32, shape (n_f, n_t, n_maps), the last feature maps, before the average
    """

    logit: float
    features: Float32


@dataclass(frozen=True, slots=True)
class ActivationMap:
    """Signed evidence of each cell of the frequency-time grid. sum(contribution) + bias = logit.

    contribution : float32, shape (n_f, n_t), logit units; positive speaks for NG
    residual : |sum(contribution) + bias - logit|
    """

    contribution: Float32
    bias: float
    residual: float


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid that maps and spectra of one model share.

    f_edges_hz : n_f + 1 band edges. t_edges_s : n_t + 1 column edges, from the window's first sample.
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
    """What Camshaft says of one window. None where it does not apply (no network, not commissioned, not judged)."""

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
