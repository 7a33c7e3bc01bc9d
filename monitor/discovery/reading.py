"""How the messages of one shape are to be read: the settings of their format, and the channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from monitor.discovery import (
    binary,
    frame_fields,
    frames,
    raw_bytes,
    records_of,
    text_lines,
    topics,
    tree_facts,
    tree_settings,
    words,
)
from monitor.discovery.notes import Choice, Notes
from monitor.discovery.parts import Part, parts_of, senders_in_turns
from monitor.discovery.shapes import ShapeGroup
from monitor.discovery.trees import Place, places
from monitor.signal.payload.csv_text import CsvPayload
from monitor.signal.payload.paths import at
from monitor.signal.payload.tree_samples import are_bytes

BYTE_ENDS = 16  # samples of an 8-bit sensor that came so near to both ends would be clipped

BARE_BYTES = (0, 17, 18)  # data types of Sparkplug: none stated, Bytes, File


@dataclass(frozen=True, slots=True)
class Reading:
    """names : that may end with a unit; channels : of the sensor
    velocity : the unit where messages say that they hold one
    """

    payload: dict[str, Any]
    channels: tuple[str, ...]
    names: tuple[str, ...] = ()
    machine: bool = False
    point: bool = False
    is_weak: bool = False
    velocity: str = ""


def reading_of(group: ShapeGroup, notes: Notes) -> Reading | None:
    kind, place = group.key[1], group.key[2]
    if place == "senml":
        return _senml(group, str(kind), notes)
    if isinstance(place, Place):
        return _tree(group, str(kind), place, notes)
    if kind == "sparkplug":
        return _sparkplug(group, notes)
    if kind == "bytes":
        return _raw(group, notes)
    if place == "text":
        notes.ask(
            "payload",
            "The messages are text, and no numbers parted by a sign: how to read?",
        )
        return None
    return _csv(group, notes)


def _has_own_level(group: ShapeGroup) -> bool:
    """Whether the topic may name a machine: it varies, or has a level that is no general word."""
    levels = group.topics[0].split("/")
    specific = [
        one for one in levels[1:] if not set(words.tokens(one)) <= words.GENERIC_LEVELS
    ]
    return len(group.topics) > 1 or bool(specific)


def _senml(group: ShapeGroup, kind: str, notes: Notes) -> Reading | None:
    has_machine = _has_own_level(group)
    trees = [one.tree for one in group.messages]
    found = records_of.senml_settings(trees, has_machine, notes)
    if found is None:
        return None
    settings, channels = found
    form = {"serialization": "cbor"} if kind == "cbor" else {}
    device = settings.get("device")
    payload = {"format": "senml"} | form | settings
    return Reading(payload, channels, (), device == "machine", device == "point")


def _sparkplug(group: ShapeGroup, notes: Notes) -> Reading | None:
    payloads = [one.message.payload for one in group.messages]
    found = records_of.sparkplug_names(payloads, notes)
    if found is None:
        return None
    names, metrics = found
    settings: dict[str, Any] = {"format": "sparkplug", "metrics": names}
    told = _sparkplug_type(payloads, names, metrics, notes)
    if told is None:
        return None
    settings |= told
    if len(group.topics) == 1 and records_of.has_own_sequence(payloads):
        settings["sequence"] = True
        notes.say("sequence", "seq goes up by one a message")
    channels = words.channel_names([name.replace("/", ".") for name in names])
    return Reading(settings, channels if len(names) > 1 else ("a",), tuple(names))


def _sparkplug_type(
    payloads: Sequence[bytes],
    names: Sequence[str],
    metrics: Sequence[records_of.Metric],
    notes: Notes,
) -> dict[str, Any] | None:
    """The settings of the samples' type, where no message names it; None where it is asked for."""
    if any(one.field == records_of.BYTES and one.datatype in BARE_BYTES for one in metrics):
        every = [records_of.sparkplug_metrics(data) for data in payloads]
        blobs = [one[name].held for one in every for name in names if name in one]
        if sum(map(len, blobs)) < binary.MIN_BYTES:
            notes.ask("messages", raw_bytes.too_little(len(blobs)))
            return None
        stored = raw_bytes.number_type(blobs, notes, tails=(0,))
        return None if stored is None else raw_bytes.settings_of_type(stored)
    if any(one.field in records_of.INTEGERS and not one.datatype for one in metrics):
        answer = notes.ask(
            "dtype",
            "The metrics are whole numbers whose type only the birth certificate names: which?",
            [Choice(one) for one in ("int16", "int32", "int8")],
        )
        return None if answer is None else {"dtype": answer}
    return {}


def _raw(group: ShapeGroup, notes: Notes) -> Reading | None:
    blobs = [
        raw_bytes.Blob(one.message.payload, one.message.received_ns, one.message.topic)
        for one in group.messages
    ]
    own = raw_bytes.of_one_sender(blobs)
    datas, received_ns = [one.data for one in own], [one.received_ns for one in own]
    clock = frames.clock_of(datas, received_ns)
    found = (
        raw_bytes.settings_of(blobs, notes)
        if clock is None
        else _framed(clock, datas, received_ns, notes)
    )
    if found is None:
        return None
    settings, n_channels = found
    if n_channels == 1 or settings.get("layout") == "interleaved":
        settings.pop("layout", None)
    return Reading({"format": "raw"} | settings, tree_settings.axis_names(n_channels))


def _framed(
    clock: frames.Clock, datas: Sequence[bytes], received_ns: Sequence[int], notes: Notes
) -> tuple[dict[str, Any], int] | None:
    """Of a struct for each instant."""
    placed = frames.frames_of(clock, datas, notes)
    if placed is None:
        return None
    return frame_fields.settings_of(placed, datas, received_ns, notes)


def _csv(group: ShapeGroup, notes: Notes) -> Reading | None:
    tables = [table for one in group.messages if (table := text_lines.table_of(one.tree))]
    arrivals = [one.message.received_ns for one in group.messages]
    found = text_lines.settings_of(tables, arrivals, notes)
    if found is None:
        return None
    settings, channels = found
    payload = {"format": "csv"} | settings
    if not channels:  # all in one row
        row = [list(map(text_lines.number, table.rows[0])) for table in tables]
        if max(map(len, row)) == 1:
            return Reading(payload, ("a",))
        if min(map(len, row)) <= 16 and len(set(map(len, row))) == 1:
            return _short_row(payload, len(row[0]), notes)
        counted = raw_bytes.channels_of([np.array(one) for one in row], notes)
        if counted is None or counted[0] > 1:
            if counted is not None:
                notes.ask(
                    "channels",
                    "Several channels in one row of text are not read: one a line?",
                )
            return None
        channels = ("a",)
    CsvPayload.model_validate(payload)
    return Reading(payload, channels, tuple(tables[0].names))


def _short_row(payload: dict[str, Any], n: int, notes: Notes) -> Reading | None:
    """A few numbers a message: as many channels at one instant, or instants of one channel?"""
    answer = notes.ask(
        "channels",
        f"Each message is a row of {n} numbers: so many channels, or samples of one channel?",
        [Choice(str(n)), Choice("1")],
    )
    if answer == "1":
        return Reading(payload, ("a",))
    if answer == str(n):
        columns = [str(index) for index in range(n)]
        return Reading(payload | {"columns": columns}, tree_settings.axis_names(n))
    return None


def _tree(group: ShapeGroup, kind: str, place: Place, notes: Notes) -> Reading | None:
    settled = _settled_place(group, place, notes)
    if settled is None:
        return None
    place = settled
    messages = [
        (one.message.topic, one.message.received_ns, one.tree) for one in group.messages
    ]
    parts = parts_of(place, messages)
    if not parts:
        notes.ask("samples", "No samples are found in these messages: where are they?")
        return None
    place = _as_bytes(place, parts)
    if not _is_of_one_sender(place, parts, notes):
        return None
    facts = tree_facts.facts_of(place, parts, notes)
    if any(one.key in ("unit", "sample_time_unit", "time_zone") for one in notes.questions):
        return None
    sample_time = facts.settings.get("sample_time")
    found = tree_settings.settings_of(place, parts, sample_time, notes)
    if found is None:
        return None
    settings, channels = found
    notes.say("samples", _samples_text(kind, place))
    identity = _identity(group, facts.identities, [one.topic for one in parts], notes)
    payload = {"format": kind} | settings | identity | facts.settings
    return Reading(
        payload,
        channels,
        place.names,
        "machine" in identity,
        "point" in identity,
        bool(facts.weak),
        facts.velocity,
    )


def _is_of_one_sender(place: Place, parts: Sequence[Part], notes: Notes) -> bool:
    told = senders_in_turns(place, parts)
    if told:
        notes.ask(
            "payload",
            f"The entries of one list are of several senders ({told}): which are of vibration? To"
            " be read, the list may be `parts` and the name `point`.",
        )
    return not told


def _as_bytes(place: Place, parts: Sequence[Part]) -> Place:
    """A list of whole numbers that fill 0 to 255 is of bytes: JavaScript writes its buffers so."""
    if place.shape != "flat" or place.form != "list":
        return place
    lists = [at(one.tree, place.paths[0]) for one in parts]
    if not all(map(are_bytes, lists)):
        return place
    seen = {byte for one in lists for byte in one}
    is_full = min(seen) < BYTE_ENDS and max(seen) > 255 - BYTE_ENDS
    return replace(place, form="binary") if is_full else place


def _samples_text(kind: str, place: Place) -> str:
    where = ", ".join(place.names)
    return f"{kind}, samples at {where}"


def _settled_place(group: ShapeGroup, place: Place, notes: Notes) -> Place | None:
    """As found where names or lack of choice tell it, else as answered."""
    if place.is_named:
        return place
    found = [
        one
        for one in places(group.messages[0].tree, group.messages[0].ids)
        if one.parts is None or one == place
    ]
    choices = {",".join(one.names): one for one in found}
    answer = notes.ask(
        "samples",
        f"Are the samples of vibration at {', '.join(place.names)}?",
        [Choice(text) for text in choices],
    )
    if answer is None:
        return None
    return choices.get(answer, place)


def _identity(
    group: ShapeGroup,
    identities: dict[str, list[str]],
    topics_of_parts: Sequence[str],
    notes: Notes,
) -> dict[str, str]:
    """Paths of machine and point, where the topic alone does not tell senders apart."""
    levels = {level for topic in group.topics for level in topic.split("/")}
    useful = {path: found for path, found in identities.items() if not set(found) <= levels}
    varying = [path for path, found in useful.items() if len(set(found)) > 1]
    of_machine = [path for path in useful if words.says(path, words.MACHINE)]
    others = [path for path in (*varying, *useful) if path not in of_machine]
    found: dict[str, str] = {}
    if of_machine and (others or varying or not _has_own_level(group)):
        found["machine"] = of_machine[0]
    if others and (varying or found or not _has_point_level(group)):
        found["point" if found or _has_own_level(group) else "machine"] = others[0]
    if "machine" in found and _are_shared(
        [useful[path] for path in found.values()], topics_of_parts
    ):
        # The topic's levels say more.
        kept = [path for path in found.values() if path in varying]
        found = {"point": kept[-1]} if kept else {}
    for name, path in found.items():
        shown = ", ".join(sorted(set(useful[path]))[:4])
        notes.say(name, f"{path} says whose samples these are ({shown})")
    return found


def _are_shared(names: Sequence[Sequence[str]], topics_of_parts: Sequence[str]) -> bool:
    """Whether messages of different topics bear the same names: all of them would be one sensor."""
    topics_of: dict[tuple[str, ...], set[str]] = {}
    for name, topic in zip(zip(*names, strict=True), topics_of_parts, strict=True):
        topics_of.setdefault(name, set()).add(topic)
    return any(len(found) > 1 for found in topics_of.values())


def _has_point_level(group: ShapeGroup) -> bool:
    """Whether the topic has two levels, or more, that may name a sensor."""
    pattern = topics.pattern_of(group.topics, False, False, Notes())
    return pattern is None or "{point}" in pattern
