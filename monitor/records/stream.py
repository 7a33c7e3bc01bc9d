"""Where a sensor's stream stands: all that a restart needs to continue it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from monitor.records.promise import PromiseState
from monitor.records.signal import Float32

WhyArrival = Literal["", "no_time", "far_behind", "far_ahead", "runs_back"]
Key = tuple[int | None, int | None, int]  # sequence, start_ns, checksum of the payload


@dataclass(slots=True)
class Position:
    """Where a stream stands: all that must outlive a restart, besides the buffered samples
    themselves.
    """

    segment: int = 0
    first_sample: int = 0  # of the buffer, counted from the segment's start
    n_counted: int = 0  # samples from the segment's start that some window already held
    rate_hz: float | None = None  # None before the segment's first chunk
    start_ns: int = 0  # of the segment: its first message's time, else its arrival
    # (first sample, start_ns) of the newest message with a time.
    last_message: tuple[int, int] | None = None
    first_message: tuple[int, int] | None = None  # likewise, the segment's oldest
    # (first sample, start_ns) where windows begin.
    times: list[tuple[int, int]] = field(default_factory=list)
    newest_start_ns: int | None = None  # of the segment's newest window
    sequence: int | None = None
    expected_ns: int | None = None  # where the next sample should start
    # The last gap, in sequence numbers or ns: late messages belong there.
    hole: tuple[int, int] | None = None
    hole_end_ns: int | None = None  # time of the message that showed the gap, if it had one
    n_since_hole: int = 0  # messages since then
    verified: bool = True
    # why samples are missing after the last message, where nothing else shows it
    missing: str = ""
    # Why the samples lie in time where they arrived; "" where message times tell.
    on_arrival: WhyArrival = ""
    # How late messages are at least: in the current span of time, and in the one before.
    least_delay_ns: int | None = None
    delay_before_ns: int | None = None
    looked_ns: int | None = None  # arrival of the current span's first message
    clock_step_ns: int = 10**9  # message times count in steps no longer than this
    slack_ns: int = 0  # how much later than expected_ns the next sample may start
    # where the newest message measured another than rate_hz
    stated_rate_hz: float | None = None
    # Spans of time that have verdicts, of whatever segment; the newest last.
    covered: list[tuple[int, int]] = field(default_factory=list)
    # Of a velocity: the newest samples of each channel, which its derivative goes on from.
    history: list[list[float]] = field(default_factory=list)
    # a mark of the settings by which the buffer was read; "" where unknown
    reading: str = ""
    n_window: int = 0  # the geometry the segment was cut by
    n_hop: int = 0

    @classmethod
    def from_json(cls, text: str) -> Position:
        tree = json.loads(text)
        for name in ("last_message", "first_message", "hole"):
            tree[name] = tuple(tree[name]) if tree[name] is not None else None
        for name in ("times", "covered"):
            tree[name] = [tuple(mark) for mark in tree.get(name, ())]
        return cls(**tree)


class Piece(NamedTuple):
    """Samples of a stream that one message brought.

    first, record : the numbers that its source gave the first and the last record of it; they
        differ where a message came in parts
    """

    first: int
    record: int
    n_samples: int


@dataclass(frozen=True, slots=True)
class TailRecords:
    """Where the samples of an unfinished window can be read again.

    newest : of the sensor's records, the last that was taken
    n_samples : of the unfinished window
    pieces : in order; the first may begin before the window
    """

    newest: int
    n_samples: int
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamUpdate:
    """Where a sensor's stream stands after this batch, and the samples of its unfinished window not
    yet stored.
    """

    sensor: str
    position: Position
    keys: tuple[Key, ...]
    alarm_recent: tuple[bool, ...]
    alarm_raised: bool
    n_waiting: int
    tail: tuple[int, Float32] | None  # (first sample, samples)
    promise: PromiseState | None = None  # of an alarm with a budget
    records: TailRecords | None = None  # where the source numbers them, and somebody asks


@dataclass(frozen=True, slots=True)
class StoredStream:
    """A stream as the journal holds it. tail : float32, (n_channels, n), from position.first_sample
    on, or None; of a partition taken over it is still to be read again.
    """

    position: Position
    keys: list[Key]
    alarm_recent: list[bool]
    alarm_raised: bool
    model_id: str | None  # of the newest verdict, and its geometry
    geometry_id: str | None
    tail: Float32 | None
    promise: PromiseState = field(default_factory=PromiseState)
    records: TailRecords | None = None

    @property
    def misses_tail(self) -> bool:
        return self.tail is None and self.records is not None and self.records.n_samples > 0
