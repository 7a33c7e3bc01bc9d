"""What is broken, judging by one stretch of signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.records.machine import Machine
from monitor.records.signal import Float32, Float64

DIAGNOSED = "diagnosed"  # the kind of an event
ASKED = "diagnosis_asked"  # likewise, of a diagnosis that somebody wanted


@dataclass(frozen=True, slots=True)
class Healthy:
    """A sensor's signal of when its machine was well.

    at_ns : its end. stretches : unbroken, float32, shape (n_channels, n), m/s²
    rpm : the shaft's speed as it was told then; None where none is
    """

    sensor: str
    commissioning_id: int
    at_ns: int
    sample_rate_hz: float
    stretches: tuple[Float32, ...]
    rpm: float | None


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody wants a point diagnosed, whether it is in an alarm or not."""

    ask_id: int
    sensor: str
    at_ns: int
    author: str


@dataclass(frozen=True, slots=True)
class AskAnswer:
    """What came of it: one sentence."""

    ask_id: int
    at_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class ToldSpeed:
    """A shaft's speed over one stretch of signal, as a topic told it.

    at_s : float64, shape (n,), from the stretch's first sample, rising. hz :
        float64, shape (n,)
    """

    at_s: Float64
    hz: Float64


@dataclass(frozen=True, slots=True)
class Question:
    """What a diagnosis starts from.

    stretches : unbroken signals, float32, shape (n_channels, n), m/s²
    no_speed : why the shaft's speed is not known, "" where it is
    map_band_hz : where the verdict's evidence lies, None where it has none
    rate : of wrong names that this question may add
    told_speeds : of each stretch; none where the speed was not told often enough
    healthy : of when the machine was well; where None, no_healthy says why
    asked_by : who wants to know; "" of an alarm
    """

    sensor: str
    at_ns: int
    stretches: tuple[Float32, ...]
    sample_rate_hz: float
    channels: tuple[str, ...]
    machine: Machine
    no_speed: str
    map_band_hz: tuple[float, float] | None
    rate: float
    told_speeds: tuple[ToldSpeed, ...] = ()
    healthy: Healthy | None = None
    no_healthy: str = ""
    asked_by: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """The answer: text is one sentence, tree all there is to it as plain values.

    envelope_db, spectrum_db : float32, shape (n_f,), dB; their steps in Hz are
        in the tree
    """

    sensor: str
    at_ns: int
    text: str
    tree: Mapping[str, Any]
    envelope_db: Float32
    spectrum_db: Float32

    @property
    def asked_by(self) -> str:
        return str(self.tree.get("asked_by", ""))

    @property
    def is_named(self) -> bool:
        return bool(self.tree["named"])

    @property
    def short(self) -> dict[str, Any]:
        """What is told to other programs: the name and all that adds up to its score."""
        keys = ("named", "nearest", "why_not", "chance", "rate", "base_hz", "score")
        parts = [
            {key: part[key] for key in ("label", "f_hz", "points")}
            for part in self.tree["parts"]
        ]
        rest = {"repetition_hz": self.tree["repetition_hz"], "parts": parts}
        return {"text": self.text, **{key: self.tree[key] for key in keys}, **rest}
