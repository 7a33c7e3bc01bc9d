"""From what was heard to a proposal for each shape: a subscription, rules, reasons, questions.

A proposal without questions reads every message that it was made from, or says
how many not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.config_sensors import SensorSettings
from monitor.discovery import (
    rate,
    topics,
)
from monitor.discovery.doubts import are_vibration
from monitor.discovery.gathered import gathered
from monitor.discovery.notes import Choice, Notes
from monitor.discovery.overlaps import merged, name_apart, tell_apart
from monitor.discovery.proposed import Discovery, Proposal, Rule
from monitor.discovery.reading import Reading, reading_of
from monitor.discovery.second_opinion import contradiction
from monitor.discovery.shapes import PassedOver, ShapeGroup, groups_of
from monitor.discovery.streams import Decoded, Stream, decoded
from monitor.discovery.trees import is_sample_name
from monitor.discovery.unit import UnitFound, apart, unit_of
from monitor.records.signal import Message

YES_OR_NO = (Choice("no"), Choice("yes"))
DEFEATED = "These messages defeat the guesses"
MAX_REFUSED = 0.1  # of the messages: with more the reading is not right


def discover(
    messages: Sequence[Message], answers: Mapping[str, str] | None = None
) -> Discovery:
    """Pure. answers : to the questions of an earlier turn, by key or by "number.key"."""
    in_order = sorted(messages, key=lambda one: one.received_ns)
    groups, passed = groups_of(gathered(in_order))
    found = [
        _proposal(group, Notes(number, answers or {}))
        for number, group in enumerate(groups, 1)
    ]
    found = merged(found)
    tell_apart(found)
    name_apart(found)
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
    """Nothing in it looks like vibration, nor is called so."""
    asked = next((one for one in proposal.questions if one.key == "samples"), None)
    if proposal.topic or asked is None:
        return False
    paths = [path for choice in asked.choices for path in choice.value.split(",")]
    return not any(map(is_sample_name, paths))


def _proposal(group: ShapeGroup, notes: Notes) -> Proposal:
    proposal = Proposal(notes.number, group.topics, len(group.messages))
    try:
        reading = reading_of(group, notes)
        if reading is not None:
            _complete(proposal, group, reading, notes)
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        # A fault of ours on a stranger's messages must not cost the other shapes.
        proposal.rules = []
        notes.ask("payload", f"{DEFEATED} ({error}). How are they written?")
    proposal.reasons, proposal.questions = notes.reasons, notes.questions
    return proposal


def _complete(
    proposal: Proposal, group: ShapeGroup, reading: Reading, notes: Notes
) -> None:
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


def _hear_second_opinion(
    proposal: Proposal, messages: Sequence[Message], notes: Notes
) -> None:
    """What the service would refuse to judge is not proposed."""
    rules = {
        name: SensorSettings.model_validate(rule.settings)
        for rule in proposal.rules
        for name in rule.sensors
    }
    if not rules or len(rules) < len(proposal.streams):
        return
    trouble = contradiction(messages, proposal.topic, proposal.payload, rules)
    if (
        trouble
        and notes.ask("doubt", f"{trouble} Is it right all the same?", YES_OR_NO) != "yes"
    ):
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
        notes.ask(
            "payload", f"No settings read these messages ({error}): how are they written?"
        )
        return None
    if found.n_refused > MAX_REFUSED * len(messages):
        why, n = found.refusals.most_common(1)[0]
        notes.ask("payload", f"{n} of {len(messages)} messages cannot be read so: {why}")
        return None
    return found


# -- rules ----------------------------------------------------------------------------------------


def _rules(found: Decoded, reading: Reading, group: ShapeGroup, notes: Notes) -> list[Rule]:
    """One for all sensors that are alike; none where something is asked."""
    is_measured = any(reading.payload.get(key) for key in ("sample_time", "time_column"))
    cadences = {}
    for name, stream in found.streams.items():
        cadence = rate.cadence_of(stream, reading.is_weak, notes, is_measured)
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
        alike = [found.streams[name] for name in cluster]
        by_unit = [alike] if is_stated else apart(alike)
        for own in by_unit:
            unit = _unit(own, names, is_stated, reading.velocity, notes, len(by_unit) == 1)
            if unit is not None:
                cadence = cadences[own[0].sensor]
                settings = _rule_settings(cadence, own[0], reading.channels, unit)
                rules.append(Rule(tuple(one.sensor for one in own), settings))
    return rules


def _unit(
    streams: Sequence[Stream],
    names: Sequence[str],
    is_stated: bool,
    velocity: str,
    notes: Notes,
    is_alone: bool,
) -> UnitFound | None:
    if velocity:
        notes.say("unit", f"{velocity}: the messages say so, and it is one of velocity")
        return UnitFound(velocity)
    return unit_of(streams, names, is_stated, notes, is_alone)


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
