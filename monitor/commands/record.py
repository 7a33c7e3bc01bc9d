"""`camshaft record`: a sensor's live data as files with a manifest, ready for `camshaft play` and
for training.

Listens beside the service with a session of its own; the service misses nothing
by it.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import queue
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from monitor.commands.arguments import add_config, check_new_folder, number
from monitor.commands.progress import duration, spoken
from monitor.config import Config
from monitor.config_file import load_config, write_yaml
from monitor.config_sensors import SensorSettings
from monitor.exit_codes import EXIT_NO, EXIT_OK
from monitor.pipeline.memory import Memory
from monitor.pipeline.sample_reader import SampleReader
from monitor.recordings.manifest_settings import OUR_COLUMNS
from monitor.recordings.recording import LABELS
from monitor.records.batch import Batch, Command
from monitor.records.remembered import NOTHING
from monitor.records.signal import Chunk, Float32, Message
from monitor.records.topic import TopicFilter
from monitor.settings import ConfigError
from monitor.signal.payload.base import PayloadError
from monitor.signal.windows import Windower, WindowSettings
from monitor.sources.mqtt.client import MqttClient
from monitor.text import printable

FILE_S = 60.0  # of signal in one file; a gap starts a new one before that
POLL_S = 0.2
TERMINAL_S = 2.0  # between two states of the line on a terminal
PATIENCE_S = 60.0  # for the first message, or three expected periods
MAX_HEARD = 100  # sensors that are told apart
N_NAMED = 8  # of them in a sentence
TABLE_COLUMNS = ("path", "label", "machine", "point", "group", "start")

EXAMPLES = (
    "camshaft record pump-1/bearing --hours 8 --out recordings/pump-1",
    "camshaft record pump-1/bearing --hours 0.5 --out recordings/worn --label ng --run 2026-11-24-b"
    " --column load=80",
)
EXIT_CODES = {
    0: "recorded",
    1: "nothing came; what was heard in its place is said",
    2: "refused: configuration, sensor or folder cannot be used",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("sensor", metavar="SENSOR", help="machine/point")
    parser.add_argument(
        "--hours", type=number(above=0, below=24 * 366), required=True, metavar="H"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="must not exist yet"
    )
    parser.add_argument(
        "--label", choices=LABELS, default="unlabelled", help="of all files"
    )
    parser.add_argument(
        "--run",
        metavar="NAME",
        help="the group column, by which runs are kept together (default: a run a day, named by"
        " the time of its first file)",
    )
    parser.add_argument(
        "--machine", metavar="NAME", help="the machine column (default: SENSOR's)"
    )
    parser.add_argument(
        "--column",
        type=column,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a further column, to hold out by; may stand several times",
    )
    parser.add_argument(
        "--timeout",
        type=number(above=0),
        metavar="S",
        help=f"give up if nothing came so far (default {PATIENCE_S:g} s or three expected periods)",
    )


def column(text: str) -> tuple[str, str]:
    """Raises argparse.ArgumentTypeError."""
    name, equals, value = text.partition("=")
    if not (name.isidentifier() and equals and value) or name in OUR_COLUMNS:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be NAME=VALUE, NAME a word other than {', '.join(OUR_COLUMNS)}"
        )
    return name, value


def run(arguments: argparse.Namespace) -> int:
    """Record until the time is over or Ctrl-C."""
    check_new_folder(arguments.out)
    config = load_config(arguments.config)
    recorder = Recorder(config, arguments.sensor, arguments.out, _labels(arguments))
    patience_s = arguments.timeout or max(PATIENCE_S, 3 * recorder.expected_period_s)
    messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
    settings = config.mqtt.model_copy(
        update={
            "client_id": f"{config.mqtt.client_id}-record-{os.getpid()}",
            "session_expiry_s": 60,
        }
    )
    filters = [TopicFilter(text) for text in recorder.filters]
    client = MqttClient(settings, filters, messages.put, f"{config.instance}-record")
    client.start()
    try:
        for message in _until(messages, arguments.hours * 3600, patience_s, recorder):
            _take(message, recorder, client)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        client.stop()
        recorder.close()
    return _said(arguments, recorder)


def _take(message: Message, recorder: Recorder, client: MqttClient) -> None:
    if not message.retained:  # of some earlier time
        recorder.take(message)
        for command in recorder.take_commands():
            client.publish(command.topic, command.payload, qos=0)
    if message.delivery is not None:
        client.settle([message.delivery.token])


def _said(arguments: argparse.Namespace, recorder: Recorder) -> int:
    """What came of it, in a line. Returns the exit code."""
    if not recorder.n_files:
        print(f"{arguments.sensor}: nothing came. {recorder.others()}", file=sys.stderr)
        return EXIT_NO
    minutes = f"{recorder.recorded_s / 60:.1f} minutes"
    table = arguments.out / "recordings.csv"
    print(
        f"{arguments.sensor}: {recorder.n_files} file(s), {minutes} in {arguments.out}.",
        end=" ",
    )
    print(
        f"Label them in {table}." if arguments.label == "unlabelled" else f"Table: {table}."
    )
    return EXIT_OK


def _labels(arguments: argparse.Namespace) -> Labels:
    return Labels(
        arguments.label, arguments.run, arguments.machine, tuple(arguments.column)
    )


def _until(
    messages: queue.SimpleQueue[Message],
    hours_s: float,
    patience_s: float,
    recorder: Recorder,
) -> Iterator[Message]:
    """Messages until the time is over, or until patience is with nothing of the sensor."""
    end_s = time.monotonic() + hours_s
    give_up_s = time.monotonic() + patience_s

    def state() -> str:
        left = duration(max(0.0, end_s - time.monotonic()))
        return f"{recorder.state()}; {left} to go"

    is_terminal = sys.stderr.isatty()
    with nullcontext() if is_terminal else spoken(state):
        said_s = -math.inf
        while (now_s := time.monotonic()) < end_s:
            if not recorder.recorded_s and now_s >= give_up_s:
                break
            if is_terminal and now_s - said_s >= TERMINAL_S:
                said_s = now_s
                print(f"\r{state()} ", end="", file=sys.stderr, flush=True)
            with suppress(queue.Empty):
                yield messages.get(timeout=POLL_S)
    if is_terminal:
        print(file=sys.stderr)


@dataclass(frozen=True)
class Labels:
    """What is said of all files. run and machine : None for a run a day, and the sensor's own."""

    label: str = "unlabelled"
    run: str | None = None
    machine: str | None = None
    further: tuple[tuple[str, str], ...] = ()


@dataclass
class _File:
    start_ns: int
    pieces: list[Float32] = field(default_factory=list)
    n: int = 0


def _a_window_a_file(rule: SensorSettings) -> WindowSettings:
    n = max(1, round(FILE_S * rule.sample_rate_hz))
    derives = rule.quantity == "velocity"  # recordings are of acceleration
    return WindowSettings(rule.acquisition, n, n, rule.sample_rate_hz, derives=derives)


class Recorder:
    """Turns one sensor's messages into files. Raises ConfigError where the sensor or the folder
    cannot be used.
    """

    def __init__(
        self, config: Config, sensor: str, folder: Path, labels: Labels = Labels()
    ) -> None:
        rule = config.sensor(sensor)
        machine, slash, point = sensor.rpartition("/")
        if rule is None or not slash:
            raise ConfigError(
                f"SENSOR = {sensor!r}: no rule under sensors fits this machine/point."
            )
        self._sensor, self._rule = sensor, rule
        self._machine, self._point = labels.machine or machine, point
        self._folder, self._labels = folder, labels
        self._patterns = [
            pattern
            for one in config.subscriptions
            for pattern in one.whole_patterns or (one.pattern,)
        ]
        self._memory = Memory(NOTHING, config.mqtt.max_payload_bytes)
        self._reader = SampleReader(
            config.subscriptions, (), config.mqtt.max_payload_bytes, self._memory
        )
        self._rule_of = config.sensor
        self._commands: list[Command] = []
        self._windower = Windower(sensor, _a_window_a_file(rule))
        self._run_of_day: dict[str, str] = {}
        self._file: _File | None = None
        self._rows: list[dict[str, str]] = []
        self.recorded_s = 0.0
        self.n_refused = 0
        self._why_refused = ""
        self._heard: Counter[str] = Counter()  # messages of other sensors
        folder.mkdir(parents=True)

    @property
    def filters(self) -> list[str]:
        return [pattern.filter for pattern in self._patterns]

    @property
    def expected_period_s(self) -> float:
        return self._rule.expected_period_s

    def state(self) -> str:
        said = f"{self.recorded_s / 60:.1f} min recorded"
        if not self.recorded_s:
            said = f"nothing of {self._sensor} yet"
        return f"{said}, {self.n_refused} messages refused" if self.n_refused else said

    def others(self) -> str:
        """What was heard in the sensor's place, for one who waits for it."""
        if self.n_refused:
            return f"{self.n_refused} of its messages were refused, the last: {self._why_refused}"
        if not self._heard:
            return f"Nothing at all was heard on {', '.join(self.filters)}."
        named = [f"{name} ({n})" for name, n in self._heard.most_common(N_NAMED)]
        more = len(self._heard) - len(named)
        return f"Messages heard: {', '.join(named)}{f' and {more} other sensors' if more else ''}."

    @property
    def n_files(self) -> int:
        return len(self._rows)

    def take(self, message: Message) -> None:
        """Add one message's samples; messages of other sensors are passed over,
        bad ones counted.
        """
        topic, sensor = message.topic, self._sensor
        of_topic = self._reader.sensor_of(topic)
        if of_topic not in (None, sensor) and not self._reader.names_inside(topic):
            self._hear(of_topic or "")
            if not self._reader.is_of_edge_node(topic):
                return  # else its running number counts all the same
        try:
            chunks = self._reader.read(message, self._rule_of)
        except PayloadError as error:
            if of_topic == sensor or self._reader.names_inside(topic):
                self.n_refused += 1
                self._why_refused = printable(error.detail)
            chunks = []
        self._take_news(message)
        for chunk in chunks or []:
            if chunk.sensor == sensor:
                self._push(chunk)

    def take_commands(self) -> list[Command]:
        """What is to be sent: requests for births."""
        commands, self._commands = self._commands, []
        return commands

    def _take_news(self, message: Message) -> None:
        """What edge nodes and series showed beside samples."""
        self._memory.series.tick(message.received_ns)
        news = Batch()
        noticed = self._memory.take_news(news, message.topic)
        self._commands += news.commands
        for _, text in noticed.given_up:
            self.n_refused += 1
            self._why_refused = printable(text)
        if any(self._reader.sensor_of(topic) == self._sensor for topic in noticed.missing):
            self._windower.note_missing("gap")
        if any(self._reader.sensor_of(topic) == self._sensor for topic, _ in noticed.dead):
            self._write_file()
            self._windower.end_segment("segment_end")

    def _hear(self, sensor: str) -> None:
        if sensor in self._heard or len(self._heard) < MAX_HEARD:
            self._heard[printable(sensor, 80)] += 1

    def close(self) -> None:
        """Write the file begun last, then the table and the manifest that make the folder a
        recording.
        """
        self._write_file()
        if not self._rows:
            self._folder.rmdir()  # nothing came: the same command may be tried again
            return
        with (self._folder / "recordings.csv").open(
            "w", newline="", encoding="utf-8"
        ) as file:
            further = [name for name, _ in self._labels.further]
            table = csv.DictWriter(file, [*TABLE_COLUMNS, *further])
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
            self._file = _File(
                chunk.start_ns if chunk.start_ns is not None else chunk.received_ns
            )
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
        np.save(
            self._folder / name, np.concatenate(started.pieces, axis=1), allow_pickle=False
        )
        self._rows.append(
            {
                "path": name,
                "label": self._labels.label,
                "machine": self._machine,
                "point": self._point,
                "group": self._labels.run or self._run(start),
                "start": start.isoformat(),
                **dict(self._labels.further),
            }
        )

    def _run(self, start: datetime) -> str:
        """A run a day, told apart from another recording's of that day."""
        return self._run_of_day.setdefault(f"{start:%Y%m%d}", f"{start:%Y%m%dT%H%M%S}")
