"""Members of a Kafka group: a process for each partition, moved as members come and go."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import time
from pathlib import Path

import pytest

from monitor.records.verdict import Verdict
from tests.servers.kafka import Kafka
from tests.servers.kafka_source import Members, Recorder, kafka_configuration
from tests.servers.mosquitto import Mosquitto, needs_mosquitto, wait_until
from tests.servers.recording import Cut, Publisher, Recording
from tests.servers.service import (
    RowKey,
    Service,
    assert_same_rows,
    configuration,
)

RECORDING = Recording(n_sensors=6, duration_s=12.0)
MESSAGE_S = 0.13
N_PARTITIONS = 3
SESSION_S = 6.0


@pytest.fixture(scope="module")
def mqtt_rows(tmp_path_factory: pytest.TempPathFactory) -> dict[RowKey, Verdict]:
    """What one service says of the same messages over MQTT."""
    folder = tmp_path_factory.mktemp("mqtt")
    with (
        Mosquitto(folder / "broker") as broker,
        Service(folder / "service", configuration(broker.port, RECORDING)) as service,
    ):
        service.start()
        with Publisher(broker.port) as publisher:
            publisher.play(RECORDING.cut(MESSAGE_S))
        service.wait_taken(RECORDING)
        assert service.stop()[0] == 0
        return service.rows()


def members(folder: Path, kafka: Kafka, topic: str) -> Members:
    kafka.create_topic(topic, N_PARTITIONS)
    changes = {"group": topic, "session_timeout_s": SESSION_S}
    config = kafka_configuration(kafka.brokers, RECORDING, topic, None, kafka=changes)
    return Members(folder, config, N_PARTITIONS)


@needs_mosquitto
def test_members_say_what_one_service_says_over_mqtt(
    tmp_path: Path, kafka: Kafka, mqtt_rows: dict[RowKey, Verdict]
) -> None:
    with members(tmp_path, kafka, "same") as group:
        names = [f"member-{index}" for index in range(N_PARTITIONS)]
        for name in names:
            group.start(name)
        Recorder(kafka, "same").play(RECORDING.cut(MESSAGE_S))
        group.wait_taken(RECORDING)
        assert {group.stop(name) for name in names} == {0}
        assert_same_rows(group.rows(), mqtt_rows)
        group.check_books()


def in_parts(n: int) -> list[list[Cut]]:
    cuts = list(RECORDING.cut(MESSAGE_S))
    size = -(-len(cuts) // n)
    return [cuts[first : first + size] for first in range(0, len(cuts), size)]


def wait_served(group: Members, names: list[str], n: int = N_PARTITIONS) -> None:
    """Until these members have started the processes of n partitions."""
    wait_until(
        lambda: len({p for name in names for p in group.children(name)}) >= n,
        60,
        f"{n} partitions are served: {group.folder}",
    )


@needs_mosquitto
def test_partitions_move_in_the_middle_of_windows(
    tmp_path: Path, kafka: Kafka, mqtt_rows: dict[RowKey, Verdict]
) -> None:
    """A second member joins, the first leaves, a third one takes all over from a killed one."""
    recorder = Recorder(kafka, "move")
    with members(tmp_path, kafka, "move") as group:
        first, second, third, fourth = in_parts(4)
        group.start("a")
        recorder.play(first)
        wait_served(group, ["a"])
        group.start("b")
        recorder.play(second)
        wait_served(group, ["b"], 1)
        assert group.stop("a") == 0
        wait_served(group, ["b"])
        recorder.play(third)
        group.start("c")
        group.kill("b")
        recorder.play(fourth)
        wait_served(group, ["c"])
        group.wait_taken(RECORDING)
        assert group.stop("c") == 0
        assert_same_rows(group.rows(), mqtt_rows)
        group.check_books()


@needs_mosquitto
def test_kill_9_of_members_and_of_their_processes(
    tmp_path: Path, kafka: Kafka, mqtt_rows: dict[RowKey, Verdict]
) -> None:
    recorder, chance = Recorder(kafka, "kill"), random.Random(5)
    with members(tmp_path, kafka, "kill") as group:
        group.start("a")
        group.start("b")
        for part in in_parts(12):
            recorder.play(part)
            time.sleep(chance.uniform(0.2, 1.5))
            name = chance.choice(["a", "b"])
            children = group.children(name)
            if children and chance.random() < 0.7:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(list(children.values())), signal.SIGKILL)
            else:
                group.kill(name)
                group.start(name)
        group.wait_taken(RECORDING)
        for name in ("a", "b"):
            assert group.stop(name) == 0
        assert_same_rows(group.rows(), mqtt_rows)
        group.check_books()


@needs_mosquitto
@pytest.mark.parametrize("with_children", [False, True])
def test_a_member_that_was_stopped_for_long_does_no_harm(
    with_children: bool,
    tmp_path: Path,
    kafka: Kafka,
    mqtt_rows: dict[RowKey, Verdict],
) -> None:
    """Stopped for longer than the group waits, alone or with its processes, then awake again."""
    topic = f"zombie-{with_children}"
    recorder = Recorder(kafka, topic)
    with members(tmp_path, kafka, topic) as group:
        first, second, third = in_parts(3)
        group.start("a")
        recorder.play(first)
        n_first, n_second = (sum(cut.n_samples for cut in part) for part in (first, second))
        wait_until(lambda: group.n_taken() >= n_first, 60, "a judges")
        stopped = list(group.children("a").values()) if with_children else []
        group.signal("a", signal.SIGSTOP)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        group.start("b")
        wait_served(group, ["b"])
        if not with_children:
            said = N_PARTITIONS * ["was not heard"]
            assert re.findall("was not heard", group.log("a")) == said
        recorder.play(second)
        n = n_first + n_second
        wait_until(lambda: group.n_taken() >= n, 60, "b judges")
        group.signal("a", signal.SIGCONT)
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        recorder.play(third)
        group.wait_taken(RECORDING)
        for name in ("a", "b"):
            assert group.stop(name) == 0, group.log(name)
        assert_same_rows(group.rows(), mqtt_rows)
        group.check_books()
