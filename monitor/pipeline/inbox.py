"""The buffer between the network thread and the pipeline: bounded, and fair to every topic. Topics
whose order with each other matters share one place.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import replace

from monitor.records.signal import Message
from monitor.signal.payload.sparkplug_topic import in_order_with

MAX_LOSSES = 10_000  # topics; a hostile publisher may invent more


class Inbox:
    """Holds at most max_messages and max_bytes.

    A QoS 1 message waits for room, however long: that holds the broker back (at
    worst it closes the connection and delivers again later). A QoS 0 message
    cannot be held back: when the inbox is full, the topic that holds most loses
    its oldest QoS 0 message, so a flood costs the flooding sensor only.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._places: OrderedDict[str, deque[Message]] = OrderedDict()
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
                self._places.setdefault(in_order_with(message.topic), deque()).append(
                    message
                )
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
        """Up to `limit` messages, one place after another in turn; each topic's in order. [] after
        timeout_s.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._n_messages > 0, timeout_s)
            taken: list[Message] = []
            while self._places and len(taken) < limit:
                place, waiting = self._places.popitem(last=False)
                message = waiting.popleft()
                if waiting:
                    self._places[place] = waiting
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
        places = self._places
        for place in sorted(places, key=lambda name: len(places[name]), reverse=True):
            for index, message in enumerate(places[place]):
                if message.delivery is None and self._has_room(incoming, message):
                    self._remove(place, index)
                    return message
        self._losses.add(incoming.topic)
        return incoming

    def _remove(self, place: str, index: int) -> None:
        """Take a message out. What follows on its topic says so."""
        waiting = self._places[place]
        gone = waiting[index]
        self._n_messages -= 1
        self._n_bytes -= len(gone.payload)
        del waiting[index]
        for later in range(index, len(waiting)):
            if waiting[later].topic == gone.topic:
                waiting[later] = replace(waiting[later], after_loss=True)
                break
        else:
            self._losses.add(gone.topic)
        if not waiting:
            del self._places[place]
