"""Cuts one sensor's chunks into windows. Knows duplicates, gaps, jumps and overlaps; reads no
clock.

Borders count samples from the segment's start, so the same stream gives the
same windows however MQTT cut it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from monitor.records.signal import Chunk, Drop, Float32, Gap, Window
from monitor.records.stream import Key, Piece, Position
from monitor.signal import timeline
from monitor.signal.arrivals import Arrivals
from monitor.signal.derivative import N_HISTORY, derivative
from monitor.signal.rates import rate_of
from monitor.signal.sequence import FIRST_NUMBERS, is_in, step
from monitor.signal.tail_pieces import TailPieces
from monitor.signal.timeline import JUMP_NS, duration_ns

LATE_NS = 600_000_000_000  # a message further behind has another clock
N_REMEMBERED = 64  # messages that a restart remembers: duplicates are looked for in them
N_RECENT = 1024  # likewise, while the process runs
N_LATE = 64  # messages until a hole is forgotten, or late messages are believed again
# Breaks after which the numbers or times of a hole mean other messages.
BEGINS_ANEW = ("sequence_reset", "time_jump", "overlap")


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """n_window and n_hop in samples; n_hop = n_window means no overlap.

    rate_hz : the nominal rate; 0 where none is known
    sequence_bits : the declared width of the messages' counter
    derives : chunks are of velocity; windows are of its derivative
    """

    acquisition: Literal["continuous", "snapshot"]
    n_window: int
    n_hop: int
    rate_hz: float = 0.0
    sequence_bits: int | None = None
    derives: bool = False


class Recent:
    """The last n messages of a stream, by number, time and checksum: 8 bytes each."""

    def __init__(self, n: int, keys: Iterable[Key] = ()) -> None:
        self._marks = np.zeros(n, np.int64)
        self._n_added = 0
        for key in keys:
            self.add(key)

    def __len__(self) -> int:
        return min(self._n_added, len(self._marks))

    def __contains__(self, key: Key) -> bool:
        return bool((self._marks[: len(self)] == hash(key)).any())

    def add(self, key: Key) -> None:
        self._marks[self._n_added % len(self._marks)] = hash(key)
        self._n_added += 1


class Windower:
    """One sensor's stream. push() takes a chunk in, cut() gives the next whole window out.

    position, buffer and keys are what a restart needs; tail() gives the samples
    that were not handed out yet.
    """

    def __init__(self, sensor: str, settings: WindowSettings) -> None:
        self.sensor = sensor
        self.settings = settings
        self.position = self._new_position(0)
        self.keys: deque[Key] = deque(maxlen=N_REMEMBERED)
        self.arrivals = Arrivals()
        self._recent = Recent(N_RECENT)
        self._n_late = 0  # in a row
        self._pieces: list[Float32] = []
        self._n_buffered = 0
        self._n_saved = 0  # samples at the buffer's head that tail() handed out before
        self._records = TailPieces()  # that the buffer's samples came in

    @property
    def n_buffered(self) -> int:
        """Samples of the unfinished window."""
        return self._n_buffered

    @property
    def n_waiting(self) -> int:
        """Samples received that no window, gap or drop has counted yet."""
        return max(
            0, self.position.first_sample + self._n_buffered - self.position.n_counted
        )

    def push(
        self, chunk: Chunk, checksum: int = 0, piece: Piece | None = None
    ) -> list[Gap | Drop]:
        """Take a chunk in. Returns what it ended or what was dropped; windows come from cut().

        piece : the records that it came in, where that is to be remembered
        """
        n = chunk.samples.shape[1]
        key = (chunk.sequence, chunk.start_ns, checksum)
        known = chunk.sequence is not None or chunk.start_ns is not None
        # A counter repeats its numbers with every lap, and a machine at rest sends equal samples.
        if known and key in (self.keys if chunk.start_ns is None else self._recent):
            return [Drop(self.sensor, n, "duplicate")]
        if self._is_late(chunk):
            self._n_late += 1
            return [Drop(self.sensor, n, "out_of_order")]
        self._n_late = 0
        reason = self._break(chunk)
        ended = self.end_segment(reason) if reason else []
        self._append(chunk)
        if piece is not None:
            self._records.add(piece)
        if known:
            self.keys.append(key)
            self._recent.add(key)
        return ended

    def note_missing(self, reason: str) -> None:
        """Samples are missing here, unless the next message's number or time shows that none are.

        reason : refused_message, outage, gap
        """
        self.position.missing = reason

    def cut(self) -> Window | None:
        """The next whole window, or None while samples are missing."""
        n_window, n_hop = self.settings.n_window, self.settings.n_hop
        position = self.position
        if self._n_buffered < n_window or position.rate_hz is None:
            return None
        buffer = self._joined()
        first = position.first_sample
        start_ns = timeline.begin_window(position, n_hop)
        end_ns = start_ns + round(n_window / position.rate_hz * 1e9)
        timeline.cover(position, start_ns, end_ns)
        window = Window(
            sensor=self.sensor,
            segment=position.segment,
            first_sample=first,
            start_ns=start_ns,
            sample_rate_hz=position.rate_hz,
            samples=buffer[:, :n_window],
            n_new=first + n_window - max(first, position.n_counted),
            measured_rate_hz=self._measured_rate_hz(),
            continuity="verified" if position.verified else "unverified",
        )
        position.n_counted = first + n_window
        self._advance(buffer, n_hop)
        return window

    def end_segment(self, reason: str) -> list[Gap | Drop]:
        """Close the segment. Its partial window becomes a Gap; where a pause is normal (snapshots,
        silence), a Drop.
        """
        position, n_new = self.position, self.n_waiting
        ended: list[Gap | Drop] = []
        if self.settings.acquisition == "snapshot" or reason == "segment_end":
            ended = [Drop(self.sensor, n_new, "segment_end")] if n_new else []
        elif position.rate_hz is not None:
            end = position.first_sample + self._n_buffered
            n = self._n_buffered if n_new else 0
            start_ns = timeline.time_of(position, position.first_sample)
            end_ns = timeline.time_of(position, end)
            if n:
                timeline.cover(position, start_ns, end_ns)
            ended = [
                Gap(
                    self.sensor,
                    position.segment,
                    position.first_sample,
                    start_ns,
                    end_ns,
                    n,
                    n_new,
                    reason,
                )
            ]
        if position.rate_hz is not None:
            self._begin_segment(self._new_position(position.segment + 1, position))
            self.arrivals.begin(may_be_backlog=reason == "segment_end")
        return ended

    def skip_segment(self) -> None:
        """Between two rows without samples: no two may have the same place."""
        position = self.position
        if position.rate_hz is None:
            self._begin_segment(self._new_position(position.segment + 1, position))

    def change(self, settings: WindowSettings) -> None:
        """From here on cut by other settings. A changed geometry starts a new segment here; no
        sample is skipped.
        """
        if settings == self.settings:
            return
        self.settings = settings
        old, buffered, records = self.position, self._joined(), self._records
        start_ns = 0 if old.rate_hz is None else timeline.time_of(old, old.first_sample)
        shift = old.first_sample

        def moved(mark: tuple[int, int] | None) -> tuple[int, int] | None:
            return None if mark is None else (mark[0] - shift, mark[1])

        self._begin_segment(
            replace(
                old,
                segment=old.segment + 1,
                first_sample=0,
                n_counted=max(0, old.n_counted - shift),
                start_ns=start_ns,
                last_message=moved(old.last_message),
                first_message=moved(old.first_message),
                times=[(sample - shift, time) for sample, time in old.times],
                n_window=settings.n_window,
                n_hop=settings.n_hop,
            )
        )
        if buffered.size:
            self._pieces, self._n_buffered = [buffered], buffered.shape[1]
            self._records = records

    def tail(self) -> tuple[int, Float32] | None:
        """(first sample, samples) at the buffer's end that no earlier call gave, or None. The
        caller stores them.
        """
        if self._n_buffered == self._n_saved:
            return None
        first = self.position.first_sample + self._n_saved
        fresh = self._joined()[:, self._n_saved :]
        self._n_saved = self._n_buffered
        return first, fresh

    def pieces(self) -> tuple[Piece, ...] | None:
        """The records from which the samples of the unfinished window can be read again; None where
        these are not known of all.
        """
        known = self._records.n_samples >= self._n_buffered
        return tuple(self._records) if known else None

    def restore(
        self,
        position: Position,
        keys: list[Key],
        tail: Float32 | None,
        pieces: Iterable[Piece] = (),
    ) -> None:
        """Go on where a stored position and its tail (all samples from position.first_sample on)
        left off.

        pieces : the records of the tail, where they are known
        """
        wanted, self.settings = (
            self.settings,
            replace(self.settings, n_window=position.n_window, n_hop=position.n_hop),
        )
        self.position = position
        self.keys = deque(keys, maxlen=N_REMEMBERED)
        self._recent = Recent(N_RECENT, keys)
        if tail is not None and tail.size:
            self._pieces = [tail]
            self._n_buffered = self._n_saved = tail.shape[1]
        self._records = TailPieces(pieces)
        self.change(wanted)

    def refill(
        self,
        position: Position,
        keys: list[Key],
        samples: Float32,
        n_tail: int,
        pieces: Iterable[Piece],
    ) -> None:
        """Continue at a stored position whose tail was read again; tail() gives it once more.

        samples : of all pieces, as they were pushed
        n_tail : how many of them, at the end, are the tail
        """
        if self.settings.derives and position.rate_hz is not None:
            none_before = np.zeros((len(samples), 0), np.float32)
            samples, _ = derivative(samples, none_before, position.rate_hz)
        self.restore(position, keys, samples[:, samples.shape[1] - n_tail :], pieces)
        self._n_saved = 0

    def _is_late(self, chunk: Chunk) -> bool:
        """True for a message whose place has passed: it can no longer be analysed."""
        return self._fills_hole(chunk) or self._is_delivered_again(chunk)

    def _fills_hole(self, chunk: Chunk) -> bool:
        """True for a message overtaken by the one that showed the last gap. The hole is forgotten
        when the counter begins anew, the clock steps, or so many messages have
        come that none can still be under way: else good messages with its
        numbers would be lost in every later lap.
        """
        position = self.position
        mark = chunk.start_ns if chunk.sequence is None else chunk.sequence
        if position.hole is None or mark is None:
            return False
        position.n_since_hole += 1
        if position.n_since_hole > N_LATE:
            position.hole = None
            return False
        bits = None if chunk.sequence is None else self.settings.sequence_bits
        if not is_in(position.hole, mark, bits):
            return False
        end_ns = position.hole_end_ns
        return end_ns is None or chunk.start_ns is None or chunk.start_ns < end_ns

    def _is_delivered_again(self, chunk: Chunk) -> bool:
        """True for a message that must have come before all that is remembered: behind us in number
        and time by more than memory reaches.

        A broker that lost its last notes delivers long-acknowledged messages
        again. A sensor that starts anew begins its numbers anew, while its
        clock goes on, or is lost and far off, or begins anew as well. Should
        its first numbers be lost, it is believed after N_LATE messages.
        """
        position = self.position
        if position.sequence is None or chunk.sequence is None:
            return False
        if position.expected_ns is None or chunk.start_ns is None:
            return False
        if position.sequence - chunk.sequence < len(self._recent):
            return False  # it would be remembered
        if chunk.sequence in FIRST_NUMBERS or self._n_late >= N_LATE:
            return False
        behind_ns = position.expected_ns - chunk.start_ns
        return bool(duration_ns(chunk) / 2 < behind_ns <= LATE_NS)

    def _break(self, chunk: Chunk) -> str:
        """Why this chunk does not continue the segment, or '' if it does. Notes the hole a gap
        leaves.
        """
        position = self.position
        missing, position.missing = position.missing, ""
        if position.rate_hz is None:
            self._gap_in_sequence(chunk)  # a new segment anyway, but the hole is noted
            return ""
        if self._rate_of(chunk) != position.rate_hz:
            return "rate_change"
        if self._joined_channels() not in (0, chunk.samples.shape[0]):
            return "channel_change"
        if position.reading and chunk.reading != position.reading:
            return "settings_changed"
        if self.settings.acquisition == "snapshot":
            return "" if self._continues_in_time(chunk) else "snapshot"
        reason = self._gap_in_sequence(chunk) or self._step_in_time(chunk)
        if reason in BEGINS_ANEW:
            position.hole = None
        if missing and not reason and not timeline.shows_losses(position, chunk):
            return missing
        return reason

    def _rate_of(self, chunk: Chunk) -> float:
        return rate_of(chunk.sample_rate_hz, self.settings.rate_hz, self.position.rate_hz)

    def _gap_in_sequence(self, chunk: Chunk) -> str:
        last = self.position.sequence
        if last is None or chunk.sequence is None:
            return ""
        if chunk.sequence == last + 1:  # as a rule
            return ""
        found = step(
            last, chunk.sequence, self.settings.sequence_bits, self._n_passed(chunk)
        )
        if found.hole is not None:
            self._note_hole(found.hole, chunk.start_ns)
        elif found.reason or found.is_new_lap:
            self.position.hole = None
        return found.reason

    def _n_passed(self, chunk: Chunk) -> float | None:
        """How many messages would fit into the time that is missing before this one."""
        expected_ns = self.position.expected_ns
        each_ns = duration_ns(chunk)
        if expected_ns is None or chunk.start_ns is None or not each_ns:
            return None
        return timeline.off_by_ns(self.position, chunk) / each_ns

    def _note_hole(self, hole: tuple[int, int], end_ns: int | None) -> None:
        """hole : in sequence numbers, or in ns where there are none. end_ns : when it ended"""
        position = self.position
        position.hole, position.hole_end_ns, position.n_since_hole = hole, end_ns, 0

    def _step_in_time(self, chunk: Chunk) -> str:
        expected = self.position.expected_ns
        if expected is None or chunk.start_ns is None:
            return ""
        step_ns = timeline.off_by_ns(self.position, chunk)
        if chunk.sequence is not None:
            return "time_jump" if abs(step_ns) > JUMP_NS else ""
        tolerance_ns = timeline.tolerance_ns(self.position, chunk)
        if step_ns > tolerance_ns:
            self._note_hole((expected, chunk.start_ns), chunk.start_ns)
            return "gap"
        if step_ns < -tolerance_ns:
            return "time_jump" if -step_ns > JUMP_NS else "overlap"
        return ""

    def _continues_in_time(self, chunk: Chunk) -> bool:
        expected = self.position.expected_ns
        if expected is None or chunk.start_ns is None:
            return False
        return abs(timeline.off_by_ns(self.position, chunk)) <= timeline.tolerance_ns(
            self.position, chunk
        )

    def _append(self, chunk: Chunk) -> None:
        position, end = self.position, self.position.first_sample + self._n_buffered
        if position.rate_hz is None:
            position.rate_hz = self._rate_of(chunk)
            timeline.begin(position, chunk)
            position.verified = chunk.start_ns is not None or chunk.sequence is not None
        elif position.verified:
            position.verified = timeline.shows_losses(position, chunk)
        is_measured = chunk.sample_rate_hz != position.rate_hz
        position.stated_rate_hz = chunk.sample_rate_hz if is_measured else None
        position.reading = chunk.reading
        timeline.place(position, chunk, end)
        if chunk.start_ns is None and self.settings.acquisition == "continuous":
            n = chunk.samples.shape[1]
            self.arrivals.add(chunk.received_ns, n, position.rate_hz)
        if chunk.sequence is not None:
            position.sequence = chunk.sequence
        self._pieces.append(
            self._derived(chunk.samples) if self.settings.derives else chunk.samples
        )
        self._n_buffered += chunk.samples.shape[1]

    def _derived(self, samples: Float32) -> Float32:
        position = self.position
        assert position.rate_hz is not None
        history = np.array(position.history, np.float32).reshape(len(samples), -1)
        found, history = derivative(samples, history, position.rate_hz)
        position.history = history.tolist()
        return found

    def _advance(self, buffer: Float32, n: int) -> None:
        """Drop n samples at the buffer's head,
        and the message times that no longer reach into it.
        """
        position = self.position
        position.first_sample += n
        self._pieces = [buffer[:, n:]] if buffer.shape[1] > n else []
        self._n_buffered -= n
        self._n_saved = max(0, self._n_saved - n)
        times = position.times
        n_passed = sum(sample <= position.first_sample for sample, _ in times)
        position.times = times[max(0, n_passed - 1) :]
        self._records.keep(self._n_buffered + N_HISTORY * self.settings.derives)

    def _new_position(self, segment: int, after: Position | None = None) -> Position:
        """An empty segment. From the one before it keeps what tells late messages."""
        found = Position(
            segment, n_window=self.settings.n_window, n_hop=self.settings.n_hop
        )
        if after is not None:
            found.sequence, found.expected_ns = after.sequence, after.expected_ns
            found.hole, found.hole_end_ns = after.hole, after.hole_end_ns
            found.n_since_hole = after.n_since_hole
            found.clock_step_ns, found.covered = after.clock_step_ns, after.covered
        return found

    def _begin_segment(self, position: Position) -> None:
        self.position = position
        self._pieces, self._n_buffered, self._n_saved = [], 0, 0
        self._records = TailPieces()

    def _measured_rate_hz(self) -> float | None:
        """By message times, or where by arrival it is surely wrong, else as stated; None while
        nothing tells.
        """
        measured_hz = timeline.measured_rate_hz(self.position)
        if measured_hz is None and self.arrivals.wrong is not None:
            return self.arrivals.wrong.rate_hz
        return self.position.stated_rate_hz if measured_hz is None else measured_hz

    def _joined(self) -> Float32:
        if not self._pieces:
            return np.zeros((0, 0), np.float32)
        if len(self._pieces) > 1:
            self._pieces = [np.concatenate(self._pieces, axis=1)]
        return self._pieces[0]

    def _joined_channels(self) -> int:
        return self._pieces[0].shape[0] if self._pieces else 0
