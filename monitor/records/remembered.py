"""What earlier messages told that later ones need, as the journal keeps it over a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.records.context import ContextKey, Told
from monitor.records.series import Part, PartKey
from monitor.records.signal import Message


@dataclass(frozen=True, slots=True)
class Remembered:
    """births : Sparkplug's birth certificates that hold, by topic
    parts : of series that are not complete, in their order of arrival
    context : speeds, loads and tools told last
    healthy : commissionings of which a healthy signal is kept, by sensor
    """

    births: Mapping[str, bytes] = field(default_factory=dict)
    parts: Mapping[PartKey, tuple[Part, Message]] = field(default_factory=dict)
    context: Mapping[ContextKey, Told] = field(default_factory=dict)
    healthy: Mapping[str, int] = field(default_factory=dict)


NOTHING = Remembered()
