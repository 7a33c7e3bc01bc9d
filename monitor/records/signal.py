"""The records that stages hand to each other. Frozen; arrays are read-only by convention; units are
in the names.

Samples are counted per segment, an unbroken run of samples of one sensor. Times
are UTC in nanoseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.records.series import Part

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a source needs to settle a message that it would else deliver again.

    token : opaque; handed back to the source
    key : under which the source may deliver the message again; None where it
        has no keys
    redelivered : the source may have delivered it before
    sender_key : where the source only passes on what another sent: under which
        that one may have it sent again, as a new delivery
    sent_again : that one may have sent it before
    """

    token: object
    key: int | None
    redelivered: bool
    sender_key: int | None = None
    sent_again: bool = False

    @property
    def keys(self) -> tuple[int, ...]:
        """Under which it may come again."""
        return tuple(key for key in (self.key, self.sender_key) if key is not None)


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it arrived. delivery is None where nothing is owed to its source.

    retained : kept by its source from some earlier time; it says nothing of now
    after_loss : a message of its topic before it was dropped on our side
    """

    topic: str
    payload: bytes
    received_ns: int
    properties: Mapping[str, str] = field(default_factory=dict)  # facts beside the payload
    delivery: Delivery | None = None
    retained: bool = False
    after_loss: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """One decoded payload.

    samples : float32, shape (n_channels, n), m/s²; m/s of a sensor that sends
        velocity
    start_ns : time of the first sample, None where the message carries no time
    sequence : the sender's message counter, None where it keeps none
    tolerated : what the message had too much and was read all the same, to be
        counted
    origin : who the message says it is from, where that names no sensor; ""
        where it does not say
    part : where the samples are some of several messages, which of them
    reading : a mark of the settings by which they were read; "" where nobody
        asks
    """

    sensor: str  # "machine/point"
    samples: Float32
    sample_rate_hz: float
    received_ns: int
    start_ns: int | None = None
    sequence: int | None = None
    redelivered: bool = False  # the source may have delivered it before
    tolerated: tuple[str, ...] = ()
    origin: str = ""
    part: Part | None = None
    reading: str = ""


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
    # From message times within the segment, None while unknown.
    measured_rate_hz: float | None = None
    # "unverified" where neither time nor sequence could show a loss before us.
    continuity: str = "verified"


@dataclass(frozen=True, slots=True)
class Gap:
    """The partial window before a break in a continuous stream. It becomes one BAD_DATA row (none
    if it is empty).
    """

    sensor: str
    segment: int
    first_sample: int
    start_ns: int
    end_ns: int
    n_samples: int
    n_new: int  # as in Window
    # gap, overlap, time_jump, rate_change, sequence_reset, refused_message, ...
    reason: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Samples that will not be analysed, and the counted reason."""

    sensor: str
    n_samples: int
    reason: str  # duplicate, out_of_order, segment_end, overload, ...
