"""The buffer between the network thread and the pipeline: bounded, and fair to every topic."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import replace

from monitor.records.signal import Message

MAX_LOSSES = 10_000  # topics; a hostile publisher may invent more


class Inbox:
    """Holds at most max_messages and max_bytes.

    A QoS 1 message waits for room, however long: that holds the broker back (at worst it closes the
    connection and delivers again later). A QoS 0 message cannot be held back: when the inbox is
    full, the topic that holds most loses its oldest QoS 0 message, so a flood costs the flooding
    sensor only.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._topics: OrderedDict[str, deque[Message]] = OrderedDict()
        self._losses: set[str] = set()  # topics whose next message follows a loss
        self._n_messages = self._n_bytes = 0
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return self._n_messages

    def put(self, message: Message) -> Message | None:
        """Called by the network thread. Returns the QoS 0 message dropped for want of room, or
        None.
        """
        with self._changed:
            dropped = None
            if message.delivery is not None:
                self._changed.wait_for(lambda: self._closed or self._has_room(message))
            elif not self._has_room(message):
                dropped = self._drop_oldest(message)
            if dropped is not message:
                if message.topic in self._losses:
                    self._losses.discard(message.topic)
                    message = replace(message, after_loss=True)
                self._topics.setdefault(message.topic, deque()).append(message)
                self._n_messages += 1
                self._n_bytes += len(message.payload)
                self._changed.notify_all()
            return dropped

    def note_loss(self, topic: str) -> None:
        """A message of this topic never came here: the next one says so."""
        with self._changed:
            if len(self._losses) < MAX_LOSSES:
                self._losses.add(topic)

    def take(self, limit: int, timeout_s: float) -> list[Message]:
        """Up to `limit` messages, one topic after another in turn; each topic's in order. [] after
        timeout_s.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._n_messages > 0, timeout_s)
            taken: list[Message] = []
            while self._topics and len(taken) < limit:
                topic, waiting = self._topics.popitem(last=False)
                message = waiting.popleft()
                if waiting:
                    self._topics[topic] = waiting
                self._n_messages -= 1
                self._n_bytes -= len(message.payload)
                taken.append(message)
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Wake everybody who waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has_room(self, message: Message, without: Message | None = None) -> bool:
        n_messages, n_bytes = self._n_messages, self._n_bytes
        if without is not None:
            n_messages, n_bytes = n_messages - 1, n_bytes - len(without.payload)
        if n_messages == 0:
            return True
        n_bytes += len(message.payload)
        return n_messages < self._max_messages and n_bytes <= self._max_bytes

    def _drop_oldest(self, incoming: Message) -> Message:
        """Make room for a QoS 0 message at the expense of the topic that holds most; itself where
        nothing may go.
        """
        for topic in sorted(self._topics, key=lambda name: len(self._topics[name]), reverse=True):
            waiting = self._topics[topic]
            for index, message in enumerate(waiting):
                if message.delivery is None and self._has_room(incoming, message):
                    self._remove(topic, index)
                    return message
        self._losses.add(incoming.topic)
        return incoming

    def _remove(self, topic: str, index: int) -> None:
        """Take a message out. What follows on its topic says so."""
        waiting = self._topics[topic]
        self._n_messages -= 1
        self._n_bytes -= len(waiting[index].payload)
        del waiting[index]
        if index < len(waiting):
            waiting[index] = replace(waiting[index], after_loss=True)
        else:
            self._losses.add(topic)
        if not waiting:
            del self._topics[topic]
