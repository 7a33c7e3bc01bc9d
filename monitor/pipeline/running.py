"""What running-state topics said last of machines and points."""

from __future__ import annotations

from monitor.config_sensors import SensorSettings
from monitor.pipeline.router import RunningWord
from monitor.records.context import Context


class RunningStates:
    """The last word of each topic, machine and point."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, str], bool] = {}

    def note(self, word: RunningWord) -> None:
        self._last[word.topic, word.machine, word.point] = word.is_running

    def of(self, sensor: str, rule: SensorSettings, context: Context) -> bool | None:
        """None where no topic and no valid value has told. A point's word goes before its
        machine's.
        """
        if rule.running is None:
            return None
        if rule.running.context is not None:
            value = context.get(rule.running.context)
            at_least = rule.running.at_least
            if at_least is None or not isinstance(value, float):
                return None
            return value >= at_least
        topic = rule.running.topic
        if topic is None:
            return None
        machine, _, point = sensor.rpartition("/")
        of_machine = self._last.get((topic, machine, ""))
        return self._last.get((topic, machine, point), of_machine)
