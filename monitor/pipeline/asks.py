"""Who waits for the diagnosis of which sensor, and for how long. Pure."""

from __future__ import annotations

from monitor.records.diagnosis import Ask

PATIENCE_NS = 60 * 10**9  # then what signal there is must do
GIVEN_UP_NS = 600 * 10**9  # without a window that could be diagnosed


class Asks:
    def __init__(self) -> None:
        self._open: dict[str, list[Ask]] = {}  # by sensor
        self._due: list[str] = []  # the oldest first

    def add(self, wanted: Ask) -> None:
        self._open.setdefault(wanted.sensor, []).append(wanted)

    def wait(self, sensor: str) -> bool:
        return sensor in self._open

    def heard(self, sensor: str, is_whole: bool, now_ns: int) -> None:
        """A window came. is_whole : there is as much signal as is kept"""
        if sensor not in self._open or sensor in self._due:
            return
        if is_whole or now_ns - self._open[sensor][0].at_ns > PATIENCE_NS:
            self._due.append(sensor)

    def take(self) -> tuple[Ask, ...]:
        """Of the sensor whose turn it is; none where none is due."""
        if not self._due:
            return ()
        return tuple(self._open.pop(self._due.pop(0)))

    def given_up(self, now_ns: int) -> list[Ask]:
        old = [
            sensor
            for sensor, asks in self._open.items()
            if sensor not in self._due and now_ns - asks[0].at_ns > GIVEN_UP_NS
        ]
        return [one for sensor in old for one in self._open.pop(sensor)]
