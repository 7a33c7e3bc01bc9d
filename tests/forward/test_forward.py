"""`camshaft forward` between a real Mosquitto and a real Kafka, and its quick cases on librdkafka's
stand-in for brokers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from confluent_kafka import Message
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from monitor.sources.mqtt.paho_client import publish_properties
from tests.servers.forwarding import Forwarding, forward_config
from tests.servers.kafka import Kafka, MockKafka, real_kafka
from tests.servers.mosquitto import Mosquitto, needs_mosquitto, wait_until
from tests.servers.mqtt_clients import beside, publisher, send
from tests.servers.service import resident_mb
from tests.servers.tcp_proxy import TcpProxy

pytestmark = needs_mosquitto

TOPIC = "vibration/{}/a/waveform"
N_SENSORS, N_DIGITS = 7, 8
N_AT_ONCE, REST_S = (
    20,
    0.02,
)  # messages, and the rest after them: all there is must be read again
UNLIMITED = "max_queued_messages 0\nmax_inflight_messages 100\n"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "mosquitto", extra=UNLIMITED) as running:
        yield running


def murmur2(data: bytes) -> int:
    """Kafka's org.apache.kafka.common.utils.Utils.murmur2, unsigned."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if rest := data[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def partition_of(key: bytes, n_partitions: int) -> int:
    """As Java's default partitioner."""
    return (murmur2(key) & 0x7FFFFFFF) % n_partitions


def header(record: Message, name: str) -> bytes | None:
    headers = record.headers() or []
    assert isinstance(headers, list)
    (found,) = [value for key, value in headers if key == name] or [None]
    assert found is None or isinstance(found, bytes)
    return found


def number_of(record: Message) -> int:
    """Spaces may follow it."""
    return int((record.value() or b"")[:N_DIGITS])


def numbers(records: Sequence[Message]) -> list[int]:
    return [number_of(record) for record in records]


class Counting:
    """Publishes numbered messages of QoS 1, each to the sensor of its number, until told to stop.
    n : those that the broker has taken
    """

    def __init__(self, port: int, most: int = 10**9, pad: int = 0) -> None:
        self.n = 0
        self._port, self._most, self._pad = port, most, pad

    def __call__(self, stop: object) -> None:
        with publisher(self._port) as client:
            while not stop.is_set() and self.n < self._most:  # type: ignore[attr-defined]
                for sent in [self._send(client, self.n + k) for k in range(N_AT_ONCE)]:
                    sent.wait_for_publish(20)
                self.n += N_AT_ONCE
                stop.wait(REST_S)  # type: ignore[attr-defined]

    def _send(self, client: paho.Client, number: int) -> paho.MQTTMessageInfo:
        topic = TOPIC.format(f"m{number % N_SENSORS}")
        text = f"{number:0{N_DIGITS}d}{' ' * self._pad}"
        return client.publish(topic, text, qos=1)


def check_nothing_lost(records: Sequence[Message], n: int) -> int:
    """Every number is there, a sensor's first comings in order, and each repeat says what it
    repeats. Returns how many repeats there are.
    """
    assert set(numbers(records)) == set(range(n))
    packets: dict[int, list[bytes | None]] = {}
    newest: dict[bytes | None, int] = {}
    for record in records:
        number, key = number_of(record), record.key()
        if number in packets:
            assert header(record, "dup") == b"1", f"{number} came again without a mark"
            assert header(record, "packet") in packets[number]
        else:
            assert number > newest.get(key, -1)
            newest[key] = number
        packets.setdefault(number, []).append(header(record, "packet"))
    return len(records) - n


# -- quick, on the stand-in -----------------------------------------------------------------------


def test_a_message_arrives_whole_where_java_would_put_it(
    broker: Mosquitto, mock_kafka: MockKafka, tmp_path: Path
) -> None:
    config = forward_config(broker.port, mock_kafka.brokers)
    with Forwarding(tmp_path, config) as forwarding:
        forwarding.start()
        with publisher(broker.port) as client:
            told = publish_properties({"unit": "g", "Prüfer": "Jörg"})
            for number in range(20):
                topic = TOPIC.format(f"m{number}")
                sent = client.publish(topic, bytes([number]), qos=1, properties=told)
                sent.wait_for_publish(10)
        forwarding.wait(lambda: len(mock_kafka.records("camshaft")) == 20)
        assert forwarding.stop() == 0
    n_partitions = 4
    partitions = set()
    for record in mock_kafka.records("camshaft"):
        key, partition = record.key(), record.partition()
        (number,) = record.value() or b""
        assert key == f"m{number}/a".encode()
        assert partition == partition_of(key, n_partitions)
        assert header(record, "topic") == TOPIC.format(f"m{number}").encode()
        assert header(record, "user:unit") == b"g"
        assert header(record, "user:Prüfer") == "Jörg".encode()
        assert header(record, "retain") is None
        assert header(record, "dup") is None
        partitions.add(partition)
    assert len(partitions) > 1


def test_what_is_for_all_goes_to_every_partition(
    broker: Mosquitto, mock_kafka: MockKafka, tmp_path: Path
) -> None:
    send(broker.port, b"1", topic="running/m1", retain=True)
    rule = {
        "sample_rate_hz": 2000,
        "window_s": 0.5,
        "running": {"topic": "running/{machine}"},
    }
    config = forward_config(
        broker.port,
        mock_kafka.brokers,
        sensors=[rule],
        context=[{"name": "speed", "topic": "speed/{machine}"}],
    )
    with Forwarding(tmp_path, config) as forwarding:
        forwarding.start()
        send(broker.port, b"{}", topic="camshaft/label")
        send(broker.port, b"25", topic="speed/m1")
        forwarding.wait(lambda: len(mock_kafka.records("camshaft")) == 12)
        assert forwarding.stop() == 0
    records = mock_kafka.records("camshaft")
    for topic, is_retained in ((b"running/m1", True), (b"speed/m1", False)):
        those = [one for one in records if header(one, "topic") == topic]
        assert [one.partition() for one in those] == [0, 1, 2, 3]
        assert {header(one, "retain") for one in those} == {b"1" if is_retained else None}


def test_its_end_acknowledges_what_kafka_has(
    broker: Mosquitto, mock_kafka: MockKafka, tmp_path: Path
) -> None:
    """After SIGTERM the next process is given nothing a second time."""
    config = forward_config(broker.port, mock_kafka.brokers)
    counting = Counting(broker.port)
    with Forwarding(tmp_path, config) as forwarding:
        forwarding.start()
        with beside(counting):
            wait_until(lambda: counting.n >= 200, why="it is under way")
            assert forwarding.stop() == 0
        forwarding.start()
        forwarding.wait(lambda: len(mock_kafka.records("camshaft")) >= counting.n)
        assert forwarding.stop() == 0
    assert check_nothing_lost(mock_kafka.records("camshaft"), counting.n) == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"kafka": None},
            "kafka: camshaft forward needs this section (brokers and topic), see docs/kafka.md.\n",
        ),
        (
            {"kafka": {"brokers": ["h"]}},
            "kafka.brokers[0] = 'h': must be HOST:PORT, of IPv6 [ADDRESS]:PORT",
        ),
        (
            {"kafka": {"brokers": ["h:1"], "tls": {"ca_file": "/none"}}},
            "kafka.tls.ca_file = '/none' cannot be read",
        ),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    changes: dict[str, object], said: str, tmp_path: Path
) -> None:
    config = forward_config(1, "127.0.0.1:1") | changes
    with Forwarding(tmp_path, config) as forwarding:
        forwarding.start(online=False)
        assert forwarding.process is not None
        assert forwarding.process.wait(30) == 2
        forwarding.process = None
        assert said in forwarding.log()
        assert forwarding.log().count("\n") == 1


# -- with a real Kafka ----------------------------------------------------------------------------


def test_killed_again_and_again_it_loses_nothing(
    broker: Mosquitto, kafka: Kafka, tmp_path: Path
) -> None:
    kafka.create_topic("killed", 3)
    config = forward_config(broker.port, kafka.brokers, kafka={"topic": "killed"})
    counting = Counting(broker.port)
    with Forwarding(tmp_path, config) as forwarding:
        forwarding.start()
        with beside(counting):
            for kill in range(1, 5):
                goal = counting.n + 150 * kill
                wait_until(lambda goal=goal: counting.n >= goal, why="it is under way")  # type: ignore[misc]
                forwarding.kill()
                forwarding.start()
        forwarding.wait(
            lambda: len(set(numbers(kafka.records("killed")))) == counting.n, 60
        )
        assert forwarding.stop() == 0
    n_repeats = check_nothing_lost(kafka.records("killed"), counting.n)
    print(f"{counting.n} messages, 4 kills: 0 missing, {n_repeats} repeats, all marked")


def test_a_kafka_that_was_killed_costs_nothing(broker: Mosquitto, tmp_path: Path) -> None:
    """One line says so, another that it goes on; what waits is bounded by Receive Maximum."""
    with (
        real_kafka(tmp_path / "kafka") as cluster,
        Forwarding(
            tmp_path,
            forward_config(broker.port, cluster.brokers, mqtt={"receive_maximum": 50}),
        ) as forwarding,
    ):
        cluster.create_topic("camshaft", 2)
        forwarding.start()
        counting = Counting(broker.port, most=4000, pad=20_000)
        with beside(counting):
            wait_until(lambda: counting.n >= 100, why="it is under way")
            assert forwarding.process is not None
            before_mb = resident_mb(forwarding.process.pid)
            cluster.kill()
            forwarding.wait_said("Kafka has not confirmed", 40)
            wait_until(lambda: counting.n >= 1500, 60, "30 MB wait at the MQTT broker")
            after_mb = resident_mb(forwarding.process.pid)
            cluster.start()
            forwarding.wait_said("Kafka takes records again.", 40)
        forwarding.wait(
            lambda: len(set(numbers(cluster.records("camshaft")))) == counting.n, 60
        )
        assert forwarding.stop() == 0
        records = cluster.records("camshaft")
    check_nothing_lost(records, counting.n)
    assert after_mb - before_mb < 15, f"{before_mb:.1f} MB before, {after_mb:.1f} MB after"
    (line,) = re.findall(".*Kafka has not confirmed.*", forwarding.log())
    found = re.search(
        r"confirmed (\d+) messages, the oldest for 1\d s: .+ wait at the MQTT", line
    )
    assert found is not None
    assert (
        int(found[1]) < 200
    )  # of 4000: Mosquitto 2.0.11 sends some more than Receive Maximum


def test_a_connection_lost_while_kafka_is_away_makes_no_repeats(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """What the MQTT broker delivers again is on its way already."""
    with real_kafka(tmp_path / "kafka") as cluster, TcpProxy(broker.port) as proxy:
        cluster.create_topic("camshaft", 2)
        with Forwarding(
            tmp_path, forward_config(proxy.port, cluster.brokers)
        ) as forwarding:
            forwarding.start()
            cluster.kill()
            counting = Counting(broker.port, most=100)
            with beside(counting):
                wait_until(lambda: counting.n == 100, why="the MQTT broker has all")
            forwarding.wait_said("Kafka has not confirmed 100 messages", 40)
            for _ in range(3):
                n_before = proxy.n_connections
                proxy.cut()
                forwarding.wait(lambda n=n_before: proxy.n_connections > n)  # type: ignore[misc]
            cluster.start()
            forwarding.wait_said("Kafka takes records again.", 40)
            forwarding.wait(lambda: len(cluster.records("camshaft")) >= 100)
            assert forwarding.stop() == 0
            records = cluster.records("camshaft")
            assert check_nothing_lost(records, 100) == 0
            # and the MQTT broker owes nothing any more
            forwarding.start()
            send(broker.port, f"{100:08d}".encode(), topic=TOPIC.format("m2"))
            forwarding.wait(lambda: len(cluster.records("camshaft")) == 101)
            assert forwarding.stop() == 0


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Three brokers, of which a test may kill some; it starts them again."""
    with real_kafka(tmp_path_factory.mktemp("three"), 3) as cluster:
        yield cluster


def test_a_leader_that_dies_costs_nothing(
    broker: Mosquitto, three: Kafka, tmp_path: Path
) -> None:
    """Each broker leads one of the three partitions."""
    three.create_topic("leader", 3)
    config = forward_config(broker.port, three.brokers, kafka={"topic": "leader"})
    counting = Counting(broker.port)
    with Forwarding(tmp_path, config) as forwarding:
        forwarding.start()
        with beside(counting):
            wait_until(lambda: counting.n >= 200, why="it is under way")
            three.kill(0)
            goal = counting.n + 200
            wait_until(lambda: counting.n >= goal, why="it goes on")
            three.start(0)
        forwarding.wait(
            lambda: len(set(numbers(three.records("leader")))) == counting.n, 90
        )
        assert forwarding.stop() == 0
        # Kafka's own doing: not one message of MQTT came twice, so no record is there twice.
        assert check_nothing_lost(three.records("leader"), counting.n) == 0


def test_too_few_replicas_hold_messages_back_and_lose_none(
    broker: Mosquitto, three: Kafka, tmp_path: Path
) -> None:
    """Kafka refuses each attempt until the third copy has a place again."""
    three.create_topic("copies", 3, min_insync_replicas=3)
    config = forward_config(broker.port, three.brokers, kafka={"topic": "copies"})
    with Forwarding(tmp_path, config) as forwarding:
        forwarding.start()
        three.kill(2)
        counting = Counting(broker.port, most=400)
        with beside(counting):
            forwarding.wait_said("Kafka has not confirmed", 60)
            wait_until(lambda: counting.n == 400, why="the MQTT broker has all")
        assert len(set(numbers(three.records("copies")))) < 400
        three.start(2)
        forwarding.wait_said("Kafka takes records again.", 60)
        forwarding.wait(lambda: len(set(numbers(three.records("copies")))) == 400, 60)
        assert forwarding.stop() == 0
        assert check_nothing_lost(three.records("copies"), 400) == 0


def test_a_message_over_kafkas_limit_is_counted_and_holds_up_none(
    broker: Mosquitto, kafka: Kafka, tmp_path: Path
) -> None:
    """Also where the topic's limit is below a usual batch."""
    kafka.create_topic("small", 1, max_message_bytes=5000)
    config = forward_config(broker.port, kafka.brokers, kafka={"topic": "small"})
    n = 400
    with Forwarding(tmp_path, config) as forwarding:
        forwarding.start()
        with publisher(broker.port) as client:
            for number in range(n):
                text = b"x" * 20_000 if number == 200 else b"%08d%500s" % (number, b"")
                client.publish(TOPIC.format("m"), text, qos=1).wait_for_publish(10)
        forwarding.wait(lambda: len(kafka.records("small")) == n - 1)
        assert forwarding.stop() == 0
        assert numbers(kafka.records("small")) == [k for k in range(n) if k != 200]
        said = (
            "A message is larger than Kafka's topic takes and is not forwarded (topic"
            f" {TOPIC.format('m')}, 20,000 bytes, the first '{'x' * 24}')."
        )
        assert forwarding.log().count(said) == 1
        assert "too large 1," in forwarding.log()
        assert "not say the topic's" not in forwarding.log()
        forwarding.start()  # it was acknowledged: it does not come again
        send(broker.port, b"1", topic=TOPIC.format("m"))
        forwarding.wait(lambda: len(kafka.records("small")) == n)
        assert forwarding.stop() == 0
        assert forwarding.log().count(said) == 1


def test_it_waits_for_kafka_and_for_its_topic(broker: Mosquitto, tmp_path: Path) -> None:
    """From the second start on, MQTT's session keeps what comes meanwhile."""
    cluster = real_kafka(tmp_path / "kafka")
    with (
        cluster,
        Forwarding(tmp_path, forward_config(broker.port, cluster.brokers)) as forwarding,
    ):
        forwarding.start(online=False)
        forwarding.wait_said(
            "kafka.topic = 'camshaft': Kafka says Broker: Unknown topic or partition. Messages"
            " wait at the MQTT broker."
        )
        cluster.create_topic("camshaft", 1)
        forwarding.wait_connected()
        assert forwarding.stop() == 0
        cluster.kill()
        forwarding.start(online=False)
        forwarding.wait_said("Kafka cannot be reached: ")
        send(broker.port, b"1", b"2", topic=TOPIC.format("m"))
        assert forwarding.stop() == 0
        forwarding.start(online=False)
        cluster.start()
        forwarding.wait(lambda: numbers(cluster.records("camshaft")) == [1, 2])
        assert forwarding.stop() == 0


def test_retained_and_qos_0_messages_come_as_what_they_are(
    broker: Mosquitto, kafka: Kafka, tmp_path: Path
) -> None:
    kafka.create_topic("kinds", 1)
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.UserProperty = [("sequence", "7")]
    send(broker.port, b"1", topic=TOPIC.format("kept"), retain=True)
    config = forward_config(broker.port, kafka.brokers, kafka={"topic": "kinds"})
    with Forwarding(tmp_path, config) as forwarding:
        forwarding.start()
        with publisher(broker.port) as client:
            client.publish(TOPIC.format("m"), b"2", qos=0, properties=properties)
            client.publish(TOPIC.format("m"), b"", qos=1).wait_for_publish(10)
        forwarding.wait(lambda: len(kafka.records("kinds")) == 3)
        assert forwarding.stop() == 0
    kept, plain, empty = kafka.records("kinds")
    assert (kept.value(), header(kept, "retain")) == (b"1", b"1")
    assert (plain.value(), header(plain, "user:sequence")) == (b"2", b"7")
    assert header(plain, "packet") is None
    assert empty.value() == b""
