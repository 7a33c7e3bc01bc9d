"""One sensor's condition indicators, window by window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.pipeline.analysis import Analyser, Analysis
from monitor.records import zones
from monitor.records.context import Context
from monitor.records.machine import Surroundings
from monitor.records.signal import Window
from monitor.signal import indicators
from monitor.signal.severity import is_due


@dataclass(slots=True)
class Condition:
    """machine : what is known of it at this sensor; None: nothing"""

    machine: Surroundings | None = None
    _zone: int | None = None

    def of(
        self, window: Window, analysis: Analysis, analyser: Analyser, context: Context
    ) -> dict[str, float]:
        """Indicators by name; none where the window could not be judged.

        context : what was told when the window was cut
        """
        if analysis.figures is None:
            return {}
        values = dict(zip(indicators.FIGURES, analysis.figures.T.tolist(), strict=True))
        velocity, zone = self._velocity(window, context)
        found = indicators.by_name(values | velocity, analyser.rule.channels)
        return {name: value for name, value in (found | zone).items() if value == value}

    def _velocity(
        self, window: Window, context: Context
    ) -> tuple[dict[str, list[float]], dict[str, float]]:
        """Now and then: it changes slowly, and costs as much as a spectrogram."""
        rate_hz, n = window.sample_rate_hz, window.samples.shape[1]
        if not is_due(window.first_sample, rate_hz, n):
            return {}, {}
        name = indicators.velocity_name(self._shaft_hz(context))
        found = indicators.velocities(window.samples, rate_hz, name)
        if not found:
            return {}, {}
        return {name: found}, self._zone_of(max(found))

    def _shaft_hz(self, context: Context) -> float | None:
        """None where nothing tells it."""
        if self.machine is None:
            return None
        rpm = context.get(self.machine.speed_context)
        if isinstance(rpm, float | int) and rpm > 0:
            return rpm / 60
        speed = self.machine.machine.speed
        return None if speed is None else speed.middle_hz

    def _zone_of(self, velocity_mm_s: float) -> dict[str, float]:
        """Of the strongest channel."""
        if self.machine is None or self.machine.limits_mm_s is None:
            return {}
        self._zone = zones.zone(velocity_mm_s, self.machine.limits_mm_s, self._zone)
        return {indicators.ZONE: float(self._zone)}


def strongest_velocity(found: Mapping[str, float]) -> dict[str, float]:
    """What the row of quality has had since before there were indicators."""
    own = [one for name, one in found.items() if name.split(".")[0] == indicators.VELOCITY]
    return {indicators.VELOCITY: max(own)} if own else {}
