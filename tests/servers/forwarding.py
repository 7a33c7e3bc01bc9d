"""`camshaft forward` as a child process: started, watched through its log, stopped, killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import yaml

from tests.servers.child import start_child
from tests.servers.mosquitto import wait_until

START_S = 60.0


def forward_config(mqtt_port: int, brokers: str, **changes: Any) -> dict[str, Any]:
    """Of raw waveforms on vibration/{machine}/{point}/waveform; `changes` replace whole keys, those
    of mqtt and kafka single ones.
    """
    mqtt = {"port": mqtt_port, "keep_alive_s": 5} | changes.pop("mqtt", {})
    kafka = {"brokers": brokers.split(",")} | changes.pop("kafka", {})
    return {
        "mqtt": mqtt,
        "kafka": kafka,
        "subscriptions": [
            {
                "topic": "vibration/{machine}/{point}/waveform",
                "payload": {"format": "raw", "dtype": "float32"},
            }
        ],
        "sensors": [{"sample_rate_hz": 2000, "window_s": 0.5}],
        **changes,
    }


class Forwarding:
    """One process and its folder. Use it as a context manager."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.config_path = folder / "camshaft.yaml"
        self.config_path.write_text(yaml.safe_dump(config), encoding="utf-8")
        self.log_path = folder / "forward.log"
        self._n_before = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, online: bool = True) -> None:
        """With `online` wait until it is subscribed."""
        self._n_before = self._n_connects()
        with self.log_path.open("ab") as log:
            words = [
                sys.executable,
                "-m",
                "monitor.cli",
                "forward",
                "-c",
                str(self.config_path),
            ]
            self.process = start_child(words, log, {**os.environ, "OMP_NUM_THREADS": "1"})
        if online:
            self.wait_connected()

    def wait_connected(self) -> None:
        """Until the process started last is connected to MQTT and has subscribed."""
        why = "forward is connected"
        self.wait(lambda: self._n_connects() > self._n_before, START_S, why)
        # The subscription leaves before the line is logged, on a connection that the broker reads
        # in order.
        time.sleep(0.05)

    def stop(self) -> int:
        """SIGTERM. Returns the exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(30)
        self.process = None
        return code

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def log(self) -> str:
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def wait(
        self, what: Callable[[], object], timeout_s: float = 30.0, why: str = ""
    ) -> None:
        """Poll until it is so; fails at once, with the end of the log, if it ends meanwhile."""

        def checked() -> object:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(
                    f"forward ended with {self.process.returncode}:\n{self.log()[-3000:]}"
                )
            return what()

        wait_until(checked, timeout_s, why)

    def wait_said(self, text: str, timeout_s: float = 30.0) -> None:
        self.wait(
            lambda: text in self.log(), timeout_s, f"it says {text!r}: {self.log_path}"
        )

    def _n_connects(self) -> int:
        return self.log().count("Connected to broker")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.kill()
