"""The demo's simulated machines: what each does, publishing it in real time, and whether the
service found out.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.demo.stage import Child, DemoError, Stage, camshaft
from monitor.records.signal import Float32
from monitor.records.verdict import Status, Verdict
from monitor.simulator.known import KnownMachine, Part
from monitor.simulator.machine import Kind, SimulatedMachine

SAMPLE_RATE_HZ = 25_600.0
N_CHUNK = 2560  # samples in a message: 0.1 s
MODEL = "simulator"
# Of the machine without a model: more windows to learn from in the short time of a demo.
NOVELTY_WINDOW_S = 0.5


@dataclass(frozen=True, slots=True)
class Actor:
    """A machine and its part in the demo. onset, growth: of its fault,
    shares of the demo's length. part: that is broken, of a machine whose
    geometry is known
    """

    sensor: str
    kind: Kind
    seed: int
    fault: str = ""  # in words
    onset: float = 1.0
    growth: float = 0.0
    has_model: bool = True
    part: Part | None = None

    @property
    def is_faulty(self) -> bool:
        return self.kind != "healthy"

    def machine(self, seconds: int) -> SimulatedMachine:
        if self.part is not None:
            return KnownMachine(self.part, self.seed, onset_s=self.onset * seconds)
        return SimulatedMachine(
            self.kind,
            self.seed,
            sample_rate_hz=SAMPLE_RATE_HZ,
            onset_s=self.onset * seconds,
            growth_s=self.growth * seconds,
        )

    def note(self, now_s: float, onset_s: float, named: str = "") -> str:
        """What the machine does now. named : what the service says is broken"""
        if named:
            return f"named: {named.split(',')[0]}"
        if self.is_faulty and now_s >= onset_s:
            return f"{self.fault} since {onset_s:.0f} s"
        return "healthy" if self.has_model else "healthy, no model"

    def is_named_wrong(self, named: str) -> list[str]:
        """What the service named wrong about this machine; empty is right."""
        if self.part is None or named.split(",")[0] == self.part:
            return []
        return [
            f"{self.sensor}: named {named or 'nothing'}, though its {self.part} is broken"
        ]

    def what_is_wrong(self, verdicts: Sequence[Verdict], onset_ns: int) -> list[str]:
        """What the service got wrong about this machine; empty is right."""
        before = [
            verdict
            for verdict in verdicts
            if not self.is_faulty or verdict.end_ns <= onset_ns
        ]
        wrong = []
        if not any(verdict.status is Status.OK for verdict in before):
            wrong.append("never called OK while healthy")
        if any(verdict.alarm == "raised" for verdict in before):
            wrong.append("an alarm while healthy")
        if self.is_faulty and not (verdicts and verdicts[-1].alarm == "raised"):
            wrong.append("no alarm at the end, though faulty")
        if not self.has_model and not any(
            verdict.status is Status.LEARNING for verdict in verdicts
        ):
            wrong.append("never LEARNING, though without a model")
        return [f"{self.sensor}: {text}" for text in wrong]


CAST = (
    Actor("press-1/gearbox", "healthy", 1),
    Actor("press-2/gearbox", "bearing", 2, "bearing fault", onset=0.4, part="outer race"),
    Actor("pump-1/motor", "healthy", 3),
    Actor(
        "fan-1/bearing", "quiet", 4, "falls quiet", onset=0.6, growth=0.05, has_model=False
    ),
)
# Of the demo's length: enough for a baseline, with time to be OK before the fault.
COMMISSION_SHARE = 0.35


def known_machine(actor: Actor) -> dict[str, Any]:
    """What the configuration says of a machine whose geometry is known."""
    assert actor.part is not None
    machine = KnownMachine(actor.part, actor.seed).machine
    ratios, speed = machine.bearings[0].ratios, machine.speed
    assert speed is not None
    bearing = {"name": "drive end", "elements": ratios.n_elements}
    bearing |= {key: getattr(ratios, key) for key in ("bpfo", "bpfi", "bsf", "ftf")}
    shaft = {"rpm": 60 * speed.middle_hz, "tolerance": speed.tolerance}
    zones = {"group": 2, "foundation": "rigid"}
    return {"match": actor.sensor, "shaft": shaft, "bearings": [bearing], "zones": zones}


RULES: dict[str, Any] = {
    "machines": [known_machine(actor) for actor in CAST if actor.part is not None],
    "subscriptions": [
        {
            "topic": "demo/{machine}/{point}/waveform",
            "payload": {
                "format": "json",
                "encoding": "base64",
                "dtype": "float32",
                "time_format": "ns",
            },
        }
    ],
    "sensors": [
        {"match": "fan-*", "sample_rate_hz": SAMPLE_RATE_HZ, "window_s": NOVELTY_WINDOW_S},
        {"match": "*", "sample_rate_hz": SAMPLE_RATE_HZ, "model": MODEL},
    ],
}


class SimulatedPlant:
    """Publishes what the machines do, in real time, for a number of seconds, and commissions one of
    them.
    """

    def __init__(self, on: Stage, seconds: int) -> None:
        self._client, self._reader, self._seconds = on.client, on.reader, seconds
        self._machines = [(actor.sensor, actor.machine(seconds)) for actor in CAST]
        self._commissioning = Commissioning(
            on, round(COMMISSION_SHARE * seconds / NOVELTY_WINDOW_S)
        )
        self._n_sent = 0
        self._start_ns = time.time_ns()

    @property
    def done(self) -> bool:
        return self._time_s(self._n_sent) >= self._seconds

    @property
    def n_samples(self) -> int:
        """Published so far, all sensors together."""
        return self._n_sent * N_CHUNK * len(self._machines)

    @property
    def notes(self) -> dict[str, str]:
        """What each machine does now, by sensor."""
        now_s = self._time_s(self._n_sent)
        return {
            actor.sensor: actor.note(now_s, self._onset_s(actor), self._named(actor))
            for actor in CAST
        }

    def _named(self, actor: Actor) -> str:
        """What the service says is broken, "" where it says nothing."""
        found = None if actor.part is None else self._reader.diagnosis(actor.sensor)
        return "" if found is None else str(found.tree["named"])

    def step(self, verdicts: Mapping[str, Sequence[Verdict]]) -> None:
        """Send each chunk whose last sample is over, as a sensor would. Raises DemoError if the
        broker is full.
        """
        while not self.done and time.time_ns() >= self._time_ns(self._n_sent + 1):
            for sensor, machine in self._machines:
                message = payload(
                    machine.block(N_CHUNK), self._time_ns(self._n_sent), self._n_sent
                )
                if not self._client.publish(f"demo/{sensor}/waveform", message):
                    raise DemoError(
                        "The broker takes no more messages after"
                        f" {self._time_s(self._n_sent):.0f} s."
                    )
            self._n_sent += 1
        self._commissioning.step(verdicts)

    def wrong(self, verdicts: Mapping[str, Sequence[Verdict]]) -> list[str]:
        """What the service got wrong, one sentence each."""
        found = []
        for actor in CAST:
            onset_ns = (
                self._start_ns + round(self._onset_s(actor) * 1e9) if actor.is_faulty else 0
            )
            found += actor.what_is_wrong(verdicts.get(actor.sensor, ()), onset_ns)
            found += actor.is_named_wrong(self._named(actor))
        return found

    def findings(self, verdicts: Mapping[str, Sequence[Verdict]]) -> dict[str, object]:
        """Of each fault: seconds from onset to alarm, where it was planted, and what drove the last
        verdict.
        """
        found: dict[str, object] = {}
        for actor, (_, machine) in zip(CAST, self._machines, strict=True):
            judged = verdicts.get(actor.sensor, ())
            raised = [verdict.end_ns for verdict in judged if verdict.alarm == "raised"]
            if actor.is_faulty and raised:
                band = judged[-1].band
                found[actor.sensor] = {
                    "onset_to_alarm_s": round(
                        (raised[0] - self._start_ns) / 1e9 - self._onset_s(actor), 1
                    ),
                    "planted_hz": [
                        round(max(0.0, edge)) for edge in machine.fault_band_hz or ()
                    ],
                    "driven_by_hz": [round(band.low_hz), round(band.high_hz)]
                    if band
                    else None,
                    "named": self._named(actor) or None,
                }
        return {"faults": found}

    def _onset_s(self, actor: Actor) -> float:
        return actor.onset * self._seconds if actor.is_faulty else float("inf")

    def _time_s(self, n_chunks: int) -> float:
        return n_chunks * N_CHUNK / SAMPLE_RATE_HZ

    def _time_ns(self, n_chunks: int) -> int:
        return self._start_ns + round(self._time_s(n_chunks) * 1e9)


class Commissioning:
    """Runs `camshaft commission`, as the machine's owner would, once its sensor has enough healthy
    windows.
    """

    def __init__(self, on: Stage, n_windows: int) -> None:
        self._on, self._n_windows = on, n_windows
        self._sensor = next(actor.sensor for actor in CAST if not actor.has_model)
        self._command: Child | None = None

    def step(self, verdicts: Mapping[str, Sequence[Verdict]]) -> None:
        """Raises DemoError if the command failed."""
        learnt = sum(
            verdict.status is Status.LEARNING for verdict in verdicts.get(self._sensor, ())
        )
        if self._command is None and learnt >= self._n_windows:
            words = (
                "commission",
                self._sensor,
                "--windows",
                self._n_windows,
                "-c",
                self._on.config,
            )
            self._command = Child(
                "commission", camshaft(*words), self._on.config.with_name("commission.log")
            )
        elif self._command is not None and self._command.process.poll():
            self._command.check()


def payload(samples: Float32, start_ns: int, sequence: int) -> bytes:
    """A JSON message: time of the first sample, counter, and the samples as base64 float32,
    channels interleaved.
    """
    text = base64.b64encode(samples.T.astype("<f4").tobytes()).decode("ascii")
    return json.dumps({"time": start_ns, "sequence": sequence, "samples": text}).encode()
