"""The service on one partition of Kafka: nothing missing, nothing double."""

from __future__ import annotations

import random
import time
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from tests.servers.kafka import Kafka, MockKafka, real_kafka
from tests.servers.kafka_source import Recorder, kafka_configuration
from tests.servers.recording import Recording
from tests.servers.service import Service, taken

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


def test_kafkas_commit_follows_and_decides_nothing(tmp_path: Path, kafka: Kafka) -> None:
    kafka.create_topic("commits")
    recorder = Recorder(kafka, "commits")
    cuts = list(SHORT.cut(MESSAGE_S))
    half = len(cuts) // 2
    recorder.play(cuts[:half], 0)
    config = kafka_configuration(kafka.brokers, SHORT, "commits", 0)
    with Service(tmp_path, config) as service:
        service.start(online=False)
        service.wait(lambda: committed(kafka, "commits") == half, why="Kafka has it")
        assert service.stop()[0] == 0
        commit(kafka, "commits", 3)  # somebody turns it back
        recorder.play(cuts[half:], 0)
        service.start(online=False)
        service.wait_taken(SHORT)
        assert service.stop()[0] == 0
        assert f"from offset {half}, as the journal has it" in service.log()
        assert len(service.rows()) == SHORT.n_windows
        service.check_books()


def test_records_deleted_before_they_were_read_are_stated(
    tmp_path: Path, kafka: Kafka
) -> None:
    kafka.create_topic("short")
    recorder = Recorder(kafka, "short")
    cuts = list(SHORT.cut(MESSAGE_S))
    third = len(cuts) // 3 // SHORT.n_sensors * SHORT.n_sensors
    recorder.play(cuts[:third], 0)
    config = kafka_configuration(kafka.brokers, SHORT, "short", 0)
    with Service(tmp_path, config) as service:
        service.start(online=False)
        n = sum(cut.n_samples for cut in cuts[:third])
        service.wait(lambda: n_received(service) == n, why="the first third is taken")
        assert service.stop()[0] == 0
        recorder.play(cuts[third:], 0)
        kafka.delete_before("short", 0, 2 * third)
        service.start(online=False)
        n = sum(cut.n_samples for cut in [*cuts[:third], *cuts[2 * third :]])
        service.wait(lambda: n_received(service) == n, why="the last third is taken")
        assert service.stop()[0] == 0
        events = [e for e in service.reader().new_events(0, -1) if e.kind == "records_gone"]
        assert [e.text for e in events] == [
            f"{third:,} records of partition 0 were deleted before they were read: the journal"
            f" stood at offset {third}, the earliest left is {2 * third}."
        ]
        books = service.check_books()
        assert books.counters["records_gone"] == third
        # No window spans the gap.
        assert {v.reason for v in service.rows().values() if v.status.value == "BAD_DATA"}


def test_another_number_of_partitions_is_refused(tmp_path: Path, kafka: Kafka) -> None:
    kafka.create_topic("grows", 2)
    Recorder(kafka, "grows").play(SHORT.cut(MESSAGE_S), 0)
    config = kafka_configuration(kafka.brokers, SHORT, "grows", 0)
    with Service(tmp_path, config) as service:
        service.start(online=False)
        service.wait_taken(SHORT)
        assert service.stop()[0] == 0
        grow(kafka, "grows", 3)
        code, said = service.run_to_end()
        assert code == 2
        assert "has 3 partitions, the journal knows 2" in said
        assert "Traceback" not in said


def test_a_broker_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    with real_kafka(tmp_path / "kafka") as kafka:
        kafka.create_topic("t")
        recorder = Recorder(kafka, "t")
        cuts = list(SHORT.cut(MESSAGE_S, times=False, sequences=False))
        half = len(cuts) // 2
        recorder.play(cuts[:half], 0)
        config = kafka_configuration(kafka.brokers, SHORT, "t", 0)
        with Service(tmp_path / "service", config) as service:
            service.start(online=False)
            n = sum(cut.n_samples for cut in cuts[:half])
            service.wait(lambda: n_received(service) == n, why="the first half is taken")
            kafka.kill()
            service.wait(
                lambda: "What comes waits there." in service.log(), 60, "it is said"
            )
            kafka.start()
            recorder.play(cuts[half:], 0)
            service.wait_taken(SHORT)
            assert service.stop()[0] == 0
            assert len(service.rows()) == SHORT.n_windows
            service.check_books()


def test_a_record_without_topic_is_counted_and_passed_over(
    tmp_path: Path, mock_kafka: MockKafka
) -> None:
    producer = Producer(mock_kafka.client())
    producer.produce("t", b"?", partition=1)
    producer.flush()
    Recorder(mock_kafka, "t").play(SHORT.cut(MESSAGE_S), 1)
    with Service(
        tmp_path, kafka_configuration(mock_kafka.brokers, SHORT, "t", 1)
    ) as service:
        service.start(online=False)
        service.wait_taken(SHORT)
        assert service.stop()[0] == 0
        assert service.check_books().counters["bad_payloads.no_topic"] == 1


def test_repeats_of_mqtt_are_absorbed(tmp_path: Path, mock_kafka: MockKafka) -> None:
    """As forward writes them after a kill; the payloads have neither time nor number."""
    recorder = Recorder(mock_kafka, "t")
    config = kafka_configuration(mock_kafka.brokers, SHORT, "t", 0)
    cuts = list(SHORT.cut(MESSAGE_S, times=False, sequences=False))
    with Service(tmp_path, config) as service:
        for first in range(0, len(cuts), 60):
            part = list(enumerate(cuts[first : first + 60], first + 1))
            for packet, cut in part:
                recorder.send(cut, 0, packet=packet)
            recorder.flush()
            service.start(online=False)
            n = sum(cut.n_samples for cut in cuts[: first + 60])
            service.wait(lambda n=n: n_received(service) >= n, why="the part is taken")  # type: ignore[misc]
            service.kill()
            for packet, cut in part[30:]:
                recorder.send(cut, 0, packet=packet, again=True)
        recorder.flush()
        service.start(online=False)
        n_again = sum(
            len(cuts[first + 30 : first + 60]) for first in range(0, len(cuts), 60)
        )
        service.wait(
            lambda: (
                service.reader().books().counters["messages_received"]
                >= len(cuts) + n_again
            )
        )
        assert service.stop()[0] == 0
        assert len(service.rows()) == SHORT.n_windows
        service.check_books()
        assert n_received(service) == SHORT.n_samples * SHORT.n_sensors


def n_received(service: Service) -> int:
    books = service.reader().books()
    return sum(taken(books, sensor) for sensor in SHORT.sensors)


def committed(kafka: Kafka, topic: str) -> int | None:
    """None while the group's coordinator is still to be chosen."""
    consumer = Consumer(kafka.client(group_id="camshaft"))
    try:
        (place,) = consumer.committed([TopicPartition(topic, 0)], timeout=10)
        return place.offset
    except KafkaException:
        return None
    finally:
        consumer.close()


def commit(kafka: Kafka, topic: str, offset: int) -> None:
    consumer = Consumer(kafka.client(group_id="camshaft"))
    try:
        consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    finally:
        consumer.close()


def grow(kafka: Kafka, topic: str, n_partitions: int) -> None:
    admin = AdminClient(kafka.client())
    for future in admin.create_partitions([NewPartitions(topic, n_partitions)]).values():
        future.result(30)
