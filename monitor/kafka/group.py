"""Membership in a consumer group that reads nothing itself: which partitions are ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from monitor.kafka.client import KafkaException, News, said
from monitor.records.position import SourcePosition

MS = 1000
HEARTBEATS = 5  # in a session's timeout

log = logging.getLogger(__name__)

Told = Callable[[list[int]], None]


class GroupMember:
    """Callbacks are called within poll() and close(), by the same thread.

    on_revoke : returns once nobody here works on these any more; only then
        another member gets them
    on_lost : they are another's already
    """

    def __init__(
        self,
        connection: Mapping[str, Any],
        group: str,
        topic: str,
        session_timeout_s: float,
        news: News,
        on_assign: Told,
        on_revoke: Told,
        on_lost: Told,
    ) -> None:
        self._topic = topic
        self._on_assign, self._on_revoke, self._on_lost = on_assign, on_revoke, on_lost
        self._consumer = Consumer(
            {
                **connection,
                "group.id": group,
                # Only what moves stops: with the eager protocols all would, at each change.
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": round(session_timeout_s * MS),
                "heartbeat.interval.ms": round(session_timeout_s * MS / HEARTBEATS),
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "latest",
                "error_cb": news.note,
            }
        )
        self._consumer.subscribe(
            [topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose
        )

    def poll(self, timeout_s: float) -> str:
        """Returns what is wrong, '' where nothing is. Records that come before the pause are let
        go: others read them.
        """
        found = self._consumer.poll(timeout_s)
        error = None if found is None else found.error()
        return "" if error is None else said(error)

    def commit(self, positions: Iterable[SourcePosition]) -> None:
        """Tell the group's lag tools; nothing rests on it."""
        places = [TopicPartition(p.topic, p.partition, p.offset) for p in positions]
        if not places:
            return
        try:
            self._consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as error:
            log.debug("Kafka did not take the position: %s.", said(error.args[0]))

    def close(self) -> None:
        self._consumer.close()

    def _assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        consumer.incremental_assign(places)
        if places:
            consumer.pause(places)
            self._on_assign([place.partition for place in places])

    def _revoke(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._on_revoke([place.partition for place in places])
        consumer.incremental_unassign(places)

    def _lose(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._on_lost([place.partition for place in places])
        consumer.incremental_unassign(places)
