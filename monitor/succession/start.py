"""Before a partition is served: is its journal here the one that served it last? If not, its
streams, alarms and commissionings are restored from the state topic.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from monitor import systemd
from monitor.config import Config
from monitor.journal.succession import journal_id, take_over
from monitor.kafka.client import client_settings
from monitor.kafka.consumer import UnreachableError
from monitor.kafka.state_topic import StateTopic
from monitor.log_limiter import LogLimiter
from monitor.records.succession import Succession
from monitor.settings import ConfigError
from monitor.succession.models import differences, models_of
from monitor.succession.wire import StateError, decode

RETRY_S = 1.0
LOG_PERIOD_S = 60.0

log = logging.getLogger(__name__)


def take_partition(config: Config, generation: int | None) -> StateTopic | None:
    """Own the partition from now on: what an earlier owner still writes to the state topic is
    refused. Waits for Kafka as long as it takes. None where no state topic is configured.

    Raises ConfigError, JournalError, ModelError, SupersededError.
    """
    kafka = config.kafka if config.source == "kafka" else None
    if kafka is None or kafka.state_topic is None or kafka.partition is None:
        return None
    connection = client_settings(kafka, "kafka", f"camshaft-{config.instance}-state")
    topic = StateTopic(
        connection, kafka.group, kafka.topic, kafka.state_topic, kafka.partition
    )
    _restore(config, generation, _wait_for(topic))
    return topic


def _wait_for(topic: StateTopic) -> Mapping[bytes, bytes]:
    limiter = LogLimiter(log, LOG_PERIOD_S)
    while True:
        try:
            return topic.take_over()
        except UnreachableError as error:
            text = (
                f"Kafka: {error}. The state of partition {topic.partition} is waited for."
            )
            limiter.note(logging.WARNING, text, time.monotonic(), str(error))
            systemd.notify("EXTEND_TIMEOUT_USEC=60000000", "STATUS=Waiting for Kafka.")
            time.sleep(RETRY_S)


def _restore(
    config: Config, generation: int | None, records: Mapping[bytes, bytes]
) -> None:
    kafka, path = config.kafka, config.journal.path
    assert kafka is not None  # take_partition has checked it
    own = journal_id(path)
    try:
        decoded = decode(records)
        if decoded is None or decoded[0].owner == own:
            return
        found, models = decoded
        _check_place(found, kafka.topic, kafka.partition)
        text = _told(found)
        take_over(path, found, generation, time.time_ns(), text)
    except StateError as error:
        raise ConfigError(_refusal(config, str(error))) from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        why = f"what stands there makes no sense ({type(error).__name__}: {error})"
        raise ConfigError(_refusal(config, why)) from error
    log.warning("%s", text)
    for sentence in differences(models, models_of(config)):
        log.warning("%s", sentence)


def _refusal(config: Config, why: str) -> str:
    kafka = config.kafka
    assert kafka is not None  # take_partition has checked it
    return (
        f"kafka.state_topic = {kafka.state_topic}, partition {kafka.partition}: {why}."
        " Nothing is judged, for it would be judged from nothing; to do so all the same, take"
        " another state topic."
    )


def _check_place(found: Succession, topic: str, partition: int | None) -> None:
    place = found.position
    if (place.topic, place.partition) != (topic, partition):
        raise StateError(f"is of partition {place.partition} of topic {place.topic!r}")


def _told(found: Succession) -> str:
    n, n_own = len(found.streams), len(found.commissionings)
    n_raised = sum(bool(tree["alarm_raised"]) for tree in found.streams.values())
    return (
        f"Partition {found.position.partition} was taken over from another journal at offset"
        f" {found.position.offset}: {n} sensors, {n_own} of them commissioned, {n_raised} with an"
        " alarm that stands; rows, trends, labels and mutes stay behind with that journal."
    )
