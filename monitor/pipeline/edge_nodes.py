"""What Sparkplug's edge nodes have said of themselves: births, deaths and running numbers. Pure.

A birth certificate names the aliases that data bear. It is stored with the
batch that settles it, so a restart still knows it. A death certificate silences
the sensors behind it at once. A missing number tells that some message of the
node was lost: of which of its sensors, only their times can tell.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from monitor.records.batch import Command
from monitor.records.signal import Chunk, Message
from monitor.signal.payload import sparkplug, sparkplug_message
from monitor.signal.payload.base import DecoderSettings, PayloadError, check_size
from monitor.signal.payload.birth import Birth
from monitor.signal.payload.facts import quote
from monitor.signal.payload.sparkplug_message import Payload
from monitor.signal.payload.sparkplug_topic import BIRTHS, COMMANDS, DEATHS, SparkplugTopic

MAX_SENDERS = 5000  # edge nodes and devices
MAX_BIRTH_BYTES = 32 << 20  # of all birth certificates together
MAX_ALIASES = 200_000  # likewise
N_SEQUENCE = 256  # numbers go from 0 to 255
N_LATE = 16  # a number behind by less is a message that was overtaken, or came twice
FIRST_PAUSE_NS, MAX_PAUSE_NS = 10 * 10**9, 600 * 10**9  # between two requests for a birth
# within the first pause, to all edge nodes: a hostile publisher may invent some
MAX_REQUESTS = 20
N_NAMED = 8  # metrics that a sentence names


@dataclass(slots=True)
class EdgeNews:
    """What messages of edge nodes brought beside samples.

    missing : data topics whose sensors may miss messages
    dead : data topics whose sensors have ended, with the reason
    births : by topic, to be stored; None: void from now on
    """

    counters: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    dead: list[tuple[str, str]] = field(default_factory=list)
    births: dict[str, bytes | None] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)


@dataclass(slots=True)
class _Node:
    """births : by device, "" for the node's own. senders : all that were heard"""

    births: dict[str, Birth] = field(default_factory=dict)
    senders: set[str] = field(default_factory=set)
    sequence: int | None = None
    asked_ns: int | None = None  # when a birth was last asked for
    pause_ns: int = FIRST_PAUSE_NS


class EdgeNodes:
    """Of every edge node that a subscription hears."""

    def __init__(self, births: Mapping[str, bytes], max_bytes: int) -> None:
        """births : as an earlier process stored them, by topic
        max_bytes : of one payload, compressed or not
        """
        self._nodes: dict[tuple[str, str, str], _Node] = {}
        self._n_senders = 0
        # when births were asked for
        self._asked_ns: deque[int] = deque(maxlen=MAX_REQUESTS)
        # bytes and aliases of births, by topic
        self._sizes: dict[str, tuple[int, int]] = {}
        self._max_bytes = max_bytes
        self._news: EdgeNews | None = None
        for topic in sorted(births, key=lambda topic: "/DBIRTH/" in topic):
            self._restore(topic, births[topic])
        self._news = None  # those were told before

    @property
    def _fresh(self) -> EdgeNews:
        """Where news is put."""
        if self._news is None:
            self._news = EdgeNews()
        return self._news

    @property
    def has_news(self) -> bool:
        return self._news is not None

    def take_news(self) -> EdgeNews:
        """What there is since the last call."""
        news, self._news = self._news, None
        return news or EdgeNews()

    def forget(self) -> None:
        """Births and deaths may have been missed: none of those known is sure any more."""
        self._fresh.births.update(dict.fromkeys(self._sizes))
        self._nodes.clear()
        self._sizes.clear()
        self._n_senders = 0

    def read_data(
        self, message: Message, topic: SparkplugTopic, settings: DecoderSettings
    ) -> list[Chunk]:
        """The samples of NDATA or DDATA. Raises PayloadError."""
        check_size(message, settings.max_bytes)
        content = sparkplug_message.read(message.payload, settings.max_bytes)
        node = self._node(topic)
        assert isinstance(settings.payload, sparkplug.SparkplugPayload)
        may_ask = settings.payload.request_rebirth
        if not self._follow(node, topic, content) and may_ask:
            self._ask(node, topic, message.received_ns)
        try:
            known = replace(settings, birth=node.births.get(topic.device))
            return sparkplug.chunks_of(content, message, known)
        except PayloadError as error:
            if error.reason == "unknown_alias" and may_ask:
                self._ask(node, topic, message.received_ns)
            raise

    def birth_of(self, topic: SparkplugTopic) -> Birth | None:
        """The newest birth certificate of a message's sender."""
        node = self._nodes.get(topic.node)
        return None if node is None else node.births.get(topic.device)

    def ask_for_birth(self, topic: SparkplugTopic, now_ns: int) -> None:
        """Unless that was done lately."""
        self._ask(self._node(topic), topic, now_ns)

    def note(
        self, message: Message, topic: SparkplugTopic, wanted: Sequence[str] | None
    ) -> None:
        """Any other message of an edge node. Raises PayloadError for what cannot be used.

        wanted : metrics whose samples are read, where the sender's are
        """
        if topic.kind in COMMANDS:
            return
        check_size(message, self._max_bytes)
        content = sparkplug_message.read(message.payload, self._max_bytes)
        if topic.kind in DEATHS:
            self._note_death(topic, content, message.retained)
        elif topic.kind in BIRTHS:
            self._note_birth(message, topic, content, wanted)
        else:
            self._follow(self._node(topic), topic, content)

    def _node(self, topic: SparkplugTopic) -> _Node:
        """Known, or made; one beyond the bound is not kept."""
        node = self._nodes.get(topic.node)
        if node is None:
            node = _Node()
        if topic.device not in node.senders and self._n_senders < MAX_SENDERS:
            self._nodes[topic.node] = node
            self._n_senders += 1
            node.senders.add(topic.device)
        return node

    def _follow(self, node: _Node, topic: SparkplugTopic, content: Payload) -> bool:
        """Follow the node's running number. False where messages are missing before this one."""
        last, now = node.sequence, content.sequence
        if now is None:
            return True
        node.sequence = now
        if last is None:
            return True
        n_lost = (now - last - 1) % N_SEQUENCE
        if not n_lost:
            return True
        if n_lost >= N_SEQUENCE - N_LATE:
            node.sequence = last
            self._fresh.counters["sparkplug.late_messages"] += 1
            return True
        self._fresh.counters["sparkplug.lost_messages"] += n_lost
        self._fresh.missing += [topic.data_of(device) for device in sorted(node.senders)]
        return False

    def _ask(self, node: _Node, topic: SparkplugTopic, now_ns: int) -> None:
        """Ask the edge node for its births, unless that was done lately, or many were asked."""
        if node.asked_ns is not None and 0 <= now_ns - node.asked_ns < node.pause_ns:
            return
        asked = self._asked_ns
        if len(asked) == MAX_REQUESTS and 0 <= now_ns - asked[0] < FIRST_PAUSE_NS:
            return
        if node.asked_ns is not None:
            node.pause_ns = min(2 * node.pause_ns, MAX_PAUSE_NS)
        node.asked_ns = now_ns
        asked.append(now_ns)
        request = sparkplug_message.rebirth_request(now_ns // 10**6)
        self._fresh.commands.append(Command(topic.of("NCMD", ""), request))
        self._fresh.counters["sparkplug.rebirth_requests"] += 1

    def _note_birth(
        self,
        message: Message,
        topic: SparkplugTopic,
        content: Payload,
        wanted: Sequence[str] | None,
    ) -> None:
        node = self._node(topic)
        if message.retained and topic.device in node.births:
            return  # of some earlier time
        # Also where the new one cannot be used, the old ones hold no longer.
        if topic.kind == "NBIRTH":
            self._begin(node, topic, None if message.retained else content.sequence)
        else:
            self._void(node, topic, topic.device)
            if not message.retained:
                self._follow(node, topic, content)
        birth = sparkplug_message.birth_of(content)
        size = len(message.payload), len(birth.names)
        self._check_room(topic, node, *size)
        node.births[topic.device] = birth
        self._sizes[message.topic] = size
        self._fresh.births[message.topic] = message.payload
        self._fresh.counters["sparkplug.births"] += 1
        _check_names(birth, wanted)

    def _begin(self, node: _Node, topic: SparkplugTopic, sequence: int | None) -> None:
        """A node's birth: its number starts over, and its devices' births are to come."""
        node.sequence, node.asked_ns, node.pause_ns = sequence, None, FIRST_PAUSE_NS
        for device in list(node.births):
            self._void(node, topic, device)

    def _check_room(
        self, topic: SparkplugTopic, node: _Node, n_bytes: int, n_aliases: int
    ) -> None:
        n_bytes += sum(size for size, _ in self._sizes.values())
        n_aliases += sum(n for _, n in self._sizes.values())
        is_known = topic.device in node.senders
        if n_bytes > MAX_BIRTH_BYTES or n_aliases > MAX_ALIASES or not is_known:
            text = (
                f"This birth certificate would be more than {MAX_ALIASES} aliases,"
                f" {MAX_BIRTH_BYTES} bytes or {MAX_SENDERS} senders in all."
            )
            raise PayloadError("too_many_births", text)

    def _note_death(
        self, topic: SparkplugTopic, content: Payload, is_retained: bool
    ) -> None:
        node = self._nodes.get(topic.node)
        if node is None or is_retained:
            return
        if topic.kind == "DDEATH":
            self._follow(node, topic, content)
            self._bury(node, topic, topic.device)
            return
        own = node.births.get("")
        number = sparkplug_message.death_number(content)
        if own is None or own.death_number != number:
            # The broker tells of an old connection after the node has come back over a new one.
            self._fresh.counters["sparkplug.other_deaths"] += 1
            return
        node.sequence = None
        for device in sorted(node.senders):
            self._bury(node, topic, device)

    def _bury(self, node: _Node, topic: SparkplugTopic, device: str) -> None:
        self._void(node, topic, device)
        self._fresh.dead.append((topic.data_of(device), topic.kind))

    def _void(self, node: _Node, topic: SparkplugTopic, device: str) -> None:
        if node.births.pop(device, None) is not None:
            of_birth = topic.of("DBIRTH" if device else "NBIRTH", device)
            self._sizes.pop(of_birth, None)
            self._fresh.births[of_birth] = None

    def _restore(self, name: str, payload: bytes) -> None:
        topic = SparkplugTopic.parse(name)
        if topic is not None:
            # Was read before; what an older program took and this one refuses is asked for again.
            with suppress(PayloadError):
                self.note(Message(name, payload, 0), topic, None)
                self._nodes[topic.node].sequence = None


def _check_names(birth: Birth, wanted: Sequence[str] | None) -> None:
    missing = [name for name in wanted or () if name not in birth.datatypes]
    if missing:
        names = sorted(birth.datatypes)
        more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
        text = (
            f"The birth certificate has no metric {quote(missing[0])}; it has"
            f" {', '.join(quote(name) for name in names[:N_NAMED])}{more}."
        )
        raise PayloadError("no_samples", text)
