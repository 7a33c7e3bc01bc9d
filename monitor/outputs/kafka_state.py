"""What the partition's next owner needs, to the compacted state topic. An output without rows: it
takes what the journal holds of streams, alarms and commissionings.

Nothing is handed on before every other output has the rows that led to it: the
next owner judges again what none of them might have got.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from monitor.journal.cursors import JournalRow
from monitor.journal.places import RowKind
from monitor.journal.succession import Handed, SuccessionReader
from monitor.kafka.consumer import UnreachableError
from monitor.kafka.state_topic import FencedError, StateTopic
from monitor.outputs.base import OutputEndedError, Step
from monitor.succession.wire import StateError, encode


class KafkaState:
    """As an output (outputs.base.Output)."""

    kinds: Sequence[RowKind] = ()
    from_start = True
    batch_rows = 1
    rejection = ""
    name = "kafka.state"
    title = "Kafka's state topic"
    log_period_s = 3600.0

    def __init__(
        self,
        topic: StateTopic,
        journal: Path,
        outputs: Sequence[str],
        models: Mapping[str, str],
    ) -> None:
        """outputs : names of those that must have the rows first. Raises JournalError."""
        self._topic, self._outputs, self._models = topic, outputs, models
        self._reader = SuccessionReader(journal)
        self._waiting: Handed | None = None

    def step(self, rows: Sequence[JournalRow], now_ns: int) -> Step:
        """Look, and hand on by a later step. Raises OutputEndedError once there is a new owner."""
        waiting = self._waiting
        if waiting is None:
            self._waiting = self._reader.read()
            return Step()
        if not self._reader.is_delivered(waiting, self._outputs):
            return Step()
        try:
            self._topic.publish(encode(waiting.succession, self._models))
        except FencedError as error:
            raise OutputEndedError(str(error)) from error
        except (UnreachableError, StateError) as error:
            return Step(trouble=f"{self.title} does not take the state: {error}.")
        self._waiting = None
        return Step()

    def close(self) -> None:
        self._topic.close()
        self._reader.close()
