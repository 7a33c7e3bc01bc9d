"""Samples of one part of a tree: lists, objects, rows, text or bytes, to (n_channels, n) m/s²."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Float32
from monitor.signal.payload.base import PayloadError
from monitor.signal.payload.base64_text import from_base64
from monitor.signal.payload.facts import quote, short
from monitor.signal.payload.paths import at, entries_at
from monitor.signal.payload.samples import N_BYTES, Scale, numbers_of, to_ms2
from monitor.signal.payload.tree_settings import TreePayload

Float64 = NDArray[np.float64]

NUMBER_TYPES = frozenset({int, float, type(None)})
SEPARATORS = re.compile(r"[\s,;]+")


def _sample_paths(payload: TreePayload) -> tuple[str, ...]:
    return (payload.samples,) if isinstance(payload.samples, str) else payload.samples


def has_any(part: Any, entries: list[Any] | None, payload: TreePayload) -> bool:
    """Whether any channel is there at all."""
    if entries is None:
        return any(at(part, path) is not None for path in _sample_paths(payload))
    paths = payload.channels or ()
    return any(at(entry, path) is not None for entry in entries for path in paths)


def of_paths(part: Any, payload: TreePayload, n_channels: int, scale: Scale) -> Float32:
    paths = _sample_paths(payload)
    if isinstance(payload.samples, str):
        numbers = _shaped(entries_at(part, paths[0]), paths[0], payload, n_channels)
    else:
        _check_channels(f"samples = {', '.join(paths)}", len(paths), n_channels)
        values = [entries_at(part, path) for path in paths]
        numbers = _side_by_side(values, paths, payload)
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
        text = (
            f"{name!r} has {len(flat)} numbers, no whole number of {n_channels} channels."
        )
        raise PayloadError("bad_length", text)
    if payload.layout == "planar":
        return flat.reshape(n_channels, -1)
    return flat.reshape(-1, n_channels).T


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | np.ndarray | bytes)


def _check_channels(
    what: str, found: int, n_channels: int, other: int | None = None
) -> None:
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
        raise PayloadError("wrong_channels", f"Payload has no samples at {name!r}.")
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
    if not isinstance(value, list | tuple) or any(
        "_" in one for one in value if type(one) is str
    ):
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
    if encoding == "binary" and are_bytes(value):
        return bytes(value)
    wanted = bytes if encoding == "binary" else str
    if not isinstance(value, wanted):
        reason = "not_base64" if encoding == "base64" else "not_hex"
        text = (
            f"{name!r} must be {encoding} {wanted.__name__}, found {type(value).__name__}."
        )
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


def are_bytes(value: Any) -> bool:
    """Whether this is a list of bytes, each written as a number."""
    is_whole = isinstance(value, list) and set(map(type, value)) == {int}
    return is_whole and min(value) >= 0 and max(value) <= 255


def entries_of(part: Any, payload: TreePayload) -> list[Any] | None:
    """The entries of samples: objects or rows, one an instant or one a stretch. None where samples
    lie there by themselves; none at all where nothing is there.
    """
    if payload.channels is None:
        return None
    assert isinstance(payload.samples, str)
    value = entries_at(part, payload.samples)
    if value is None:
        return []
    entries = [value] if isinstance(value, Mapping) else value
    if not isinstance(entries, list):
        text = f"{payload.samples!r} must be a list, found {type(value).__name__}."
        raise PayloadError("not_numbers", text)
    if not entries:
        raise PayloadError("empty", f"{payload.samples!r} has no samples.")
    return entries


def of_entries(
    entries: list[Any], payload: TreePayload, n_channels: int, scale: Scale
) -> Float32:
    paths = payload.channels or ()
    _check_channels(f"channels = {', '.join(paths)}", len(paths), n_channels)
    columns = [[at(entry, path) for entry in entries] for path in paths]
    if any(_is_list(value) for column in columns for value in column):
        # Each stretch by itself: two that differ may be as long in all, and would be shifted.
        stretches = zip(*columns, strict=True)
        pieces = [_side_by_side(values, paths, payload) for values in stretches]
        return to_ms2(np.concatenate(pieces, axis=1), scale, payload.zero)
    return to_ms2(_side_by_side(columns, paths, payload), scale, payload.zero)


def _side_by_side(
    values: Sequence[Any], paths: tuple[str, ...], payload: TreePayload
) -> NDArray[Any]:
    """(n_channels, n) of one value for each channel."""
    for value, path in zip(values, paths, strict=True):
        if isinstance(value, list) and all(one is None for one in value):
            raise PayloadError("wrong_channels", f"Payload has no samples at {path!r}.")
    rows = [
        _numbers(value, path, payload) for value, path in zip(values, paths, strict=True)
    ]
    return _stacked(rows, paths)


def times_of(entries: list[Any], path: str) -> list[object]:
    """One time an entry, or a list of them each."""
    times: list[object] = []
    for entry in entries:
        value = at(entry, path)
        times += value if isinstance(value, list) else [value]
    return times
