"""The contract of every payload format: one message in, any number of chunks out.

A format is one file in this folder, with its settings and its decoder, and
stands in the two lists of `formats.py`. Pure: the only clock a decoder knows is
the message's time of arrival.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from monitor.records.signal import Message
from monitor.settings import CheckedSettings
from monitor.signal.payload.birth import Birth
from monitor.signal.payload.compression import Compression, check_installed

MAX_PAYLOAD_BYTES = 4 << 20


class PayloadError(Exception):
    """A payload that cannot be used. reason: a counter's name; detail: one sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class PayloadSettings(CheckedSettings):
    """How to read the messages of a subscription. Each format has its own, with a `format` key."""

    compression: Compression = "none"

    @cached_property
    def mark(self) -> str:
        """The same for equal settings in every process."""
        said = type(self).__name__ + self.model_dump_json(exclude_defaults=True)
        return f"{zlib.crc32(said.encode()):08x}"

    @property
    def names_machine(self) -> bool:
        """Whether messages name their machine, so that the topic need not."""
        return False

    @property
    def names_point(self) -> bool:
        """Whether messages name their point."""
        return False

    def check(self) -> None:
        check_installed(self.compression)


class SensorRule(Protocol):
    """What a decoder must know of a sensor: config.SensorSettings says more."""

    @property
    def channels(self) -> Sequence[str]: ...

    @property
    def sample_rate_hz(self) -> float: ...

    @property
    def unit(self) -> str: ...

    @property
    def sequence_bits(self) -> int | None: ...

    @property
    def ms2_per_number(self) -> float | tuple[float, ...]: ...

    @property
    def mark(self) -> str: ...


RuleOf = Callable[[str], SensorRule | None]


@dataclass(frozen=True, slots=True)
class DecoderSettings:
    """What holds for one message.

    payload : the subscription's settings
    sensor : "machine/point" as the topic gives it; "/main" where it names no
        machine
    rule_of : the rule of any sensor's name, for messages that bring several;
        None where none fits
    birth : the sender's newest birth certificate, where its format has such
    """

    payload: PayloadSettings
    sensor: str
    rule_of: RuleOf
    max_bytes: int = MAX_PAYLOAD_BYTES
    birth: Birth | None = None

    def rule(self, sensor: str) -> SensorRule:
        """Raises PayloadError where no rule fits."""
        rule = self.rule_of(sensor)
        if rule is None:
            raise PayloadError(
                "unmatched_sensor",
                f"Sensor {sensor!r} fits none of the rules under sensors.",
            )
        return rule


def check_size(message: Message, max_bytes: int) -> None:
    """Raises PayloadError for a payload that is too large, or empty."""
    n_bytes = len(message.payload)
    if n_bytes > max_bytes:
        raise PayloadError(
            "too_large", f"Payload has {n_bytes} bytes, at most {max_bytes} are taken."
        )
    if not n_bytes:
        raise PayloadError("empty", "Payload has no bytes.")
