"""Whether one sensor's messages are what the configuration says, in a sentence that names the key.

The first messages are looked at, then one now and then; while something speaks
against the settings, all are. It is over when a row of messages has nothing
against them.
"""

from __future__ import annotations

from typing import Protocol

from monitor.records.signal import Chunk, Message
from monitor.signal.payload.base import PayloadSettings, SensorRule
from monitor.signal.plausibility import sentences
from monitor.signal.plausibility.channels import channel_trouble
from monitor.signal.plausibility.content import content_of
from monitor.signal.plausibility.heads import Heads
from monitor.signal.plausibility.level import level_trouble
from monitor.signal.plausibility.readings import Reading, other_reading
from monitor.signal.plausibility.stored import is_bare, reading_of, stored_bytes, zero_of

N_FIRST = 8  # messages that are all looked at
CLOSELY = (1, 4)  # of these, the ones that are looked at closely: that costs milliseconds
AGAIN_S = 120.0  # then one as often, closely
N_WHOLE = 8  # messages without a word against them end a trouble
MAX_BYTES = 1 << 16  # of short messages, taken together


class Rule(SensorRule, Protocol):
    """What must be known of a sensor: config.SensorSettings says more."""

    @property
    def full_scale_ms2(self) -> float | None: ...


class FormatCheck:
    """Of one sensor. trouble : what speaks against its settings, '' where nothing does."""

    def __init__(self) -> None:
        self.trouble = ""
        self._n_looked = 0
        self._looked_s = 0.0
        self._n_whole = 0
        self._heads = Heads()
        self._bytes = b""

    def is_due(self, now_s: float) -> bool:
        """Whether the next message is to be looked at."""
        is_again = now_s >= self._looked_s + AGAIN_S
        return self._n_looked < N_FIRST or bool(self.trouble) or is_again

    def look(
        self,
        message: Message,
        payload: PayloadSettings,
        chunk: Chunk,
        rule: Rule,
        now_s: float,
    ) -> None:
        """A message has come, and gave this chunk first. now_s: seconds spent listening."""
        if not self.is_due(now_s) or not chunk.samples.size:
            return
        is_first = self._n_looked < N_FIRST
        self._n_looked += 1
        self._looked_s = now_s
        is_close = not is_first or self.trouble or self._n_looked in CLOSELY or self._bytes
        found = self._found(message, payload, chunk, rule, bool(is_close))
        if found:
            self.trouble, self._n_whole = found, 0
        elif self.trouble and chunk.samples.any():
            self._n_whole += 1
            if self._n_whole >= N_WHOLE:
                self.trouble = ""

    def _found(
        self,
        message: Message,
        payload: PayloadSettings,
        chunk: Chunk,
        rule: Rule,
        is_close: bool,
    ) -> str:
        found, reading = "", reading_of(payload, rule)
        if reading is not None:
            data = stored_bytes(message, payload, chunk, rule, reading)
            if is_bare(payload):
                found = _content_trouble(message, data, reading)
                found = found or self._head_trouble(data, reading)
            if is_close and not found:
                found = self._reading_trouble(data, reading, zero_of(payload))
        is_stated = getattr(payload, "unit", None) is not None
        return found or level_trouble(
            chunk.samples, rule.unit, rule.full_scale_ms2, is_stated
        )

    def _head_trouble(self, data: bytes, reading: Reading) -> str:
        self._heads.add(data, reading.frame_bytes)
        n_bytes = self._heads.n_header_bytes(reading.frame_bytes)
        return sentences.of_header(n_bytes, data) if n_bytes else ""

    def _reading_trouble(self, data: bytes, reading: Reading, zero: float) -> str:
        data = self._with_earlier(data, reading)
        other = other_reading(data, reading)
        if other is not None:
            return sentences.of_reading(other, reading)
        trouble = channel_trouble(data, reading, zero)
        return sentences.of_channels(trouble, reading) if trouble else ""

    def _with_earlier(self, data: bytes, reading: Reading) -> bytes:
        """Messages that are too short by themselves are put together."""
        if reading.layout == "planar" or reading.fits(data):
            self._bytes = b""
            return data
        n_most = MAX_BYTES // reading.frame_bytes * reading.frame_bytes
        self._bytes = (self._bytes + data)[-n_most:]
        return self._bytes


def _content_trouble(message: Message, data: bytes, reading: Reading) -> str:
    """The whole message first: what stands in front of text is no header."""
    content = content_of(message.payload, reading.width) or content_of(data, reading.width)
    return sentences.of_content(content, message.payload) if content else ""
