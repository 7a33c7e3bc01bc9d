"""The configuration's subscriptions and sensors: what comes, and how it is judged."""

from __future__ import annotations

import fnmatch
import re
import zlib
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from monitor.records.topic import TopicPattern
from monitor.settings import CheckedSettings, Factor, Finite, Positive, Settings
from monitor.signal.payload.formats import AnyPayload
from monitor.signal.payload.scalars import ScalarFormat, check_installed
from monitor.signal.payload.sparkplug import SparkplugPayload
from monitor.signal.payload.sparkplug_topic import whole_patterns
from monitor.signal.payload.units import (
    DISPLACEMENTS,
    NO_DISPLACEMENT,
    SI_PER_UNIT,
    quantity,
    spelled,
)

Acceleration = Literal["m/s2", "mm/s2", "g", "mg", "ug", "in/s2", "ft/s2", "gal"]
Velocity = Literal["m/s", "mm/s", "um/s", "in/s"]
Unit = Literal[Acceleration, Velocity, "counts"]
SECONDS_PER = {
    "hour": 3600.0,
    "day": 86_400.0,
    "week": 7 * 86_400.0,
    "month": 30 * 86_400.0,
    "year": 365 * 86_400.0,
}
BUDGET = re.compile(rf"([1-9]\d{{0,2}}) per ({'|'.join(SECONDS_PER)})")


class Subscription(Settings):
    """topic: levels in braces name the sensor: vibration/{machine}/{point}/waveform. It need name
    no machine where the payload does.
    """

    topic: str
    payload: AnyPayload

    @property
    def pattern(self) -> TopicPattern:
        return TopicPattern.parse(self.topic, not self.payload.names_machine)

    @property
    def whole_patterns(self) -> tuple[TopicPattern, ...]:
        """Of Sparkplug: all messages of the edge nodes, births and deaths with them."""
        if not isinstance(self.payload, SparkplugPayload):
            return ()
        return whole_patterns(self.pattern)

    @model_validator(mode="after")
    def _readable(self) -> Self:
        try:
            _ = self.pattern, self.whole_patterns
        except ValueError as error:
            raise ValueError(f"topic = {self.topic!r} {error}") from error
        return self


class ContextSettings(CheckedSettings):
    """A speed, load, temperature, product or tool, kept with each window.

    topic : may be one that brings samples, too. Levels in braces name the
        machine and point that it is of; without them it is of all
    value : a path (json, cbor, msgpack), a metric (sparkplug) or a user
        property; of text it is "."
    scale : of a number: 60 makes rpm of Hz
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    topic: str
    format: ScalarFormat = "text"
    value: str = "."
    scale: Factor = 1.0
    valid_s: Positive = 60.0  # how long the newest value counts

    @property
    def pattern(self) -> TopicPattern:
        return TopicPattern.parse(self.topic, needs_machine=False)

    @property
    def whole_patterns(self) -> tuple[TopicPattern, ...]:
        """As of a subscription."""
        return whole_patterns(self.pattern) if self.format == "sparkplug" else ()

    def check(self) -> None:
        try:
            _ = self.pattern, self.whole_patterns
        except ValueError as error:
            raise ValueError(f"topic = {self.topic!r} {error}") from error
        check_installed(self.format)
        if self.format == "text" and self.value != ".":
            raise ValueError(
                f"value = {self.value!r} needs a format that has parts, json say"
            )
        if self.format in ("sparkplug", "property") and self.value == ".":
            raise ValueError(
                f"value must name a metric or property for format = {self.format}"
            )


class RunningSettings(Settings):
    """How to tell that the machine stands still: a level, a topic that says so (1/0, true/false,
    on/off), or a value of context that is below at_least.
    """

    limit_rms_ms2: Positive | None = None
    topic: str | None = None
    context: str | None = None
    at_least: Finite | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        given = (self.limit_rms_ms2, self.topic, self.context)
        if sum(one is not None for one in given) != 1:
            raise ValueError("must have exactly one of limit_rms_ms2, topic, context")
        if (self.context is None) != (self.at_least is None):
            raise ValueError("context and at_least belong together")
        if self.topic is not None:
            TopicPattern.parse(self.topic)
        return self


def seconds_per_alarm(budget: str) -> float:
    """Raises ValueError for what is no budget."""
    found = BUDGET.fullmatch(budget)
    if found is None:
        raise ValueError(
            f"budget = {budget!r} must be false alarms per time of running, such as '1 per month'"
            f" (a whole number from 1 to 999, per {', '.join(SECONDS_PER)})"
        )
    return SECONDS_PER[found[2]] / int(found[1])


class AlarmSettings(Settings):
    """Raised when n of the last m judged windows are NG, cleared when at most `clear` of them are.

    budget : of false alarms of one point, as "1 per month" of running; in place
        of n, where the point's commissioning can carry it
    """

    budget: str | None = Field(default=None, max_length=40)
    n: int = Field(default=3, ge=1, le=1000)
    m: int = Field(default=5, ge=1, le=1000)
    clear: int = Field(default=0, ge=0, le=1000)

    @field_validator("budget")
    @classmethod
    def _is_budget(cls, value: str | None) -> str | None:
        if value is not None:
            seconds_per_alarm(value)
        return value

    @property
    def budget_s(self) -> float | None:
        """Seconds of running that may hold one false alarm."""
        return None if self.budget is None else seconds_per_alarm(self.budget)

    @model_validator(mode="after")
    def _order(self) -> Self:
        if not self.clear < self.n <= self.m:
            raise ValueError(
                f"clear < n <= m must hold, found clear = {self.clear}, n = {self.n}, m = {self.m}"
            )
        return self


class SensorSettings(Settings):
    """One rule; the first whose `match` fits "machine/point" holds for a sensor (shell pattern, *
    also spans /).
    """

    match: str = "*"
    acquisition: Literal["continuous", "snapshot"] = "continuous"
    expected_period_s: Positive = 1.0
    sample_rate_hz: Positive
    channels: tuple[str, ...] = Field(default=("a",), min_length=1, max_length=16)
    unit: Unit = "m/s2"
    # Units per stored number, of all channels or of each; below 0 where an axis is turned round.
    # With unit "counts": m/s² per count.
    scale: Factor | tuple[Factor, ...] | None = None
    # Width of the messages' counter, which comes back to zero. None: 8, 16 or 32, as it shows.
    sequence_bits: int | None = Field(default=None, ge=8, le=63)
    full_scale_ms2: Positive | None = None  # |sample| at or above it is clipped
    running: RunningSettings | None = None
    # A name in models_folder, a bundled name, or a path; None: judged by novelty alone.
    model: str | None = None
    # Logit units; None: the model's own.
    threshold: float | None = Field(default=None, allow_inf_nan=False)
    window_s: Positive = 1.0  # of a sensor without a model; a model brings its own
    # share of a window that the next one repeats
    overlap: float = Field(default=0.0, ge=0, le=0.9)
    alarm: AlarmSettings = AlarmSettings()

    @field_validator("unit", mode="before")
    @classmethod
    def _unit_spelling(cls, value: object) -> object:
        unit = spelled(value) if isinstance(value, str) else value
        if unit in DISPLACEMENTS:
            raise ValueError(NO_DISPLACEMENT)
        return unit

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.unit == "counts" and self.scale is None:
            raise ValueError("unit = counts needs a scale in m/s² per count")
        if self.full_scale_ms2 is not None and self.quantity == "velocity":
            raise ValueError(
                f"full_scale_ms2 says nothing of a velocity, unit = {self.unit}"
            )
        if isinstance(self.scale, tuple) and len(self.scale) != len(self.channels):
            raise ValueError(
                f"scale has {len(self.scale)} numbers for {len(self.channels)} channels"
            )
        if self.model is not None and "window_s" in self.model_fields_set:
            raise ValueError(
                f"window_s = {self.window_s} s cannot be set with a model: the window comes"
                " from it"
            )
        if self.model is None and self.threshold is not None:
            raise ValueError(f"threshold = {self.threshold} (logit units) needs a model")
        return self

    def fits(self, name: str) -> bool:
        return fnmatch.fnmatchcase(name, self.match)

    @property
    def quantity(self) -> str:
        """What the sensor sends: acceleration or velocity."""
        return quantity(self.unit)

    @property
    def ms2_per_number(self) -> float | tuple[float, ...]:
        """What one stored number stands for in m/s², of a velocity in m/s; of all channels or of
        each.
        """
        scale, ms2 = self.scale or 1.0, SI_PER_UNIT.get(self.unit, 1.0)
        return (
            tuple(one * ms2 for one in scale) if isinstance(scale, tuple) else scale * ms2
        )

    @cached_property
    def mark(self) -> str:
        """The same wherever a number means the same: by channels, quantity and scale."""
        said = repr((self.channels, self.quantity, self.ms2_per_number))
        return f"{zlib.crc32(said.encode()):08x}"
