"""Messages of one shape together: topics as long, one format, the samples in one place."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from monitor.discovery import words
from monitor.discovery.nodes import long_texts, nodes
from monitor.discovery.opened import Opened, opened
from monitor.discovery.records_of import is_senml
from monitor.discovery.text_lines import table_of
from monitor.discovery.topics import is_foreign
from monitor.discovery.trees import places
from monitor.records.signal import Message

Key = tuple[object, ...]
TREES = ("json", "cbor", "msgpack")
N_LOOKED_AT = 8  # messages of a topic, for the unit they state
MANY = 4  # messages that bear one text: it is a name, and no signal


@dataclass(frozen=True, slots=True)
class ShapeGroup:
    """key : compression, format, and what tells the place of the samples"""

    key: Key
    messages: tuple[Opened, ...]

    @property
    def topics(self) -> list[str]:
        return list(dict.fromkeys(one.message.topic for one in self.messages))


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A topic whose messages are no samples, or of another shape than most of it."""

    topic: str
    n_messages: int
    why: str


def groups_of(messages: Sequence[Message]) -> tuple[list[ShapeGroup], list[PassedOver]]:
    """The shapes, those with most bytes first."""
    passed: list[PassedOver] = []
    by_topic: dict[str, list[Opened]] = defaultdict(list)
    for message in messages:
        if message.payload and not message.retained and not is_foreign(message.topic):
            by_topic[message.topic].append(opened(message))
    groups: dict[Key, list[Opened]] = defaultdict(list)
    for topic, same in by_topic.items():
        ids = _ids_of(same)
        found = [replace(one, ids=ids) for one in same]
        keyed = [(_key_of(one), one) for one in found]
        key, _ = Counter(key for key, _ in keyed).most_common(1)[0]
        kept = [one for own, one in keyed if own == key]
        if len(kept) < len(found):
            passed.append(PassedOver(topic, len(found) - len(kept), "of another shape"))
        units = _stated_units(kept)
        if units and units <= words.OTHER_UNITS:
            passed.append(PassedOver(topic, len(kept), f"in {', '.join(sorted(units))}"))
            continue
        if key[-1] is None or _is_of_context(topic):
            passed.append(PassedOver(topic, len(kept), "no samples of vibration"))
            continue
        groups[topic.count("/"), _maker(kept), units, *key].extend(kept)
    ordered = sorted(
        groups.items(), key=lambda one: -sum(len(k.message.payload) for k in one[1])
    )
    return [ShapeGroup(key[3:], tuple(found)) for key, found in ordered], passed


def _maker(messages: Sequence[Opened]) -> object:
    """What senders of one make have in common: the keys beside the samples, else the length."""
    if all(isinstance(one.tree, dict) for one in messages):
        return frozenset(str(key) for one in messages for key in one.tree)
    lengths = {len(one.message.payload) for one in messages if one.kind == "bytes"}
    return lengths.pop() if len(lengths) == 1 else None


def _stated_units(messages: Sequence[Opened]) -> frozenset[str]:
    """As the messages of one topic say them, in small letters."""
    return frozenset(
        value.strip().lower()
        for one in messages[:N_LOOKED_AT]
        if one.kind in TREES
        for path, value in nodes(one.tree)
        if isinstance(value, str) and words.says(path, words.UNIT)
    )


def _ids_of(messages: Sequence[Opened]) -> frozenset[str]:
    """Words and ids read like base64 or hex, but a signal does not come again and again."""
    trees = [one.tree for one in messages if one.kind in TREES]
    bearing = Counter(text for tree in trees for text in set(long_texts(tree)))
    enough = min(MANY, max(2, len(trees)))
    return frozenset(text for text, n in bearing.items() if n >= enough)


def _is_of_context(topic: str) -> bool:
    """By the last level that says what comes: press/temperature/state"""
    for level in reversed(topic.split("/")):
        if not set(words.tokens(level)) <= words.GENERIC_LEVELS:
            return words.is_context(level)
    return False


def _key_of(one: Opened) -> Key:
    """Its last part is None where no samples are found."""
    return one.compression, one.kind, _place_key(one)


def _place_key(one: Opened) -> object:
    if one.kind in TREES:
        if is_senml(one.tree):
            return "senml"
        found = places(one.tree, one.ids)
        return found[0] if found else None
    if one.kind == "text":
        table = table_of(one.tree)
        if table is not None:
            return table.shape
        return "text" if any(map(str.isdigit, one.tree)) else None  # online, offline
    return one.kind
