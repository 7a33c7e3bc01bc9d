"""The real service in a process of its own: how soon it is ready, and its memory with a hundred
sensors.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
import yaml
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.benchmarks.workload import START_NS, TOPIC, Workload
from tests.conftest import server_program
from tests.servers.child import start_child
from tests.servers.mosquitto import Mosquitto, free_port

N_STARTS = 3
READY_S = 60.0
DONE_S = 120.0
STOP_S = 30.0
MIB = 1 << 20
JOURNAL = "journal"
STATUS_TOPIC = "camshaft/camshaft/status"


@dataclass(frozen=True)
class DaemonFigures:
    """startup_s : from the start of the process to READY. rss_mb : MiB resident after every
    sensor's windows.
    """

    startup_s: float
    rss_mb: float | None


def measure_daemon(workload: Workload) -> DaemonFigures:
    """Start it a few times; then, with Mosquitto, let every window come in its own time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        startup_s = min(
            _start_once(workload, folder / f"start-{index}") for index in range(N_STARTS)
        )
        if server_program("mosquitto") is None:
            return DaemonFigures(startup_s, None)
        queue = "max_queued_messages 0\nmax_inflight_messages 0"
        journal = folder / "loaded" / JOURNAL
        with (
            Mosquitto(folder / "broker", extra=queue) as broker,
            _daemon(workload, journal.parent, broker.port) as process,
        ):
            _publish(workload, broker.port)
            _wait_for_verdicts(journal, len(workload.messages), process)
            rss_mb = _rss_bytes(process.pid) / MIB
        return DaemonFigures(startup_s, rss_mb)


def _start_once(workload: Workload, folder: Path) -> float:
    """Seconds from the start of the process to READY, which does not wait for a broker: nobody
    listens at its port.
    """
    folder.mkdir()
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as systemd:
        systemd.bind(str(folder / "notify"))
        systemd.settimeout(READY_S)
        start_s = time.perf_counter()
        with _daemon(
            workload, folder, free_port(), {"NOTIFY_SOCKET": str(folder / "notify")}
        ):
            while b"READY=1" not in systemd.recv(1024):
                pass
            return time.perf_counter() - start_s


@contextmanager
def _daemon(
    workload: Workload,
    folder: Path,
    port: int,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir(exist_ok=True)
    path = folder / "camshaft.yaml"
    path.write_text(yaml.safe_dump(config(workload, port, folder / JOURNAL)))
    command = [str(Path(sys.executable).parent / "camshaft"), "run", "-c", str(path)]
    with (folder / "log").open("wb") as log:
        process = start_child(command, log, {**os.environ, **(environment or {})})
    try:
        yield process
    finally:
        process.terminate()
        process.wait(STOP_S)


def config(workload: Workload, port: int, journal: Path) -> dict[str, object]:
    sensor = workload.rule.model_dump(mode="json", exclude_defaults=True) | {
        "model": str(workload.folder.absolute())
    }
    return {
        "mqtt": {"host": "127.0.0.1", "port": port},
        "subscriptions": [{"topic": TOPIC, "payload": {"format": "raw", "dtype": "int16"}}],
        "sensors": [{**sensor, "expected_period_s": 3600.0}],
        "journal": {"path": str(journal)},
    }


def _publish(workload: Workload, port: int) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    online = threading.Event()
    # the service says so after it has subscribed
    client.on_message = lambda *_: online.set()
    client.connect("127.0.0.1", port)
    client.subscribe(STATUS_TOPIC)
    client.loop_start()
    assert online.wait(READY_S), "the service never came online"
    start_s = time.monotonic()
    for message in workload.messages:
        due_s = start_s + (message.received_ns - START_NS) / 1e9
        time.sleep(max(0.0, due_s - time.monotonic()))
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.UserProperty = list(message.properties.items())
        client.publish(
            message.topic, message.payload, qos=1, properties=properties
        ).wait_for_publish(30)
    client.disconnect()
    client.loop_stop()


def _wait_for_verdicts(journal: Path, n: int, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + DONE_S
    with closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)) as link:
        while (found := link.execute("SELECT count(*) FROM verdict").fetchone()[0]) < n:
            if time.monotonic() > deadline_s or process.poll() is not None:
                raise AssertionError(f"{found} of {n} verdicts after {DONE_S:g} s")
            time.sleep(0.05)


def _rss_bytes(pid: int) -> int:
    n_pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return n_pages * os.sysconf("SC_PAGE_SIZE")
