"""Which signals are diagnosed, and when: those of alarms, at most one a turn. Pure.

Collecting begins with a sensor's first NG window, so healthy sensors cost
nothing. An alarm is diagnosed at once, and once more when there is as much
signal as is kept, if it had no name.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from monitor.config_sensors import SensorSettings
from monitor.pipeline.asks import Asks
from monitor.pipeline.speeds import SpeedHistory
from monitor.pipeline.stretches import Stretches
from monitor.pipeline.told_speed import told_speed
from monitor.records.batch import Event
from monitor.records.context import Told
from monitor.records.diagnosis import (
    DIAGNOSED,
    Ask,
    Diagnosed,
    Healthy,
    Question,
    ToldSpeed,
)
from monitor.records.machine import Machine, Surroundings
from monitor.records.signal import Window
from monitor.records.verdict import Status, Verdict

Answer = Callable[[Question], Diagnosed]
ToldOf = Callable[[str, str], Told | None]  # sensor, name: the newest value, held or not

HealthyOf = Callable[[str], Healthy | None]

LONGEST_S = 10.0  # of signal that is kept of a sensor
MAX_BYTES = 128 << 20  # of all sensors together
RATE = 0.001  # of wrong names an alarm, shared among the two times it is diagnosed
N_TIMES = 2
OTHER_SPEED = (
    0.03  # relative: lines of a healthy signal that was faster or slower tell nothing
)


def no_healthy(_sensor: str) -> None:
    """Where no journal keeps any."""


@dataclass(slots=True)
class _Collected:
    """The last judged windows of a sensor. n_ok : since its last NG"""

    rule: SensorSettings
    known: Surroundings
    signal: Stretches
    last: Verdict | None = None
    n_ok: int = 0
    n_times: int = 0
    is_named: bool = False

    @property
    def n_bytes(self) -> int:
        return self.signal.n_bytes

    def add(self, window: Window, verdict: Verdict, received_ns: int) -> None:
        told = verdict.context.get(self.known.speed_context)
        self.signal.add(window, told, received_ns)
        self.last = verdict


@dataclass(frozen=True, slots=True)
class Answered:
    """is_first : of its alarm. asks : of those who wanted it; none of an alarm's own"""

    diagnosed: Diagnosed
    is_first: bool = False
    asks: tuple[Ask, ...] = ()


class Diagnoser:
    """answer : what diagnoses. told_of : the newest speed that was told of a sensor

    healthy_of : a sensor's signal of when its machine was well
    """

    def __init__(
        self, answer: Answer, told_of: ToldOf, healthy_of: HealthyOf = no_healthy
    ) -> None:
        self._answer, self._told_of, self._healthy_of = answer, told_of, healthy_of
        self.speeds = SpeedHistory()
        self._collected: OrderedDict[str, _Collected] = OrderedDict()
        self._due: list[str] = []  # the newest alarm last
        self._asks = Asks()
        self.n_bytes = 0  # of signal that is kept

    def take(
        self,
        verdict: Verdict,
        window: Window,
        rule: SensorSettings,
        known: Surroundings,
        received_ns: int = 0,
    ) -> None:
        """A window that was judged. received_ns : when it was whole, by the host's clock"""
        name = verdict.sensor
        self.speeds.want(known.speed_context)
        found = self._collected.get(name)
        is_asked = self._asks.wait(name)
        if found is None and (is_asked or verdict.status is Status.NG):
            found = self._collected[name] = _Collected(
                rule, known, Stretches(rule.sample_rate_hz, LONGEST_S)
            )
        if found is None or not _is_signal(verdict.status, is_asked):
            return
        before = found.n_bytes
        found.add(window, verdict, received_ns)
        self.n_bytes += found.n_bytes - before
        found.n_ok = 0 if verdict.status is Status.NG else found.n_ok + 1
        if verdict.alarm != "raised":
            found.n_times, found.is_named = 0, False
            if found.n_ok > rule.alarm.m and not is_asked:
                self._forget(name)
        elif self._is_due(found) and name not in self._due:
            self._due.append(name)
        self._asks.heard(name, found.signal.is_whole, received_ns)
        self._make_room(name)

    def ask(self, wanted: Ask) -> None:
        """Diagnose its sensor once there is as much signal as is kept, or a minute has passed."""
        self._asks.add(wanted)

    def given_up(self, now_ns: int) -> list[Ask]:
        """Those whose sensors sent no signal for so long that none may come."""
        return self._asks.given_up(now_ns)

    def _is_due(self, found: _Collected) -> bool:
        if found.n_times == 0:
            return True
        return found.signal.is_whole and not found.is_named and found.n_times < N_TIMES

    def _make_room(self, kept: str) -> None:
        """At the expense of whichever sensor began first."""
        while self.n_bytes > MAX_BYTES:
            first = next((name for name in self._collected if name != kept), kept)
            self._forget(first)

    def _forget(self, name: str) -> None:
        self.n_bytes -= self._collected.pop(name).n_bytes

    def step(self, now_ns: int) -> Answered | None:
        """The newest alarm's diagnosis, where one is due; else one that somebody wants.

        now_ns : the host's clock
        """
        while self._due:
            found = self._collected.get(self._due.pop())
            if found is not None and found.last is not None:
                answered = self._diagnose(found, found.last, now_ns)
                found.n_times, found.is_named = found.n_times + 1, answered.is_named
                return Answered(answered, found.n_times == 1)
        return self._answer_ask(now_ns)

    def _answer_ask(self, now_ns: int) -> Answered | None:
        asks = self._asks.take()
        found = self._collected.get(asks[0].sensor) if asks else None
        if found is None or found.last is None:
            for one in asks:  # its signal had to make room
                self._asks.add(one)
            return None
        answered = self._diagnose(found, found.last, now_ns, asks)
        if found.n_ok and found.last.alarm != "raised":
            self._forget(found.last.sensor)
        return Answered(answered, asks=asks)

    def _diagnose(
        self, found: _Collected, last: Verdict, now_ns: int, asks: Sequence[Ask] = ()
    ) -> Diagnosed:
        courses = self._courses(found, last.sensor)
        machine, no_speed = self._machine(found, last.sensor, courses, now_ns)
        healthy = self._healthy(last, machine)
        question = Question(
            sensor=last.sensor,
            at_ns=last.end_ns,
            stretches=found.signal.whole(),
            sample_rate_hz=found.rule.sample_rate_hz,
            channels=found.rule.channels,
            machine=machine,
            no_speed=no_speed,
            map_band_hz=None
            if last.band is None
            else (last.band.low_hz, last.band.high_hz),
            rate=RATE if asks else RATE / N_TIMES,
            told_speeds=() if no_speed else courses,
            healthy=healthy if isinstance(healthy, Healthy) else None,
            no_healthy=healthy if isinstance(healthy, str) else "",
            asked_by=" and ".join(dict.fromkeys(one.author for one in asks)),
        )
        return self._answer(question)

    def _healthy(self, last: Verdict, machine: Machine) -> Healthy | str:
        """The signal of when the machine was well, or in a few words why there is none."""
        own = last.commissioning_id
        if own is None:
            return "needs a signal of when the machine was well: commission the sensor"
        kept = self._healthy_of(last.sensor)
        if kept is None or kept.commissioning_id != own:
            return "needs ten seconds judged OK since the sensor was commissioned"
        speed = machine.speed
        if kept.rpm and speed and abs(speed.middle_hz * 60 / kept.rpm - 1) > OTHER_SPEED:
            return f"the signal of when the machine was well is of {kept.rpm:g} 1/min"
        return kept

    def _courses(self, found: _Collected, sensor: str) -> tuple[ToldSpeed, ...]:
        name = found.known.speed_context
        return self.speeds.courses(sensor, name, found.signal.timed()) if name else ()

    def _machine(
        self,
        found: _Collected,
        sensor: str,
        courses: Sequence[ToldSpeed],
        now_ns: int,
    ) -> tuple[Machine, str]:
        """The machine at the speed it was told to run at; and why no speed is known, else ""."""
        known = found.known
        if not known.speed_context:
            return known.machine, ""
        values = found.signal.told
        newest = self._told_of(sensor, known.speed_context)
        tolerance = known.speed_tolerance
        speed = told_speed(known.speed_context, values, tolerance, newest, now_ns, courses)
        return (
            (known.machine, speed)
            if isinstance(speed, str)
            else (known.machine.at(speed), "")
        )


def _is_signal(status: Status, is_asked: bool) -> bool:
    """Whether it is signal of a running machine. An ask works before commissioning, too."""
    return status in (Status.OK, Status.NG) or (is_asked and status is Status.LEARNING)


def in_events(events: Sequence[Event], found: Diagnosed, is_first: bool) -> list[Event]:
    """The events of a turn with a diagnosis: in the text of the alarm that it belongs to, else as
    one of its own.

    is_first : the alarm has none yet
    """
    alarms = [
        one for one in events if one.kind == "alarm_raised" and one.sensor == found.sensor
    ]
    if alarms:
        told = replace(alarms[-1], text=f"{alarms[-1].text}; {found.text}")
        return [told if one is alarms[-1] else one for one in events]
    if not (is_first or found.is_named):
        return list(events)
    return [*events, Event(found.at_ns, found.sensor, DIAGNOSED, found.text)]
