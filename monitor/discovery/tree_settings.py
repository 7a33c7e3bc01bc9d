"""From a place in a tree to the settings that read it: encoding, type, layout and channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from monitor.discovery import prediction, raw_bytes, words
from monitor.discovery.binary import MIN_BYTES, Stored
from monitor.discovery.nodes import SEPARATED, floats_of
from monitor.discovery.notes import Choice, Notes
from monitor.discovery.parts import Part
from monitor.discovery.trees import Place
from monitor.records.signal import Float64
from monitor.signal.payload.base import PayloadError
from monitor.signal.payload.base64_text import from_base64
from monitor.signal.payload.paths import at


def settings_of(
    place: Place, parts: Sequence[Part], sample_time: str | None, notes: Notes
) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """The settings of the samples, and the channels' names; None where something is asked."""
    settings: dict[str, Any] = {} if place.parts is None else {"parts": place.parts}
    if place.shape in ("objects", "stretches"):
        settings |= {"samples": place.paths[0], "channels": list(place.channels)}
        return settings | _text(place), words.channel_names(_column_names(place.channels))
    if place.shape == "each":
        return _each(place, parts, settings, sample_time, notes)
    settings["samples"] = place.paths[0]
    if place.shape in ("planar", "rows", "square"):
        return _nested(place, parts, settings, notes)
    return _flat(place, parts, settings, notes)


def _text(place: Place) -> dict[str, Any]:
    return {} if place.form == "list" else {"encoding": place.form}


def _column_names(paths: Sequence[str]) -> list[str]:
    """Columns that are numbered alone are channels of that number."""
    is_numbered = all(path.replace(".", "").isdigit() for path in paths)
    return [f"ch{k + 1}" for k in range(len(paths))] if is_numbered else list(paths)


def _each(
    place: Place,
    parts: Sequence[Part],
    settings: dict[str, Any],
    sample_time: str | None,
    notes: Notes,
) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    names = words.channel_names(place.paths)
    if sample_time is not None:
        settings |= {"samples": ".", "channels": list(place.paths)}
        return settings, names
    settings["samples"] = list(place.paths) if len(place.paths) > 1 else place.paths[0]
    settings |= _text(place)
    if place.form in ("base64", "hex", "binary"):
        blobs = [blob for path in place.paths for blob in _blobs(path, place, parts)]
        stored = _stored(blobs, notes)
        return None if stored is None else (settings | stored, names)
    return settings, names


def _nested(
    place: Place, parts: Sequence[Part], settings: dict[str, Any], notes: Notes
) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    first = at(parts[0].tree, place.paths[0])
    shape = place.shape
    if shape == "square":
        tables = [
            np.array(list(map(floats_of, at(one.tree, place.paths[0])))) for one in parts
        ]
        found = _rows_or_planar(tables, notes)
        if found is None:
            return None
        shape = found  # type: ignore[assignment]
    n = len(first) if shape == "planar" else len(first[0])
    if shape == "rows":
        settings["layout"] = "interleaved"
    return settings | _text(place), axis_names(n)


def _rows_or_planar(tables: Sequence[Float64], notes: Notes) -> str | None:
    """By which way the numbers follow from each other, over all messages."""
    rows = [column for table in tables for column in table.T]
    planar = [row for table in tables for row in table]
    codes = {"rows": _code(rows), "planar": _code(planar)}
    best, other = sorted(codes, key=lambda one: codes[one])
    if np.isfinite(codes[best]) and codes[other] - codes[best] > 0.5:
        return best
    answer = notes.ask(
        "layout",
        "Is a list inside one instant of all channels (rows), or one channel (planar)?",
        [Choice("rows"), Choice("planar")],
    )
    return answer if answer in ("rows", "planar") else None


def _code(stretches: Sequence[Float64]) -> float:
    """Nats a number, told by its neighbour and the mean."""
    found = prediction.fitted(stretches, 1)
    return np.inf if found is None else float(np.log(found[1] + 1e-12))


def _flat(
    place: Place, parts: Sequence[Part], settings: dict[str, Any], notes: Notes
) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    settings |= _text(place)
    if place.form in ("list", "text"):
        runs = [_numbers(at(one.tree, place.paths[0]), place) for one in parts]
    else:
        blobs = _blobs(place.paths[0], place, parts)
        stored = _stored(blobs, notes)
        if stored is None:
            return None
        settings |= stored
        one = Stored(stored["dtype"], stored.get("byte_order", "little"), 0, 0.0)
        runs = raw_bytes.numbers_in(one, blobs)
    if words.axis_of(place.paths[0]) is not None:
        # named as one axis, it is one channel
        return settings, words.channel_names(place.paths)
    found = raw_bytes.channels_of(runs, notes)
    if found is None:
        return None
    n_channels, order = found
    if n_channels > 1:
        settings["layout"] = order
    return settings, axis_names(n_channels)


def axis_names(n: int) -> tuple[str, ...]:
    if n == 1:
        return ("a",)
    return ("x", "y", "z")[:n] if n <= 3 else tuple(f"ch{k + 1}" for k in range(n))


def _numbers(value: Any, place: Place) -> Float64:
    if place.form == "text" and isinstance(value, str):
        return floats_of(SEPARATED.split(value.strip(" \t\r\n,;\0[]")))
    is_many = isinstance(value, list | tuple | np.ndarray)
    return floats_of(list(value) if is_many else [value])


def _blobs(path: str, place: Place, parts: Sequence[Part]) -> list[bytes]:
    found = []
    for one in parts:
        value = at(one.tree, path)
        try:
            if place.form == "base64":
                found.append(from_base64(value, path))
            else:
                found.append(bytes.fromhex(value) if place.form == "hex" else bytes(value))
        except (PayloadError, ValueError, TypeError):
            continue
    return found


def _stored(blobs: Sequence[bytes], notes: Notes) -> dict[str, Any] | None:
    if len(blobs) < 1 or sum(map(len, blobs)) < MIN_BYTES:
        notes.ask("messages", raw_bytes.too_little(len(blobs)))
        return None
    stored = raw_bytes.number_type(blobs, notes, tails=(0,))
    return None if stored is None else raw_bytes.settings_of_type(stored)
