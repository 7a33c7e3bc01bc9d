"""What a sensor sounded like when its machine was well: its first OK windows after it was
commissioned. Pure.

Shaft, mesh and blade lines are there on every machine; they tell of a fault
only by how far they have grown. Commissioning says that the machine is well
now, and its own windows are kept as spectra of bands, too coarse for a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.config_sensors import SensorSettings
from monitor.pipeline.stretches import Stretches
from monitor.records.context import Value
from monitor.records.diagnosis import Healthy
from monitor.records.machine import Surroundings
from monitor.records.signal import Window
from monitor.records.verdict import Status, Verdict

LONGEST_S = 10.0
MAX_BYTES = 64 << 20  # of all that is being collected; other sensors wait
SAME_SPEED = 0.03  # relative: of windows that are one reference


@dataclass(slots=True)
class _Begun:
    commissioning_id: int
    signal: Stretches
    rpm: float | None


class HealthyCollector:
    """known : the commissioning whose signal is kept already, by sensor"""

    def __init__(self, known: Mapping[str, int]) -> None:
        self._known = dict(known)
        self._begun: dict[str, _Begun] = {}

    def is_whole(self, sensor: str, commissioning_id: int | None) -> bool:
        return commissioning_id is not None and (
            self._known.get(sensor) == commissioning_id
        )

    def take(
        self, verdict: Verdict, window: Window, rule: SensorSettings, near: Surroundings
    ) -> Healthy | None:
        """A window that was judged. Returns the signal once it is whole."""
        name, own = verdict.sensor, verdict.commissioning_id
        if own is None or self.is_whole(name, own) or not _is_well(verdict):
            return None
        rpm = _rpm(verdict.context.get(near.speed_context))
        if near.speed_context and rpm is None:
            return None
        begun = self._begun.get(name)
        if begun is None or begun.commissioning_id != own:
            if self.n_bytes > MAX_BYTES:
                return None
            signal = Stretches(rule.sample_rate_hz, LONGEST_S)
            begun = self._begun[name] = _Begun(own, signal, rpm)
        if rpm and begun.rpm and abs(rpm / begun.rpm - 1) > SAME_SPEED:
            return None
        begun.signal.add(window, None)
        return self._whole(begun, verdict, rule) if begun.signal.is_whole else None

    def _whole(self, begun: _Begun, verdict: Verdict, rule: SensorSettings) -> Healthy:
        name = verdict.sensor
        self._known[name] = begun.commissioning_id
        del self._begun[name]
        return Healthy(
            sensor=name,
            commissioning_id=begun.commissioning_id,
            at_ns=verdict.end_ns,
            sample_rate_hz=rule.sample_rate_hz,
            stretches=begun.signal.whole(),
            rpm=begun.rpm,
        )

    @property
    def n_bytes(self) -> int:
        """Of what is being collected."""
        return sum(begun.signal.n_bytes for begun in self._begun.values())


def is_wanted(near: Surroundings) -> bool:
    """Whether any part of the machine is judged by how far its lines have grown."""
    return near.machine.speed is not None or bool(near.speed_context)


def _is_well(verdict: Verdict) -> bool:
    return verdict.status is Status.OK and verdict.alarm != "raised"


def _rpm(told: Value | None) -> float | None:
    return told if isinstance(told, float) and told > 0 else None
