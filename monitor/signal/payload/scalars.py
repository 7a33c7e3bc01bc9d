"""One value of a message: a number, or a word. Pure."""

from __future__ import annotations

import importlib.util
import math
from typing import Any, Literal, Protocol

from monitor.records.context import Value
from monitor.records.signal import Message
from monitor.signal.payload import (
    cbor,
    json_object,
    message_pack,
    sparkplug,
    sparkplug_message,
)
from monitor.signal.payload.base import MAX_PAYLOAD_BYTES, PayloadError, check_size
from monitor.signal.payload.birth import Birth
from monitor.signal.payload.facts import number, quote
from monitor.signal.payload.paths import at
from monitor.signal.payload.text import cleaned

MAX_WORD = 64  # characters
NO_NUMBERS = ("nan", "inf", "infinity")

# text: the whole payload. property: a user property of MQTT 5.
ScalarFormat = Literal["text", "json", "cbor", "msgpack", "sparkplug", "property"]


class ScalarSettings(Protocol):
    """value : a path, a metric's name, or a property's; scale : of numbers"""

    @property
    def name(self) -> str: ...

    @property
    def format(self) -> ScalarFormat: ...

    @property
    def value(self) -> str: ...

    @property
    def scale(self) -> float: ...


def check_installed(format_name: ScalarFormat) -> None:
    """Raises ValueError where a library is missing."""
    if format_name == "cbor":
        cbor.check_installed()
    if format_name == "msgpack" and importlib.util.find_spec("msgpack") is None:
        raise ValueError(
            "format = msgpack needs the extra: pip install 'camshaft[formats]'"
        )


def scalar(message: Message, settings: ScalarSettings, birth: Birth | None) -> Value | None:
    """None where the message has none. Raises PayloadError: bad_context, and what the format says.

    birth : of the sender, where the format is Sparkplug
    """
    check_size(message, MAX_PAYLOAD_BYTES)
    found = _found(message, settings, birth)
    if found is None:
        return None
    value = _value(found)
    if value is None:
        text = (
            f"{settings.name} {quote(found)} is neither a finite number nor a word of 1 to"
            f" {MAX_WORD} printable characters."
        )
        raise PayloadError("bad_context", text)
    return value if isinstance(value, str) else value * settings.scale


def _found(message: Message, settings: ScalarSettings, birth: Birth | None) -> Any:
    if settings.format == "property":
        return message.properties.get(settings.value)
    if settings.format == "sparkplug":
        return _metric(message.payload, settings.value, birth)
    if settings.format == "text":
        return _text(message.payload, settings.name)
    if settings.format == "json":
        json_object.check_depth(message.payload)
        tree = json_object.parse(cleaned(message.payload)[0])
    else:
        parse = cbor.parse if settings.format == "cbor" else message_pack.parse
        tree = parse(message.payload)
    return at(tree, settings.value)


def _text(data: bytes, name: str) -> str:
    text = cleaned(data)[0].strip()
    if text[:1] in ("{", "["):
        raise PayloadError(
            "bad_context", f"{name} {quote(text)} is JSON; is format = json meant?"
        )
    return text


def _metric(data: bytes, name: str, birth: Birth | None) -> Any:
    """The newest value of the metric."""
    content = sparkplug_message.read(data, MAX_PAYLOAD_BYTES)
    sparkplug.resolve(content.metrics, birth)
    found = [one for one in content.metrics if one.name == name and not one.is_null]
    return sparkplug.scalar_of(found[-1]) if found else None


def _value(found: Any) -> Value | None:
    if isinstance(found, bool):
        return float(found)
    value = number(found)
    if math.isfinite(value):
        return value
    if not isinstance(found, str):
        return None
    word = found.strip()
    if word.lower().lstrip("+-") in NO_NUMBERS:
        return None
    return word if 0 < len(word) <= MAX_WORD and word.isprintable() else None
