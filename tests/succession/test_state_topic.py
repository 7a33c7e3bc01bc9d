"""The state topic on a real Kafka: one owner at a time, all or nothing, and what is refused before
anything is judged.
"""

from __future__ import annotations

import contextlib
import json
import logging
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Producer

from monitor.config import Config
from monitor.config_file import parse_config
from monitor.journal.cursors import Cursor
from monitor.journal.reader import JournalReader
from monitor.journal.succession import journal_id
from monitor.journal.writer import Journal
from monitor.kafka.client import client_settings
from monitor.kafka.consumer import UnreachableError
from monitor.kafka.state_topic import FencedError, StateTopic
from monitor.outputs.base import OutputEndedError, Step
from monitor.outputs.kafka_state import KafkaState
from monitor.records.batch import Batch
from monitor.records.position import SourcePosition
from monitor.settings import ConfigError
from monitor.succession.start import take_partition
from monitor.succession.wire import PARTITION
from tests.journal.test_succession import SENSOR, update
from tests.servers.kafka import Kafka, real_kafka
from tests.servers.kafka_source import kafka_configuration
from tests.servers.mosquitto import wait_until
from tests.servers.recording import Recording
from tests.verdicts import make_verdict

RECORDING = Recording(1, 1.0)
N_PARTITIONS = 2


def configure(kafka: Kafka, folder: Path, topic: str, partition: int = 1) -> Config:
    own = {"state_topic": f"{topic}-state"}
    tree = kafka_configuration(kafka.brokers, RECORDING, topic, partition, kafka=own)
    folder.mkdir(exist_ok=True)
    return parse_config(tree, folder)


def make_topics(kafka: Kafka, topic: str) -> None:
    kafka.create_topic(topic, N_PARTITIONS)
    kafka.create_topic(f"{topic}-state", N_PARTITIONS, cleanup_policy="compact")


def state_topic(kafka: Kafka, topic: str) -> StateTopic:
    settings = configure(kafka, Path(), topic).kafka
    assert settings is not None
    connection = client_settings(settings, "kafka", "test")
    return StateTopic(connection, "camshaft", topic, f"{topic}-state", 1)


def put(kafka: Kafka, topic: str, key: bytes, value: bytes) -> None:
    producer = Producer(kafka.client())
    producer.produce(f"{topic}-state", value, key, partition=1)
    assert producer.flush(30) == 0


def test_a_new_owner_has_what_was_committed_and_the_old_one_writes_no_more(
    kafka: Kafka,
) -> None:
    make_topics(kafka, "fence")
    old, new, last = (state_topic(kafka, "fence") for _ in range(3))
    with closing(old), closing(new), closing(last):
        assert old.take_over() == {}
        old.publish({b"a": b"1", b"b": b"1", b"c": b"1"})
        old.publish({b"a": b"2", b"b": b"1"})
        assert new.take_over() == {b"a": b"2", b"b": b"1"}
        with pytest.raises(FencedError, match="Partition 1 has a new owner"):
            old.publish({b"a": b"3"})
        new.publish({b"a": b"4"})
        assert last.take_over() == {b"a": b"4"}
    partitions = {record.partition() for record in kafka.records("fence-state")}
    assert partitions == {1}


def test_a_state_that_kafka_did_not_confirm_is_there_once_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what was given up meanwhile is gone."""
    monkeypatch.setattr("monitor.kafka.state_topic.ANSWER_S", 1.0)
    with real_kafka(tmp_path) as own, closing(state_topic(own, "outage")) as topic:
        make_topics(own, "outage")
        wait_until(lambda: is_taken(topic), 30, "the topic is there")
        topic.publish({b"a": b"1"})
        own.kill()
        for value in (b"2", b"3"):
            with pytest.raises(UnreachableError, match="refused"):
                topic.publish({b"a": value, b"b": value})
        own.start()
        wait_until(lambda: is_published(topic, {b"a": b"4"}), 60, "it is published")
        with closing(state_topic(own, "outage")) as new:
            wait_until(lambda: is_taken(new), 30, "there is a new owner")
            assert new.published == {b"a": b"4"}


def is_taken(topic: StateTopic) -> bool:
    with contextlib.suppress(UnreachableError):
        topic.take_over()
        return True
    return False


def is_published(topic: StateTopic, wanted: dict[bytes, bytes]) -> bool:
    with contextlib.suppress(UnreachableError):
        topic.publish(wanted)
        return True
    return False


def test_a_topic_that_is_not_there_is_waited_for_and_one_that_cannot_do_is_refused(
    kafka: Kafka,
) -> None:
    kafka.create_topic("uneven", N_PARTITIONS)
    with pytest.raises(UnreachableError, match="there is no topic uneven-state"):
        state_topic(kafka, "uneven").take_over()
    kafka.create_topic("uneven-state", 3)
    with pytest.raises(
        ConfigError, match="has 3 partitions, uneven has 2: must be as many"
    ):
        state_topic(kafka, "uneven").take_over()
    kafka.create_topic("forgets", N_PARTITIONS)
    kafka.create_topic("forgets-state", N_PARTITIONS)
    with pytest.raises(
        ConfigError, match=r"has cleanup\.policy = delete, .* must be compact"
    ):
        state_topic(kafka, "forgets").take_over()


def test_what_cannot_be_read_is_refused_before_anything_is_judged(
    tmp_path: Path, kafka: Kafka
) -> None:
    make_topics(kafka, "strange")
    config = configure(kafka, tmp_path, "strange")
    elsewhere = {"version": 1, "owner": "x", "models": {}, "topic": "strange"}
    elsewhere |= {"partition": 0, "n_partitions": 2, "offset": 5, "leader_epoch": None}
    here = elsewhere | {"partition": 1}
    for key, value, said in (
        (PARTITION, json.dumps(elsewhere).encode(), "is of partition 0 of topic 'strange'"),
        (PARTITION, json.dumps({"version": 2}).encode(), "has version 2.*update it"),
        (PARTITION, b"\x00", "record 'partition' is no JSON"),
        (PARTITION, json.dumps(here).encode(), None),
        (b"stream m/p", b'{"version": 1}', "makes no sense .KeyError: 'alarm_raised'"),
    ):
        put(kafka, "strange", key, value)
        if said is None:
            continue
        with pytest.raises(ConfigError, match=f"partition 1: .*{said}.* Nothing is judged"):
            take_partition(config, None)
    with closing(Journal(config.journal.path)) as journal:
        assert journal.resumed().position is None


def test_a_journal_is_behind_once_another_one_has_handed_on(
    tmp_path: Path, kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    """What no output has yet is not handed on."""
    caplog.set_level(logging.INFO, "monitor.succession")
    make_topics(kafka, "turns")
    for turn, name in enumerate(("a", "a", "b", "b", "a")):
        caplog.clear()
        config = configure(kafka, tmp_path / name, "turns")
        topic = take_partition(config, None)
        assert topic is not None
        is_other = turn in (2, 4)
        assert caplog.text.count("was taken over from another journal") == is_other
        path = config.journal.path
        with (
            closing(Cursor(path, "influx", ("verdict",))) as cursor,
            closing(Journal(path)) as journal,
            closing(KafkaState(topic, path, ["influx"], {})) as output,
        ):
            assert journal.resumed().first == (40 + turn - 1 if turn else 0)
            judge(journal, 40 + turn)
            for _ in range(3):
                assert output.step((), 0) == Step()
            assert journal_of(kafka) != (journal_id(path), 40 + turn)
            rows = cursor.pending(10)
            cursor.settle(Step(accepted=[row.key for row in rows]), 0)
            wait_until(partial(is_handed_on, output), 60, "it is handed on")
            assert journal_of(kafka) == (journal_id(path), 40 + turn)
        with closing(JournalReader(path)) as reader:
            assert bool(reader.taken_over()) == (name == "b" or is_other)


def is_handed_on(output: KafkaState) -> bool:
    return output.step((), 0) == Step()


def judge(journal: Journal, offset: int) -> None:
    batch = Batch(verdicts=[make_verdict(offset, sensor=SENSOR)])
    batch.streams = [update(tail=None, records=None, n_waiting=0, promise=None)]
    batch.position = SourcePosition("turns", 1, N_PARTITIONS, offset)
    journal.commit(batch)
    journal.forget_records()


def journal_of(kafka: Kafka) -> tuple[str, int] | None:
    """Whose state stands there, and from where it goes on."""
    found = None
    for record in kafka.records("turns-state"):
        if record.key() == PARTITION:
            tree = json.loads(record.value() or b"")
            found = tree["owner"], tree["offset"]
    return found


def test_an_owner_that_was_followed_ends(tmp_path: Path, kafka: Kafka) -> None:
    make_topics(kafka, "followed")
    config = configure(kafka, tmp_path, "followed")
    first, second = take_partition(config, None), take_partition(config, None)
    assert first is not None
    assert second is not None
    with (
        closing(second),
        closing(Journal(config.journal.path)) as journal,
        closing(KafkaState(first, config.journal.path, [], {})) as output,
    ):
        judge(journal, 7)
        output.step((), 0)
        with pytest.raises(OutputEndedError, match="has a new owner"):
            output.step((), 0)
