"""camshaft play: recordings published as live sensors.

MQTT 5: raw samples with user properties start_time_ns, sequence,
sample_rate_hz. MQTT 3.1.1 has no properties: the same in JSON, the samples in
base64.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from monitor.commands.progress import spoken
from monitor.config import MqttSettings
from monitor.config_connections import Secret, TlsSettings
from monitor.exit_codes import EXIT_NO, EXIT_OK, EXIT_REFUSED
from monitor.os_signals import Signals
from monitor.recordings.manifest import RecordingSet, load_manifest
from monitor.recordings.recording import RecordingError
from monitor.recordings.replay import Cut, PlayOptions, cuts, encode, topic_of
from monitor.settings import ConfigError
from monitor.sources.mqtt.credentials import Credentials
from monitor.sources.mqtt.paho_client import paho_client, publish_properties, refusal
from monitor.tls import explain

MAX_UNACKNOWLEDGED = 200  # messages handed to the broker and not yet taken by it
PATIENCE_S = 60.0  # until a broker that takes nothing is given up
PASSWORD_VARIABLE = "CAMSHAFT_BROKER_PASSWORD"


class PlayError(Exception):
    """The broker could not be reached or stopped taking messages; str() is one sentence."""


@dataclass(slots=True)
class PlayReport:
    n_sensors: int = 0
    n_messages: int = 0
    n_samples: int = 0  # of one channel each
    n_bytes: int = 0
    n_clipped: int = 0  # numbers beyond int16
    elapsed_s: float = 0.0


def play(
    manifest: RecordingSet,
    broker: MqttSettings,
    options: PlayOptions,
    on_message: Callable[[Cut], None] = lambda cut: None,
    stop: Signals | None = None,
) -> PlayReport:
    """Publish a manifest's recordings with QoS 1; returns when the broker has acknowledged every
    message.

    Raises ConfigError (options), RecordingError, PlayError. stop: any
    signal there ends it early, after what is under way.
    """
    options.check()
    stop = stop or Signals()
    report, sensors = PlayReport(), set()
    messages = cuts(manifest, options, time.time_ns())
    with _Publisher(broker) as publisher:
        begun_s = time.monotonic()
        for cut in messages:
            due_s = begun_s + cut.due_s / (options.speed or math.inf)
            if stop.next(max(0.0, due_s - time.monotonic())) is not None:
                break
            payload, properties, n_clipped = encode(cut, options, broker.protocol)
            publisher.publish(topic_of(cut.sensor, options.topic), payload, properties)
            sensors.add(cut.sensor)
            report.n_messages += 1
            report.n_samples += cut.samples.shape[1]
            report.n_bytes += len(payload)
            report.n_clipped += n_clipped
            on_message(cut)
        publisher.finish()
        report.elapsed_s = time.monotonic() - begun_s
    report.n_sensors = len(sensors)
    return report


class _Publisher:
    """A connection that has at most MAX_UNACKNOWLEDGED messages under way. paho sends them again
    after a loss.
    """

    def __init__(self, broker: MqttSettings) -> None:
        self._broker = broker
        self._room = threading.Semaphore(MAX_UNACKNOWLEDGED)
        self._client = paho_client(broker, Credentials(broker), "", persistent=False)
        self._answered = threading.Event()
        self._refusal = ""
        self._client.on_connect = self._on_connect
        self._client.on_publish = lambda *_: self._room.release()

    def _on_connect(
        self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any
    ) -> None:
        self._refusal = refusal(code) if code.is_failure else ""
        self._answered.set()

    def __enter__(self) -> _Publisher:
        where = f"{self._broker.host}:{self._broker.port}"
        try:
            self._client.connect(
                self._broker.host, self._broker.port, self._broker.keep_alive_s
            )
        except OSError as error:
            raise PlayError(
                f"No connection to broker {where}: {explain(error)}."
            ) from error
        self._client.loop_start()
        if not self._answered.wait(PATIENCE_S) or self._refusal:
            self._close()
            raise PlayError(
                f"Broker {where} refuses the connection: {self._refusal or 'no answer'}."
            )
        return self

    def publish(self, topic: str, payload: bytes, properties: dict[str, str]) -> None:
        """Hand over one message; waits while too many are under way."""
        if not self._room.acquire(timeout=PATIENCE_S):
            raise PlayError(f"The broker has taken no message for {PATIENCE_S:g} s.")
        self._client.publish(
            topic, payload, qos=1, properties=publish_properties(properties)
        )

    def finish(self) -> None:
        """Wait until the broker has acknowledged all."""
        for _ in range(MAX_UNACKNOWLEDGED):
            if not self._room.acquire(timeout=PATIENCE_S):
                raise PlayError(
                    f"The broker has acknowledged no message for {PATIENCE_S:g} s."
                )

    def _close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def __exit__(self, *_: object) -> None:
        self._close()


# -- command line ---------------------------------------------------------------------------------


EXAMPLES = (
    "camshaft play recordings/pump-1/manifest.yaml --broker mqtt://127.0.0.1",
    "camshaft play manifest.yaml --broker mqtts://ann@broker.example --ca-file ca.pem --speed 0",
)
EXIT_CODES = {
    0: "every message was acknowledged by the broker",
    1: "the broker was not there, or stopped taking",
    2: "refused: manifest or options cannot be used",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "manifest",
        type=Path,
        metavar="MANIFEST",
        help="YAML that says how to read the recordings",
    )
    parser.add_argument(
        "--broker",
        default="mqtt://127.0.0.1:1883",
        metavar="URL",
        help=f"mqtt:// or mqtts://[USER@]HOST[:PORT]; password in ${PASSWORD_VARIABLE}",
    )
    parser.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="authority to trust with mqtts://"
    )
    parser.add_argument(
        "--protocol", choices=("5", "3.1.1"), default="5", help="of MQTT (default 5)"
    )
    parser.add_argument("--topic", default=PlayOptions.topic, help="default %(default)s")
    parser.add_argument(
        "--match",
        default="*",
        metavar="PATTERN",
        help="play these sensors (machine/point) only",
    )
    parser.add_argument(
        "--message-s",
        type=float,
        metavar="S",
        help="signal in a message (default 1 s; a snapshot)",
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="X",
        help="1: real time; 0: as fast as it goes",
    )
    parser.add_argument(
        "--loop", action="store_true", help="again and again, until interrupted"
    )
    parser.add_argument(
        "--dtype", choices=("float32", "int16"), default="float32", help="of the samples"
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=PlayOptions.scale,
        metavar="K",
        help="int16: m/s² per count",
    )
    parser.add_argument(
        "--start",
        choices=("now", "recorded"),
        default="now",
        help="time of the first sample",
    )


def broker_settings(url: str, protocol: str, ca_file: Path | None) -> MqttSettings:
    """Raises ConfigError where the URL names no broker."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"--broker = {url!r}: {error}.") from error
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.password:
        raise ConfigError(
            "--broker: must be mqtt:// or mqtts://[USER@]HOST[:PORT], the password in"
            f" ${PASSWORD_VARIABLE}."
        )
    secure = parts.scheme == "mqtts"
    return MqttSettings(
        host=parts.hostname,
        port=port or (8883 if secure else 1883),
        protocol="5" if protocol == "5" else "3.1.1",
        username=unquote(parts.username) if parts.username else None,
        password=(
            Secret(env=PASSWORD_VARIABLE)
            if parts.username and PASSWORD_VARIABLE in os.environ
            else None
        ),
        tls=TlsSettings(ca_file=ca_file) if secure else None,
    )


def run(arguments: argparse.Namespace) -> int:
    """0: every message acknowledged. 1: the broker was not there or stopped taking. 2: manifest or
    options refused.
    """
    options = PlayOptions(
        topic=arguments.topic,
        match=arguments.match,
        message_s=arguments.message_s,
        speed=arguments.speed,
        loop=arguments.loop,
        dtype=arguments.dtype,
        scale=arguments.scale,
        start=arguments.start,
    )
    try:
        manifest = load_manifest(arguments.manifest)
        broker = broker_settings(arguments.broker, arguments.protocol, arguments.ca_file)
        report = _play_with_progress(manifest, broker, options)
    except (RecordingError, ConfigError, ValueError) as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    except PlayError as error:
        print(error, file=sys.stderr)
        return EXIT_NO
    print(
        f"{report.n_messages} messages of {report.n_sensors} sensors, {report.n_samples} samples a"
        f" channel, {report.n_bytes / 1e6:.1f} MB in {report.elapsed_s:.1f} s; every message"
        " acknowledged."
    )
    if report.n_clipped:
        print(
            f"{report.n_clipped} numbers were beyond int16 and clipped: raise --scale.",
            file=sys.stderr,
        )
    return EXIT_OK


def _play_with_progress(
    manifest: RecordingSet, broker: MqttSettings, options: PlayOptions
) -> PlayReport:
    """Shows what is played, on a terminal all the time, else now and then. Ctrl-C ends the play in
    order.
    """
    from rich.console import Console

    stop = Signals()
    signal.signal(signal.SIGINT, stop.note)
    console = Console(stderr=True)
    state, n_messages = "connecting", 0

    def show(cut: Cut) -> None:
        nonlocal state, n_messages
        n_messages += 1
        state = f"{n_messages} messages; {cut.sensor}, {cut.due_s:.1f} s of signal"
        if status is not None:
            status.update(state)

    status = console.status(state) if console.is_terminal else None
    with status or spoken(lambda: state):
        return play(manifest, broker, options, show, stop)
