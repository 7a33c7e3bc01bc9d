"""What bytes look like rather than what the configuration says, and which key to change."""

from __future__ import annotations

from monitor.signal.payload.base import PayloadSettings
from monitor.signal.plausibility.channels import Trouble
from monitor.signal.plausibility.content import Content, content_of
from monitor.signal.plausibility.readings import Reading
from monitor.text import first_bytes

WHAT: dict[Content, tuple[str, str]] = {
    "gzip": ("are gzip", "set payload.compression: gzip"),
    "zlib": ("are zlib", "set payload.compression: zlib"),
    "zstd": ("are zstd", "set payload.compression: zstd"),
    "json": ("are JSON", "set payload.format: json"),
    "csv": ("are numbers as text", "set payload.format: csv"),
    "base64": ("are base64 text", "set payload.encoding: base64"),
    "hex": ("are hexadecimal text", "set payload.encoding: hex"),
    "text": ("are text", "set payload.format"),
    "sparkplug": ("are Sparkplug B", "set payload.format: sparkplug"),
    "cbor": ("are CBOR", "set payload.format: cbor"),
    "msgpack": ("are MessagePack", "set payload.format: msgpack"),
}


def of_content(content: Content, data: bytes) -> str:
    what, key = WHAT[content]
    return f"its messages {what} (first bytes {first_bytes(data)}): {key}"


def of_header(n_bytes: int, data: bytes) -> str:
    return (
        f"its messages begin with the same bytes (the first {first_bytes(data)}): a header of"
        f" {n_bytes} bytes or more is read as samples; set payload.header.bytes"
    )


def of_reading(other: Reading, own: Reading) -> str:
    """The keys that differ, with what they should be."""
    keys = []
    if other.dtype != own.dtype:
        keys.append(f"payload.dtype: {other.dtype}")
    if other.byte_order != own.byte_order and other.width > 1:
        keys.append(f"payload.byte_order: {other.byte_order}")
    what = _named(other) if other.dtype != own.dtype else f"{other.byte_order}-endian"
    return f"its numbers look like {what}, not like {_named(own)}: set {' and '.join(keys)}"


def of_channels(trouble: Trouble, own: Reading) -> str:
    read = f"{own.n_channels} channel{'s' if own.n_channels > 1 else ''}, {own.layout}"
    if trouble == "fewer_channels":
        return (
            f"its numbers follow each other as those of one channel do, they are read as {read}:"
            " set payload.layout: planar, or fewer channels"
        )
    layout = "payload.layout: interleaved, or " if own.layout == "planar" else ""
    return (
        f"every second or third number of a channel is of another kind, they are read as {read}:"
        f" set {layout}more channels, or a longer payload.dtype"
    )


def _named(reading: Reading) -> str:
    return (
        reading.dtype
        if reading.width == 1
        else f"{reading.byte_order}-endian {reading.dtype}"
    )


def hint(payload: PayloadSettings, data: bytes) -> str:
    """What a refused payload looks like, where that is another format than configured."""
    content = content_of(data)
    name: str = payload.format  # type: ignore[attr-defined]  # every format has its own
    if content is None or content in (name, payload.compression):
        return ""
    what, key = WHAT[content]
    return f"It seems to be {what.split(' ', 1)[1]}: {key}."
