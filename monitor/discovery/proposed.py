"""What discovery proposes for the shapes of messages that it found: subscriptions, rules, reasons,
questions.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from monitor.discovery.notes import Question, Reason
from monitor.discovery.shapes import PassedOver
from monitor.discovery.streams import Stream


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule under `sensors`, and whom it is for."""

    sensors: tuple[str, ...]
    settings: dict[str, Any]


@dataclass(slots=True)
class Proposal:
    """topic : "" where not even that is known; payload : its settings, format first
    own_topics : to be subscribed to in its place, where it would take other shapes' topics
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
    own_topics: list[str] = field(default_factory=list)

    @property
    def subscribed(self) -> list[str]:
        return self.own_topics or [self.topic]

    @property
    def is_complete(self) -> bool:
        return not self.questions and bool(self.rules)


@dataclass(frozen=True, slots=True)
class Discovery:
    proposals: list[Proposal]
    passed_over: list[PassedOver]
