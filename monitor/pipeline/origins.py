"""Which topic each sensor comes on. Pure.

Where a level of a subscription has no name, two topics can name one sensor.
That is well where two gateways relay the same messages, and wrong where two
plants have a pump-1 each: their streams would be one. The payloads tell them
apart. Who came first is the sensor; who repeats its messages is a relay;
anybody else is refused.

Likewise where one topic brings the messages of several senders, and nobody said
which field tells them apart.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

N_REMEMBERED = 16  # messages that a relay may be behind or ahead
N_PROOFS = 2  # different payloads: a dead sensor anywhere sends the same zeros
MAX_RIVALS = 16  # topics told apart for one sensor
MAX_NAMES = 64  # likewise, names in messages


class Origin(Enum):
    ITSELF = "itself"
    REPEATED = "repeated"  # came before on another topic
    MOVED = "moved"  # its first topic fell silent, this one takes over
    FOREIGN = "foreign"


@dataclass(slots=True)
class _Rival:
    """A second topic of a sensor. refused : checksums of its messages that were refused"""

    refused: deque[int] = field(default_factory=lambda: deque(maxlen=N_REMEMBERED))
    proofs: set[int] = field(default_factory=set)  # checksums that the sensor sent, too
    is_foreign: bool = False  # both spoke in turns, and said different things


@dataclass(slots=True)
class _Known:
    """One sensor. taken : (checksum, topic) of messages that may come again on another topic"""

    topic: str
    taken: deque[tuple[int, str]] = field(
        default_factory=lambda: deque(maxlen=N_REMEMBERED)
    )
    relays: set[str] = field(default_factory=set)
    rivals: dict[str, _Rival] = field(default_factory=dict)

    def repeats(self, checksum: int, topic: str) -> bool:
        """Whether another topic brought this before. Each message is repeated once at most."""
        for index, (seen, where) in enumerate(self.taken):
            if seen == checksum and where != topic:
                del self.taken[index]
                return True
        return False

    def note_proof(self, topic: str, checksum: int) -> None:
        """A rival and the sensor sent the same."""
        rival = self.rivals[topic]
        rival.proofs.add(checksum)
        if len(rival.proofs) >= N_PROOFS:
            self.relays.add(topic)
            del self.rivals[topic]


@dataclass(slots=True)
class _Said:
    """Who one sensor's messages say they are from.

    names : that are remembered; n_new, n_back : changes to a new name, and to a
        remembered one
    """

    first: str
    last: str
    names: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_NAMES))
    n_new: int = 1
    n_back: int = 0
    is_shared: bool = False
    n_refused: int = 0

    def change(self, name: str) -> None:
        self.last = name
        if name == self.first or name in self.names:
            self.n_back += 1
            self.is_shared = self.is_shared or self.n_back >= self.n_new
        else:
            self.n_new += 1
            self.names.append(name)


class Senders:
    """Of every sensor: whether its messages are of one sender, by a field that nobody configured.

    A field that hardly ever comes back to an earlier value is a message's own
    number, of which some come twice, or a sensor that was replaced. One that
    does as a rule is senders that take turns: who was heard first is the
    sensor.
    """

    def __init__(self) -> None:
        self._said: dict[str, _Said] = {}

    def is_foreign(self, sensor: str, origin: str, is_silent: bool) -> bool:
        """is_silent : nothing was heard of the sensor for long"""
        said = self._said.get(sensor)
        if said is None or (is_silent and origin != said.first):
            said = self._said[sensor] = _Said(origin, origin)
        if origin != said.last:
            said.change(origin)
        if not said.is_shared or origin == said.first:
            return False
        said.n_refused += 1
        return True

    def is_news(self, sensor: str) -> bool:
        """Whether a message has been refused for the first time."""
        return self._said[sensor].n_refused == 1

    def first_of(self, sensor: str) -> str:
        return self._said[sensor].first


class Origins:
    """Of every sensor, by name."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def topic_of(self, sensor: str) -> str:
        """The topic that is the sensor's."""
        return self._known[sensor].topic

    def is_news(self, sensor: str, topic: str) -> bool:
        """Whether a foreign topic has been refused for the first time."""
        rival = self._known[sensor].rivals.get(topic)
        return rival is not None and len(rival.refused) == 1 and not rival.is_foreign

    def judge(self, sensor: str, topic: str, checksum: int, is_silent: bool) -> Origin:
        """What a message on this topic is to the sensor that it names.

        checksum : of the payload
        is_silent : nothing was heard of the sensor for long
        """
        known = self._known.get(sensor)
        if known is None:
            known = self._known[sensor] = _Known(topic)
        if topic == known.topic:
            if known.rivals:
                self._look_at_rivals(known, checksum)
        elif topic not in known.relays:
            return self._judge_rival(known, topic, checksum, is_silent)
        if known.relays and known.repeats(checksum, topic):
            return Origin.REPEATED
        known.taken.append((checksum, topic))
        return Origin.ITSELF

    @staticmethod
    def _look_at_rivals(known: _Known, checksum: int) -> None:
        """The sensor speaks: a rival that said the same before was a relay ahead of it."""
        for topic, rival in list(known.rivals.items()):
            if checksum in rival.refused:
                known.note_proof(topic, checksum)
            elif rival.refused:
                rival.is_foreign = True

    @staticmethod
    def _judge_rival(known: _Known, topic: str, checksum: int, is_silent: bool) -> Origin:
        if topic not in known.rivals and len(known.rivals) >= MAX_RIVALS:
            return Origin.FOREIGN
        rival = known.rivals.setdefault(topic, _Rival())
        if known.repeats(checksum, topic):
            known.note_proof(topic, checksum)
            return Origin.REPEATED
        if is_silent and not rival.is_foreign:
            known.topic = topic
            del known.rivals[topic]
            known.taken.append((checksum, topic))
            return Origin.MOVED
        rival.refused.append(checksum)
        return Origin.FOREIGN
