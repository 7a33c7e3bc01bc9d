"""What earlier messages told that later ones need: births of edge nodes, parts of series, speeds
and tools. All of it goes into the batch that settles the messages, so a restart
knows it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from monitor.pipeline.context import ContextStates
from monitor.pipeline.edge_nodes import EdgeNodes
from monitor.pipeline.series import SeriesBook, Whole
from monitor.pipeline.settlement import Marks
from monitor.records.batch import Batch
from monitor.records.remembered import Remembered
from monitor.records.signal import Message
from monitor.signal.payload.parts import PROPERTY, joined_message


@dataclass(frozen=True, slots=True)
class Noticed:
    """What messages showed beside what they brought.

    missing : topics whose sensors may miss a message
    dead : data topics whose sensors have ended, and the kind of message that
        said so
    given_up : the first message of each series that stayed incomplete, and a
        sentence
    """

    missing: list[str] = field(default_factory=list)
    dead: list[tuple[str, str]] = field(default_factory=list)
    given_up: list[tuple[Message, str]] = field(default_factory=list)


NOTHING = Noticed()


class Memory:
    """Outlives a set of rules."""

    def __init__(self, remembered: Remembered, max_bytes: int) -> None:
        """max_bytes : of one payload"""
        self.edge_nodes = EdgeNodes(remembered.births, max_bytes)
        self.series = SeriesBook(remembered.parts, max_bytes)
        self.context = ContextStates(remembered.context)
        self._whole: Whole | None = None  # that the current message completed
        # What must be stored before the parts of a complete series need not be kept.
        self._wholes: list[tuple[Marks, Whole]] = []

    def take_news(self, batch: Batch, topic: str = "") -> Noticed:
        """Put what is new into the batch. topic : of the message that was just read"""
        self._whole = None
        if not self.edge_nodes.has_news and not self.series.has_news:
            return NOTHING
        nodes, series = self.edge_nodes.take_news(), self.series.take_news()
        self._whole = self.series.take_whole()
        follows_incomplete = self._whole is not None and self._whole.follows_incomplete
        batch.counters.update(nodes.counters + series.counters)
        batch.births.update(nodes.births)
        batch.commands += nodes.commands
        batch.parts.update(series.parts)
        given_up = [message.topic for message, _ in series.given_up]
        missing = [*nodes.missing, *given_up, *([topic] if follows_incomplete else [])]
        return Noticed(missing, nodes.dead, series.given_up)

    def whole_of(self, message: Message) -> Message:
        """The message that was just read, or the one whose last part it was."""
        if self._whole is None or PROPERTY not in message.properties:
            return message
        return joined_message(self._whole.messages, "")

    def first_record(self, record: int) -> int:
        """Of the message that was just read: the first of the records that it came in."""
        if self._whole is None:
            return record
        deliveries = [message.delivery for message in self._whole.messages]
        keys = [one.key for one in deliveries if one is not None and one.key is not None]
        return min((record, *keys))

    def taken(self, marks: Marks) -> None:
        """The message that was just read has these samples."""
        if self._whole is not None:
            self._wholes.append((marks, self._whole))

    def discard(self, batch: Batch, is_stored: Callable[[Marks], bool]) -> None:
        """Parts of series whose samples this batch holds, or one before."""
        waiting = []
        for marks, whole in self._wholes:
            if is_stored(marks):
                batch.parts.update(dict.fromkeys(whole.keys))
            else:
                waiting.append((marks, whole))
        self._wholes = waiting
