"""A message that is a tree of keys and lists, whatever text or binary form it came in: JSON, CBOR,
MessagePack. From its settings of paths to chunks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from monitor.records.series import Part
from monitor.records.signal import Chunk, Message
from monitor.signal.payload import sample_times, tree_samples
from monitor.signal.payload.base import DecoderSettings, PayloadError
from monitor.signal.payload.facts import (
    RATES,
    SPACINGS,
    chunk_of,
    property_facts,
    stated_scale,
)
from monitor.signal.payload.identity import unused_id
from monitor.signal.payload.local_time import with_offset
from monitor.signal.payload.names import sensor_name
from monitor.signal.payload.parts import checked
from monitor.signal.payload.paths import at, parts_at
from monitor.signal.payload.tolerated import marked
from monitor.signal.payload.tree_settings import TreePayload

MAX_PARTS = 10_000
# Reasons why a part is none for us, and what they are counted as beside parts that are.
PASSED_OVER = {"no_samples": "part_without_samples", "unmatched_sensor": "part_unmatched"}
FACT_KEYS = ("sequence", "scale", "unit", *RATES, *SPACINGS)


def chunks_of(
    tree: Any, message: Message, settings: DecoderSettings, payload: TreePayload
) -> list[Chunk]:
    """All chunks of one message. A part without samples, or of a sensor that fits no rule, is
    passed over where another can be used.

    Raises PayloadError: no_samples, not_numbers, not_base64, not_hex,
    wrong_channels, empty, bad_length, bad_name, bad_rate, bad_scale, bad_time,
    bad_sequence, wrong_unit, unmatched_sensor, too_many_parts, bad_part.
    """
    if payload.part_index is not None:
        (chunk,) = _part_chunks(tree, tree, message, settings, payload)
        return [replace(chunk, part=_part_of(tree, chunk.sequence, payload))]
    if payload.parts is None:
        return _part_chunks(tree, tree, message, settings, payload)
    chunks: list[Chunk] = []
    passed_over: dict[str, None] = {}
    refusal = PayloadError("empty", f"The list at {payload.parts!r} has no parts.")
    for part in _parts(tree, payload.parts):
        try:
            chunks += _part_chunks(part, tree, message, settings, payload)
        except PayloadError as error:
            if error.reason not in PASSED_OVER:
                raise
            refusal = error
            passed_over[PASSED_OVER[error.reason]] = None
    if not chunks:
        raise refusal
    return marked(chunks, tuple(passed_over))


def _part_of(tree: Any, sequence: int | None, payload: TreePayload) -> Part:
    series = sequence if payload.series is None else at(tree, payload.series)
    return checked(series, at(tree, payload.part_index), at(tree, payload.part_count))


def _parts(tree: Any, path: str) -> list[Any]:
    parts = parts_at(tree, path)
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
    chunks = _chunks_of_part(part, whole, message, settings, payload)
    origin = unused_id(part, (payload.machine, payload.point))
    return [replace(chunk, origin=origin) for chunk in chunks] if origin else chunks


def _chunks_of_part(
    part: Any, whole: Any, message: Message, settings: DecoderSettings, payload: TreePayload
) -> list[Chunk]:
    entries = tree_samples.entries_of(part, payload)
    if not tree_samples.has_any(part, entries, payload):
        raise PayloadError("no_samples", f"Payload has no samples at {payload.samples!r}.")
    sensor = sensor_name(settings.sensor, *_names(part, whole, payload))
    rule = settings.rule(sensor)
    facts = _facts(part, whole, payload, message.received_ns)
    facts |= property_facts(message.properties)
    scale, n_channels = stated_scale(facts, rule), len(rule.channels)
    if entries is None:
        samples = tree_samples.of_paths(part, payload, n_channels, scale)
        return [chunk_of(message, sensor, rule, samples, facts)]
    _check_one_sender(entries, payload)
    samples = tree_samples.of_entries(entries, payload, n_channels, scale)
    if payload.sample_time is None:
        return [chunk_of(message, sensor, rule, samples, facts)]
    times = [
        with_offset(time, payload.time_zone, message.received_ns)
        for time in tree_samples.times_of(entries, payload.sample_time)
    ]
    unit = payload.sample_time_format or payload.time_format
    return sample_times.chunks_of(message, sensor, rule, samples, facts, times, unit)


def _check_one_sender(entries: list[Any], payload: TreePayload) -> None:
    """Raises PayloadError where the first entry's id is not that of its neighbour or of the last:
    two sensors would become one stream.
    """
    first = unused_id(entries[0], ())
    if not first:
        return
    other = next(
        (
            id
            for one in (entries[1:2] + entries[-1:])
            if (id := unused_id(one, ())) != first
        ),
        first,
    )
    if other != first:
        text = (
            f"Entries at {payload.samples!r} name several senders ({first}; {other or 'none'}):"
            " let payload.parts lead there, and payload.point to the name."
        )
        raise PayloadError("ambiguous_sender", text)


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


def _facts(part: Any, whole: Any, payload: TreePayload, received_ns: int) -> dict[str, Any]:
    facts = {}
    for key in FACT_KEYS:
        path = getattr(payload, key)
        if path is not None and (value := _at_either(part, whole, path)) is not None:
            facts[key] = value
    time = _at_either(part, whole, payload.time)
    if time is None:
        return facts
    stated = with_offset(time, payload.time_zone, received_ns)
    return facts | {"time": (payload.time_format, stated)}
