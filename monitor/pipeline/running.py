"""What running-state topics said last of machines and points."""

from __future__ import annotations

from monitor.config import SensorSettings
from monitor.pipeline.router import RunningWord


class RunningStates:
    """The last word of each topic, machine and point."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, str], bool] = {}

    def note(self, word: RunningWord) -> None:
        self._last[word.topic, word.machine, word.point] = word.is_running

    def of(self, sensor: str, rule: SensorSettings) -> bool | None:
        """None where no topic has told. A point's word goes before its machine's."""
        if rule.running is None or rule.running.topic is None:
            return None
        topic = rule.running.topic
        machine, _, point = sensor.rpartition("/")
        of_machine = self._last.get((topic, machine, ""))
        return self._last.get((topic, machine, point), of_machine)
