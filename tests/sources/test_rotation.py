"""Passwords and certificates that are changed on disk while the service runs."""

from __future__ import annotations

import logging
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers.certificates import Certificate, TestAuthority
from tests.servers.mosquitto import Mosquitto, needs_mosquitto, wait_until
from tests.servers.mqtt_clients import Listener


def set_password(broker_folder: Path, password: str) -> None:
    """Of the user "camshaft", from the broker's next start on."""
    passwords = broker_folder / "passwords"
    passwords.write_text(f"camshaft:{password}\n")
    subprocess.run(
        ["mosquitto_passwd", "-U", passwords], check=True, capture_output=True, timeout=30
    )


def news(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.message for one in caplog.records if "on disk" in one.message]


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_password_rotated(
    tmp_path: Path, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Case s07-password-rotated: 'Not authorized' for ever at 0.1.0, until a restart."""
    caplog.set_level(logging.INFO)
    secret = tmp_path / "password"
    secret.write_text("spring\n")
    with (
        Mosquitto(tmp_path / "broker", users={"camshaft": "spring"}) as broker,
        Listener(
            broker.port, protocol=protocol, username="camshaft", password={"file": secret}
        ) as listener,
    ):
        listener.ready()
        broker.stop()
        set_password(tmp_path / "broker", "autumn")
        broker.start()
        wait_until(
            lambda: listener.client.counters.refused_connects >= 2, why="it is refused"
        )
        assert news(caplog) == []
        secret.write_text("autumn\n")
        wait_until(
            lambda: listener.client.counters.connects == 2, why="the new one is used"
        )
        listener.ready()
    assert news(caplog) == [
        "mqtt.password has changed on disk: used from the next connection on."
    ]


@needs_mosquitto
def test_what_cannot_be_read_leaves_the_old_in_use(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is missing while it is replaced ends nothing."""
    secret = tmp_path / "password"
    secret.write_text("spring\n")
    with (
        Mosquitto(tmp_path / "broker", users={"camshaft": "spring"}) as broker,
        Listener(broker.port, username="camshaft", password={"file": secret}) as listener,
    ):
        listener.ready()
        secret.unlink()
        broker.restart()
        wait_until(lambda: listener.client.counters.connects == 2)
        listener.client.renew()
    said = [one.message for one in caplog.records if "cannot be read" in one.message]
    assert len(said) == 2  # at the attempt, and at SIGHUP
    assert "What was read before stays in use." in said[0]


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> list[TestAuthority]:
    folder = tmp_path_factory.mktemp("authorities")
    return [TestAuthority(folder / name, f"Authority {name}") for name in ("old", "new")]


@needs_mosquitto
def test_a_certificate_and_its_authority_rotated(
    tmp_path: Path, authorities: list[TestAuthority], caplog: pytest.LogCaptureFixture
) -> None:
    """Case s08-certificate-rotated: new CA and client certificate under the same names."""
    caplog.set_level(logging.INFO)
    ca, cert, key = (tmp_path / name for name in ("ca.pem", "client.pem", "client.key"))
    server = Certificate(tmp_path / "server.pem", tmp_path / "server.key")

    def install(authority: TestAuthority) -> None:
        """Atomically, as those who rotate do."""
        made = authority.issue("client")
        its_own = authority.issue("server")
        for source, target in [
            (authority.ca_file, ca),
            (made.certificate, cert),
            (made.key, key),
            (its_own.certificate, server.certificate),
            (its_own.key, server.key),
        ]:
            shutil.copy(source, target.with_suffix(".part"))
            target.with_suffix(".part").rename(target)

    old, new = authorities
    install(old)
    with (
        Mosquitto(
            tmp_path / "broker", server_certificate=server, client_ca_file=ca
        ) as broker,
        Listener(
            broker.port, tls={"ca_file": ca, "certificate_file": cert, "key_file": key}
        ) as listener,
    ):
        listener.ready()
        broker.restart()
        wait_until(lambda: listener.client.counters.connects == 2)
        assert news(caplog) == []
        broker.stop()
        install(new)
        broker.start()
        wait_until(
            lambda: listener.client.counters.connects == 3, why="the new ones are used"
        )
        listener.ready()
    assert news(caplog) == [
        "mqtt.tls has changed on disk: used from the next connection on."
    ]
