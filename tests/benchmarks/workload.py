"""What is measured on: one-second windows of simulated machines at 25.6 kHz as raw MQTT messages in
memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from monitor.config import JournalSettings
from monitor.config_sensors import SensorSettings, Subscription
from monitor.diagnosis.live import answer
from monitor.evidence.network import Classifier
from monitor.pipeline.analysis import Analyser
from monitor.pipeline.router import Rules
from monitor.records.machine import Surroundings
from monitor.records.signal import Float32, Message
from monitor.signal.payload.raw import RawPayload
from monitor.simulator.known import KnownMachine
from monitor.simulator.machine import Kind, SimulatedMachine

TOPIC = "vibration/{machine}/{point}/waveform"
START_NS = 1_767_225_600 * 10**9  # 2026-01-01
SCALE = 1e-3  # m/s² a count
N_RECORDINGS = 8  # of each kind
# One sensor in so many has a bearing fault: its windows go into the journal whole.
FAULTY_EVERY = 10
MAX_PAYLOAD_BYTES = 4 << 20


@dataclass(frozen=True)
class Workload:
    """payloads : one window each, int16. messages : in the order of their arrival, sensors in turn,
    one window each.
    """

    folder: Path  # of the model
    n_sensors: int
    classifier: Classifier
    rule: SensorSettings
    payloads: tuple[bytes, ...]
    messages: tuple[Message, ...]

    @property
    def n_window(self) -> int:
        return self.classifier.manifest.settings.n_window

    @property
    def window_s(self) -> float:
        return self.n_window / self.rule.sample_rate_hz

    def rules(self) -> Rules:
        """Everything a pipeline needs to know."""
        subscription = Subscription(
            topic=TOPIC, payload=RawPayload(format="raw", dtype="int16")
        )
        analysers = (Analyser(self.rule, self.classifier),)
        return Rules((subscription,), analysers, JournalSettings(), MAX_PAYLOAD_BYTES, None)

    def rules_with_machines(self) -> Rules:
        """The same, with the parts of each machine described: alarms are diagnosed."""
        known = Surroundings(KnownMachine("healthy", 0).machine)
        return replace(self.rules(), surroundings=lambda _name: known, answer=answer)

    def of_healthy(self) -> Workload:
        """Of the sensors alone that have no fault."""
        topics = {
            topic(sensor)
            for sensor in range(self.n_sensors)
            if max(windows_of(sensor)) < N_RECORDINGS
        }
        messages = tuple(one for one in self.messages if one.topic in topics)
        return replace(self, n_sensors=len(topics), messages=messages)

    def samples(self) -> Float32:
        """The payloads in m/s²: shape (n, n_channels, n_window)."""
        n_channels = len(self.rule.channels)
        counts = np.stack(
            [
                np.frombuffer(payload, "<i2").reshape(-1, n_channels).T
                for payload in self.payloads
            ]
        )
        return counts.astype(np.float32) * np.float32(SCALE)


def make_workload(folder: Path, n_sensors: int, n_windows: int) -> Workload:
    """n_windows windows for each of n_sensors, one in ten of them faulty."""
    classifier = Classifier(folder)
    settings, n_channels = classifier.manifest.settings, classifier.manifest.n_channels
    rule = SensorSettings(
        sample_rate_hz=settings.sample_rate_hz,
        channels=tuple("abcdefghijklmnop"[:n_channels]),
        unit="counts",
        scale=SCALE,
        model=str(folder),
    )
    geometry = (settings.sample_rate_hz, n_channels, settings.n_window)
    healthy, faulty = (
        [_recording(kind, seed, *geometry) for seed in range(N_RECORDINGS)]
        for kind in ("healthy", "bearing")
    )
    payloads = (*healthy, *faulty)
    window_ns = round(settings.n_window / settings.sample_rate_hz * 1e9)
    messages = tuple(
        Message(
            topic=topic(sensor),
            payload=payloads[windows_of(sensor)[index % N_RECORDINGS]],
            received_ns=START_NS + (index + 1) * window_ns,
            properties={
                "sequence": str(index),
                "start_time_ns": str(START_NS + index * window_ns),
            },
        )
        for index in range(n_windows)
        for sensor in range(n_sensors)
    )
    return Workload(folder, n_sensors, classifier, rule, payloads, messages)


def topic(sensor: int) -> str:
    return TOPIC.format(machine=f"machine-{sensor:03}", point="bearing")


def windows_of(sensor: int) -> list[int]:
    """Which of the payloads it sends, in order: of a healthy machine, or of a faulty one."""
    first = 0 if sensor % FAULTY_EVERY else N_RECORDINGS
    return [first + (sensor + index) % N_RECORDINGS for index in range(N_RECORDINGS)]


def _recording(
    kind: Kind, seed: int, sample_rate_hz: float, n_channels: int, n_window: int
) -> bytes:
    machine = SimulatedMachine(
        kind, seed, sample_rate_hz=sample_rate_hz, n_channels=n_channels
    )
    counts = np.clip(np.rint(machine.block(n_window).T / SCALE), -32768, 32767)
    return bytes(counts.astype("<i2").tobytes())
