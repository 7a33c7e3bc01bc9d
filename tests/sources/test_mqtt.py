"""The edge to the broker against a real Mosquitto; what no Mosquitto says on demand comes from a
small fake.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from monitor.records.signal import Delivery
from monitor.records.topic import TopicFilter
from monitor.settings import ConfigError
from monitor.sources.mqtt.client import KEPT_BYTES
from monitor.sources.mqtt.session import PacketToken, Unsettled
from tests.servers.certificates import TestAuthority
from tests.servers.mosquitto import Mosquitto, needs_mosquitto, wait_until
from tests.servers.mqtt_clients import FILTER, TOPIC, Listener, as_filters, publisher, send
from tests.servers.scripted_broker import ScriptedBroker, connack
from tests.servers.tcp_proxy import TcpProxy


def retained(port: int, topic: str) -> bytes | None:
    """What the broker keeps on a topic. A sentinel behind it on the same connection says when all
    has come.
    """
    with Listener(
        port,
        [TopicFilter(topic, is_state=True), "sentinel"],
        client_id="probe",
        instance="probe",
        session_expiry_s=60,
    ) as probe:
        probe.ready()
        send(port, b"", topic="sentinel")
        wait_until(lambda: "sentinel" in {message.topic for message in probe.messages})
        found = [message.payload for message in probe.messages if message.topic == topic]
        # Before it stand those the broker kept for this session.
        return found[-1] if found else None


def numbered(n: int) -> list[bytes]:
    return [f"{index:04d}".encode() for index in range(n)]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as server:
        yield server


# -- without a server -----------------------------------------------------------------------------


def test_acknowledgements_leave_in_order_of_receipt() -> None:
    unsettled = Unsettled()
    for packet_id in (7, 3, 9):
        unsettled.add(packet_id)
    assert unsettled.settle([9]) == []
    assert unsettled.settle([3, 3]) == []
    assert unsettled.settle([3, 8]) == []
    assert unsettled.settle([7]) == [7, 3, 9]
    assert unsettled.settle([7]) == []
    assert len(unsettled) == 0


def test_files_that_cannot_be_used_are_refused_at_once(tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    for tls, match in [
        (
            {"ca_file": tmp_path / "absent.pem"},
            "mqtt.tls.ca_file = .*absent.pem' cannot be read",
        ),
        ({"ca_file": junk}, "mqtt.tls.ca_file = .*junk.pem' must be PEM"),
        (
            {"certificate_file": junk, "key_file": junk},
            "mqtt.tls.certificate_file = .*junk.pem' and key_file must be",
        ),
    ]:
        with pytest.raises(ConfigError, match=match):
            Listener(1, tls=tls)
    with pytest.raises(ConfigError, match=r"secret file .*absent' cannot be read"):
        Listener(1, username="u", password={"file": tmp_path / "absent"})
    with pytest.raises(ConfigError, match=r"mqtt.host = .* cannot be a host name"):
        Listener(1, host="a" * 64)


# -- session and acknowledgement ------------------------------------------------------------------


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_messages_arrive_with_what_they_carry(broker: Mosquitto, protocol: str) -> None:
    with (
        Listener(broker.port, protocol=protocol) as listener,
        publisher(broker.port) as client,
    ):
        listener.ready()
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.UserProperty = [("sequence", "1"), ("start_time_ns", "2")]
        client.publish(TOPIC, b"\x00\xff", qos=1, properties=properties).wait_for_publish(
            10
        )
        listener.wait_for(b"\x00\xff")
        message = listener.messages[0]
        assert message.payload == b"\x00\xff"
        assert message.properties == (
            {"sequence": "1", "start_time_ns": "2"} if protocol == "5" else {}
        )
        assert message.delivery is not None
        assert connection_of(message.delivery) == 1
        assert not message.delivery.redelivered
        wait_until(lambda: listener.client.n_unsettled == 0)


@needs_mosquitto
def test_messages_that_paho_must_read_keep_their_place(broker: Mosquitto) -> None:
    """Of others it sees nothing: that is what makes them cheap."""
    with (
        Listener(broker.port, keep_alive_s=600) as listener,
        publisher(broker.port) as client,
    ):
        listener.ready()
        read_by_paho = beside_paho(listener)
        for index, payload in enumerate(numbered(12)):
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            if index % 3 == 0:
                properties.ContentType = "text/plain"
            client.publish(TOPIC, payload, qos=index % 2, properties=properties)
        listener.wait_for(*numbered(12))
        assert read_by_paho == numbered(12)[::3]
        wait_until(lambda: listener.client.n_unsettled == 0)


@needs_mosquitto
def test_paho_sees_now_and_then_that_messages_come(broker: Mosquitto) -> None:
    """Else it asks the broker for a sign of life, and gives up where that waits behind messages for
    longer than keep_alive_s.
    """
    with Listener(broker.port) as listener, publisher(broker.port) as client:
        listener.ready()
        read_by_paho = beside_paho(listener)
        wait_until(lambda: client.publish(TOPIC, b"one", qos=1) and read_by_paho)
        assert len(read_by_paho) < len(listener.messages)


def beside_paho(listener: Listener) -> list[bytes]:
    """The sensors' payloads that come to paho's own callback from now on."""
    found: list[bytes] = []
    client = listener.client._client
    on_message = client.on_message
    assert on_message is not None

    def note(*arguments: Any) -> None:
        if arguments[2].topic == TOPIC:
            found.append(arguments[2].payload)
        on_message(*arguments)

    client.on_message = note
    return found


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_the_session_outlives_the_process(broker: Mosquitto, protocol: str) -> None:
    """Two client objects are two processes to the broker: neither knows the other's packet ids."""
    with Listener(broker.port, protocol=protocol) as first:
        first.ready()
    send(broker.port, *numbered(5))
    with Listener(broker.port, protocol=protocol) as second:
        second.wait_for(*numbered(5))
        assert second.client.limits is not None
        assert second.client.limits.session_present


@needs_mosquitto
def test_unacknowledged_messages_come_again_with_dup(broker: Mosquitto) -> None:
    with (
        TcpProxy(broker.port) as proxy,
        Listener(proxy.port, acknowledge=False) as listener,
    ):
        listener.ready()
        send(broker.port, *numbered(4))
        listener.wait_for(*numbered(4))
        listener.client.settle([delivery(listener, 0).token])
        # The acknowledgement has reached the broker once it delivers what it sent after it on this
        # connection.
        wait_until(
            lambda: (
                listener.client.publish("echo", b"") and listener.client.n_unsettled == 3
            )
        )
        acknowledged_at_broker(listener, broker)
        old = [message.delivery for message in listener.messages]
        listener.messages.clear()
        proxy.cut()
        listener.wait_for(*numbered(4)[1:])
        assert all(
            message.delivery is not None and message.delivery.redelivered
            for message in listener.messages
        )
        assert {
            connection_of(message.delivery)
            for message in listener.messages
            if message.delivery
        } == {2}
        assert old[1] is not None
        # A PUBACK on another connection would settle a stranger.
        listener.client.settle([old[1].token])
        assert listener.client.n_unsettled == 3
        assert listener.client.counters.connection_losses == 1


def connection_of(delivery: Delivery) -> int:
    assert isinstance(delivery.token, PacketToken)
    return delivery.token.connection


def delivery(listener: Listener, index: int) -> Delivery:
    found = listener.messages[index].delivery
    assert found is not None
    return found


def acknowledged_at_broker(listener: Listener, broker: Mosquitto) -> None:
    """The broker reads a connection in order: what we publish now, it handles after the PUBACKs
    before it.
    """
    with Listener(broker.port, ["barrier"], client_id="barrier") as other:
        other.ready()
        wait_until(
            lambda: listener.client.publish("barrier", b"") and other.messages,
            why="the barrier arrives",
        )


@needs_mosquitto
def test_receive_maximum_bounds_what_is_in_flight(broker: Mosquitto) -> None:
    with Listener(broker.port, acknowledge=False, receive_maximum=5) as listener:
        listener.ready()
        send(broker.port, *numbered(20))
        # QoS 0 is not held back: behind it nothing else was waiting to be sent.
        send(broker.port, b"behind", qos=0)
        listener.wait_for(*numbered(5), b"behind")
        for index in range(20):
            at = index if index < 5 else index + 1  # "behind" lies between
            wait_until(lambda at=at: len(listener.messages) > at)  # type: ignore[misc]
            listener.client.settle([delivery(listener, at).token])
        assert [
            payload for payload in listener.payloads if payload != b"behind"
        ] == numbered(20)


@needs_mosquitto
def test_acknowledged_out_of_order_they_still_count(broker: Mosquitto) -> None:
    with (
        TcpProxy(broker.port) as proxy,
        Listener(proxy.port, acknowledge=False) as listener,
    ):
        listener.ready()
        send(broker.port, *numbered(4))
        listener.wait_for(*numbered(4))
        for index in (2, 1):
            listener.client.settle([delivery(listener, index).token])
        assert listener.client.n_unsettled == 4  # held back behind the first
        listener.client.settle([delivery(listener, 0).token])
        assert listener.client.n_unsettled == 1
        acknowledged_at_broker(listener, broker)
        listener.messages.clear()
        proxy.cut()
        listener.wait_for(numbered(4)[3])


@needs_mosquitto
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_broker_restarts_with_persistence(tmp_path: Path, end: str) -> None:
    with Mosquitto(tmp_path / "broker", persistence=True) as broker:
        with Listener(broker.port) as first:
            first.ready()
        send(broker.port, *numbered(5))
        # Mosquitto answers before it saves: what it had not saved, a kill loses
        if end == "kill":
            wait_until(lambda: b"0004" in broker.database_path.read_bytes(), why="saved")
        getattr(broker, end)()
        broker.start()
        with Listener(broker.port) as second:
            second.wait_for(*numbered(5))


@needs_mosquitto
def test_broker_restarts_without_persistence_and_subscriptions_are_renewed(
    broker: Mosquitto,
) -> None:
    with Listener(broker.port) as listener:
        listener.ready()
        broker.restart()
        wait_until(lambda: listener.client.counters.connects == 2, why="connected again")
        listener.ready()
        assert listener.client.limits is not None
        assert not listener.client.limits.session_present


@needs_mosquitto
def test_after_a_lost_session_packet_ids_mean_other_messages(broker: Mosquitto) -> None:
    """The broker counts from 1 again: what was received before neither settles a new message nor
    keeps its acknowledgement back.
    """
    with Listener(broker.port, acknowledge=False) as listener:
        listener.ready()
        send(broker.port, *numbered(3))
        listener.wait_for(*numbered(3))
        old = [delivery(listener, i) for i in range(3)]
        listener.messages.clear()
        broker.restart()
        wait_until(lambda: listener.client.counters.connects == 2, why="connected again")
        listener.ready()
        send(broker.port, *numbered(2))
        listener.wait_for(*numbered(2))
        new = [delivery(listener, i) for i in range(2)]
        assert [one.key for one in new] == [one.key for one in old[:2]]
        listener.client.settle([one.token for one in old])
        assert listener.client.n_unsettled == 2
        listener.client.settle([one.token for one in new])
        assert listener.client.n_unsettled == 0


@needs_mosquitto
def test_half_open_connection_is_noticed(broker: Mosquitto) -> None:
    with TcpProxy(broker.port) as proxy, Listener(proxy.port) as listener:
        listener.ready()
        proxy.stall()
        wait_until(
            lambda: not listener.client.is_connected,
            timeout_s=20,
            why="keep-alive of 5 s noticed the silence",
        )
        proxy.cut()
        proxy.flow()
        wait_until(lambda: listener.client.is_connected)


# -- subscriptions --------------------------------------------------------------------------------


@needs_mosquitto
def test_resubscribe_changes_filters_now_and_for_the_session(broker: Mosquitto) -> None:
    with Listener(broker.port, ["old/+", "both"]) as listener:
        listener.ready()
        listener.client.listen(as_filters(["new/+", "both"]))
        listener.ready()
        for topic in ("old/x", "both", "new/x"):
            send(broker.port, topic.encode(), topic=topic)
        listener.wait_for(b"both", b"new/x")
    send(broker.port, b"again", topic="old/x")
    with Listener(broker.port, ["new/+", "both"]) as listener:
        listener.ready()
        send(broker.port, b"last", topic="new/x")
        listener.wait_for(b"last")


@needs_mosquitto
def test_resubscribe_while_disconnected_takes_effect_at_the_next_connection(
    broker: Mosquitto,
) -> None:
    with TcpProxy(broker.port) as proxy, Listener(proxy.port, ["old", "both"]) as listener:
        listener.ready()
        proxy.refuse()
        wait_until(lambda: not listener.client.is_connected)
        listener.client.listen(as_filters(["new", "both"]))
        proxy.accept()
        listener.ready()
        for topic in ("old", "both", "new"):
            send(broker.port, topic.encode(), topic=topic)
        listener.wait_for(b"both", b"new")


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_filter_that_left_while_the_process_was_down_is_unsubscribed(
    broker: Mosquitto, protocol: str
) -> None:
    with Listener(broker.port, ["old/+", "both"], protocol=protocol) as first:
        first.ready()
        held = first.client.remembered
    assert held == {"old/+", "both"}
    second = Listener(
        broker.port, ["both", "old/x"], protocol=protocol, held_before=sorted(held)
    )
    # Before it connects: the broker may let go at once.
    assert second.client.remembered == {
        "old/+",
        "both",
        "old/x",
    }
    with second:
        wait_until(
            lambda: second.client.remembered == {"both", "old/x"},
            why="the broker has let go of it",
        )
        for topic in ("old/y", "old/x", "both"):
            send(broker.port, topic.encode(), topic=topic)
        second.wait_for(b"old/x", b"both")


@needs_mosquitto
def test_a_new_session_holds_nothing_to_leave(broker: Mosquitto) -> None:
    with Listener(broker.port, ["new"], held_before=["old"]) as listener:
        listener.ready()
        assert listener.client.remembered == {"new"}


@needs_mosquitto
def test_a_filter_is_held_until_the_broker_confirms_that_it_left(broker: Mosquitto) -> None:
    with TcpProxy(broker.port) as proxy, Listener(proxy.port, ["old", "both"]) as listener:
        listener.ready()
        proxy.stall()
        listener.client.listen(as_filters(["both"]))  # swallowed with the connection
        assert listener.client.remembered == {"old", "both"}
        proxy.cut()
        proxy.flow()
        wait_until(lambda: listener.client.remembered == {"both"}, why="it was asked again")
        for topic in ("old", "both"):
            send(broker.port, topic.encode(), topic=topic)
        listener.wait_for(b"both")


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_retained_message_comes_once_to_a_session_and_says_what_it_is(
    broker: Mosquitto, protocol: str
) -> None:
    """Case d22-retained-waveform. MQTT 3.1.1 has no Retain Handling: the mark must do."""
    send(broker.port, b"old", retain=True)
    for n_starts in range(3):
        with Listener(broker.port, protocol=protocol) as listener:
            listener.ready()
            send(broker.port, b"live")
            wait_until(lambda found=listener: b"live" in found.payloads)  # type: ignore[misc]
            found = [(one.payload, one.retained) for one in listener.messages]
        once = n_starts > 0 and protocol == "5"
        assert found == ([] if once else [(b"old", True)]) + [(b"live", False)]


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_retained_state_comes_at_every_start(broker: Mosquitto, protocol: str) -> None:
    """Whether a machine runs is known by the retained message alone until it changes."""
    send(broker.port, b"on", topic="plant/m/running", retain=True)
    for _ in range(3):
        state = TopicFilter("plant/+/running", is_state=True)
        with Listener(broker.port, [state], protocol=protocol) as listener:
            listener.wait_for(b"on")
            assert listener.messages[0].retained


# -- status, oversize, dropped --------------------------------------------------------------------


@needs_mosquitto
def test_status_topic_tells_online_offline_and_death(broker: Mosquitto) -> None:
    with TcpProxy(broker.port) as proxy, Listener(proxy.port) as listener:
        listener.ready()
        topic = listener.client.status_topic
        assert topic == "camshaft/test/status"
        wait_until(lambda: retained(broker.port, topic) == b"online")
        proxy.refuse()  # the connection dies without a word: the last will
        wait_until(lambda: retained(broker.port, topic) == b"offline")
        proxy.accept()
        wait_until(lambda: retained(broker.port, topic) == b"online")
    assert retained(broker.port, topic) == b"offline"


@needs_mosquitto
def test_oversize_messages_are_counted_shown_and_settled(broker: Mosquitto) -> None:
    with Listener(broker.port, max_payload_bytes=2000) as listener:
        listener.ready()
        send(broker.port, b"x" * 2001, b"good")
        listener.wait_for(b"good")
        assert [len(message.payload) for message in listener.oversize] == [KEPT_BYTES]
        wait_until(lambda: listener.client.n_unsettled == 0)
        assert listener.client.counters.oversize == 1


@needs_mosquitto
def test_messages_the_broker_drops_are_seen(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Mosquitto(tmp_path / "broker", extra="max_queued_messages 1") as broker:
        with Listener(broker.port, acknowledge=False, receive_maximum=2) as listener:
            listener.ready()
            send(broker.port, *numbered(10))
            wait_until(
                lambda: listener.client.counters.dropped_by_broker == 7,
                why="$SYS tells of dropped messages",
            )
        assert any("has dropped messages" in record.message for record in caplog.records)


# -- faults of our own ----------------------------------------------------------------------------


@needs_mosquitto
def test_an_unexpected_fault_is_handed_on_and_the_thread_lives(broker: Mosquitto) -> None:
    listener = Listener(broker.port)
    with listener:
        listener.ready()
        listener._acknowledge = False
        broken = listener.client._deliver
        listener.client._deliver = lambda message: 1 / 0  # type: ignore[assignment]
        send(broker.port, b"poison")
        wait_until(lambda: listener.faults)
        listener.client._deliver = broken
        send(broker.port, b"after")
        listener.wait_for(b"after")
        assert listener.client.is_alive
        assert [type(fault) for fault in listener.faults] == [ZeroDivisionError]
        assert listener.client.n_unsettled == 2  # the poison is not settled: it comes again
        listener.faults.clear()


@needs_mosquitto
def test_a_network_thread_that_ends_is_told(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of an error of the system that paho does not expect, seen under a stepped clock."""
    error = OSError(22, "Invalid argument")

    def wait(_client: paho.Client) -> None:
        raise error

    with Listener(broker.port) as listener:
        listener.ready()
        monkeypatch.setattr(paho.Client, "_reconnect_wait", wait)
        broker.stop()
        wait_until(lambda: not listener.client.is_alive, why="its thread has ended")
        assert listener.faults == [error]
        assert not listener.client.is_connected
        assert "The network thread of MQTT has ended." in caplog.messages
        listener.faults.clear()


# -- connecting -----------------------------------------------------------------------------------


@needs_mosquitto
def test_first_connection_may_fail_for_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Mosquitto(tmp_path / "broker")
    with Listener(broker.port) as listener:
        wait_until(lambda: listener.client.counters.failed_connects >= 4)
        lines = [
            record.message
            for record in caplog.records
            if record.name.startswith("monitor.sources.mqtt.")
        ]
        assert lines == [
            f"No connection to broker 127.0.0.1:{broker.port}: nothing listens there; trying again."
        ]
        with broker:
            listener.ready()


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_wrong_password_is_one_clear_line(
    tmp_path: Path, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "password").write_text("wrong\n")
    login: dict[str, Any] = {
        "username": "camshaft",
        "password": {"file": tmp_path / "password"},
    }
    with Mosquitto(tmp_path / "broker", users={"camshaft": "right"}) as broker:
        with Listener(broker.port, protocol=protocol, **login) as listener:
            wait_until(lambda: listener.client.counters.refused_connects >= 3)
        lines = [
            record.message
            for record in caplog.records
            if record.name.startswith("monitor.sources.mqtt.")
        ]
        assert len(lines) == 1
        assert (
            "refuses the connection: Not authorized (check mqtt.username and mqtt.password"
            in lines[0]
        )
        (tmp_path / "password").write_text("right\n")
        with Listener(broker.port, protocol=protocol, **login) as listener:
            listener.ready()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("certificates"))


@needs_mosquitto
def test_tls_with_the_right_authority(tmp_path: Path, authority: TestAuthority) -> None:
    certificate = authority.issue("server")
    with (
        Mosquitto(tmp_path / "broker", server_certificate=certificate) as broker,
        Listener(
            broker.port, host="localhost", tls={"ca_file": authority.ca_file}
        ) as listener,
        publisher(broker.port, host="localhost", ca_file=authority.ca_file) as client,
    ):
        listener.ready()
        payloads = [one * 30_000 for one in numbered(9)]  # some records of TLS each
        for payload in payloads:
            client.publish(TOPIC, payload, qos=1)
        listener.wait_for(*payloads)
        wait_until(lambda: listener.client.n_unsettled == 0)


@needs_mosquitto
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")  # paho's own
@pytest.mark.parametrize(
    ("hosts", "days", "own_authority", "match"),
    [
        (
            "DNS:localhost",
            1,
            False,
            "comes from an authority that tls.ca_file does not hold",
        ),
        ("DNS:localhost", -1, True, "certificate has expired"),
        ("DNS:elsewhere.example", 1, True, "certificate is for another host name"),
    ],
)
def test_tls_that_cannot_be_trusted_is_one_clear_line(
    tmp_path: Path,
    authority: TestAuthority,
    caplog: pytest.LogCaptureFixture,
    hosts: str,
    days: int,
    own_authority: bool,
    match: str,
) -> None:
    certificate = authority.issue(f"server{days}{own_authority}{len(hosts)}", hosts, days)
    ca_file = (
        authority.ca_file
        if own_authority
        else TestAuthority(tmp_path / "other", "Another authority").ca_file
    )
    with (
        Mosquitto(tmp_path / "broker", server_certificate=certificate) as broker,
        Listener(broker.port, host="localhost", tls={"ca_file": ca_file}) as listener,
    ):
        wait_until(lambda: listener.client.counters.failed_connects >= 3)
        assert not listener.client.is_connected
    lines = [
        record.message
        for record in caplog.records
        if record.name.startswith("monitor.sources.mqtt.")
    ]
    assert len(lines) == 1
    assert match in lines[0]


@needs_mosquitto
def test_mutual_tls(
    tmp_path: Path, authority: TestAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    client = authority.issue("client")
    with Mosquitto(
        tmp_path / "broker",
        server_certificate=authority.issue("mutual"),
        client_ca_file=authority.ca_file,
    ) as broker:
        tls = {"ca_file": authority.ca_file}
        with Listener(broker.port, tls=tls) as listener:
            wait_until(lambda: listener.client.counters.failed_connects >= 2)
            assert not listener.client.is_connected
        assert "CERTIFICATE_REQUIRED" in caplog.text.upper().replace(" ", "_")
        with Listener(
            broker.port,
            tls=tls | {"certificate_file": client.certificate, "key_file": client.key},
        ) as listener:
            listener.ready()


# -- what a real broker does not say on demand ----------------------------------------------------


def test_less_than_asked_is_said(caplog: pytest.LogCaptureFixture) -> None:
    # CONNACK: session expiry 60 s, maximum packet size 4096 bytes, maximum QoS 1 left out.
    granted = b"\x11" + (60).to_bytes(4, "big") + b"\x27" + (4096).to_bytes(4, "big")
    with (
        ScriptedBroker(connack(granted), 0x87) as broker,
        Listener(broker.port) as listener,
    ):
        wait_until(lambda: listener.client.counters.refused_subscriptions == 1)
        listener.client.stop(0.1)  # nobody answers its farewell
        assert listener.client.limits is not None
        assert listener.client.limits.session_expiry_s == 60
        assert listener.client.limits.max_packet_bytes == 4096
    text = caplog.text
    assert "keeps our session for 60 s, not for session_expiry_s = 604800 s" in text
    assert (
        "takes packets of at most 4096 bytes, less than max_payload_bytes = 4194304" in text
    )
    assert (
        f"refuses the subscription to '{FILTER}': Not authorized; asked again at the next"
        " connection." in text
    )


def test_a_topic_that_is_no_text_is_counted_and_settled() -> None:
    # QoS 1, packet id 7
    bad = b"\x32\x08" + b"\x00\x02\xff\xfe" + b"\x00\x07" + b"\x00" + b"x"
    good = b"\x32\x08" + b"\x00\x02a/" + b"\x00\x08" + b"\x00" + b"y"
    with (
        ScriptedBroker(connack(), then=bad + good) as broker,
        Listener(broker.port) as listener,
    ):
        wait_until(lambda: b"y" in listener.payloads)
        assert listener.client.counters.bad_topics >= 1
        wait_until(
            lambda: b"\x40\x02\x00\x07\x40\x02\x00\x08" in b"".join(broker.received),
            why="both acknowledged",
        )
        listener.client.stop(0.1)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff" * 64,
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\x00",
        b"\x20\x03\x00\x00\x7f",
        bytes(range(256)),
    ],
)
def test_a_server_that_speaks_no_mqtt_is_tried_again(garbage: bytes) -> None:
    with (
        ScriptedBroker(garbage) as broker,
        Listener(broker.port, keep_alive_s=5) as listener,
    ):
        wait_until(
            lambda: len(broker.received) >= 2, timeout_s=30, why="a second connection"
        )
        assert listener.client.is_alive
        assert not listener.client.is_connected


@needs_mosquitto
def test_logs_are_quiet_when_well(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Mosquitto(tmp_path / "broker") as broker, caplog.at_level(logging.INFO):
        with Listener(broker.port) as listener:
            listener.ready()
        lines = [
            record.message
            for record in caplog.records
            if record.name.startswith("monitor.sources.mqtt.")
        ]
        assert lines == [
            f"Connected to broker 127.0.0.1:{broker.port}, MQTT 5, new session."
        ]
