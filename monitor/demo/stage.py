"""The demo's stage: a broker on a free loopback port and the real service, both children of ours,
one process group.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from monitor.config import MqttSettings
from monitor.config_file import write_yaml
from monitor.journal.reader import JournalReader
from monitor.records.signal import Message
from monitor.records.topic import TopicFilter
from monitor.sources.mqtt.client import MqttClient

INSTANCE = "demo"
START_DEADLINE_S = 20.0
POLL_S = 0.05
STOP_DEADLINE_S = 12.0
LOG_LINES = 15  # of a child that failed, shown to the user
SYSTEM_PROGRAMS = (  # where Debian keeps Mosquitto, not always in a user's PATH
    "/usr/sbin:/usr/local/sbin"
)

MOSQUITTO_CONF = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
"""
AMQTT_CONF = """\
listeners:
  default: {{type: tcp, bind: "127.0.0.1:{port}"}}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin: {{allow_anonymous: true}}
"""


class DemoError(Exception):
    """The demo cannot go on; str() says why, with the end of the failed program's log."""


@dataclass(frozen=True, slots=True)
class Broker:
    name: str
    protocol: Literal["5", "3.1.1"]
    port: int


class Child:
    """A child process with its log in a file."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name, self.log = name, log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )

    def check(self) -> None:
        """Raises DemoError if it has ended by itself."""
        code = self.process.poll()
        if code is not None:
            end = "\n".join(
                self.log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:]
            )
            raise DemoError(
                f"{self.name} ended with exit code {code}. The end of {self.log}:\n{end}"
            )

    def stop(self) -> int:
        """Ask it to end (SIGTERM), wait, and force it if it does not. Returns its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


@contextmanager
def running(name: str, command: Sequence[str], folder: Path) -> Iterator[Child]:
    """A child that ends with the block, whatever happens in it."""
    child = Child(name, command, folder / f"{name}.log")
    try:
        yield child
    finally:
        child.stop()


@contextmanager
def broker(folder: Path) -> Iterator[Broker]:
    """Mosquitto with MQTT 5 where it is installed, else amqtt with 3.1.1. Raises DemoError where
    neither starts.
    """
    port = free_port()
    mosquitto = find_mosquitto()
    conf = folder / "broker.conf"
    if mosquitto:
        conf.write_text(MOSQUITTO_CONF.format(port=port), encoding="utf-8")
        found, command = (
            Broker(_mosquitto_name(mosquitto), "5", port),
            [mosquitto, "-c", str(conf)],
        )
    else:
        conf.write_text(AMQTT_CONF.format(port=port), encoding="utf-8")
        amqtt = Path(sys.executable).with_name("amqtt")
        if not amqtt.exists():
            raise DemoError(
                "There is no MQTT broker: install Mosquitto (apt-get install mosquitto) or"
                " 'camshaft[demo]'."
            )
        found, command = Broker("amqtt", "3.1.1", port), [str(amqtt), "-c", str(conf)]
    with running("broker", command, folder) as child:
        _wait_for_port(port, child)
        yield found


@dataclass(frozen=True, slots=True)
class Stage:
    """A running broker and service, and our own ends of both."""

    config: Path
    journal: Path
    broker: Broker
    service: Child
    client: MqttClient
    reader: JournalReader
    page_url: str  # of the live page, '' where its extra is not installed

    @property
    def title(self) -> str:
        page = f" · live page {self.page_url}" if self.page_url else ""
        return f"Camshaft demo · {self.broker.name}, MQTT {self.broker.protocol}{page}"


@contextmanager
def stage(folder: Path, rules: Mapping[str, Any]) -> Iterator[Stage]:
    """Start broker and service with their files in a folder; stop them with the block. Raises
    DemoError.

    rules : the configuration's subscriptions and sensors
    """
    config, journal = folder / "demo.yaml", folder / "demo.journal"
    with ExitStack() as stack:
        found = stack.enter_context(broker(folder))
        mqtt, page_port = {"port": found.port, "protocol": found.protocol}, free_port()
        own = {
            "instance": INSTANCE,
            "mqtt": mqtt,
            "journal": {"path": journal.name},
            "page": {"port": page_port},
        }
        write_yaml(config, {**own, **rules})
        service = stack.enter_context(
            running("service", camshaft("run", "-c", config), folder)
        )
        client = _connect(stack, found, service)
        reader = JournalReader(journal)
        stack.callback(reader.close)
        page_url = _page(stack, config, folder, page_port)
        yield Stage(config, journal, found, service, client, reader, page_url)


def camshaft(*arguments: Any) -> list[str]:
    """The command line that runs Camshaft in this very Python."""
    return [sys.executable, "-m", "monitor.cli", *map(str, arguments)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _connect(stack: ExitStack, found: Broker, service: Child) -> MqttClient:
    """A client for the machines, connected, with the service known to be online and subscribed."""
    online: list[bytes] = []

    def note(message: Message) -> None:
        online.append(message.payload)
        if message.delivery is not None:
            client.settle([message.delivery.token])

    settings = MqttSettings(
        port=found.port, protocol=found.protocol, client_id="demo-machines"
    )
    status = TopicFilter(f"camshaft/{INSTANCE}/status", is_state=True)
    client = MqttClient(settings, [status], note, instance="demo-machines")
    client.start()
    stack.callback(client.stop)
    deadline_s = time.monotonic() + START_DEADLINE_S
    while b"online" not in online:
        service.check()
        if time.monotonic() > deadline_s:
            raise DemoError(
                f"The service is not online after {START_DEADLINE_S:.0f} s; see {service.log}."
            )
        time.sleep(POLL_S)
    return client


def _page(stack: ExitStack, config: Path, folder: Path, port: int) -> str:
    """Serve the live page too, where it can be; its address or ''."""
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        return ""
    page = stack.enter_context(running("page", camshaft("page", "-c", config), folder))
    _wait_for_port(port, page)
    return f"http://127.0.0.1:{port}/"


def find_mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=SYSTEM_PROGRAMS)


def _mosquitto_name(program: str) -> str:
    said = subprocess.run(
        [program, "-h"], capture_output=True, text=True, timeout=10, check=False
    ).stdout
    version = re.search(r"\d+\.\d+\.\d+", said)
    return f"Mosquitto {version[0]}" if version else "Mosquitto"


def _wait_for_port(port: int, child: Child) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        child.check()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(POLL_S)
    raise DemoError(
        f"The {child.name} does not listen on 127.0.0.1:{port} after {START_DEADLINE_S:.0f} s."
    )
