"""One session: who else takes it, what its loss means, and what the log says in the end."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.sources.mqtt.courtesies import PUBLISHING
from monitor.sources.mqtt.losses import CONTESTED_PAUSE_S, Losses
from tests.servers.mosquitto import Mosquitto, needs_mosquitto, wait_until
from tests.servers.mqtt_clients import Listener
from tests.servers.scripted_broker import SESSION_TAKEN_OVER, ScriptedBroker, connack
from tests.servers.tcp_proxy import TcpProxy


def records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [one for one in caplog.records if one.name.startswith("monitor.sources.mqtt.")]


# -- a second client with our id ------------------------------------------------------------------


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_two_daemons_with_one_client_id(
    tmp_path: Path, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Case s05-same-client-id: at 0.1.0 33 connections in 30 s, and 'closed by the broker'.

    Mosquitto 2.0.11 closes without a reason code, in MQTT 5, too.
    """
    with (
        Mosquitto(tmp_path / "broker") as broker,
        Listener(broker.port, protocol=protocol) as first,
        Listener(broker.port, protocol=protocol, instance="copy") as second,
    ):
        wait_until(
            lambda: first.client.is_contested or second.client.is_contested,
            why="it is noticed",
        )
        wait_until(
            lambda: max(first.client._losses.pause_s, second.client._losses.pause_s) > 0.5,
            why="the pauses grow",
        )
        found = first if first.client.is_contested else second
        health = found.client.health()
        assert health["broker_takeovers"] >= 1
        assert health["broker_session_contested"] is True
    match = "Another client seems to use mqtt.client_id = 'camshaft'"
    said = [one for one in records(caplog) if match in one.message]
    assert said
    assert all(one.levelno == logging.ERROR for one in said)
    assert "give every client an id of its own" in said[0].message
    assert len(said) <= 2  # once in five minutes for each of the two


def test_a_broker_that_says_so_is_believed_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Case s05-same-client-id, with MQTT 5's reason code."""
    with (
        ScriptedBroker(connack(session_present=True), then=SESSION_TAKEN_OVER) as broker,
        Listener(broker.port) as listener,
    ):
        wait_until(lambda: listener.client.counters.takeovers >= 3)
        assert listener.client.is_contested
        assert listener.client._courtesies.may(PUBLISHING)
    said = [one.message for one in records(caplog) if one.levelno >= logging.WARNING]
    assert [one.partition(".")[0] for one in said] == ["Another client uses mqtt"]
    assert "gave it our session" in said[0]


def test_pauses_double_while_connections_end_at_once() -> None:
    losses = Losses(1.0, 30.0)
    pauses = []
    for _ in range(12):
        losses.lost(0.1, is_taken_over=True, is_explained=True)
        pauses.append(losses.pause_s)
    assert pauses[:5] == [1, 2, 4, 8, 16]
    assert pauses[-1] == CONTESTED_PAUSE_S
    assert losses.is_contested(0.0)


def test_three_quick_losses_without_a_reason_are_another_client() -> None:
    losses = Losses(1.0, 30.0)
    said = []
    for _ in range(3):
        losses.lost(0.9, is_taken_over=False, is_explained=False)
        said.append(losses.is_contested(0.0))
    assert said == [False, False, True]


def test_losses_with_a_known_cause_do_not_count_towards_another_client() -> None:
    losses = Losses(1.0, 30.0)
    for is_explained in (True, True, True, False, False, True, False):
        losses.lost(0.2, is_taken_over=False, is_explained=is_explained)
        assert not losses.is_contested(0.0)


def test_a_broker_that_was_away_is_no_other_client() -> None:
    losses = Losses(1.0, 30.0)
    for _ in range(7):
        losses.lost(0.3, is_taken_over=False, is_explained=False)
        losses.lost(0.4, is_taken_over=False, is_explained=False)
        assert losses.no_connection()
        assert not losses.no_connection()
        assert (losses.pause_s, losses.is_contested(0.0)) == (1.0, False)


def test_connections_that_last_as_long_as_the_other_pauses_are_still_contested() -> None:
    losses = Losses(1.0, 30.0)
    for _ in range(8):
        losses.lost(1.9 * losses.pause_s, is_taken_over=False, is_explained=False)
    assert losses.is_contested(0.0)
    assert not losses.is_contested(2 * losses.pause_s)
    losses.lost(2.1 * losses.pause_s, is_taken_over=False, is_explained=False)
    assert (losses.pause_s, losses.is_contested(0.0)) == (1.0, False)


def test_a_link_that_breaks_now_and_then_is_no_other_client() -> None:
    losses = Losses(1.0, 30.0)
    for _ in range(10):
        losses.lost(7.3, is_taken_over=False, is_explained=False)
        assert (losses.pause_s, losses.is_contested(0.0)) == (1.0, False)
    for _ in range(10):
        losses.lost(0.3, is_taken_over=False, is_explained=True)
    assert (losses.pause_s, losses.is_contested(0.0)) == (30.0, False)


# -- what the log says in the end -----------------------------------------------------------------


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_lost_session_is_a_warning_each_time(
    tmp_path: Path, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Case s13-log-after-reconnect: a broker without persistence restarts twice. At 0.1.0 the log
    ended with "No connection", and the second loss of messages was not said.
    """
    with (
        caplog.at_level(logging.INFO),
        Mosquitto(tmp_path / "broker") as broker,
        Listener(broker.port, protocol=protocol) as listener,
    ):
        listener.ready()
        for n in (2, 3):
            broker.restart()
            wait_until(lambda n=n: listener.client.counters.connects == n)  # type: ignore[misc]
        lost = [
            one for one in records(caplog) if "What it held for us is lost" in one.message
        ]
        assert [one.levelno for one in lost] == [logging.WARNING] * 2
        last = records(caplog)[-1].message
        assert last.startswith(
            f"Connected to broker 127.0.0.1:{broker.port}, MQTT {protocol}, new"
        )


@needs_mosquitto
def test_a_session_lost_while_the_process_was_down_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        Mosquitto(tmp_path / "broker") as broker,
        Listener(broker.port, held_before=["vibration/+/+/waveform"]) as listener,
    ):
        listener.ready()
    assert (
        "mqtt.client_id = 'camshaft' any more. What it held for us is lost." in caplog.text
    )


def has_told_status(listener: Listener) -> bool:
    sent = listener.client._publications
    return bool(sent) and all(one.is_published() for one in sent)


@needs_mosquitto
def test_connected_ends_every_trouble_that_was_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Case s13-log-after-reconnect. Trouble that is not said again needs no end either."""
    with (
        caplog.at_level(logging.INFO),
        Mosquitto(tmp_path / "broker") as broker,
        TcpProxy(broker.port) as proxy,
        Listener(proxy.port) as listener,
    ):
        listener.ready()
        for n in (2, 3, 4):
            wait_until(lambda: has_told_status(listener))
            proxy.cut()
            wait_until(lambda n=n: listener.client.counters.connects == n)  # type: ignore[misc]
        found = [one.message.split(":")[0].split(" ")[0] for one in records(caplog)]
    assert found[:1] == ["Connected"]
    assert found[-1] == "Connected"
    assert found.count("Connected") == len(found) - found.count("Connected") + 1


# -- another address under the same name ----------------------------------------------------------


@needs_mosquitto
def test_a_broker_that_moved_is_found_at_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case s11-dns-change: right already at 0.1.0."""
    address = "127.0.0.1"
    resolve: Callable[..., Any] = socket.getaddrinfo

    def look_up(host: str, *arguments: Any, **options: Any) -> Any:
        return resolve(address if host == "broker.plant" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    old = Mosquitto(tmp_path / "old")
    new = Mosquitto(tmp_path / "new", address="127.0.0.2", port=old.port)
    with old, new, Listener(old.port, host="broker.plant") as listener:
        listener.ready()
        address = "127.0.0.2"
        old.stop()
        wait_until(lambda: listener.client.counters.connects == 2, why="found again")
        listener.ready()
