"""The buffer between the network thread and the pipeline: bounded, and fair to every topic."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

from monitor.records.signal import Message


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
                self._topics.setdefault(message.topic, deque()).append(message)
                self._n_messages += 1
                self._n_bytes += len(message.payload)
                self._changed.notify_all()
            return dropped

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

    def _has_room(self, message: Message) -> bool:
        if self._n_messages == 0:
            return True
        return (
            self._n_messages < self._max_messages
            and self._n_bytes + len(message.payload) <= self._max_bytes
        )

    def _drop_oldest(self, incoming: Message) -> Message:
        """Make room for a QoS 0 message at the expense of the topic that holds most; itself where
        nothing may go.
        """
        for topic in sorted(self._topics, key=lambda name: len(self._topics[name]), reverse=True):
            waiting = self._topics[topic]
            for index, message in enumerate(waiting):
                if message.delivery is None:
                    del waiting[index]
                    if not waiting:
                        del self._topics[topic]
                    self._n_messages -= 1
                    self._n_bytes -= len(message.payload)
                    return message if self._has_room(incoming) else incoming
        return incoming
