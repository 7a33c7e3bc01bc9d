"""Formats that say what they are: SenML's records and Sparkplug's metrics."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from monitor.discovery import words
from monitor.discovery.notes import Choice, Notes
from monitor.signal.payload.protobuf import NotProtobuf, fields
from monitor.signal.payload.senml import LABELS, SEPARATORS
from monitor.signal.payload.units import MS2_PER_UNIT, spelled

_METRIC, _SEQUENCE, _NAME, _DATATYPE = 2, 3, 1, 4
# Fields of a metric that hold its value.
INTEGERS, _OTHER_NUMBERS, BYTES = (10, 11), (12, 13), 16


class Metric(NamedTuple):
    """field : that holds the value. datatype : as stated, 0 where it is not. held : its bytes"""

    field: int
    datatype: int
    held: bytes


def is_senml(tree: Any) -> bool:
    """A list of records with values under the labels of SenML, and a name or base name."""
    if (
        not isinstance(tree, list)
        or not tree
        or not all(isinstance(one, dict) for one in tree)
    ):
        return False
    keys = set(LABELS.values())
    records = [_labelled(one) for one in tree]
    has_names = all({"n", "bn"} & set(one) or index for index, one in enumerate(records))
    known = all(set(map(str, one)) <= keys for one in records)
    return known and has_names and any("v" in one for one in records)


def _labelled(record: dict[Any, Any]) -> dict[Any, Any]:
    return {
        LABELS.get(key, key) if type(key) is int else key: record[key] for key in record
    }


def senml_settings(
    trees: Sequence[Any], has_machine: bool, notes: Notes
) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """has_machine : the topic names it"""
    names, units = _senml_names(trees)
    usable = [name for name in names if units[name] is None or units[name] in MS2_PER_UNIT]
    usable = [name for name in usable if not words.is_context(name)]
    channels = _axis_ends(usable)
    settings: dict[str, Any] = {}
    if channels:
        settings["channels"] = list(channels)
    devices = {_device(name, channels) for name in usable}
    if not usable:
        notes.ask("channels", "No record is an acceleration: which names are samples?")
        return None
    if devices != {""}:
        settings["device"] = "point" if has_machine else "machine"
    notes.say("format", f"SenML, records of {', '.join(sorted(names)[:6])}")
    return settings, tuple(channels) or ("a",)


def _senml_names(trees: Sequence[Any]) -> tuple[list[str], dict[str, str | None]]:
    """Names of records with numbers, and their units."""
    units: dict[str, str | None] = {}
    for tree in trees:
        base: dict[str, Any] = {}
        for record in map(_labelled, tree):
            base |= {key: record[key] for key in ("bn", "bu") if key in record}
            if "v" in record:
                unit = record.get("u", base.get("bu"))
                name = f"{base.get('bn', '')}{record.get('n', '')}"
                units[name] = None if unit is None else spelled(str(unit))
    return list(units), units


def _axis_ends(names: Sequence[str]) -> tuple[str, ...]:
    """Where the names are one device's axes: their ends."""
    stems: dict[str, list[str]] = {}
    for name in names:
        head = name.rstrip(SEPARATORS)
        cut = max(head.rfind(sign) for sign in SEPARATORS) + 1
        stems.setdefault(head[:cut], []).append(head[cut:])
    ends = {tuple(sorted(found)) for found in stems.values()}
    if len(ends) != 1:
        return ()
    only = ends.pop()
    return only if all(words.axis_of(end) for end in only) else ()


def _device(name: str, channels: Sequence[str]) -> str:
    end = next((one for one in channels if name.endswith(one)), "")
    return name.removesuffix(end).rstrip(SEPARATORS)


# -- Sparkplug ------------------------------------------------------------------------------------


def sparkplug_metrics(data: bytes) -> dict[str, Metric]:
    """By name. None of what is no Sparkplug."""
    try:
        return _metrics(data)
    except NotProtobuf:
        return {}


def _metrics(data: bytes) -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    for number, value in fields(data):
        if number != _METRIC or not isinstance(value, bytes):
            continue
        name, place, datatype, held = "", 0, 0, b""
        for key, inner in fields(value):
            if key == _NAME and isinstance(inner, bytes):
                name = inner.decode("utf-8", "replace")
            elif key == _DATATYPE and isinstance(inner, int):
                datatype = inner
            elif key in (*INTEGERS, *_OTHER_NUMBERS, BYTES):
                place, held = key, inner if isinstance(inner, bytes) else b""
        before = found.get(name)
        found[name] = Metric(place, datatype, (before.held if before else b"") + held)
    return found


def sparkplug_names(
    payloads: Sequence[bytes], notes: Notes
) -> tuple[list[str], list[Metric]] | None:
    """The metrics that are samples, and what they hold over all messages."""
    everything = [sparkplug_metrics(data) for data in payloads]
    kinds: dict[str, Metric] = {}
    for one in everything:
        kinds |= one
    if "" in kinds:
        notes.ask(
            "metrics",
            "Metrics have an alias and no name, and no birth certificate was heard that names them:"
            " have the edge node born again (restart it, or write true to its Node"
            " Control/Rebirth) while discover listens.",
        )
        return None
    waves = [name for name, one in kinds.items() if one.field == BYTES]
    names = waves or [name for name in kinds if not words.is_context(name)]
    if not names:
        notes.ask("metrics", "Which metrics are samples?", [Choice(name) for name in kinds])
        return None
    if len(names) > 1 and not words.are_axes([name.replace("/", ".") for name in names]):
        answer = notes.ask(
            "metrics",
            f"Which metrics are samples: {', '.join(names)}?",
            [Choice(",".join(names))],
        )
        if answer is None:
            return None
        names = [one.strip() for one in answer.split(",")]
    notes.say("format", f"Sparkplug B, metrics {', '.join(names)}")
    return names, [kinds[name] for name in names if name in kinds]


def has_own_sequence(payloads: Sequence[bytes]) -> bool:
    """Whether the edge node counts nothing but these messages: its seq goes from 0 to 255."""
    found = []
    for data in payloads:
        whole = dict(fields(data))
        found.append(whole.get(_SEQUENCE))
    steps = [
        (b - a) % 256
        for a, b in pairwise(found)
        if isinstance(a, int) and isinstance(b, int)
    ]
    return len(steps) > 4 and len(steps) == len(payloads) - 1 and set(steps) == {1}
