"""`camshaft record`: a sensor's live data as files with a manifest, ready for `camshaft play` and
for training.

Listens beside the service with a session of its own; the service misses nothing by it.
"""

from __future__ import annotations

import argparse
import csv
import os
import queue
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from monitor.commands.arguments import add_config, check_new_folder
from monitor.config import Config, ConfigError, SensorSettings
from monitor.config_file import load_config, write_yaml
from monitor.records.signal import Chunk, Float32, Message
from monitor.records.topic import TopicPattern
from monitor.signal.payload.base import DecoderSettings, PayloadError, PayloadSettings
from monitor.signal.payload.formats import decode
from monitor.signal.windows import Windower, WindowSettings
from monitor.sources.mqtt.client import MqttClient

FILE_S = 60.0  # of signal in one file; a gap starts a new one before that
POLL_S = 0.2
PROGRESS_S = 5.0
TABLE_COLUMNS = ("path", "label", "machine", "point", "group", "start")


EXAMPLES = ("camshaft record pump-1/bearing --hours 8 --out recordings/pump-1",)
EXIT_CODES = {
    0: "recorded",
    1: "nothing came",
    2: "refused: configuration, sensor or folder cannot be used",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("sensor", metavar="SENSOR", help="machine/point")
    parser.add_argument("--hours", type=float, required=True, metavar="H")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="must not exist yet"
    )


def run(arguments: argparse.Namespace) -> int:
    """Record until the time is over or Ctrl-C. Exit code 1 if nothing came."""
    check_new_folder(arguments.out)
    config = load_config(arguments.config)
    if not 0 < arguments.hours < 24 * 366:
        raise ConfigError(
            f"--hours = {arguments.hours}: must be above 0 and less than a year (unit: hours)."
        )
    recorder = Recorder(config, arguments.sensor, arguments.out)
    messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
    settings = config.mqtt.model_copy(
        update={
            "client_id": f"{config.mqtt.client_id}-record-{os.getpid()}",
            "session_expiry_s": 60,
        }
    )
    client = MqttClient(settings, recorder.filters, messages.put, f"{config.instance}-record")
    client.start()
    try:
        for message in _until(messages, time.monotonic() + arguments.hours * 3600, recorder):
            recorder.take(message)
            if message.delivery is not None:
                client.settle(message.delivery.token)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        client.stop()
        recorder.close()
    minutes = f"{recorder.recorded_s / 60:.1f} minutes"
    print(
        f"{arguments.sensor}: {recorder.n_files} files, {minutes} in {arguments.out}. "
        f"Label them in {arguments.out / 'recordings.csv'}."
    )
    return 0 if recorder.n_files else 1


def _until(
    messages: queue.SimpleQueue[Message], end_s: float, recorder: Recorder
) -> Iterator[Message]:
    """Messages until the monotonic time end_s, with a line of progress now and then."""
    said_s = 0.0
    while (now_s := time.monotonic()) < end_s:
        if now_s - said_s >= PROGRESS_S:
            said_s = now_s
            left_s = end_s - now_s
            print(
                f"\r{recorder.recorded_s / 60:.1f} min recorded, "
                f"{recorder.n_refused} messages refused, "
                f"{left_s / 60:.0f} min to go ",
                end="",
                file=sys.stderr,
                flush=True,
            )
        try:
            yield messages.get(timeout=POLL_S)
        except queue.Empty:
            continue
    print(file=sys.stderr)


@dataclass
class _File:
    start_ns: int
    pieces: list[Float32] = field(default_factory=list)
    n: int = 0


class Recorder:
    """Turns one sensor's messages into files. Raises ConfigError where the sensor or the folder
    cannot be used.
    """

    def __init__(self, config: Config, sensor: str, folder: Path) -> None:
        rule = config.sensor(sensor)
        machine, slash, point = sensor.rpartition("/")
        if rule is None or not slash:
            raise ConfigError(
                f"SENSOR = {sensor!r}: no rule under sensors fits this machine/point."
            )
        self._sensor, self._machine, self._point, self._rule, self._folder = (
            sensor,
            machine,
            point,
            rule,
            folder,
        )
        self._topics = [(TopicPattern.parse(s.topic), s.payload) for s in config.subscriptions]
        self._max_bytes = config.mqtt.max_payload_bytes
        n = max(1, round(FILE_S * rule.sample_rate_hz))
        self._windower = Windower(sensor, WindowSettings(rule.acquisition, n, n))
        self._file: _File | None = None
        self._rows: list[dict[str, str]] = []
        self.recorded_s = 0.0
        self.n_refused = 0
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            raise ConfigError(
                f"--out = '{folder}': is there already; name a new folder."
            ) from error

    @property
    def filters(self) -> list[str]:
        return [pattern.filter for pattern, _ in self._topics]

    @property
    def n_files(self) -> int:
        return len(self._rows)

    def take(self, message: Message) -> None:
        """Add one message's samples; messages of other sensors are passed over,
        bad ones counted.
        """
        for pattern, payload in self._topics:
            if pattern.sensor(message.topic) == self._sensor:
                self._take(message, payload, self._rule)
                return

    def close(self) -> None:
        """Write the file begun last, then the table and the manifest that make the folder a
        recording.
        """
        self._write_file()
        with (self._folder / "recordings.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, TABLE_COLUMNS)
            table.writeheader()
            table.writerows(self._rows)
        files = {
            "format": "npy",
            "axes": ["channel", "time"],
            "sample_rate_hz": self._rule.sample_rate_hz,
            "channels": list(self._rule.channels),
            "unit": "m/s2",
        }
        write_yaml(
            self._folder / "manifest.yaml",
            {"name": "recorded", "table": "recordings.csv", "files": files},
        )

    def _take(self, message: Message, payload: PayloadSettings, rule: SensorSettings) -> None:
        try:
            settings = DecoderSettings(payload, self._sensor, lambda name: rule, self._max_bytes)
            chunks = decode(message, settings)
        except PayloadError:
            self.n_refused += 1
            return
        for chunk in chunks:
            if chunk.sensor == self._sensor:
                self._push(chunk)

    def _push(self, chunk: Chunk) -> None:
        segment = self._windower.position.segment
        self._windower.push(chunk)
        if self._windower.position.segment != segment:
            self._write_file()
        fresh = self._windower.tail()
        while self._windower.cut() is not None:
            pass
        if fresh is not None:
            self._append(fresh[1], chunk)

    def _append(self, samples: Float32, chunk: Chunk) -> None:
        if self._file is None:
            self._file = _File(chunk.start_ns if chunk.start_ns is not None else chunk.received_ns)
        self._file.pieces.append(samples)
        self._file.n += samples.shape[1]
        self.recorded_s += samples.shape[1] / chunk.sample_rate_hz
        if self._file.n >= FILE_S * chunk.sample_rate_hz:
            self._write_file()

    def _write_file(self) -> None:
        if self._file is None:
            return
        started, self._file = self._file, None
        start = datetime.fromtimestamp(started.start_ns / 1e9, UTC)
        name = f"{start:%Y%m%dT%H%M%S}-{len(self._rows):05d}.npy"
        np.save(self._folder / name, np.concatenate(started.pieces, axis=1), allow_pickle=False)
        self._rows.append(
            {
                "path": name,
                "label": "unlabelled",
                "machine": self._machine,
                "point": self._point,
                "group": f"{start:%Y%m%d}",
                "start": start.isoformat(),
            }
        )
