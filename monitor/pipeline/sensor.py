"""One sensor's stream: what its messages bring is cut into windows, and what ends or is wrong with
it is told. Its verdicts are in verdicts.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.config import JournalSettings
from monitor.config_sensors import SensorSettings
from monitor.pipeline.analysis import Analyser
from monitor.pipeline.presence import Presence
from monitor.pipeline.remarks import Remarks
from monitor.pipeline.verdicts import Verdicts
from monitor.records.batch import Event
from monitor.records.signal import Chunk, Drop, Float32, Gap, Message, Window
from monitor.records.stream import Piece, StoredStream, StreamUpdate, TailRecords
from monitor.records.verdict import Status, Verdict
from monitor.signal import troubles
from monitor.signal.payload.base import PayloadSettings
from monitor.signal.plausibility.check import FormatCheck
from monitor.signal.plausibility.clock import Clock
from monitor.signal.rates import is_same_rate
from monitor.signal.windows import Windower
from monitor.text import first_bytes

MANY_BROKEN = 8  # segments that end before a window is full: no accident
SILENT_PERIODS = 3  # of the expected period
MIN_SILENCE_S = 1.0  # a shorter pause is jitter of the network, whatever the period


@dataclass(frozen=True, slots=True)
class Taken:
    """What a chunk brought about in its sensor's stream.

    is_back : the sensor had been silent
    is_implausible : its bytes are not what the settings say
    analyser : of the pieces that ended
    windows : each with the analyser that held when it was cut
    troubles : that a person should know of
    unjudged : the row that says so, where the sensor sends what can never be
        judged
    """

    is_back: bool
    is_implausible: bool
    analyser: Analyser
    ended: Sequence[Gap | Drop]
    windows: Sequence[tuple[Analyser, Window]]
    troubles: Sequence[Event]
    unjudged: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """A stream that is cut off here: what ended, the row that says so, and the news."""

    ended: Sequence[Gap | Drop]
    verdict: Verdict
    events: Sequence[Event]


class Sensor:
    """Created for the first message that names it, or from the journal."""

    def __init__(
        self, name: str, analyser: Analyser, journal: JournalSettings, now_s: float
    ) -> None:
        self.name = name
        self.analyser = analyser
        self._windower = Windower(name, analyser.window_settings)
        self._remarks = Remarks(name)
        self._format = FormatCheck()
        self._clock = Clock()
        self._is_implausible = False  # of the segment
        self._has_cut = False  # a window, from the segment
        self._presence = Presence(now_s)
        self._is_too_short = False  # its snapshots, and a row has said so
        self._n_broken = 0  # segments in a row that gave no window
        self._n_received = 0
        self.newest_record: int | None = None  # that was taken, where records are noted
        self._next: Analyser | None = None
        self.verdicts = Verdicts(name, analyser.rule.alarm, journal)

    @property
    def rule(self) -> SensorSettings:
        return self.analyser.rule

    @property
    def n_received(self) -> int:
        """Samples since the process began: the order in which messages are settled."""
        return self._n_received

    def is_look_due(self, now_s: float) -> bool:
        return self._format.is_due(now_s)

    def look(
        self, message: Message, payload: PayloadSettings, chunk: Chunk, now_s: float
    ) -> None:
        """See whether the message that brings a chunk is what its settings say."""
        self._format.look(message, payload, chunk, self.rule, now_s)

    def take(
        self, chunk: Chunk, digest: int, now_s: float, piece: Piece | None = None
    ) -> Taken:
        """Take a chunk in, and cut what is whole.

        digest : of the message, to recognise duplicates by
        now_s : in seconds spent listening
        piece : the records that it came in, where they are noted
        """
        is_back, pause_s = self._presence.heard(now_s)
        segment = self._windower.position.segment
        self._n_received += chunk.samples.shape[1]
        ended, before = self._sort_out(), self.analyser
        ended += self._windower.push(chunk, digest, piece)
        windows = []
        while (window := self._windower.cut()) is not None:
            windows.append((self.analyser, window))
            self._at_border()
        news = self._troubles(chunk, pause_s if is_back else None, ended, windows, now_s)
        unjudged = self._too_short(ended, windows, chunk.received_ns)
        goes_on = segment == self._windower.position.segment
        self._has_cut = bool(windows) or (self._has_cut and goes_on)
        return Taken(is_back, self._is_implausible, before, ended, windows, news, unjudged)

    def _sort_out(self) -> list[Gap | Drop]:
        """Plausible and implausible samples never share a segment."""
        was_implausible, self._is_implausible = (
            self._is_implausible,
            bool(self._format.trouble),
        )
        if was_implausible == self._is_implausible:
            return []
        return self._windower.end_segment("implausible_format")

    def _troubles(
        self,
        chunk: Chunk,
        pause_s: float | None,
        ended: Sequence[Gap | Drop],
        windows: Sequence[tuple[Analyser, Window]],
        now_s: float,
    ) -> list[Event]:
        """News of the clock, the rate, the length and the period of this stream.

        pause_s : before this chunk, where the sensor had been silent
        """
        told = {
            "not_understood": "",
            "format_wrong": self._format.trouble,
            "clock_wrong": self._clock_trouble(chunk),
        }
        if windows:
            told["rate_wrong"] = self._rate_trouble(windows[-1][1])
        if self.rule.acquisition == "snapshot" and (ended or windows):
            told["snapshot_too_short"] = self._snapshot_trouble(ended)
        elif windows or any(isinstance(piece, Gap) for piece in ended):
            never_whole = self._never_whole_trouble(ended, bool(windows))
            told["never_whole"] = "" if told["clock_wrong"] else never_whole
        if pause_s is not None:
            told["period_wrong"] = self._period_trouble(pause_s)
        at_ns, note = chunk.received_ns, self._remarks.note
        return [
            event for kind, text in told.items() for event in note(kind, text, at_ns, now_s)
        ]

    def _clock_trouble(self, chunk: Chunk) -> str:
        why, steady = self._windower.position.on_arrival, self._clock.look(chunk)
        if chunk.start_ns is None or why in ("", "no_time"):
            return steady
        return troubles.clock_trouble(why, chunk.start_ns, chunk.received_ns)

    def _rate_trouble(self, window: Window) -> str:
        nominal_hz, measured_hz = self.rule.sample_rate_hz, window.measured_rate_hz
        if measured_hz is None:
            measured_hz = window.sample_rate_hz
        if is_same_rate(measured_hz, nominal_hz):
            return ""
        by_arrival = self._windower.arrivals.wrong
        return troubles.rate_trouble(measured_hz, nominal_hz, by_arrival)

    def _snapshot_trouble(self, ended: Sequence[Gap | Drop]) -> str:
        """Where the snapshot that ended gave no window at all."""
        n = sum(piece.n_samples for piece in ended if piece.reason == "segment_end")
        if self._has_cut or not n:
            return ""
        rate_hz, settings = self.rule.sample_rate_hz, self.analyser.window_settings
        has_model = self.rule.model is not None
        return troubles.snapshot_trouble(
            n / rate_hz, settings.n_window / rate_hz, has_model
        )

    def _never_whole_trouble(self, ended: Sequence[Gap | Drop], has_window: bool) -> str:
        """Where segment after segment of a continuous sensor ends before a window is full."""
        gaps = [piece for piece in ended if isinstance(piece, Gap) and piece.n_samples]
        self._n_broken = 0 if has_window else self._n_broken + len(gaps)
        if self._n_broken < MANY_BROKEN or not gaps:
            return ""
        rate_hz = self.rule.sample_rate_hz
        return troubles.never_whole_trouble(
            gaps[-1].n_samples / rate_hz, self.analyser.window_settings.n_window / rate_hz
        )

    def _period_trouble(self, pause_s: float) -> str:
        period_s, rule = self._remarks.period_s(pause_s), self.rule
        if period_s is None:
            return ""
        return troubles.period_trouble(period_s, rule.expected_period_s, rule.acquisition)

    def _too_short(
        self,
        ended: Sequence[Gap | Drop],
        windows: Sequence[tuple[Analyser, Window]],
        now_ns: int,
    ) -> Verdict | None:
        """The row that says that no snapshot is ever judged, once."""
        if windows or self.rule.acquisition != "snapshot":
            self._is_too_short = False
            return None
        if self._is_too_short or not self._snapshot_trouble(ended):
            return None
        self._is_too_short = True
        return self._remark(Status.BAD_DATA, "snapshot_too_short", 0, now_ns)

    @property
    def is_silent(self) -> bool:
        """A row has said so."""
        return self._presence.state == "silent"

    def is_past(self, chunk: Chunk) -> bool:
        """True for what the stream has passed, and for what carries no time: nobody knows how old
        such a retained message is.
        """
        expected_ns = self._windower.position.expected_ns
        if chunk.start_ns is None:
            return True
        return expected_ns is not None and chunk.start_ns < expected_ns

    def note_held(self) -> None:
        """Messages were held up, on the way or on our side: for now their arrival says nothing of
        their rate.
        """
        self._windower.arrivals.begin(may_be_backlog=True)

    def note_missing(self, reason: str) -> None:
        """A message of this sensor is missing, or may be: refused_message, outage or gap."""
        self._windower.note_missing(reason)

    def note_not_understood(self, message: Message, detail: str, now_s: float) -> None:
        """A message of this sensor was refused."""
        what = f"{len(message.payload):,} bytes, the first {first_bytes(message.payload)}"
        self._presence.note_refused(f"{detail} ({what}, on {message.topic})", now_s)

    def stopped(self, now_ns: int, now_s: float) -> Stopped | None:
        """End the stream of a sensor that has fallen silent, or whose every message is refused.
        None where that is no news.
        """
        limit_s = max(SILENT_PERIODS * self.rule.expected_period_s, MIN_SILENCE_S)
        before, state = self._presence.state, self._presence.change(now_s, limit_s)
        if state is None:
            return None
        stopped = self._stopped(before, state, now_ns, now_s)
        self._at_border()
        return stopped

    def _stopped(self, before: str, state: str, now_ns: int, now_s: float) -> Stopped:
        """before, state : whether it was heard, and what it is now"""
        ended = self._windower.end_segment("segment_end")
        if before != "heard":  # no samples came since the row before
            self._windower.skip_segment()
        self._is_too_short = False
        if state == "silent":
            verdict = self._remark(Status.NO_DATA, "silent", 0, now_ns)
            text = "no message for three expected periods"
            return Stopped(ended, verdict, [Event(now_ns, self.name, "silent", text)])
        verdict = self._remark(Status.BAD_DATA, "not_understood", 0, now_ns)
        said = self._presence.refused
        news = self._remarks.note("not_understood", said, now_ns, now_s)
        return Stopped(ended, verdict, news)

    def died(self, now_ns: int, text: str) -> Stopped:
        """Its sender has said that it ends."""
        self._presence.end()
        ended = self._windower.end_segment("segment_end")
        verdict = self._remark(Status.NO_DATA, "death_certificate", 0, now_ns)
        self._at_border()
        return Stopped(ended, verdict, [Event(now_ns, self.name, "silent", text)])

    def restore(self, stored: StoredStream) -> None:
        """Go on where the journal left off. A geometry that changed in between starts a new
        segment.
        """
        pieces = () if stored.records is None else stored.records.pieces
        self._windower.restore(stored.position, stored.keys, stored.tail, pieces)
        self._restore_state(stored)

    def note_read_again(self, n_samples: int) -> None:
        """Samples came of the window that is to be refilled."""
        self._n_received += n_samples

    def refill(self, stored: StoredStream, samples: Float32) -> None:
        """Go on where another journal left off. samples : of the unfinished window's records"""
        records = stored.records
        assert records is not None  # else nobody could have read them again
        where = stored.position, stored.keys
        self._windower.refill(*where, samples, records.n_samples, records.pieces)
        self._restore_state(stored)

    def restore_without_tail(self, stored: StoredStream) -> int:
        """Go on in a new segment: the unfinished window's records are gone. Returns the samples of
        it that no window has counted.
        """
        records, position = stored.records, stored.position
        n_tail = 0 if records is None else records.n_samples
        n_lost = max(0, position.first_sample + n_tail - position.n_counted)
        self._windower.restore(position, stored.keys, None)
        self._windower.end_segment("segment_end")
        self._restore_state(stored)
        return n_lost

    def _restore_state(self, stored: StoredStream) -> None:
        """All but the stream."""
        if stored.records is not None:
            self.newest_record = stored.records.newest
        self.verdicts.restore(stored, self.rule.alarm)

    def adopt(self, analyser: Analyser) -> None:
        """Use another rule or model from the next window border on."""
        self._next = analyser
        self._format = FormatCheck()
        if not self._windower.n_waiting:
            self._at_border()

    def _at_border(self) -> None:
        """Between two windows: a waiting change happens here, so no sample is skipped."""
        if self._next is None:
            return
        self.analyser, self._next = self._next, None
        self._windower.change(self.analyser.window_settings)
        self.verdicts.change_alarm(self.rule.alarm)

    def overloaded(self, first_sample: int, now_ns: int) -> Verdict:
        """The row that says that no window is judged any more, from this one on."""
        return self._remark(Status.BAD_DATA, "overload", first_sample, now_ns)

    def _remark(
        self, status: Status, reason: str, first_sample: int, now_ns: int
    ) -> Verdict:
        """A row without samples, after all windows so far."""
        place = self._windower.position.segment, first_sample
        return self.verdicts.without_samples(status, reason, place, now_ns, self.analyser)

    def update(self) -> StreamUpdate:
        """What a restart needs to continue here, with the samples not yet stored."""
        alarm = self.verdicts.alarm
        return StreamUpdate(
            sensor=self.name,
            position=self._windower.position,
            keys=tuple(self._windower.keys),
            alarm_recent=tuple(alarm.recent),
            alarm_raised=alarm.raised,
            n_waiting=self._windower.n_waiting,
            tail=self._windower.tail(),
            promise=None if self.rule.alarm.budget is None else self.verdicts.promise,
            records=self._tail_records(),
        )

    def _tail_records(self) -> TailRecords | None:
        """None where it is not known which they are."""
        pieces = self._windower.pieces()
        if self.newest_record is None or pieces is None:
            return None
        return TailRecords(self.newest_record, self._windower.n_buffered, pieces)
