"""What the page and the report ask of the journal. Rows here are light: no maps, no samples."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monitor.journal.labels import ACKNOWLEDGED, StoredLabel, labels_of
from monitor.journal.named import named_since
from monitor.journal.reader import JournalReader, Row, band_of, unpack_scores
from monitor.journal.schema import END_NS, NEWEST_FIRST, UNDONE
from monitor.records.batch import TROUBLES
from monitor.records.diagnosis import Diagnosed
from monitor.records.evidence import LOGIT, Evidence, probability
from monitor.records.trend import excess_of
from monitor.records.verdict import Band

SINCE_ROWS = 3600  # how far back a state is followed: an hour at a window a second
ALARM_KINDS = ("alarm_raised", "alarm_cleared", ACKNOWLEDGED)

SUMMARY_COLUMNS = (
    "row_id, sensor, start_ns, end_ns, status, reason, alarm, kinds, scores, band_low_hz, "
    f"band_high_hz, band_share, model_id, {UNDONE}"
)
EVENT_COLUMNS = (
    "event.event_id, event.at_ns, event.sensor, event.kind, event.text, event.model_id"
)
NEW_EVENTS = (
    f"SELECT {EVENT_COLUMNS} FROM event WHERE event_id > ? ORDER BY event_id LIMIT ?"
)

# Those that have a row, by name.
SENSORS = (
    "SELECT name FROM sensor WHERE EXISTS"
    " (SELECT 1 FROM verdict_row r WHERE r.sensor_id = sensor.sensor_id) ORDER BY name"
)


@dataclass(frozen=True, slots=True)
class Score:
    """One kind of evidence without its map. Fields as in records.evidence.Evidence."""

    kind: str
    unit: str
    score: float
    threshold: float | None

    @property
    def ratio(self) -> float | None:
        """The score over its threshold: above 1 speaks for NG. None for a logit: it has a sign."""
        if self.unit == LOGIT or not self.threshold:
            return None
        return self.score / self.threshold

    @property
    def excess(self) -> float | None:
        """As records.trend.excess_of: positive is NG."""
        return excess_of(self.unit, self.score, self.threshold)


@dataclass(frozen=True, slots=True)
class WindowSummary:
    """A window on a time line: its verdict without maps. Fields as in records.verdict.Verdict."""

    row_id: int
    sensor: str
    start_ns: int
    end_ns: int
    status: str
    reason: str
    alarm: str
    scores: tuple[Score, ...]
    band: Band | None
    model_id: str
    is_undone: bool  # the commissioning that judged it was undone since

    @property
    def probability(self) -> float | None:
        """P(NG) of the first score that has one."""
        found = self._logit()
        return None if found is None else probability(found.score)

    @property
    def probability_threshold(self) -> float | None:
        found = self._logit()
        if found is None or found.threshold is None:
            return None
        return probability(found.threshold)

    @property
    def over_threshold(self) -> Score | None:
        """The first score that is told as a multiple of its threshold."""
        return next((score for score in self.scores if score.ratio is not None), None)

    @property
    def excess(self) -> float | None:
        """The largest excess of all kinds; positive is NG."""
        known = (score.excess for score in self.scores)
        return max((excess for excess in known if excess is not None), default=None)

    def _logit(self) -> Score | None:
        return next((score for score in self.scores if score.unit == LOGIT), None)


def summary_of(row: Row) -> WindowSummary:
    """The summary of a verdict read whole."""
    v = row.verdict
    scores = tuple(map(_score, v.evidence))
    return WindowSummary(
        row.row_id,
        v.sensor,
        v.start_ns,
        v.end_ns,
        v.status.value,
        v.reason,
        v.alarm,
        scores,
        v.band,
        v.model_id,
        row.is_undone,
    )


def _score(found: Evidence) -> Score:
    return Score(found.kind, found.unit, found.score, found.threshold)


def _summary(found: tuple[Any, ...]) -> WindowSummary:
    """One result of SUMMARY_COLUMNS."""
    v = dict(zip(SUMMARY_COLUMNS.split(", "), found, strict=True))
    return WindowSummary(
        row_id=v["row_id"],
        sensor=v["sensor"],
        start_ns=v["start_ns"],
        end_ns=v["end_ns"],
        status=v["status"],
        reason=v["reason"],
        alarm=v["alarm"],
        scores=tuple(map(_score, unpack_scores(v["kinds"], v["scores"]))),
        band=band_of(v["band_low_hz"], v["band_high_hz"], v["band_share"]),
        model_id=v["model_id"],
        is_undone=bool(v[UNDONE]),
    )


@dataclass(frozen=True, slots=True)
class StoredEvent:
    event_id: int
    at_ns: int
    sensor: str
    kind: str
    text: str
    model_id: str
    diagnosis: Diagnosed | None = None  # read for those who tell of alarms alone


@dataclass(frozen=True, slots=True)
class AlarmStory:
    """A point's alarm as a person has to know it: it stays until it was acknowledged.

    raised : its newest raising
    first : the first raising that nobody has acknowledged
    n_raised : raisings since then; 0 where all are acknowledged
    cleared_ns : when it cleared after that; None where it stands
    seen : the acknowledgement that came after, None where there is none
    named : since the first raising, by a label and by a diagnosis: journal.named
    """

    raised: StoredEvent
    first: StoredEvent
    n_raised: int
    cleared_ns: int | None = None
    seen: StoredEvent | None = None
    named: tuple[str, str] = ("", "")

    @property
    def state(self) -> str:
        """raised, acknowledged, unseen (cleared, but nobody acknowledged it) or clear."""
        if self.cleared_ns is None:
            return "raised" if self.seen is None else "acknowledged"
        return "unseen" if self.seen is None else "clear"


@dataclass(frozen=True, slots=True)
class Since:
    """When the present status began;
    known is False where it began before what was looked through.
    """

    at_ns: int
    known: bool


class JournalViews(JournalReader):
    """Read-only. Raises JournalError."""

    def sensors(self) -> list[str]:
        return [name for (name,) in self._execute(SENSORS)]

    def newest(self, sensor: str) -> WindowSummary | None:
        found = self._windows(f"WHERE sensor = ? {NEWEST_FIRST} LIMIT 1", sensor)
        return found[0] if found else None

    def changes(self, after_row: int) -> list[WindowSummary]:
        """The last of each sensor's verdicts written after a row, oldest first."""
        # by row, not all rows
        newest = """
            SELECT max(row_id) FROM verdict_row NOT INDEXED
            WHERE row_id > ? GROUP BY sensor_id
        """
        return self._windows(f"WHERE row_id IN ({newest}) ORDER BY row_id", after_row)

    def since(self, newest: WindowSummary) -> Since:
        """When the sensor took on the status of its newest verdict."""
        query = (
            "SELECT start_ns, status FROM verdict WHERE sensor = ? AND end_ns <= ? ORDER BY end_ns"
            " DESC LIMIT ?"
        )
        began_ns = newest.start_ns
        for start_ns, status in self._execute(
            query, (newest.sensor, newest.end_ns, SINCE_ROWS)
        ):
            if status != newest.status:
                return Since(began_ns, True)
            began_ns = start_ns
        return Since(began_ns, self._oldest_ns(newest.sensor) == began_ns)

    def sentences(self) -> dict[tuple[str, str], str]:
        """What was said last of each sensor, by it and the kind of trouble."""
        marks = ", ".join("?" * len(TROUBLES))
        query = (
            "SELECT sensor, kind, text FROM event WHERE event_id IN (SELECT max(event_id) FROM"
            f" event WHERE kind IN ({marks}) GROUP BY sensor, kind)"
        )
        return {
            (sensor, kind): text for sensor, kind, text in self._execute(query, TROUBLES)
        }

    def back_from(
        self, sensor: str, before_ns: int | None, limit: int
    ) -> list[WindowSummary]:
        """A sensor's verdicts that ended before a time, newest first."""
        where = "WHERE sensor = ? AND end_ns < ? ORDER BY end_ns DESC LIMIT ?"
        return self._windows(where, sensor, _or_end(before_ns), limit)

    def between(
        self, sensor: str, from_ns: int, to_ns: int, limit: int
    ) -> list[WindowSummary]:
        """A sensor's verdicts that ended in a span of time, oldest first."""
        where = "WHERE sensor = ? AND end_ns BETWEEN ? AND ? ORDER BY end_ns LIMIT ?"
        return self._windows(where, sensor, from_ns, to_ns, limit)

    def still_kept(self, row_ids: Iterable[int]) -> dict[int, bool]:
        """Those of these windows that the journal still has, and whether with their raw samples."""
        query = (
            "SELECT row_id, EXISTS (SELECT 1 FROM kept_window k WHERE k.row_id = v.row_id)"
            " FROM verdict_row v WHERE row_id IN (SELECT value FROM json_each(?))"
        )
        found = self._execute(query, (json.dumps(list(row_ids)),))
        return {row_id: bool(has_samples) for row_id, has_samples in found}

    def judged_after(self, sensor: str, at_ns: int, limit: int) -> list[WindowSummary]:
        """The first OK and NG windows that began at a time or later, oldest first."""
        where = (
            "WHERE sensor = ? AND end_ns > ? AND start_ns >= ? AND status IN ('OK', 'NG')"
            " ORDER BY end_ns LIMIT ?"
        )
        return self._windows(where, sensor, at_ns, at_ns, limit)

    def judged_before(self, sensor: str, at_ns: int, limit: int) -> list[WindowSummary]:
        """The last OK and NG windows that ended by a time, newest first."""
        where = (
            "WHERE sensor = ? AND end_ns <= ? AND status IN ('OK', 'NG')"
            " ORDER BY end_ns DESC LIMIT ?"
        )
        return self._windows(where, sensor, at_ns, limit)

    def after(
        self, sensor: str, place: tuple[int, int], to_ns: int, limit: int
    ) -> list[WindowSummary]:
        """A sensor's verdicts behind a place in time, oldest first. place : end_ns and row_id of
        the verdict before; to_ns : they ended before it
        """
        where = (
            "WHERE sensor = ? AND end_ns >= ? AND end_ns < ? AND (end_ns, row_id) > (?, ?)"
            " ORDER BY end_ns, row_id LIMIT ?"
        )
        return self._windows(where, sensor, place[0], to_ns, *place, limit)

    def stored_after(self, row_id: int, limit: int) -> list[WindowSummary]:
        """All sensors' verdicts stored after a row, oldest first."""
        return self._windows("WHERE row_id > ? ORDER BY row_id LIMIT ?", row_id, limit)

    def last_ok(self, sensor: str, before_ns: int, model_id: str) -> int | None:
        """The newest OK row with a map before a time, judged by the same model: to compare with.
        What a commissioning called OK that was undone since does not count.
        """
        query = (
            "SELECT row_id FROM (SELECT row_id, status, model_id, commissioning_id FROM verdict"
            " WHERE sensor = ? AND end_ns < ? ORDER BY end_ns DESC LIMIT 100000) WHERE status ="
            f" 'OK' AND model_id = ? AND row_id IN (SELECT row_id FROM map) AND NOT {UNDONE}"
            " LIMIT 1"
        )
        found = self._execute(query, (sensor, before_ns, model_id)).fetchone()
        return None if found is None else int(found[0])

    def has_kept_window(self, row_id: int) -> bool:
        query = "SELECT 1 FROM kept_window WHERE row_id = ?"
        return self._execute(query, (row_id,)).fetchone() is not None

    def last_event_id(self) -> int:
        return int(
            self._execute("SELECT coalesce(max(event_id), 0) FROM event").fetchone()[0]
        )

    def new_events(self, after: int, limit: int) -> list[StoredEvent]:
        return [StoredEvent(*row) for row in self._execute(NEW_EVENTS, (after, limit))]

    def events_back(
        self,
        before: int | None,
        limit: int,
        sensor: str | None = None,
        kinds: Sequence[str] = (),
    ) -> list[StoredEvent]:
        """Events written before an event, newest first. kinds : these alone; () for all."""
        marks = ", ".join("?" * len(kinds))
        of_kind = f" AND kind IN ({marks})" if kinds else ""
        where = (
            f"WHERE event_id < ? AND (? IS NULL OR sensor = ?){of_kind}"
            " ORDER BY event_id DESC LIMIT ?"
        )
        return self._events(where, _or_end(before), sensor, sensor, *kinds, limit)

    def events_between(self, sensor: str, from_ns: int, to_ns: int) -> list[StoredEvent]:
        where = "WHERE sensor = ? AND at_ns BETWEEN ? AND ? ORDER BY event_id"
        return self._events(where, sensor, from_ns, to_ns)

    def alarm_events(self) -> dict[str, StoredEvent]:
        """Each sensor's newest event about its alarm: raised, acknowledged or cleared."""
        newest = "SELECT max(event_id) FROM event WHERE kind IN (?, ?, ?) GROUP BY sensor"
        found = self._events(f"WHERE event_id IN ({newest})", *ALARM_KINDS)
        return {event.sensor: event for event in found}

    def alarm_states(self) -> dict[str, tuple[StoredEvent, StoredEvent | None]]:
        """Each sensor's newest raising or clearing of its alarm, and the acknowledgement that came
        after, if any.
        """
        query = (
            "WITH newest AS (SELECT sensor, max(iif(kind != ?, event_id, NULL)) AS change,"
            " max(iif(kind = ?, event_id, NULL)) AS seen FROM event WHERE kind IN (?, ?, ?) GROUP"
            f" BY sensor) SELECT {EVENT_COLUMNS} FROM event JOIN newest ON event_id = change"
            " OR (event_id = seen AND seen > change) ORDER BY event_id"
        )
        states: dict[str, tuple[StoredEvent, StoredEvent | None]] = {}
        for event in (
            StoredEvent(*row)
            for row in self._execute(query, (ACKNOWLEDGED, ACKNOWLEDGED, *ALARM_KINDS))
        ):
            if event.kind == ACKNOWLEDGED:
                states[event.sensor] = (states[event.sensor][0], event)
            else:
                states[event.sensor] = (event, None)
        return states

    def alarm_stories(self) -> dict[str, AlarmStory]:
        """Each sensor's alarm, where it ever had one."""
        newest = (
            "SELECT sensor, max(iif(kind = ?1, event_id, NULL)) AS raised,"
            " max(iif(kind = ?2, event_id, NULL)) AS seen FROM event WHERE kind IN (?1, ?2)"
            " GROUP BY sensor HAVING raised IS NOT NULL"
        )
        query = (
            f"WITH newest AS ({newest}) SELECT {EVENT_COLUMNS} FROM event JOIN newest USING"
            " (sensor) WHERE kind IN (?1, ?2, ?3) AND event_id > iif(coalesce(seen, 0) < raised,"
            " coalesce(seen, 0), raised - 1) ORDER BY event_id"
        )
        kinds = ("alarm_raised", ACKNOWLEDGED, "alarm_cleared")
        stories: dict[str, AlarmStory] = {}
        for event in (StoredEvent(*row) for row in self._execute(query, kinds)):
            story = _told_on(stories.get(event.sensor), event)
            if story is not None:
                stories[event.sensor] = story
        return {name: replace(one, named=self._named(one)) for name, one in stories.items()}

    def _named(self, story: AlarmStory) -> tuple[str, str]:
        if story.state == "clear":
            return "", ""
        return named_since(self._execute, story.raised.sensor, story.first.at_ns)

    def was_row(self, row_id: int) -> bool:
        """Whether there ever was such a row: what is not there was thinned."""
        query = "SELECT 1 FROM sqlite_sequence WHERE name = 'verdict_row' AND seq >= ?"
        return row_id > 0 and self._execute(query, (row_id,)).fetchone() is not None

    def last_ok_kept(self, sensor: str, before_ns: int) -> int | None:
        """The newest OK row before a time whose raw samples are there."""
        query = (
            "SELECT v.row_id FROM verdict v JOIN kept_window USING (row_id) WHERE v.sensor = ? AND"
            " v.end_ns < ? AND v.status = 'OK' ORDER BY v.end_ns DESC LIMIT 1"
        )
        found = self._execute(query, (sensor, before_ns)).fetchone()
        return None if found is None else int(found[0])

    def event(self, event_id: int) -> StoredEvent | None:
        found = self._events("WHERE event_id = ?", event_id)
        return found[0] if found else None

    def events_of(self, event_ids: Iterable[int], sensor: str | None) -> list[StoredEvent]:
        """These events, newest first; of a sensor, or of all."""
        found = (self.event(event_id) for event_id in sorted(event_ids, reverse=True))
        return [one for one in found if one is not None and sensor in (None, one.sensor)]

    def unacknowledged(self) -> dict[str, int]:
        """Each sensor's newest alarm, by its event, where nobody has acknowledged it."""
        query = (
            "SELECT sensor, coalesce(max(iif(kind = 'alarm_raised', event_id, NULL)), 0) AS raised,"
            " coalesce(max(iif(kind = ?, event_id, NULL)), 0) AS seen FROM event WHERE kind IN"
            " ('alarm_raised', ?) GROUP BY sensor HAVING raised > seen"
        )
        return {
            sensor: raised
            for sensor, raised, _ in self._execute(query, (ACKNOWLEDGED, ACKNOWLEDGED))
        }

    def row_at(self, sensor: str, at_ns: int) -> int | None:
        """The sensor's window that ends at a time or holds it, else the last one before."""
        query = (
            "SELECT row_id, start_ns FROM verdict WHERE sensor = ? AND end_ns >= ? ORDER BY end_ns"
            " LIMIT 1"
        )
        found = self._execute(query, (sensor, at_ns)).fetchone()
        if found is not None and found[1] <= at_ns:
            return int(found[0])
        before = self.back_from(sensor, at_ns, 1)
        return before[0].row_id if before else None

    def labels(self, row_ids: Sequence[int]) -> list[StoredLabel]:
        return labels_of(self._link, row_ids)

    def _windows(self, where: str, *values: object) -> list[WindowSummary]:
        """where : the rest of the query"""
        query = f"SELECT {SUMMARY_COLUMNS} FROM verdict {where}"
        return [_summary(row) for row in self._execute(query, values)]

    def _events(self, where: str, *values: object) -> list[StoredEvent]:
        query = f"SELECT {EVENT_COLUMNS} FROM event {where}"
        return [StoredEvent(*row) for row in self._execute(query, values)]

    def _oldest_ns(self, sensor: str) -> int | None:
        query = "SELECT start_ns FROM verdict WHERE sensor = ? ORDER BY end_ns LIMIT 1"
        found: tuple[Any, ...] | None = self._execute(query, (sensor,)).fetchone()
        return None if found is None else int(found[0])


def _told_on(story: AlarmStory | None, event: StoredEvent) -> AlarmStory | None:
    """A sensor's story with one event more; None while no alarm was raised."""
    if event.kind == "alarm_raised":
        if story is None or story.seen is not None:
            return AlarmStory(event, event, 1)
        return AlarmStory(event, story.first, story.n_raised + 1)
    if story is None:
        return None
    if event.kind == ACKNOWLEDGED:
        return replace(story, seen=event, n_raised=0)
    return replace(story, cleared_ns=event.at_ns)


def _or_end(value: int | None) -> int:
    return END_NS if value is None else value
