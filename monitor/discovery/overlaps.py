"""Proposals of one broker together: shapes that one subscription reads are one; where a pattern
would take another shape's topics, a subscription names its own topics alone; and no two shapes
name one sensor.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from monitor.discovery.notes import Question
from monitor.discovery.proposed import Proposal
from monitor.records.topic import PLACES, TopicPattern

OPEN = re.compile(r"\{(\w+)\}")
BRACES = set("{}")


def merged(proposals: Sequence[Proposal]) -> list[Proposal]:
    """Of complete ones with the same topic and payload, one each."""
    kept: list[Proposal] = []
    for one in proposals:
        twin = next((other for other in kept if _are_alike(one, other)), None)
        if twin is None:
            kept.append(one)
        else:
            _add(twin, one)
    return kept


def _are_alike(one: Proposal, other: Proposal) -> bool:
    is_same = (one.topic, one.payload) == (other.topic, other.payload)
    return is_same and one.is_complete and other.is_complete


def _add(twin: Proposal, one: Proposal) -> None:
    twin.topics += one.topics
    twin.n_messages += one.n_messages
    twin.n_read += one.n_read
    twin.rules += one.rules
    twin.refusals += one.refusals
    twin.streams |= one.streams
    twin.reasons += [reason for reason in one.reasons if reason not in twin.reasons]


def tell_apart(proposals: Sequence[Proposal]) -> None:
    """Each that would take others' topics gets its own as they are; of complete ones all but that
    with most topics.
    """
    left = [one for one in proposals if one.is_complete]
    open_ones = [one for one in proposals if not one.is_complete]
    for one in sorted(left, key=lambda other: len(other.topics)):
        others = [other for other in left if other is not one]
        is_among = any(_takes(one, other) or _takes(other, one) for other in others)
        if is_among or any(_takes(one, other) for other in open_ones):
            one.own_topics = [_as_it_is(one.topic, topic) for topic in one.topics]
            left = others


def _takes(one: Proposal, other: Proposal) -> bool:
    """Whether the pattern of one fits a topic of the other."""
    pattern = TopicPattern.parse(one.topic, needs_machine=False)
    return any(pattern.match(topic) is not None for topic in other.topics)


def _as_it_is(pattern: str, topic: str) -> str:
    """hall/{machine=m1} of hall/{machine} and hall/m1"""
    pairs = zip(pattern.split("/"), topic.split("/"), strict=True)
    return "/".join(_level(level, text) for level, text in pairs)


def _level(level: str, text: str) -> str:
    found = OPEN.fullmatch(level)
    if found is None or BRACES & set(text):
        return level if level != "+" else text
    return f"{{{found[1]}={text}}}"


def name_apart(proposals: Sequence[Proposal]) -> None:
    """Where sensors of two shapes have one name, a level above the machine goes into it."""
    complete = [one for one in proposals if one.is_complete]
    owners = Counter(name for one in complete for name in set(_names(one)))
    for one in complete:
        if shared := next((name for name in _names(one) if owners[name] > 1), ""):
            _name_by_place(one, shared)


def _names(one: Proposal) -> list[str]:
    return [name for rule in one.rules for name in rule.sensors]


def _name_by_place(one: Proposal, shared: str) -> None:
    levels = one.topic.split("/")
    plain = [
        k for k, level in enumerate(levels) if not BRACES & set(level) and level != "+"
    ]
    machine = next((k for k, level in enumerate(levels) if level == "{machine}"), None)
    has_place = any(f"{{{place}}}" in levels for place in PLACES)
    if machine is None or has_place or not plain:
        text = f"Other topics name a sensor {shared} as well: which levels tell them apart?"
        one.questions.append(Question("topic", text))
        return
    above = [k for k in plain if k < machine] or plain
    place = levels[above[-1]]
    one.topic = _with_place(one.topic, above[-1])
    one.own_topics = [_with_place(topic, above[-1]) for topic in one.own_topics]
    one.rules = [
        replace(rule, sensors=tuple(f"{place}.{name}" for name in rule.sensors))
        for rule in one.rules
    ]


def _with_place(topic: str, at: int) -> str:
    levels = topic.split("/")
    levels[at] = f"{{{PLACES[0]}={levels[at]}}}"
    return "/".join(levels)
