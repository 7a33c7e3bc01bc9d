"""Recordings cut into the messages that live sensors would have sent. Pure but for reading the
recordings.

Each machine and point is one sensor. Its runs follow each other with a pause
between; all sensors play side by side. A message holds `message_s` of signal (a
snapshot is one message) and is due when its last sample would be measured.
"""

from __future__ import annotations

import base64
import fnmatch
import heapq
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, groupby
from typing import Literal

import numpy as np

from monitor.recordings.manifest import RecordingSet, runs
from monitor.recordings.recording import Label, Recording, RecordingError, read
from monitor.records.signal import Float32
from monitor.records.topic import PLACES, TopicPattern
from monitor.settings import ConfigError

PAUSE_S = 10.0  # between two runs of a sensor: long enough to be no continuation
MAX_COUNT = 32767  # of int16, either sign

Start = Literal["now", "recorded"]


@dataclass(frozen=True)
class PlayOptions:
    """How to play.

    message_s : signal in one message; None: 1 s, and a snapshot whole
    speed : 1 is real time, 0 as fast as the broker takes
    scale : m/s² per count, for int16; the reader needs it in its configuration
    start : time of the first sample: now, as recorded, or in ns since 1970
    """

    topic: str = "vibration/{machine}/{point}/waveform"
    match: str = "*"  # sensors to play, shell pattern on machine/point
    message_s: float | None = None
    speed: float = 1.0
    loop: bool = False
    dtype: Literal["float32", "int16"] = "float32"
    scale: float = 0.01
    start: Start | int = "now"

    def check(self) -> None:
        """Raises ConfigError naming option, value and rule."""
        try:
            pattern = TopicPattern.parse(self.topic)
        except ValueError as error:
            raise ConfigError(f"--topic = {self.topic!r}: {error}.") from error
        if open_levels := set(pattern.levels) & {
            "+",
            *(f"{{{place}}}" for place in PLACES),
        } or {f"{{{name}={text}}}" for name, text in pattern.fixed}:
            raise ConfigError(
                f"--topic = {self.topic!r}: {min(open_levels)!r} must be a name; a recording knows"
                " {machine} and {point} alone."
            )
        if self.message_s is not None and not 0 < self.message_s < math.inf:
            raise ConfigError(f"--message-s = {self.message_s:g}: must be above 0 seconds.")
        if not self.speed >= 0:
            raise ConfigError(
                f"--speed = {self.speed:g}: must be 0 (as fast as the broker takes) or above."
            )
        if not 0 < self.scale < math.inf:
            raise ConfigError(f"--scale = {self.scale:g}: must be above 0 m/s² per count.")


@dataclass(frozen=True, slots=True)
class Cut:
    """One message to be.

    samples : float32, shape (n_channels, n), m/s²
    due_s : when its last sample is measured, seconds from the start of the play
    label : of the recording that it comes from
    """

    sensor: str
    samples: Float32
    sample_rate_hz: float
    start_ns: int
    sequence: int
    due_s: float
    label: Label


def cuts(manifest: RecordingSet, options: PlayOptions, now_ns: int) -> Iterator[Cut]:
    """The messages of all matching sensors, in the order they are due. Endless with options.loop.

    Raises RecordingError: an unreadable recording, no matching sensor, no
    recorded start where it is asked for.
    """
    by_sensor = groupby(runs(manifest), key=lambda run: run[0].sensor)
    chosen = {
        sensor: list(members)
        for sensor, members in by_sensor
        if fnmatch.fnmatchcase(sensor, options.match)
    }
    if not chosen:
        raise RecordingError(f"{manifest.path.name}: no sensor matches {options.match!r}.")
    streams = [
        _sensor_cuts(sensor_runs, options, now_ns) for sensor_runs in chosen.values()
    ]
    return heapq.merge(*streams, key=lambda cut: cut.due_s)


def _sensor_cuts(
    sensor_runs: Sequence[Sequence[Recording]], options: PlayOptions, now_ns: int
) -> Iterator[Cut]:
    """One sensor's runs after each other, each in its own order of time."""
    at_s, sequence = 0.0, count()
    for lap in count():
        for run in sensor_runs:
            start_ns = _run_start_ns(run[0], options.start, now_ns, at_s, lap)
            end_s = at_s
            for cut in _run_cuts(run, options.message_s, at_s, start_ns, sequence):
                end_s = max(end_s, cut.due_s)
                yield cut
            at_s = end_s + PAUSE_S
        if not options.loop:
            return


def _run_cuts(
    run: Sequence[Recording],
    message_s: float | None,
    at_s: float,
    start_ns: int,
    sequence: Iterator[int],
) -> Iterator[Cut]:
    for recording in run:
        offset_s = recording.offset_s - run[0].offset_s
        due_s = at_s + offset_s
        yield from _recording_cuts(
            recording, message_s, due_s, start_ns, offset_s, sequence
        )


def _run_start_ns(
    first: Recording, start: Start | int, now_ns: int, at_s: float, lap: int
) -> int:
    if start == "recorded" and lap == 0:
        if first.start_ns is None:
            raise RecordingError(
                f"row {first.row}: {first.name} has no start time in the table."
            )
        return first.start_ns
    return (start if isinstance(start, int) else now_ns) + round(at_s * 1e9)


def _recording_cuts(
    recording: Recording,
    message_s: float | None,
    at_s: float,
    start_ns: int,
    offset_s: float,
    sequence: Iterator[int],
) -> Iterator[Cut]:
    samples, rate_hz = read(recording), recording.files.rate_hz
    if message_s is None and recording.snapshot is not None:
        n_message = samples.shape[1]
    else:
        n_message = max(1, round((message_s or 1.0) * rate_hz))
    first_ns = start_ns + round(offset_s * 1e9)
    for first in range(0, samples.shape[1], n_message):
        piece = samples[:, first : first + n_message]
        yield Cut(
            sensor=recording.sensor,
            samples=piece,
            sample_rate_hz=rate_hz,
            start_ns=first_ns + round(first * 1e9 / rate_hz),
            sequence=next(sequence),
            due_s=at_s + (first + piece.shape[1]) / rate_hz,
            label=recording.label,
        )


def topic_of(sensor: str, pattern: str) -> str:
    """Raises RecordingError where a name cannot be one level of a topic."""
    machine, _, point = sensor.rpartition("/")
    for name in (machine, point):
        if not name or set(name) & set("/+#\0"):
            raise RecordingError(
                f"sensor {sensor!r}: {name!r} cannot be one level of an MQTT topic."
            )
    return pattern.replace("{machine}", machine).replace("{point}", point)


def encode(
    cut: Cut, options: PlayOptions, protocol: str
) -> tuple[bytes, dict[str, str], int]:
    """Payload, user properties, and how many numbers int16 could not hold."""
    frames = cut.samples.T
    n_clipped = 0
    if options.dtype == "int16":
        counts = np.rint(frames / np.float32(options.scale))
        n_clipped = int(np.count_nonzero(np.abs(counts) > MAX_COUNT))
        frames = np.clip(counts, -MAX_COUNT, MAX_COUNT).astype("<i2")
    data = np.ascontiguousarray(
        frames.astype(f"<{frames.dtype.str[1:]}", copy=False)
    ).tobytes()
    facts = {"sequence": str(cut.sequence), "sample_rate_hz": repr(cut.sample_rate_hz)}
    if protocol == "5":
        return data, facts | {"start_time_ns": str(cut.start_ns)}, n_clipped
    tree = {
        "time": f"{np.datetime64(cut.start_ns, 'ns')}Z",
        "sequence": cut.sequence,
        "sample_rate_hz": cut.sample_rate_hz,
        "samples": base64.b64encode(data).decode("ascii"),
    }
    return json.dumps(tree).encode(), {}, n_clipped
