"""A real Mosquitto for tests: started on a free loopback port, killed,
restarted on the same port.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import pytest

from tests.conftest import server_program
from tests.servers.certificates import Certificate
from tests.servers.child import start_child

needs_mosquitto = pytest.mark.skipif(
    server_program("mosquitto") is None, reason="needs Mosquitto (Debian package mosquitto)"
)


POLL_S = 0.01
REST = 4.0  # after each look, in times of what it took


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(what: Callable[[], object], timeout_s: float = 15.0, why: str = "") -> None:
    """Poll what a real server does until it is so; fails after timeout_s, saying `why`.

    A look that takes long is taken less often: what is waited for needs the processor more.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        begin_s = time.monotonic()
        if what():
            return
        now_s = time.monotonic()
        if now_s > deadline_s:
            raise AssertionError(f"not so after {timeout_s:g} s: {why or what}")
        time.sleep(max(POLL_S, REST * (now_s - begin_s)))


class Mosquitto:
    """A broker process. Use it as a context manager; start, stop, kill and restart as the test
    needs.

    persistence : keep sessions over a restart, saved at each change
    server_certificate, client_ca_file : TLS; with client_ca_file clients must
        show a certificate
    users : name -> password; None lets anybody in
    extra : further lines of configuration
    config : a configuration file's whole text in place of all the above (its
        `listener` must use `port` and `address`)
    """

    def __init__(
        self,
        folder: Path,
        *,
        persistence: bool = False,
        server_certificate: Certificate | None = None,
        client_ca_file: Path | None = None,
        users: Mapping[str, str] | None = None,
        extra: str = "",
        config: Callable[[int], str] | None = None,
        address: str = "127.0.0.1",
        port: int | None = None,
    ) -> None:
        self._address = address
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port() if port is None else port
        self.log_path = folder / "mosquitto.log"
        self.database_path = folder / "mosquitto.db"
        self._folder = folder
        self._config_path = folder / "mosquitto.conf"
        lines = [f"listener {self.port} {address}", "user root", "sys_interval 1"]
        if persistence:
            lines += [
                "persistence true",
                f"persistence_location {folder}/",
                "autosave_interval 1",
                "autosave_on_changes true",
            ]
        if server_certificate is not None:
            lines += [
                f"certfile {server_certificate.certificate}",
                f"keyfile {server_certificate.key}",
            ]
        if client_ca_file is not None:
            lines += [f"cafile {client_ca_file}", "require_certificate true"]
        lines += [*self._access(users), extra]
        self._config_path.write_text(
            config(self.port) if config else "\n".join(lines) + "\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def _access(self, users: Mapping[str, str] | None) -> list[str]:
        if users is None:
            return ["allow_anonymous true"]
        path = self._folder / "passwords"
        path.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
        subprocess.run(
            ["mosquitto_passwd", "-U", path], check=True, capture_output=True, timeout=30
        )
        return ["allow_anonymous false", f"password_file {path}"]

    def start(self) -> None:
        program = server_program("mosquitto")
        assert program is not None
        with self.log_path.open("ab") as log:
            self._process = start_child([program, "-c", self._config_path], log)
        wait_until(self._answers, why=f"Mosquitto listens; its log: {self.log_path}")

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"Mosquitto ended at once: {self.log_path.read_text()}")
        try:
            socket.create_connection((self._address, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """SIGTERM: it saves what it keeps."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
