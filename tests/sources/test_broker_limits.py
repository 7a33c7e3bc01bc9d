"""Brokers that cannot, or will not, do all that we ask: the sensors' messages come all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.records.topic import TopicFilter
from monitor.sources.mqtt.broker_log import DROPPED_TOPIC
from monitor.sources.mqtt.courtesies import MAX_STRIKES, PUBLISHING, Courtesies
from tests.servers.mosquitto import Mosquitto, needs_mosquitto, wait_until
from tests.servers.mqtt_clients import FILTER, Listener, send
from tests.servers.strict_broker import PUBLISH, SUBSCRIBE, StrictBroker

LABELS = TopicFilter("camshaft/label", is_optional=True)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.message
        for record in caplog.records
        if record.name.startswith("monitor.sources.mqtt.")
    ]


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize(
    "limit",
    [
        pytest.param("retain_available false", id="s01-retain-unavailable"),
        pytest.param("max_qos 0", id="s02-max-qos-0"),
        pytest.param("max_qos 1", id="max-qos-1"),
        pytest.param("retain_available false\nmax_qos 0", id="both"),
    ],
)
def test_a_broker_that_cannot_take_our_last_will(
    tmp_path: Path, protocol: str, limit: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Cases s01-retain-unavailable and s02-max-qos-0: refused for ever at 0.1.0."""
    with (
        Mosquitto(tmp_path / "broker", extra=limit) as broker,
        Listener(broker.port, protocol=protocol) as listener,
        Listener(
            broker.port, ["camshaft/test/alarm"], client_id="page", instance="page"
        ) as page,
    ):
        listener.ready()
        page.ready()
        send(broker.port, b"one", qos=0)
        listener.wait_for(b"one")
        assert listener.client.publish("camshaft/test/alarm", b"alarm", retain=True)
        page.wait_for(b"alarm")  # on the same connection: the broker took it as it was
        assert listener.client.counters.connects == 1
    text = "\n".join(lines(caplog))
    assert "refuses the connection" not in text
    if "retain_available" in limit:
        assert "seen only by those who listen at the time" in text
    if "max_qos 0" in limit:
        assert f"grants '{FILTER}' with QoS 0 only: messages can be lost" in text
    if limit == "max_qos 1":
        assert "WARNING" not in caplog.text


@needs_mosquitto
def test_a_broker_that_may_again_is_asked_again(tmp_path: Path) -> None:
    poor = Mosquitto(tmp_path / "broker", extra="retain_available false\nmax_qos 0")
    with Listener(poor.port) as listener:
        with poor:
            listener.ready()
        config = tmp_path / "broker" / "mosquitto.conf"
        config.write_text(
            config.read_text().replace("retain_available false\nmax_qos 0", "")
        )
        with poor:
            wait_until(lambda: listener.client.counters.connects == 2)
            listener.ready()
        with poor:
            wait_until(
                lambda: retained_status(poor.port) == b"online", why="retained again"
            )


def retained_status(port: int) -> bytes:
    """What the broker keeps on the status topic, b"" while it keeps nothing."""
    status = TopicFilter("camshaft/test/status", is_state=True)
    with Listener(port, [status, "end"], client_id="page", instance="page") as page:
        page.ready()
        send(port, b"end", topic="end")
        wait_until(lambda: b"end" in page.payloads)
        return next((one.payload for one in page.messages if one.retained), b"")


# -- brokers that hang up -------------------------------------------------------------------------


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_reader_that_may_not_publish_stays(
    tmp_path: Path, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At 0.1.0 the status topic had it thrown out every second, for ever."""
    with (
        Mosquitto(tmp_path / "broker") as broker,
        StrictBroker(
            broker.port, (PUBLISH, b"camshaft/test"), says_why=protocol == "5"
        ) as strict,
        Listener(strict.port, protocol=protocol) as listener,
    ):
        wait_until(lambda: not listener.client._courtesies.may(PUBLISHING))
        listener.ready()
        send(broker.port, b"one", b"two")
        listener.wait_for(b"one", b"two")
        n_closed = strict.n_closed
        assert n_closed == (1 if protocol == "5" else MAX_STRIKES)
        # Alarms are let go, and counted: they would end the connection again.
        assert listener.client.publish("camshaft/test/alarm/a/b", b"raised", retain=True)
        assert listener.client.counters.refused_publications == 1
        send(broker.port, b"three")
        listener.wait_for(b"one", b"two", b"three")
        assert strict.n_closed == n_closed
    (said,) = [line for line in lines(caplog) if "left out" in line]
    assert "closes the connection when we publish" in said
    assert "let mqtt.username write to camshaft/test/#" in said


@needs_mosquitto
@pytest.mark.parametrize("says_why", [True, False])
def test_a_reader_at_a_broker_of_qos_0_that_may_not_publish_stays(
    tmp_path: Path, says_why: bool
) -> None:
    """A publication of QoS 0 has no answer that could be missed."""
    with (
        Mosquitto(tmp_path / "broker", extra="max_qos 0") as broker,
        StrictBroker(broker.port, (PUBLISH, b"camshaft/test"), says_why=says_why) as strict,
        Listener(strict.port) as listener,
    ):
        wait_until(lambda: not listener.client._courtesies.may(PUBLISHING))
        listener.ready()
        send(broker.port, b"one", qos=0)
        listener.wait_for(b"one")
        assert strict.n_closed == (1 if says_why else MAX_STRIKES)
        assert not listener.client.is_contested


@needs_mosquitto
@pytest.mark.parametrize(
    ("topic", "hint"),
    [
        (DROPPED_TOPIC, "set mqtt.watch_dropped: false"),
        (LABELS.text, "let mqtt.username read it"),
    ],
)
def test_a_subscription_that_the_broker_hangs_up_on_is_left_out(
    tmp_path: Path, topic: str, hint: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        Mosquitto(tmp_path / "broker") as broker,
        StrictBroker(broker.port, (SUBSCRIBE, topic.encode())) as strict,
        Listener(strict.port, [FILTER, LABELS]) as listener,
    ):
        wait_until(lambda: not listener.client._courtesies.may(topic))
        listener.ready()
        send(broker.port, b"one")
        listener.wait_for(b"one")
        assert strict.n_closed == MAX_STRIKES
        assert listener.client._courtesies.may(PUBLISHING)
    (said,) = [line for line in lines(caplog) if "left out" in line]
    assert (
        f"on our subscription to {topic}: it is left out until the next start; {hint}"
        in said
    )


@needs_mosquitto
def test_the_count_of_dropped_messages_is_asked_for_only_where_it_is_wanted(
    tmp_path: Path,
) -> None:
    with (
        Mosquitto(tmp_path / "broker") as broker,
        StrictBroker(broker.port, (SUBSCRIBE, b"$SYS")) as strict,
        Listener(strict.port, watch_dropped=False) as listener,
    ):
        listener.ready()
        send(broker.port, b"one")
        listener.wait_for(b"one")
        assert strict.n_closed == 0


@needs_mosquitto
def test_a_sensors_topic_that_the_broker_hangs_up_on_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        Mosquitto(tmp_path / "broker") as broker,
        StrictBroker(broker.port, (SUBSCRIBE, FILTER.encode())) as strict,
        Listener(strict.port) as listener,
    ):
        wait_until(lambda: strict.n_closed >= 4)
        assert not listener.client.is_contested
    assert f"before it answered our subscription to {FILTER}" in caplog.text


@needs_mosquitto
def test_a_refused_publication_is_counted_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    access = tmp_path / "access"
    access.write_text("topic read #\n")
    with (
        Mosquitto(tmp_path / "broker", extra=f"acl_file {access}") as broker,
        Listener(broker.port) as listener,
    ):
        wait_until(lambda: listener.client.counters.refused_publications == 1)
        assert listener.client.counters.connection_losses == 0
    assert "refuses what we publish under camshaft/test/: Not authorized" in caplog.text


# -- the rule by itself ---------------------------------------------------------------------------


def connect(courtesies: Courtesies, *, ends_at: str, is_quick: bool = True) -> str:
    """A connection that ends when `ends_at` is asked for, or after all is. Returns what is left
    out.
    """
    for name in ("labels", "$SYS", PUBLISHING):
        if courtesies.may(name):
            courtesies.asked(name)
            if name == ends_at:
                break
            courtesies.answered(name)
    return courtesies.lost(is_quick, is_denied=False)


def test_what_is_asked_in_vain_three_times_is_left_out() -> None:
    courtesies = Courtesies()
    assert [connect(courtesies, ends_at="$SYS") for _ in range(3)] == ["", "", "$SYS"]
    assert [connect(courtesies, ends_at=PUBLISHING) for _ in range(3)] == [
        "",
        "",
        PUBLISHING,
    ]
    assert connect(courtesies, ends_at="", is_quick=False) == ""
    assert [courtesies.may(name) for name in ("labels", "$SYS", PUBLISHING)] == [
        True,
        False,
        False,
    ]
    # And it stays so, whatever becomes of later connections.
    assert connect(courtesies, ends_at="") == ""
    assert not courtesies.may("$SYS")


def test_an_answer_in_between_clears_the_suspicion() -> None:
    """A network that breaks now and then just after a connection is no refusal."""
    courtesies = Courtesies()
    for _ in range(5):
        assert connect(courtesies, ends_at="labels") == ""
        assert connect(courtesies, ends_at="labels") == ""
        assert connect(courtesies, ends_at="") == ""


def test_what_did_not_help_is_taken_back() -> None:
    """The connection ends soon without it, too: something else is the cause."""
    courtesies = Courtesies()
    assert [connect(courtesies, ends_at="$SYS") for _ in range(3)] == ["", "", "$SYS"]
    assert connect(courtesies, ends_at="") == ""
    assert courtesies.may("$SYS")


def test_what_the_broker_denies_in_words_is_left_out_at_once() -> None:
    courtesies = Courtesies()
    courtesies.asked(PUBLISHING)
    assert courtesies.lost(is_quick=True, is_denied=True) == PUBLISHING
