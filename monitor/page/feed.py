"""The live state of the fleet: read once for all browsers, sent as small differences.

One task reads what the journals got since last time. A browser gets the whole
state when it connects, then changes; one that is too slow for them gets the
whole again.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from monitor.advice import UNKNOWN, AdviceBook, advice_book
from monitor.journal.labels import ACKNOWLEDGED
from monitor.journal.mutes import Mute
from monitor.journal.schema import JournalError
from monitor.journal.views import (
    AlarmStory,
    JournalViews,
    Since,
    StoredEvent,
    WindowSummary,
)
from monitor.page.merged import Merged, Message, Part
from monitor.page.views import (
    Standing,
    Tree,
    difference,
    event_view,
    refusal_view,
    sensor_view,
)
from monitor.records.batch import TOLD_BY, TROUBLES
from monitor.records.diagnosis import DIAGNOSED

POLL_S = 0.2
EVENTS_AT_ONCE = 500
HEARTBEAT_S = 2.0
WAIT_S = 0.5
BEAT_S = 3.0  # after so long without news a browser is told that there is none
MAX_WAITING = 50  # messages that one browser may be behind
MAX_LISTENERS = 100
# Reasons for which messages are refused that bring no samples.
OTHER_MESSAGES = ("bad_label", "retained_label", "unknown_window", "bad_running_state")
# a topic whose last refused message is older is not shown any more
REFUSED_NS = 600 * 10**9

# Events after which a point's alarm is told differently.
STORY_KINDS = ("alarm_raised", "alarm_cleared", ACKNOWLEDGED, DIAGNOSED, "label")


class Plant(Protocol):
    """All that is shown: page.plant."""

    @property
    def has_remote(self) -> bool: ...

    def parts(self) -> Sequence[Part]:
        """As they are now, in order."""
        ...


class Source:
    """The journal as it lies there now: opened anew when the file was replaced. Safe for many
    threads.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._views: JournalViews | None = None
        self._file: tuple[int, int] | None = None
        self._lock = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[JournalViews]:
        """One reader at a time. Raises JournalError."""
        with self._lock:
            yield self._open()

    def close(self) -> None:
        with self._lock:
            if self._views is not None:
                self._views.close()
                self._views = None

    def _open(self) -> JournalViews:
        try:
            status = self._path.stat()
        except OSError as error:
            raise JournalError(
                f"journal.path = '{self._path}': {_absent(error, self._file is not None)}"
            ) from error
        if self._views is None or self._file != (status.st_dev, status.st_ino):
            if self._views is not None:
                self._views.close()
                self._views = None
            self._views = JournalViews(self._path)
            self._file = (status.st_dev, status.st_ino)
        return self._views

    @property
    def file(self) -> tuple[int, int] | None:
        """Which file was read last: its device and number."""
        return self._file


def _absent(error: OSError, was_there: bool) -> str:
    if not isinstance(error, FileNotFoundError):
        return f"cannot be read: {error.strerror}."
    if was_there:
        return "the file has vanished. The page goes on by itself once it is back."
    return (
        "there is no such file yet. The service makes it when it first runs; the page then goes on"
        " by itself."
    )


class Fleet:
    """What is known of each sensor. read() runs in a thread of its own, one call at a time."""

    def __init__(
        self, source: Source, advice: AdviceBook | None = None, instance: str = ""
    ) -> None:
        self._source, self._instance = source, instance
        self._advice = advice or advice_book({})
        self._newest: dict[str, WindowSummary] = {}
        self._since: dict[str, Since] = {}
        self._stories: dict[str, AlarmStory] = {}
        self._mutes: dict[str, Mute] = {}
        self._sentences: dict[tuple[str, str], str] = {}  # by sensor and kind of trouble
        self._row_id = self._event_id = 0
        self._file: tuple[int, int] | None = None
        self._beat_s = float("-inf")
        self.shown: dict[str, Tree] = {}
        self.health: Tree | None = None
        self.refused: list[Tree] = []
        self.trouble = ""

    def read(self, now_s: float) -> list[Message]:
        """What is new: a snapshot where all is, else changes of points, and events."""
        try:
            with self._source.reading() as views:
                if self._source.file != self._file or self.trouble:
                    return self._begin(views)
                return self._go_on(views, now_s)
        except JournalError as error:
            self._file, self.trouble = None, str(error)
            return []

    def _begin(self, views: JournalViews) -> list[Message]:
        row_id, self._event_id = views.last_row_id(), views.last_event_id()
        found = [
            newest for name in views.sensors() if (newest := views.newest(name)) is not None
        ]
        self._newest = {newest.sensor: newest for newest in found}
        self._since = {newest.sensor: views.since(newest) for newest in found}
        self._stories = views.alarm_stories()
        self._mutes = views.mutes(time.time_ns())
        self._sentences = views.sentences()
        self._row_id = row_id
        self._file, self.trouble = self._source.file, ""
        self.shown = {sensor: self._view(sensor) for sensor in self._newest}
        self.health = _health(views)
        self.refused = self._nameless(views)
        return [("snapshot", None)]

    def _go_on(self, views: JournalViews, now_s: float) -> list[Message]:
        rows = views.changes(self._row_id)
        events = views.new_events(self._event_id, EVENTS_AT_ONCE)
        touched = {self._take(row) for row in rows} | {
            self._note(event) for event in events
        }
        if any(event.kind in STORY_KINDS for event in events):
            self._stories = views.alarm_stories()
        touched |= self._read_mutes(views)
        messages: list[Message] = []
        if changed := [
            change
            for sensor in sorted(touched & set(self._newest))
            if (change := self._change(sensor))
        ]:
            messages.append(("fleet", changed))
        if events:
            unacknowledged = views.unacknowledged()
            messages.append(
                ("events", [self._event(event, unacknowledged) for event in events])
            )
        if now_s - self._beat_s >= HEARTBEAT_S:
            self._beat_s = now_s
            self.health = _health(views)
            self.refused = self._nameless(views)
        return messages

    def _event(self, event: StoredEvent, unacknowledged: Mapping[str, int]) -> Tree:
        return event_view(event, unacknowledged) | {"instance": self._instance}

    def _nameless(self, views: JournalViews) -> list[Tree]:
        """Topics whose messages are refused, and that no sensor stands for."""
        found = views.refusals(time.time_ns() - REFUSED_NS)
        topics = {
            one.topic: one
            for one in reversed(found)
            if one.sensor not in self._newest and one.reason not in OTHER_MESSAGES
        }
        trees = [refusal_view(one) for one in reversed(topics.values())]
        return [tree | {"instance": self._instance} for tree in trees]

    def _take(self, row: WindowSummary) -> str:
        self._row_id = row.row_id
        before = self._newest.get(row.sensor)
        self._newest[row.sensor] = row
        if before is None or before.status != row.status:
            self._since[row.sensor] = Since(row.start_ns, True)
        return row.sensor

    def _note(self, event: StoredEvent) -> str:
        self._event_id = event.event_id
        if event.kind in TROUBLES:
            self._sentences[event.sensor, event.kind] = event.text
        return event.sensor

    def _read_mutes(self, views: JournalViews) -> set[str]:
        """The sensors whose mute began or ended: some end by the clock alone."""
        before, self._mutes = self._mutes, views.mutes(time.time_ns())
        return {
            sensor
            for sensor in before.keys() | self._mutes.keys()
            if before.get(sensor) != self._mutes.get(sensor)
        }

    def _change(self, sensor: str) -> Tree:
        new = self._view(sensor)
        change = difference(self.shown.get(sensor, {}), new)
        self.shown[sensor] = new
        return change if len(change) > 1 else {}

    def _view(self, sensor: str) -> Tree:
        newest, story = self._newest[sensor], self._stories.get(sensor)
        trouble = self._sentences.get((sensor, TOLD_BY.get(newest.reason, "")), "")
        advice = ""
        if story is not None and story.state != "clear":
            advice = self._advice.of_text(*story.named, story.raised.text).name
        elif newest.status == "NG":
            advice = UNKNOWN
        mute = self._mutes.get(sensor)
        standing = Standing(self._since[sensor], story, mute, advice, trouble)
        return sensor_view(newest, standing) | {"instance": self._instance}


def _health(views: JournalViews) -> Tree | None:
    found = views.health()
    if found is None:
        return None
    at_ns, fields = found
    age_s = max(0.0, (time.time_ns() - at_ns) / 1e9)
    return {"age_s": round(age_s, 1)} | {
        key: fields.get(key)
        for key in ("windows_per_s", "broker_connected", "broker_session_contested")
    }


class Feed:
    """Reads for as long as the page runs, and tells every listener."""

    def __init__(self, plant: Plant, stopping: Callable[[], bool]) -> None:
        self._plant, self._stopping = plant, stopping
        self._whole = Circle(Merged())
        # What another page gets to show: never what we have from others ourselves.
        self._local = Circle(Merged()) if plant.has_remote else self._whole

    @property
    def full(self) -> bool:
        n = len(self._whole.listeners | self._local.listeners)
        return n >= MAX_LISTENERS

    async def begin(self) -> None:
        """Read once, so that the first browser finds something."""
        await asyncio.to_thread(self._read)

    async def run(self) -> None:
        while not self._stopping():
            for circle, messages in await asyncio.to_thread(self._read):
                for name, data in messages:
                    circle.tell(_encode(name, data))
            await asyncio.sleep(POLL_S)

    def _read(self) -> list[tuple[Circle, list[Message]]]:
        """What to tell whom."""
        now_s = time.monotonic()
        parts = self._plant.parts()
        news = [(part, part.read(now_s)) for part in parts]
        found = [(self._whole, self._whole.merged.take(parts, news))]
        if self._local is not self._whole:
            ours = [part for part in parts if not part.is_remote]
            of_ours = [(part, messages) for part, messages in news if not part.is_remote]
            found.append((self._local, self._local.merged.take(ours, of_ours)))
        return found

    async def listen(self, local: bool = False) -> AsyncIterator[str]:
        """Server-sent events for one browser, until it leaves or the page stops.

        local : of this machine's instances alone
        """
        circle = self._local if local else self._whole
        queue: asyncio.Queue[str | None] = asyncio.Queue(MAX_WAITING)
        circle.listeners.add(queue)
        try:
            yield _encode(*circle.merged.snapshot())
            waited_s = 0.0
            while not self._stopping():
                try:
                    text = await asyncio.wait_for(queue.get(), WAIT_S)
                except TimeoutError:
                    waited_s += WAIT_S
                    if waited_s >= BEAT_S:  # so that a dead connection shows
                        waited_s = 0.0
                        yield _encode("beat", None)
                    continue
                waited_s = 0.0
                yield _encode(*circle.merged.snapshot()) if text is None else text
        finally:
            circle.listeners.discard(queue)


class Circle:
    """Those who are told the same."""

    def __init__(self, merged: Merged) -> None:
        self.merged = merged
        self.listeners: set[asyncio.Queue[str | None]] = set()

    def tell(self, text: str) -> None:
        for queue in self.listeners:
            if queue.full():  # too slow: forget the changes, send the whole
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(text)


def _encode(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'), allow_nan=False)}\n\n"
