"""A message that is a tree of keys and lists, whatever text or binary form it came in: JSON, CBOR,
MessagePack. From its settings of paths to chunks.

A path is keys and list indices joined by dots: data.0.values. "." is the whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Chunk, Float32, Message
from monitor.settings import Finite, Names
from monitor.signal.payload import sample_times
from monitor.signal.payload.base import DecoderSettings, PayloadError, PayloadSettings
from monitor.signal.payload.base64_text import from_base64
from monitor.signal.payload.facts import (
    RATES,
    SPACINGS,
    chunk_of,
    property_facts,
    quote,
    short,
    stated_scale,
)
from monitor.signal.payload.names import sensor_name
from monitor.signal.payload.samples import (
    N_BYTES,
    ByteOrder,
    Dtype,
    Layout,
    Scale,
    numbers_of,
    to_ms2,
)
from monitor.signal.payload.times import RelativeFormat, TimeFormat

Float64 = NDArray[np.float64]

MAX_PARTS = 10_000
FACT_KEYS = ("sequence", "scale", "unit", *RATES, *SPACINGS)
NUMBER_TYPES = frozenset({int, float, type(None)})
SEPARATORS = re.compile(r"[\s,;]+")


class TreePayload(PayloadSettings):
    """Where things lie in the tree: every value here but those of encoding and format is a path.

    parts : a list whose entries are read one by one, as messages of their own: several sensors
    samples : one path, or one for each channel
    channels : paths within each entry of samples, where that is a list of objects or rows
    sample_time : the same, of the time of each sample
    """

    parts: str | None = None
    machine: str | None = None
    point: str | None = None
    samples: str | Names = "samples"
    channels: Names | None = None
    # Of numbers in lists of lists or in bytes. None: lists are planar, bytes interleaved.
    layout: Layout | None = None
    encoding: Literal["list", "text", "base64", "hex", "binary"] = "list"
    dtype: Dtype = "float32"  # of base64, hex and binary, as the next two
    byte_order: ByteOrder = "little"
    zero: Finite = 0.0  # the stored number that means 0 m/s²
    time: str | None = "time"
    time_format: TimeFormat = "iso8601"
    sample_time: str | None = None
    sample_time_format: TimeFormat | RelativeFormat | None = None  # None: time_format
    sequence: str | None = "sequence"
    sample_rate_hz: str | None = "sample_rate_hz"
    sample_rate_khz: str | None = None
    spacing_s: str | None = "spacing_s"
    spacing_ms: str | None = None
    spacing_us: str | None = None
    scale: str | None = None
    unit: str | None = None

    @property
    def names_machine(self) -> bool:
        return self.machine is not None

    def check(self) -> None:
        super().check()
        if self.channels is not None and not isinstance(self.samples, str):
            raise ValueError("channels needs samples to be one path, not a list of paths")
        if self.channels is not None and self.encoding not in ("list", "text"):
            raise ValueError(f"channels cannot be told apart in encoding = {self.encoding}")
        if self.sample_time is not None and self.channels is None:
            raise ValueError("sample_time needs channels: paths within each entry of samples")


def chunks_of(
    tree: Any, message: Message, settings: DecoderSettings, payload: TreePayload
) -> list[Chunk]:
    """All chunks of one message. A part without samples is passed over where another has some.

    Raises PayloadError: no_samples, not_numbers, not_base64, not_hex, wrong_channels, empty,
    bad_length, bad_name, bad_rate, bad_scale, bad_time, bad_sequence, wrong_unit,
    unmatched_sensor, too_many_parts.
    """
    if payload.parts is None:
        return _part_chunks(tree, tree, message, settings, payload)
    chunks, refusal = [], PayloadError("empty", f"The list at {payload.parts!r} has no parts.")
    for part in _parts(tree, payload.parts):
        try:
            chunks += _part_chunks(part, tree, message, settings, payload)
        except PayloadError as error:
            if error.reason != "no_samples":
                raise
            refusal = error
    if not chunks:
        raise refusal
    return chunks


def at(tree: Any, path: str | None) -> Any:
    """The value at a path; None where it is absent or null. A key may have dots of its own."""
    if path is None:
        return None
    rest = path if path != "." else ""
    while rest:
        if isinstance(tree, dict) and rest in tree:
            return tree[rest]
        key, _, rest = rest.partition(".")
        tree = _child(tree, key)
    return tree


def _child(tree: Any, key: str) -> Any:
    is_index = key.isascii() and key.isdigit() and len(key) < 10
    if isinstance(tree, dict):
        found = tree.get(key)
        return tree.get(int(key)) if found is None and is_index else found
    if isinstance(tree, list | tuple) and is_index and int(key) < len(tree):
        return tree[int(key)]
    return None


def _parts(tree: Any, path: str) -> list[Any]:
    parts = at(tree, path)
    if not isinstance(parts, list):
        text = f"No list of parts at {path!r}, found {type(parts).__name__}."
        raise PayloadError("no_samples", text)
    if len(parts) > MAX_PARTS:
        text = f"{len(parts)} parts at {path!r}, at most {MAX_PARTS} are taken."
        raise PayloadError("too_many_parts", text)
    return parts


def _part_chunks(
    part: Any, whole: Any, message: Message, settings: DecoderSettings, payload: TreePayload
) -> list[Chunk]:
    entries = None if payload.channels is None else _entries(part, payload)
    if entries is None and all(at(part, path) is None for path in _sample_paths(payload)):
        raise PayloadError("no_samples", f"Payload has no samples at {payload.samples!r}.")
    sensor = sensor_name(settings.sensor, *_names(part, whole, payload))
    rule = settings.rule(sensor)
    facts = _facts(part, whole, payload) | property_facts(message.properties)
    scale, n_channels = stated_scale(facts, rule), len(rule.channels)
    if entries is None:
        samples = _samples(part, payload, n_channels, scale)
        return [chunk_of(message, sensor, rule, samples, facts)]
    samples = _from_entries(entries, payload, n_channels, scale)
    if payload.sample_time is None:
        return [chunk_of(message, sensor, rule, samples, facts)]
    times = _times(entries, payload.sample_time)
    unit = payload.sample_time_format or payload.time_format
    return sample_times.chunks_of(message, sensor, rule, samples, facts, times, unit)


def _names(part: Any, whole: Any, payload: TreePayload) -> tuple[object, object]:
    """machine and point as the message has them. A path that leads nowhere is refused."""
    found = []
    for key, path in (("machine", payload.machine), ("point", payload.point)):
        value = _at_either(part, whole, path)
        if path is not None and value is None:
            text = f"Payload has no {key} at {path!r}."
            raise PayloadError("bad_name", text)
        found.append(value)
    return found[0], found[1]


def _at_either(part: Any, whole: Any, path: str | None) -> Any:
    """In the part, else in the whole: what all parts share stands there once."""
    value = at(part, path)
    return at(whole, path) if value is None and part is not whole else value


def _facts(part: Any, whole: Any, payload: TreePayload) -> dict[str, Any]:
    facts = {}
    for key in FACT_KEYS:
        path = getattr(payload, key)
        if path is not None and (value := _at_either(part, whole, path)) is not None:
            facts[key] = value
    time = _at_either(part, whole, payload.time)
    return facts if time is None else facts | {"time": (payload.time_format, time)}


def _sample_paths(payload: TreePayload) -> tuple[str, ...]:
    return (payload.samples,) if isinstance(payload.samples, str) else payload.samples


def _samples(part: Any, payload: TreePayload, n_channels: int, scale: Scale) -> Float32:
    paths = _sample_paths(payload)
    if isinstance(payload.samples, str):
        numbers = _shaped(at(part, paths[0]), paths[0], payload, n_channels)
    else:
        _check_channels(f"samples = {', '.join(paths)}", len(paths), n_channels)
        numbers = _stacked([_numbers(at(part, path), path, payload) for path in paths], paths)
    return to_ms2(numbers, scale, payload.zero)


def _shaped(value: Any, name: str, payload: TreePayload, n_channels: int) -> NDArray[Any]:
    """(n_channels, n) numbers of one value."""
    is_nested = isinstance(value, list | tuple) and len(value) > 0 and _is_list(value[0])
    if is_nested:
        rows = [_numbers(row, name, payload) for row in value]
        numbers = _stacked(rows, (name,))
        if payload.layout == "interleaved":
            numbers = numbers.T
        _check_channels(repr(name), len(numbers), n_channels, numbers.shape[1])
        return numbers
    flat = _numbers(value, name, payload)
    in_bytes = payload.encoding not in ("list", "text")
    if n_channels > 1 and not in_bytes and payload.layout is None:
        _check_channels(repr(name), 1, n_channels)
    if len(flat) % n_channels:
        text = f"{name!r} has {len(flat)} numbers, no whole number of {n_channels} channels."
        raise PayloadError("bad_length", text)
    if payload.layout == "planar":
        return flat.reshape(n_channels, -1)
    return flat.reshape(-1, n_channels).T


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | np.ndarray | bytes)


def _check_channels(what: str, found: int, n_channels: int, other: int | None = None) -> None:
    if found == n_channels:
        return
    hint = "; is payload.layout = interleaved meant?" if other == n_channels else ""
    text = f"{what} has {found} channels, {n_channels} are set{hint}."
    raise PayloadError("wrong_channels", text)


def _stacked(rows: list[NDArray[Any]], names: tuple[str, ...]) -> NDArray[Any]:
    lengths = sorted({len(row) for row in rows})
    if len(lengths) > 1:
        text = (
            f"{', '.join(map(repr, names))}: lists of {lengths[0]} and of {lengths[-1]} samples"
            " side by side."
        )
        raise PayloadError("bad_length", text)
    return np.stack(rows)


def _numbers(value: Any, name: str, payload: TreePayload) -> NDArray[Any]:
    """(n,) numbers of a value: a list, a single number, text or bytes. n > 0."""
    if value is None:
        raise PayloadError("no_samples", f"Payload has no samples at {name!r}.")
    if isinstance(value, np.ndarray):  # a typed array of CBOR
        numbers: NDArray[Any] = value
    elif payload.encoding == "list":
        numbers = _from_list(value, name)
    elif payload.encoding == "text":
        numbers = _from_texts(value, name)
    else:
        numbers = _from_bytes(value, name, payload)
    if not len(numbers):
        raise PayloadError("empty", f"{name!r} has no samples.")
    return numbers


def _from_list(value: Any, name: str) -> Float64:
    """null is NaN: a sender that has no number writes so, or NaN itself."""
    values = value if isinstance(value, list | tuple) else (value,)
    types = set(map(type, values))
    if not types <= NUMBER_TYPES:
        odd = next(one for one in values if type(one) not in NUMBER_TYPES)
        hint = "; is payload.encoding = text meant?" if isinstance(odd, str) else ""
        text = f"{name!r} must hold numbers, or a list of them, found {quote(odd)}{hint}."
        raise PayloadError("not_numbers", text)
    if type(None) in types:
        values = [np.nan if one is None else one for one in values]
    try:
        return np.array(values, np.float64)
    except OverflowError:  # a whole number beyond float64
        return np.array([_clipped(one) for one in values], np.float64)


def _clipped(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def _from_texts(value: Any, name: str) -> Float64:
    """Numbers as text, one each or many in one text; numbers that are numbers pass too."""
    if isinstance(value, str):
        value = SEPARATORS.split(value.strip(" \t\r\n,;\0[]"))
    if not isinstance(value, list | tuple) or any("_" in one for one in value if type(one) is str):
        text = f"{name!r} must hold numbers as text, found {quote(value)}."
        raise PayloadError("not_numbers", text)
    try:
        numbers = [float(one) if type(one) is str else one for one in value]
    except ValueError as error:
        raise PayloadError("not_numbers", f"{name!r}: {short(str(error))}.") from error
    return _from_list(numbers, name)


def _from_bytes(value: Any, name: str, payload: TreePayload) -> NDArray[Any]:
    data = _bytes_of(value, name, payload.encoding)
    width = N_BYTES[payload.dtype]
    if len(data) % width:
        text = f"{name!r}: {len(data)} bytes are not a whole number of {width} bytes"
        raise PayloadError("bad_length", f"{text} ({payload.dtype}).")
    return numbers_of(data, payload.dtype, payload.byte_order)


def _bytes_of(value: Any, name: str, encoding: str) -> bytes:
    wanted = bytes if encoding == "binary" else str
    if not isinstance(value, wanted):
        reason = "not_base64" if encoding == "base64" else "not_hex"
        text = f"{name!r} must be {encoding} {wanted.__name__}, found {type(value).__name__}."
        raise PayloadError("not_binary" if wanted is bytes else reason, text)
    if isinstance(value, bytes):
        return value
    if encoding == "base64":
        return from_base64(value, repr(name))
    try:
        return bytes.fromhex(value)
    except ValueError as error:
        text = f"{name!r} is not hexadecimal: {short(str(error))}."
        raise PayloadError("not_hex", text) from error


def _entries(part: Any, payload: TreePayload) -> list[Any]:
    """The entries of samples: objects or rows, one an instant or one a stretch."""
    assert isinstance(payload.samples, str)
    value = at(part, payload.samples)
    if value is None:
        raise PayloadError("no_samples", f"Payload has no samples at {payload.samples!r}.")
    entries = [value] if isinstance(value, Mapping) else value
    if not isinstance(entries, list):
        text = f"{payload.samples!r} must be a list, found {type(value).__name__}."
        raise PayloadError("not_numbers", text)
    if not entries:
        raise PayloadError("empty", f"{payload.samples!r} has no samples.")
    return entries


def _from_entries(
    entries: list[Any], payload: TreePayload, n_channels: int, scale: Scale
) -> Float32:
    paths = payload.channels or ()
    _check_channels(f"channels = {', '.join(paths)}", len(paths), n_channels)
    columns = [_column(entries, path, payload) for path in paths]
    return to_ms2(_stacked(columns, paths), scale, payload.zero)


def _column(entries: list[Any], path: str, payload: TreePayload) -> NDArray[Any]:
    """One channel of all entries: a number each, or a list each."""
    values = [at(entry, path) for entry in entries]
    if all(value is None for value in values):
        raise PayloadError("no_samples", f"Payload has no samples at {path!r}.")
    if any(_is_list(value) for value in values):
        return np.concatenate([_numbers(value, path, payload) for value in values])
    return _numbers(values, path, payload)


def _times(entries: list[Any], path: str) -> list[object]:
    """One time an entry, or a list of them each."""
    times: list[object] = []
    for entry in entries:
        value = at(entry, path)
        times += value if isinstance(value, list) else [value]
    return times
