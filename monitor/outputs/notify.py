"""Who is told of alarms, when, and in what words. Pure; notices.py acts on it, and the journal's
cursors remember.

A point has one alarm at a time: raised, acknowledged by somebody, cleared.
Retained MQTT topics carry its state. A webhook gets the news, but no storm of
it: once told that an alarm was raised it hears of the same point's comings and
goings only when cool_down_s is over, and then only what still holds.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import quote

from monitor.advice import UNKNOWN, Advice
from monitor.journal.cursors import Notified
from monitor.journal.labels import ACKNOWLEDGED
from monitor.journal.views import StoredEvent
from monitor.records.diagnosis import Diagnosed
from monitor.times import iso

STATE_OF_KIND = {
    "alarm_raised": "raised",
    "alarm_cleared": "cleared",
    ACKNOWLEDGED: "acknowledged",
    "diagnosed": "diagnosed",
}
# What no topic may have; and %, where it would be read as one of these.
UNSAFE_IN_TOPIC = re.compile(r"[+#\0]|%(?=2[3B]|00)")
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


def hold(known: Notified, event: StoredEvent) -> Notified:
    """What is known of a point that is muted, after a new event of its alarm: nothing is told, and
    the newest raising or clearing waits for the end. An acknowledgement tells
    who muted it nothing, and a diagnosis comes with the alarm.
    """
    if STATE_OF_KIND[event.kind] in ("acknowledged", "diagnosed"):
        return known
    return replace(known, held_event=event.event_id, n_held=known.n_held + 1)


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
    return _topic(instance, "alarm", sensor)


def verdict_topic(instance: str, sensor: str) -> str:
    return _topic(instance, "verdict", sensor)


def _topic(instance: str, what: str, sensor: str) -> str:
    """Two sensors never have the same."""
    topic = f"camshaft/{instance}/{what}/{sensor}"
    return UNSAFE_IN_TOPIC.sub(lambda found: quote(found[0], safe=""), topic)


def quiet_state(instance: str, sensor: str) -> dict[str, Any]:
    """The state of a point that has had no alarm yet."""
    machine, _, point = sensor.rpartition("/")
    return {
        "instance": instance,
        "machine": machine,
        "point": point,
        "event_id": None,
        "model_id": "",
        "state": "cleared",
        "since": None,
        "text": "",
        "acknowledged": None,
    }


def alarm_state(
    instance: str,
    change: StoredEvent,
    seen: StoredEvent | None,
    diagnosis: Diagnosed | None,
) -> dict[str, Any]:
    """The state of a point's alarm, for its retained topic. change: its newest raising or clearing;
    seen: its acknowledgement, if that came after; diagnosis: the newest of this
    alarm.
    """
    state = STATE_OF_KIND[change.kind]
    return _who(instance, change) | {
        "state": "acknowledged" if seen is not None and state == "raised" else state,
        "since": iso(change.at_ns),
        "text": change.text,
        "acknowledged": None if seen is None else seen.text,
        "diagnosis": None if diagnosis is None else diagnosis.short,
    }


def notice(
    instance: str, event: StoredEvent, n_held: int, advice: Advice | None = None
) -> dict[str, Any]:
    """The JSON of one webhook request. title and text say it all for receivers that show these
    alone.

    advice : what to check and do; told where the alarm is raised, and where a diagnosis names
        its cause
    """
    state = STATE_OF_KIND[event.kind]
    more = f" ({n_held} changes before it were held back)" if n_held else ""
    return _who(instance, event) | {
        "state": state,
        "at": iso(event.at_ns),
        "title": f"{WORDS[state]}: {event.sensor}",
        "text": f"{WORDS[state]} at {event.sensor}: {event.text}{more}",
        "n_held": n_held,
        "advice": advice.tree() if advice is not None and _helps(advice, state) else None,
        "diagnosis": None if event.diagnosis is None else event.diagnosis.short,
    }


def _helps(advice: Advice, state: str) -> bool:
    """A diagnosis that names nothing adds no advice to that of the alarm."""
    return state == "raised" or (state == "diagnosed" and advice.name != UNKNOWN)


def reminder(tree: dict[str, Any]) -> dict[str, Any]:
    """The same notice once more, of an alarm that nobody has acknowledged."""
    again = "Not acknowledged yet: "
    return tree | {"title": again + tree["title"], "text": again + tree["text"]}


def _who(instance: str, event: StoredEvent) -> dict[str, Any]:
    machine, _, point = event.sensor.rpartition("/")
    return {
        "instance": instance,
        "machine": machine,
        "point": point,
        "event_id": event.event_id,
        "model_id": event.model_id,
    }
