"""From what was heard to a proposal for each shape: a subscription, rules, reasons, questions.

A proposal without questions reads every message that it was made from, or says how many not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from monitor.config import SensorSettings
from monitor.discovery import (
    binary,
    rate,
    raw_bytes,
    records_of,
    text_lines,
    topics,
    tree_facts,
    tree_settings,
    words,
)
from monitor.discovery.doubts import are_vibration
from monitor.discovery.notes import Choice, Notes, Question, Reason
from monitor.discovery.second_opinion import contradiction
from monitor.discovery.shapes import PassedOver, ShapeGroup, groups_of
from monitor.discovery.streams import Decoded, Stream, decoded
from monitor.discovery.trees import Place, places
from monitor.discovery.unit import UnitFound, unit_of
from monitor.records.signal import Message
from monitor.signal.payload.csv_text import CsvPayload

YES_OR_NO = (Choice("no"), Choice("yes"))
DEFEATED = "These messages defeat the guesses"
MAX_REFUSED = 0.1  # of the messages: with more the reading is not right


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule under `sensors`, and whom it is for."""

    sensors: tuple[str, ...]
    settings: dict[str, Any]


@dataclass(slots=True)
class Proposal:
    """topic : "" where not even that is known; payload : its settings, format first
    example : a sensor's samples, as stored
    """

    number: int
    topics: list[str]
    n_messages: int
    topic: str = ""
    payload: dict[str, Any] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    n_read: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    streams: dict[str, Stream] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        return not self.questions and bool(self.rules)


@dataclass(frozen=True, slots=True)
class Discovery:
    proposals: list[Proposal]
    passed_over: list[PassedOver]


@dataclass(frozen=True, slots=True)
class _Reading:
    """names : that may end with a unit; channels : of the sensor"""

    payload: dict[str, Any]
    channels: tuple[str, ...]
    names: tuple[str, ...] = ()
    machine: bool = False
    point: bool = False
    is_weak: bool = False


def discover(messages: Sequence[Message], answers: Mapping[str, str] | None = None) -> Discovery:
    """Pure. answers : to the questions of an earlier turn, by key or by "number.key"."""
    groups, passed = groups_of(sorted(messages, key=lambda one: one.received_ns))
    found = [
        _proposal(group, Notes(number, answers or {})) for number, group in enumerate(groups, 1)
    ]
    kept = [one for one in found if not _is_hopeless(one)]
    if kept:  # what is no vibration beside what is some is not asked about
        passed += [
            PassedOver(topic, 0, "no samples of vibration")
            for one in found
            if one not in kept
            for topic in one.topics
        ]
    return Discovery(kept or found, passed)


def _is_hopeless(proposal: Proposal) -> bool:
    """Nothing in it looks like vibration."""
    return not proposal.topic and any(one.key == "samples" for one in proposal.questions)


def _proposal(group: ShapeGroup, notes: Notes) -> Proposal:
    proposal = Proposal(notes.number, group.topics, len(group.messages))
    try:
        reading = _reading(group, notes)
        if reading is not None:
            _complete(proposal, group, reading, notes)
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        # A fault of ours on a stranger's messages must not cost the other shapes.
        proposal.rules = []
        notes.ask("payload", f"{DEFEATED} ({error}). How are they written?")
    proposal.reasons, proposal.questions = notes.reasons, notes.questions
    return proposal


def _complete(proposal: Proposal, group: ShapeGroup, reading: _Reading, notes: Notes) -> None:
    pattern = topics.pattern_of(group.topics, reading.machine, reading.point, notes)
    if pattern is None:
        return
    compression = str(group.key[0])
    payload = reading.payload
    if compression != "none":
        payload = payload | {"compression": compression}
        notes.say("compression", f"all messages unpack as {compression}")
    proposal.topic, proposal.payload = pattern, payload
    whole = [one.original for one in group.messages]
    found = _decoded(whole, pattern, payload, reading.channels, notes)
    if found is None:
        return
    proposal.n_read, proposal.refusals, proposal.streams = (
        found.n_read,
        found.refusals,
        found.streams,
    )
    zero = float(payload.get("zero", 0.0))
    if are_vibration(list(found.streams.values()), zero, notes):
        proposal.rules = _rules(found, reading, group, notes)
        _hear_second_opinion(proposal, whole, notes)


def _hear_second_opinion(proposal: Proposal, messages: Sequence[Message], notes: Notes) -> None:
    """What the service would refuse to judge is not proposed."""
    rules = {
        name: SensorSettings.model_validate(rule.settings)
        for rule in proposal.rules
        for name in rule.sensors
    }
    if not rules or len(rules) < len(proposal.streams):
        return
    trouble = contradiction(messages, proposal.topic, proposal.payload, rules)
    if trouble and notes.ask("doubt", f"{trouble} Is it right all the same?", YES_OR_NO) != "yes":
        proposal.rules = []


def _decoded(
    messages: Sequence[Message],
    topic: str,
    payload: dict[str, Any],
    channels: Sequence[str],
    notes: Notes,
) -> Decoded | None:
    try:
        found = decoded(messages, topic, payload, channels)
    except ValueError as error:
        notes.ask("payload", f"No settings read these messages ({error}): how are they written?")
        return None
    if found.n_refused > MAX_REFUSED * len(messages):
        why, n = found.refusals.most_common(1)[0]
        notes.ask("payload", f"{n} of {len(messages)} messages cannot be read so: {why}")
        return None
    return found


# -- rules ----------------------------------------------------------------------------------------


def _rules(found: Decoded, reading: _Reading, group: ShapeGroup, notes: Notes) -> list[Rule]:
    """One for all sensors that are alike; none where something is asked."""
    cadences = {}
    for name, stream in found.streams.items():
        cadence = rate.cadence_of(stream, reading.is_weak, notes)
        if cadence is not None:
            cadences[name] = cadence
    if len(cadences) < len(found.streams) or not cadences:
        return []
    clusters: list[list[str]] = []
    for name in found.streams:
        near = (one for one in clusters if rate.alike([cadences[one[0]], cadences[name]]))
        cluster = next(near, None)
        if cluster is None:
            clusters.append([name])
        else:
            cluster.append(name)
    is_stated = bool(reading.payload.get("unit")) or _senml_has_unit(group)
    names = (*reading.names, *(topic.rpartition("/")[2] for topic in group.topics))
    rules = []
    for cluster in clusters:
        unit = unit_of([found.streams[name] for name in cluster], names, is_stated, notes)
        if unit is not None:
            stream = found.streams[cluster[0]]
            settings = _rule_settings(cadences[cluster[0]], stream, reading.channels, unit)
            rules.append(Rule(tuple(cluster), settings))
    return rules


def _senml_has_unit(group: ShapeGroup) -> bool:
    return group.key[2] == "senml" and all(
        any("bu" in one or "u" in one or -4 in one or 1 in one for one in opened.tree)
        for opened in group.messages
    )


def _rule_settings(
    cadence: rate.Cadence, stream: Stream, channels: Sequence[str], unit: UnitFound
) -> dict[str, Any]:
    settings: dict[str, Any] = {"sample_rate_hz": cadence.rate_hz}
    if cadence.period_s is not None:  # a window is a snapshot, or it would never be filled
        length_s = min(stream.counts) / cadence.rate_hz
        settings |= {"acquisition": "snapshot", "expected_period_s": cadence.period_s}
        settings |= {"window_s": float(f"{length_s:.9g}")}
    elif (between_s := rate.period_s(stream)) > 1:
        settings |= {"expected_period_s": between_s}
    if tuple(channels) != ("a",):
        settings["channels"] = list(channels)
    settings["unit"] = unit.unit
    if unit.scale is not None:
        settings["scale"] = unit.scale
    SensorSettings.model_validate(settings)
    return settings


# -- formats --------------------------------------------------------------------------------------


def _reading(group: ShapeGroup, notes: Notes) -> _Reading | None:
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
        notes.ask("payload", "The messages are text, and no numbers parted by a sign: how to read?")
        return None
    return _csv(group, notes)


def _has_own_level(group: ShapeGroup) -> bool:
    """Whether the topic may name a machine: it varies, or has a level that is no general word."""
    levels = group.topics[0].split("/")
    specific = [one for one in levels[1:] if not set(words.tokens(one)) <= words.GENERIC_LEVELS]
    return len(group.topics) > 1 or bool(specific)


def _senml(group: ShapeGroup, kind: str, notes: Notes) -> _Reading | None:
    has_machine = _has_own_level(group)
    trees = [one.tree for one in group.messages]
    found = records_of.senml_settings(trees, has_machine, notes)
    if found is None:
        return None
    settings, channels = found
    form = {"serialization": "cbor"} if kind == "cbor" else {}
    device = settings.get("device")
    payload = {"format": "senml"} | form | settings
    return _Reading(payload, channels, (), device == "machine", device == "point")


def _sparkplug(group: ShapeGroup, notes: Notes) -> _Reading | None:
    payloads = [one.message.payload for one in group.messages]
    found = records_of.sparkplug_names(payloads, notes)
    if found is None:
        return None
    names, kinds = found
    settings: dict[str, Any] = {"format": "sparkplug", "metrics": names}
    untyped = [held for kind, datatype, held in kinds if kind == 16 and datatype in (0, 17, 18)]
    if untyped:
        every = [records_of.sparkplug_metrics(data) for data in payloads]
        blobs = [one[name][2] for one in every for name in names if name in one]
        if sum(map(len, blobs)) < binary.MIN_BYTES:
            notes.ask("messages", raw_bytes.too_little(len(blobs)))
            return None
        stored = raw_bytes.number_type(blobs, notes, tails=(0,))
        if stored is None:
            return None
        settings |= raw_bytes.settings_of_type(stored)
    elif any(kind in (10, 11) and not datatype for kind, datatype, _ in kinds):
        answer = notes.ask(
            "dtype",
            "The metrics are whole numbers whose type only the birth certificate names: which?",
            [Choice(one) for one in ("int16", "int32", "int8")],
        )
        if answer is None:
            return None
        settings["dtype"] = answer
    if len(group.topics) == 1 and records_of.has_own_sequence(payloads):
        settings["sequence"] = True
        notes.say("sequence", "seq goes up by one a message")
    channels = words.channel_names([name.replace("/", ".") for name in names])
    return _Reading(settings, channels if len(names) > 1 else ("a",), tuple(names))


def _raw(group: ShapeGroup, notes: Notes) -> _Reading | None:
    blobs = [
        raw_bytes.Blob(one.message.payload, one.message.received_ns, one.message.topic)
        for one in group.messages
    ]
    found = raw_bytes.settings_of(blobs, notes)
    if found is None:
        return None
    settings, n_channels = found
    if n_channels == 1 or settings["layout"] == "interleaved":
        settings.pop("layout")
    return _Reading({"format": "raw"} | settings, tree_settings.axis_names(n_channels))


def _csv(group: ShapeGroup, notes: Notes) -> _Reading | None:
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
            return _Reading(payload, ("a",))
        if min(map(len, row)) <= 16 and len(set(map(len, row))) == 1:
            return _short_row(payload, len(row[0]), notes)
        counted = raw_bytes.channels_of([np.array(one) for one in row], notes)
        if counted is None or counted[0] > 1:
            if counted is not None:
                notes.ask(
                    "channels", "Several channels in one row of text are not read: one a line?"
                )
            return None
        channels = ("a",)
    CsvPayload.model_validate(payload)
    return _Reading(payload, channels, tuple(tables[0].names))


def _short_row(payload: dict[str, Any], n: int, notes: Notes) -> _Reading | None:
    """A few numbers a message: as many channels at one instant, or instants of one channel?"""
    answer = notes.ask(
        "channels",
        f"Each message is a row of {n} numbers: so many channels, or samples of one channel?",
        [Choice(str(n)), Choice("1")],
    )
    if answer == "1":
        return _Reading(payload, ("a",))
    if answer == str(n):
        columns = [str(index) for index in range(n)]
        return _Reading(payload | {"columns": columns}, tree_settings.axis_names(n))
    return None


# -- trees ----------------------------------------------------------------------------------------


def _tree(group: ShapeGroup, kind: str, place: Place, notes: Notes) -> _Reading | None:
    place_or_none = _settled_place(group, place, notes)
    if place_or_none is None:
        return None
    place = place_or_none
    messages = [(one.message.topic, one.message.received_ns, one.tree) for one in group.messages]
    parts = tree_facts.parts_of(place, messages)
    if not parts:
        notes.ask("samples", "No samples are found in these messages: where are they?")
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
    identity = _identity(group, facts.identities, notes)
    payload = {"format": kind} | settings | identity | facts.settings
    return _Reading(
        payload,
        channels,
        place.names,
        "machine" in identity,
        "point" in identity,
        bool(facts.weak),
    )


def _samples_text(kind: str, place: Place) -> str:
    where = ", ".join(place.names)
    return f"{kind}, samples at {where}"


def _settled_place(group: ShapeGroup, place: Place, notes: Notes) -> Place | None:
    """As found where names or lack of choice tell it, else as answered."""
    if place.is_named:
        return place
    found = [one for one in places(group.messages[0].tree) if one.parts is None or one == place]
    choices = {",".join(one.names): one for one in found}
    answer = notes.ask(
        "samples",
        f"Are the samples of vibration at {', '.join(place.names)}?",
        [Choice(text) for text in choices],
    )
    if answer is None:
        return None
    return choices.get(answer, place)


def _identity(group: ShapeGroup, identities: dict[str, list[str]], notes: Notes) -> dict[str, str]:
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
    for name, path in found.items():
        shown = ", ".join(sorted(set(useful[path]))[:4])
        notes.say(name, f"{path} says whose samples these are ({shown})")
    return found


def _has_point_level(group: ShapeGroup) -> bool:
    """Whether the topic has two levels, or more, that may name a sensor."""
    pattern = topics.pattern_of(group.topics, False, False, Notes())
    return pattern is None or "{point}" in pattern
