"""The service on one partition of Kafka: nothing missing, nothing double."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.servers.kafka import MockKafka
from tests.servers.kafka_source import Recorder, kafka_configuration
from tests.servers.recording import Recording
from tests.servers.service import Service

SHORT = Recording(n_sensors=3, duration_s=10.0)
MESSAGE_S = 0.13


def test_verdicts_of_a_partition(tmp_path: Path, mock_kafka: MockKafka) -> None:
    Recorder(mock_kafka, "t").play(SHORT.cut(MESSAGE_S), partition=2)
    config = kafka_configuration(mock_kafka.brokers, SHORT, "t", 2)
    with Service(tmp_path, config) as service:
        service.start(online=False)
        service.wait_taken(SHORT)
        assert service.stop()[0] == 0
        assert len(service.rows()) == SHORT.n_windows
        service.check_books()


def test_kill_9_at_any_moment(tmp_path: Path, mock_kafka: MockKafka) -> None:
    """Without times and numbers, so that only position and digests tell repeats."""
    recorder, chance = Recorder(mock_kafka, "t"), random.Random(3)
    config = kafka_configuration(mock_kafka.brokers, SHORT, "t", 0)
    with Service(tmp_path, config) as service:
        service.start(online=False)
        cuts = list(SHORT.cut(MESSAGE_S, times=False, sequences=False))
        for number, cut in enumerate(cuts):
            recorder.send(cut, 0)
            if number % 40 == 39:
                recorder.flush()
                time.sleep(chance.uniform(0.0, 2.5))
                service.kill()
                service.start(online=False)
        recorder.flush()
        service.wait_taken(SHORT)
        assert service.stop()[0] == 0
        assert len(service.rows()) == SHORT.n_windows
        service.check_books()
