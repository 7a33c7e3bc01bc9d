"""What one journal commit holds: everything that a turn of the pipeline found out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from monitor.records.context import ContextKey, Told
from monitor.records.diagnosis import AskAnswer, Diagnosed, Healthy
from monitor.records.labels import LabelRequest
from monitor.records.occlusion import Occlusion
from monitor.records.position import SourcePosition
from monitor.records.series import Part, PartKey
from monitor.records.signal import Delivery, Float32, Message
from monitor.records.stream import StreamUpdate
from monitor.records.verdict import Verdict

# Sensor, fate (received, analysed, judged_bad, dropped), status or reason.
BookKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class BadPayload:
    """A message that could not be used, with its first bytes for inspection.

    sensor : whose it is, where the topic alone says so
    """

    received_ns: int
    topic: str
    reason: str
    detail: str
    n_bytes: int
    head: bytes
    sensor: str = ""


@dataclass(frozen=True, slots=True)
class KeptWindow:
    """Raw samples worth keeping, found again by their verdict's (sensor, segment, first_sample)."""

    sensor: str
    segment: int
    first_sample: int
    sample_rate_hz: float
    samples: Float32  # (n_channels, n_window), m/s²
    why: str  # ng, change, sample


# Kinds of events that say what a person should put right.
TROUBLES = (
    "not_understood",
    "format_wrong",
    "clock_wrong",
    "rate_wrong",
    "snapshot_too_short",
    "never_whole",
    "period_wrong",
    "overload",
    "records_gone",
)


# By reason of BAD_DATA: the kind of event whose sentence says what to change.
TOLD_BY = {
    "not_understood": "not_understood",
    "implausible_format": "format_wrong",
    "snapshot_too_short": "snapshot_too_short",
    "rate_mismatch": "rate_wrong",
    "gap": "never_whole",
    "sequence_reset": "never_whole",
    "time_jump": "never_whole",
    "overlap": "clock_wrong",
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth a mark on a time line: alarm raised or cleared, sensor silent or back, model
    changed.
    """

    at_ns: int
    sensor: str
    kind: str
    text: str = ""
    model_id: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A message to send to where the samples come from."""

    topic: str
    payload: bytes


@dataclass(slots=True)
class Batch:
    """Filled by the pipeline, written by the journal in one transaction."""

    verdicts: list[Verdict] = field(default_factory=list)
    kept_windows: list[KeptWindow] = field(default_factory=list)
    # Verdicts of earlier batches whose maps are worth keeping after all.
    late_maps: list[Verdict] = field(default_factory=list)
    bad_payloads: list[BadPayload] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    diagnoses: list[Diagnosed] = field(default_factory=list)
    # Of windows that raised alarms, of this batch or an earlier one.
    occlusions: list[tuple[Verdict, Occlusion]] = field(default_factory=list)
    answers: list[AskAnswer] = field(default_factory=list)  # to who wanted a diagnosis
    # What sensors sounded like when their machines were well.
    healthy: list[Healthy] = field(default_factory=list)
    labels: list[LabelRequest] = field(default_factory=list)
    books: Counter[BookKey] = field(default_factory=Counter)  # samples
    counters: Counter[str] = field(default_factory=Counter)
    streams: list[StreamUpdate] = field(default_factory=list)
    # Of settled messages, by their delivery's key.
    digests: dict[int, int] = field(default_factory=dict)
    # Sparkplug's birth certificates, by topic; None: void from now on.
    births: dict[str, bytes | None] = field(default_factory=dict)
    # Of series that are not complete: to be stored; None: no longer.
    parts: dict[PartKey, tuple[Part, Message] | None] = field(default_factory=dict)
    # Speeds, loads, tools told.
    context: dict[ContextKey, Told] = field(default_factory=dict)
    # To send once this batch is committed.
    commands: list[Command] = field(default_factory=list)
    # Arrival of each window's last message: for latency.
    window_received_ns: list[int] = field(default_factory=list)
    # Of a source that numbers its records: where it goes on once this batch is committed.
    position: SourcePosition | None = None
    # To settle at their source once this batch is committed.
    settled: list[Delivery] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there is anything to commit."""
        parts = (
            self.verdicts,
            self.kept_windows,
            self.late_maps,
            self.bad_payloads,
            self.events,
            self.diagnoses,
            self.occlusions,
            self.healthy,
            self.answers,
            self.labels,
            self.books,
            self.counters,
            self.births,
            self.parts,
            self.context,
            self.commands,
            self.streams,
            self.settled,
        )
        return any(parts)
