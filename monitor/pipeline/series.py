"""Parts that wait for the others of their series. Pure.

They are stored with the batch that settles their messages: a broker that lets
few messages be under way would else never send the last part, and a restart
would lose the first ones. What is stored goes when the samples of the whole
are.
"""

from __future__ import annotations

import zlib
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from monitor.records.series import Part, PartKey, SeriesKey
from monitor.records.signal import Message
from monitor.signal.payload.base import PayloadError

TIMEOUT_NS = 60 * 10**9  # after its last part a series is given up
MAX_SERIES = 1000
MAX_BYTES = 64 << 20  # of all parts that wait


@dataclass(slots=True)
class _Series:
    """messages : by part number"""

    messages: dict[int, Message] = field(default_factory=dict)
    count: int | None = None
    checksum: str = ""
    n_bytes: int = 0
    heard_ns: int = 0

    @property
    def is_whole(self) -> bool:
        return len(self.messages) == self.count

    @property
    def in_order(self) -> list[Message]:
        return [self.messages[index] for index in sorted(self.messages)]


@dataclass(frozen=True, slots=True)
class Whole:
    """A series that is complete. keys : of its parts, as they are stored"""

    messages: Sequence[Message]
    checksum: str
    keys: Sequence[PartKey]
    follows_incomplete: bool  # an older one of its topic still waits for parts


@dataclass(slots=True)
class SeriesNews:
    """parts : to be stored; None: no longer
    given_up : the first message of each series that stayed incomplete, and a
        sentence
    """

    counters: Counter[str] = field(default_factory=Counter)
    parts: dict[PartKey, tuple[Part, Message] | None] = field(default_factory=dict)
    given_up: list[tuple[Message, str]] = field(default_factory=list)


class SeriesBook:
    """All series that wait, the oldest first."""

    def __init__(
        self, stored: Mapping[PartKey, tuple[Part, Message]], max_bytes: int
    ) -> None:
        """stored : by an earlier process. max_bytes : of one payload"""
        self._waiting: OrderedDict[SeriesKey, _Series] = OrderedDict()
        self._max_bytes = max_bytes
        self._n_bytes = 0
        # By topic, its last whole one: name, and the checksums of its parts.
        self._last: OrderedDict[str, tuple[str, dict[int, int]]] = OrderedDict()
        self._news: SeriesNews | None = None
        self._whole: Whole | None = None
        for part, message in stored.values():
            self._keep(part, message)

    def take_whole(self) -> Whole | None:
        """The series that was completed since the last call."""
        whole, self._whole = self._whole, None
        return whole

    @property
    def _fresh(self) -> SeriesNews:
        """Where news is put."""
        if self._news is None:
            self._news = SeriesNews()
        return self._news

    @property
    def has_news(self) -> bool:
        return self._news is not None

    def take_news(self) -> SeriesNews:
        """What there is since the last call."""
        news, self._news = self._news, None
        return news or SeriesNews()

    def add(self, part: Part, message: Message) -> Whole | None:
        """None while others are missing. Raises PayloadError: bad_part, too_large."""
        key = (message.topic, part.series)
        if self._is_of_last(key, part, message):
            self._fresh.counters["series.repeated_parts"] += 1
            return None
        series = self._waiting.get(key)
        if series is not None and part.index in series.messages:
            self._check_repeated(series, part, message)
            return None
        self._check(_Series() if series is None else series, part, message)
        series = self._keep(part, message)
        self._fresh.counters["series.parts"] += 1
        if not series.is_whole:
            self._fresh.parts[message.topic, part.series, part.index] = part, message
            self._make_room(key)
            return None
        older = self._older(key)
        self._remove(key)
        self._remember(key, series)
        keys = [(*key, index) for index in series.messages]
        self._whole = Whole(series.in_order, series.checksum, keys, older)
        return self._whole

    def discard(self, keys: Sequence[PartKey]) -> None:
        """The samples of these parts are stored, or no use."""
        self._fresh.parts.update(dict.fromkeys(keys))

    def tick(self, now_ns: int) -> None:
        """Give up what waits in vain."""
        for key, series in list(self._waiting.items()):
            if now_ns - series.heard_ns > TIMEOUT_NS:
                self._give_up(key, f"within {TIMEOUT_NS // 10**9} s")

    def _keep(self, part: Part, message: Message) -> _Series:
        series = self._waiting.setdefault((message.topic, part.series), _Series())
        series.messages[part.index] = message
        series.count = series.count if part.count is None else part.count
        series.checksum = series.checksum or part.checksum
        series.heard_ns = max(series.heard_ns, message.received_ns)
        series.n_bytes += len(message.payload)
        self._n_bytes += len(message.payload)
        return series

    def _remember(self, key: SeriesKey, series: _Series) -> None:
        """The topic's last one: its parts may come again."""
        topic, name = key
        checksums = {at: zlib.crc32(one.payload) for at, one in series.messages.items()}
        self._last.pop(topic, None)
        self._last[topic] = name, checksums
        if len(self._last) > MAX_SERIES:
            self._last.popitem(last=False)

    def _is_of_last(self, key: SeriesKey, part: Part, message: Message) -> bool:
        name, checksums = self._last.get(key[0], ("", {}))
        if name != key[1] or key in self._waiting:
            return False
        return checksums.get(part.index) == zlib.crc32(message.payload)

    def _check_repeated(self, series: _Series, part: Part, message: Message) -> None:
        if series.messages[part.index].payload != message.payload:
            text = f"Part {part.index} of series {part.series!r} came twice, and differs."
            raise PayloadError("bad_part", text)
        self._fresh.counters["series.repeated_parts"] += 1

    def _check(self, series: _Series, part: Part, message: Message) -> None:
        """Whether the part can be one of this series."""
        counts = {count for count in (series.count, part.count) if count is not None}
        if len(counts) > 1:
            few, many = sorted(counts)
            text = f"Series {part.series!r} is said to have {few} parts, and {many}."
            raise PayloadError("bad_part", text)
        count = max(counts, default=None)
        numbers = {*series.messages, part.index}
        # From 0 to count - 1, or from 1 to count: never both ends.
        if count is not None and (max(numbers) > count or {0, count} <= numbers):
            text = f"Series {part.series!r} of {count} parts has a part {max(numbers)}."
            raise PayloadError("bad_part", text)
        n_bytes = series.n_bytes + len(message.payload)
        if n_bytes > self._max_bytes:
            bound = f"at most {self._max_bytes} are taken"
            text = f"Series {part.series!r} has {n_bytes} bytes, {bound}."
            raise PayloadError("too_large", text)

    def _older(self, key: SeriesKey) -> bool:
        """Whether a series of the topic, begun before this one, still waits."""
        before = takewhile(lambda other: other != key, self._waiting)
        return any(topic == key[0] for topic, _ in before)

    def _make_room(self, kept: SeriesKey) -> None:
        """At the expense of the oldest, and of the new one where there is no other."""
        while self._n_bytes > MAX_BYTES or len(self._waiting) > MAX_SERIES:
            oldest = next((key for key in self._waiting if key != kept), kept)
            self._give_up(
                oldest, f"before {MAX_SERIES} newer ones, or {MAX_BYTES >> 20} MiB, waited"
            )

    def _give_up(self, key: SeriesKey, when: str) -> None:
        series = self._remove(key)
        n, count = len(series.messages), series.count
        of = "an unknown number of" if count is None else str(count)
        text = f"Of series {key[1]!r} {n} of {of} parts came {when}."
        self._fresh.given_up.append((series.in_order[0], text))
        self.discard([(*key, index) for index in series.messages])

    def _remove(self, key: SeriesKey) -> _Series:
        series = self._waiting.pop(key)
        self._n_bytes -= series.n_bytes
        return series
