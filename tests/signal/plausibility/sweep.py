"""Right and wrong readings of streams, through decoder and check as the service has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from monitor.config_sensors import SensorSettings
from monitor.records.signal import Message
from monitor.signal.payload.base import DecoderSettings, PayloadError
from monitor.signal.payload.formats import decode
from monitor.signal.payload.raw import RawPayload
from monitor.signal.plausibility.check import FormatCheck
from tests.signal.plausibility.streams import (
    FULL_SCALE_MS2,
    RATE_HZ,
    Encoding,
    Stream,
    encoded,
)

N_MESSAGES = 8
MIN_FRAMES, MAX_FRAMES = 100, 2560  # of a message

RIGHT = (
    Encoding("int16"),
    Encoding("int16", "big"),
    Encoding("int16", layout="planar"),
    Encoding("int16", loud=0.02),
    Encoding("int16", loud=0.001),
    Encoding("int16", loud=20.0),
    Encoding("int8"),
    Encoding("int8", loud=10.0),
    Encoding("uint16"),
    Encoding("uint16", "big", loud=0.02),
    Encoding("int24"),
    Encoding("int24", "big", "planar"),
    Encoding("int24", loud=0.001),
    Encoding("int32"),
    Encoding("int32", "big", loud=0.001),
    Encoding("int32", layout="planar", loud=20.0),
    Encoding("float32"),
    Encoding("float32", "big"),
    Encoding("float32", layout="planar"),
    Encoding("float32", loud=1e-4),
    Encoding("float64"),
    Encoding("float64", "big"),
)


def messages(stream: Stream, how: Encoding) -> Iterator[bytes]:
    """The stream in messages; one for a short one."""
    n = stream.samples.shape[1]
    n_each = int(np.clip(n // N_MESSAGES, MIN_FRAMES, MAX_FRAMES)) // 8 * 8
    for first in range(0, min(n, N_MESSAGES * n_each) - n_each + 1, n_each):
        yield encoded(stream.samples[:, first : first + n_each], how)


def settings_of(how: Encoding, n_channels: int) -> tuple[RawPayload, SensorSettings]:
    """What a configuration says of a sender."""
    zero = 2.0**15 if how.dtype == "uint16" else 0.0
    payload = RawPayload(
        format="raw",
        dtype=how.dtype,
        byte_order=how.byte_order,
        layout=how.layout,
        zero=zero,
    )
    rule = SensorSettings(
        sample_rate_hz=RATE_HZ,
        channels=tuple("abcdefgh"[:n_channels]),
        unit="counts",
        scale=how.ms2_per_number,
        full_scale_ms2=FULL_SCALE_MS2,
    )
    return payload, rule


def trouble(sent: Iterator[bytes], payload: RawPayload, rule: SensorSettings) -> str:
    """What the check says of the messages, if anything; what the decoder refuses is told, too."""
    check = FormatCheck()
    for data in sent:
        message = Message("m/p", data, 0)
        try:
            chunks = decode(message, DecoderSettings(payload, "m/p", lambda name: rule))
        except PayloadError as error:
            return error.detail
        check.look(message, payload, chunks[0], rule, 0.0)
        if check.trouble:
            return check.trouble
    return ""


def false_refusal(stream: Stream, how: Encoding) -> str:
    """'' where the right settings are not refused, as must be."""
    return trouble(messages(stream, how), *settings_of(how, len(stream.samples)))


@dataclass(frozen=True, slots=True)
class Wrong:
    """A sender and what it is taken for. only : the streams that it can be made of"""

    name: str
    sent: Encoding
    read: Encoding
    n_channels: Callable[[int], int] = lambda n: n
    only: Callable[[int], bool] = lambda n: True


INT16, INT24, INT32 = Encoding("int16"), Encoding("int24"), Encoding("int32")
FLOAT32, FLOAT64 = Encoding("float32"), Encoding("float64")
PLANAR = Encoding("int16", layout="planar")


def several(n: int) -> bool:
    return n > 1


WRONG = (
    Wrong("int16, other byte order", INT16, replace(INT16, byte_order="big")),
    Wrong(
        "quiet int16, other byte order", replace(INT16, loud=0.1), Encoding("int16", "big")
    ),
    Wrong("int24, other byte order", INT24, replace(INT24, byte_order="big")),
    Wrong("int32, other byte order", INT32, replace(INT32, byte_order="big")),
    Wrong("float32, other byte order", FLOAT32, replace(FLOAT32, byte_order="big")),
    Wrong("float64, other byte order", FLOAT64, replace(FLOAT64, byte_order="big")),
    Wrong("int24 as int16", INT24, INT16),
    Wrong("int32 as int16", INT32, INT16),
    Wrong("float32 as int16", FLOAT32, INT16),
    Wrong("float32 as int32", FLOAT32, INT32),
    Wrong("float64 as float32", FLOAT64, FLOAT32),
    Wrong("int16 as int24", INT16, INT24),
    Wrong("int16 as int32", INT16, INT32),
    Wrong("int16 as float32", INT16, FLOAT32),
    Wrong("int32 as float32", INT32, FLOAT32),
    Wrong("float32 as float64", FLOAT32, FLOAT64),
    Wrong("unsigned as signed", Encoding("uint16"), INT16),
    Wrong("signed as unsigned", INT16, Encoding("uint16")),
    Wrong("planar as interleaved", PLANAR, INT16, only=several),
    Wrong("interleaved as planar", INT16, PLANAR, only=several),
    Wrong("one channel as two", INT16, INT16, lambda n: 2, lambda n: n == 1),
    Wrong("one channel as three", INT16, INT16, lambda n: 3, lambda n: n == 1),
    Wrong("several channels as one", INT16, INT16, lambda n: 1, several),
)


def detected(stream: Stream, wrong: Wrong) -> bool:
    payload, rule = settings_of(wrong.read, wrong.n_channels(len(stream.samples)))
    return bool(trouble(messages(stream, wrong.sent), payload, rule))
