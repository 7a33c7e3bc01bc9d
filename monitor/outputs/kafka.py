"""Verdicts and events to a topic of Kafka: plain JSON, keyed by the sensor's name, so that each
sensor's come in order.

At least once: a record may come twice, with the same `id`. Nothing is sent
before the journal has it, for the journal is where it is read from.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Sequence
from functools import partial
from typing import Any

from monitor.config_outputs import KafkaOutputSettings
from monitor.journal.cursors import JournalRow, RowKey
from monitor.journal.places import RowKind
from monitor.journal.reader import Row
from monitor.journal.views import ALARM_KINDS, StoredEvent, summary_of
from monitor.kafka.client import (
    KafkaError,
    KafkaException,
    News,
    Producer,
    client_settings,
    is_too_large,
    new_producer,
    said,
)
from monitor.outputs.base import Step
from monitor.plain_values import event_tree, verdict_tree
from monitor.records.verdict import Verdict

SECTION = "kafka_output"
FLUSH_SHARE = 1.5  # of timeout_s: librdkafka looks for late records once a second

Fate = KafkaError | None


class KafkaOutput:
    """One topic, as an output (outputs.base.Output)."""

    # Alarms do not wait behind a night's verdicts.
    kinds: Sequence[RowKind] = ("event", "verdict")
    from_start = True
    rejection = "Kafka rejected row {row_id}: {reason}"
    log_period_s = 3600.0

    def __init__(self, settings: KafkaOutputSettings, instance: str) -> None:
        """Reads the secret, touches no network. Raises ConfigError."""
        self.name, self.batch_rows = settings.cursor_name, settings.batch_rows
        self.title = f"Kafka {settings.name}"
        self._settings, self._instance = settings, instance
        self._connection = client_settings(settings, SECTION, f"camshaft-{instance}-output")
        self._news = News()
        self._producer: Producer | None = None

    def step(self, rows: Sequence[JournalRow], now_ns: int) -> Step:
        """All rows, and their reports. Those before the first that failed are settled; what came
        after it comes again, so that order is kept.
        """
        if not rows:
            return Step()
        fates: dict[RowKey, Fate] = {}
        producer = self._producer or self._new_producer()
        for row in rows:
            if (error := self._send(producer, row, fates)) is not None:
                fates[row.key] = error
                break
        producer.flush(self._settings.timeout_s * FLUSH_SHARE)
        step = self._settled(rows, fates)
        if self._news.fatal or (step.trouble and len(producer)):
            self.close()  # its number for this run is used up, or it holds what comes again
        return step

    def close(self) -> None:
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(0)
            self._producer = None

    def _new_producer(self) -> Producer:
        self._news.fatal = ""
        timeout_ms = round(self._settings.timeout_s * 1000)
        self._producer = new_producer(self._connection, self._news, timeout_ms)
        return self._producer

    def _send(
        self, producer: Producer, row: JournalRow, fates: dict[RowKey, Fate]
    ) -> KafkaError | None:
        """Why it cannot even be queued, if so."""
        tree, sensor, at_ns = _told(row)
        tree = {"id": f"{self._instance}/{_name(row)}/{at_ns}/{sensor}", **tree}
        try:
            producer.produce(
                self._settings.topic,
                json.dumps(
                    {**tree, "instance": self._instance}, ensure_ascii=False
                ).encode(),
                (sensor or self._instance).encode(),
                on_delivery=partial(_note, fates, row.key),
                timestamp=at_ns // 1_000_000,
            )
        except KafkaException as error:
            found = error.args[0]
            return found if isinstance(found, KafkaError) else KafkaError(KafkaError._FAIL)
        except BufferError:
            return KafkaError(KafkaError._QUEUE_FULL)
        return None

    def _settled(self, rows: Sequence[JournalRow], fates: dict[RowKey, Fate]) -> Step:
        accepted: list[RowKey] = []
        rejected: dict[RowKey, str] = {}
        for row in rows:
            error = fates.get(row.key, KafkaError(KafkaError._MSG_TIMED_OUT))
            if error is None:
                accepted.append(row.key)
            elif is_too_large(error):
                rejected[row.key] = said(error)
            else:
                return Step(
                    accepted=accepted,
                    rejected=rejected,
                    trouble=self._why(error),
                    level=logging.WARNING,
                )
        self._news.last_error = ""
        return Step(accepted=accepted, rejected=rejected)

    def _why(self, error: KafkaError) -> str:
        """A record that timed out does not know why; the connection may."""
        is_late = error.code() == KafkaError._MSG_TIMED_OUT
        why = (self._news.last_error if is_late else "") or said(error)
        topic = self._settings.topic
        return f"{self.title} does not take rows (topic {topic}): {why}. They wait in the journal."


def _note(fates: dict[RowKey, Fate], key: RowKey, error: Fate, _message: Any) -> None:
    fates[key] = error


def _name(row: JournalRow) -> str:
    """What tells it from others of its sensor and time. Not its number: another journal, that of a
    partition's next owner, has others.
    """
    event = row.content
    if not isinstance(event, StoredEvent):
        return row.kind
    if event.kind in ALARM_KINDS:
        return event.kind
    return f"{event.kind}/{zlib.crc32(event.text.encode()):08x}"


def _told(row: JournalRow) -> tuple[dict[str, Any], str, int]:
    """What is said of a row, whose it is ('' of none), and its time."""
    content = row.content
    if isinstance(content, Verdict):
        window = summary_of(Row(row.row_id, content, is_undone=False))
        return {"type": "verdict", **verdict_tree(window)}, content.sensor, content.end_ns
    assert isinstance(content, StoredEvent)
    return {"type": "event", **event_tree(content)}, content.sensor, content.at_ns
