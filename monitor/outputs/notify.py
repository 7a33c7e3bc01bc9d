"""Who is told of alarms, when, and in what words. Pure; webhook.py sends, and the
journal's cursors remember.

A point has one alarm at a time: raised, acknowledged by somebody, cleared. Retained MQTT topics
carry its state. A webhook gets the news, but no storm of it: once told that an alarm was raised it
hears of the same point's comings and goings only when cool_down_s is over, and then only what still
holds.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from monitor.journal.cursors import Notified
from monitor.journal.labels import ACKNOWLEDGED
from monitor.journal.views import StoredEvent
from monitor.records.diagnosis import Diagnosed

STATE_OF_KIND = {
    "alarm_raised": "raised",
    "alarm_cleared": "cleared",
    ACKNOWLEDGED: "acknowledged",
    "diagnosed": "diagnosed",
}
UNSAFE_IN_TOPIC = str.maketrans("+#\0", "___")
WORDS = {
    "raised": "Alarm",
    "cleared": "Alarm cleared",
    "acknowledged": "Alarm acknowledged",
    "diagnosed": "Alarm diagnosed",
}


def is_quiet(known: Notified, now_ns: int, cool_down_ns: int) -> bool:
    """Whether the cool-down still runs. A clock set back ends it: silence must not last."""
    return known.raised_ns is not None and 0 <= now_ns - known.raised_ns < cool_down_ns


def take(
    known: Notified, event: StoredEvent, now_ns: int, cool_down_ns: int
) -> tuple[Literal["send", "hold"], Notified]:
    """What to do with a new event of an alarm, and what is then known of the point."""
    state = STATE_OF_KIND[event.kind]
    if state == "acknowledged":
        return "send", known
    if state == "diagnosed":  # of an alarm that was told, or else of none
        return ("send" if known.state == "raised" else "hold"), known
    if is_quiet(known, now_ns, cool_down_ns):
        return "hold", replace(known, held_event=event.event_id, n_held=known.n_held + 1)
    return release(known, event, now_ns)


def release(
    known: Notified, event: StoredEvent, now_ns: int
) -> tuple[Literal["send", "hold"], Notified]:
    """What to do with an event, held till now or new, while no cool-down runs: it is sent if it
    changes what was told.
    """
    state = STATE_OF_KIND[event.kind]
    if state == known.state:
        return "hold", replace(known, held_event=None)
    return "send", sent(known, state, now_ns)


def sent(known: Notified, state: str, now_ns: int) -> Notified:
    return Notified(state, now_ns if state == "raised" else known.raised_ns)


def alarm_topic(instance: str, sensor: str) -> str:
    machine, _, point = sensor.rpartition("/")
    return f"camshaft/{instance}/alarm/{machine}/{point}".translate(UNSAFE_IN_TOPIC)


def alarm_state(
    instance: str,
    change: StoredEvent,
    seen: StoredEvent | None,
    diagnosis: Diagnosed | None = None,
) -> dict[str, Any]:
    """The state of a point's alarm, for its retained topic. change: its newest raising or clearing;
    seen: its acknowledgement, if that came after; diagnosis: the newest of this alarm.
    """
    state = STATE_OF_KIND[change.kind]
    return _who(instance, change) | {
        "state": "acknowledged" if seen is not None and state == "raised" else state,
        "since": iso(change.at_ns),
        "text": change.text,
        "acknowledged": None if seen is None else seen.text,
        "diagnosis": None if diagnosis is None else diagnosis.short,
    }


def notice(instance: str, event: StoredEvent, n_held: int) -> dict[str, Any]:
    """The JSON of one webhook request. title and text say it all for receivers that show these
    alone.
    """
    state = STATE_OF_KIND[event.kind]
    more = f" ({n_held} changes before it were held back)" if n_held else ""
    return _who(instance, event) | {
        "state": state,
        "at": iso(event.at_ns),
        "title": f"{WORDS[state]}: {event.sensor}",
        "text": f"{WORDS[state]} at {event.sensor}: {event.text}{more}",
        "n_held": n_held,
        "diagnosis": None if event.diagnosis is None else event.diagnosis.short,
    }


def iso(at_ns: int) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(at_ns // 10**9, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ns // 10**6 % 1000:03d}Z"


def _who(instance: str, event: StoredEvent) -> dict[str, Any]:
    machine, _, point = event.sensor.rpartition("/")
    return {
        "instance": instance,
        "machine": machine,
        "point": point,
        "event_id": event.event_id,
        "model_id": event.model_id,
    }
