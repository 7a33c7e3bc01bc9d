"""What the next owner of a partition needs where it has not the old one's journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.records.position import SourcePosition

Tree = Mapping[str, Any]  # plain values, as JSON has them


@dataclass(frozen=True, slots=True)
class Succession:
    """All of one moment of a journal.

    owner : the journal's own name
    position : of the first record that must be read again
    streams : of each sensor: where its stream stands, its alarm, its books
    commissionings : of each sensor that has one
    births : Sparkplug's birth certificates that hold, by topic
    """

    owner: str
    position: SourcePosition
    streams: Mapping[str, Tree]
    commissionings: Mapping[str, Tree]
    births: Mapping[str, bytes] = field(default_factory=dict)
