"""Where a segment's samples lie in time: by their messages' times, else by their arrival. Pure.

A sensor's clock may count in whole seconds: then its messages' times say little
each, and all together where the samples lie. It may be far off, or run back
into a time that has its verdicts already, as local time does in a night in
autumn: then arrival counts, for the whole segment, while gaps are still seen by
the sensor's own clock.

An arrival is late, never early. What is late by as much all the time shows an
outage before it, or a rate that is not quite the nominal one: the samples are
moved along.
"""

from __future__ import annotations

from itertools import pairwise

from monitor.records.signal import Chunk
from monitor.records.stream import Position, WhyArrival

# a larger step in time ends the segment even where the sequence continues
JUMP_NS = 1_000_000_000
MIN_TOLERANCE_NS = 2_000_000  # time stamps of very short messages jitter by about this much
# In messages: a rate that is off is seen only when a message comes to lie at a step of the clock.
COARSE_TOLERANCE = 1.5
STEPS_NS = (10**9, 10**8, 10**7)  # that clocks count in; the finer do not matter
RATE_BASE_NS = 2_000_000_000  # message times must span this before they tell a rate,
RATE_BASE_STEPS = 100  # and this many steps of their clock
FAR_AHEAD_NS = 86_400 * 10**9  # what is ahead of our clock by more is no time
# nor is what is behind by ten years; a backlog may be old
FAR_BEHIND_NS = 3652 * 86_400 * 10**9
CLOSEST = 0.5  # of a hop: two windows of a segment begin no closer
BACK_NS = 1_000_000_000  # a step back by less is the jitter of a clock
LOOK_NS = 10_000_000_000  # the least delay is looked for in spans of this length
LATE_NS = 500_000_000  # arrival may be off by this before the samples are moved along
N_COVERED = 16  # spans of time to remember


def duration_ns(chunk: Chunk) -> float:
    return float(chunk.samples.shape[1] / chunk.sample_rate_hz * 1e9)


def off_by_ns(position: Position, chunk: Chunk) -> int:
    """How far a message's time is ahead of where it should lie, or (negative) behind; 0 where it
    goes on, as far as its clock can tell.
    """
    assert position.expected_ns is not None
    assert chunk.start_ns is not None
    step_ns = _coarse_step_ns(position, chunk)
    first_ns = position.expected_ns
    if chunk.start_ns > first_ns:
        return max(0, chunk.start_ns - first_ns - min(position.slack_ns, step_ns))
    return min(0, chunk.start_ns + max(0, step_ns - 1) - first_ns)


def tolerance_ns(position: Position, chunk: Chunk) -> int:
    """By how much a message may be off and still continue the segment."""
    if chunk.start_ns is not None and _coarse_step_ns(position, chunk):
        return int(COARSE_TOLERANCE * duration_ns(chunk))
    return int(min(max(duration_ns(chunk) / 2, MIN_TOLERANCE_NS), JUMP_NS))


def shows_losses(position: Position, chunk: Chunk) -> bool:
    """True where a message missing before this one would show."""
    if chunk.sequence is not None and position.sequence is not None:
        return True
    if chunk.start_ns is None or position.expected_ns is None:
        return False
    return not _coarse_step_ns(position, chunk)


def begin(position: Position, chunk: Chunk) -> None:
    """Place a segment's first sample."""
    position.on_arrival = why_arrival(position, chunk)
    position.start_ns = chunk.received_ns
    if chunk.start_ns is not None and not position.on_arrival:
        position.start_ns = chunk.start_ns


def place(position: Position, chunk: Chunk, end: int) -> None:
    """Place a chunk whose first sample is the segment's sample number `end`."""
    if chunk.start_ns is not None:
        start_ns = _placed_ns(position, chunk)
        position.expected_ns = start_ns + round(duration_ns(chunk))
        mark = (end, chunk.start_ns)
        position.first_message = position.first_message or mark
        position.last_message = mark
        if not position.on_arrival:
            _note_time(position, (end, start_ns))
    if position.on_arrival:
        _follow_arrival(position, chunk.received_ns, end)


def time_of(position: Position, sample: int) -> int:
    """Time of a sample: that of its message, or without message times of its segment, + offset /
    rate.
    """
    assert position.rate_hz is not None
    origin = max(
        ((first, time) for first, time in position.times if first <= sample),
        default=(0, position.start_ns),
    )
    return origin[1] + round((sample - origin[0]) / position.rate_hz * 1e9)


def begin_window(position: Position, n_hop: int) -> int:
    """When the window at position.first_sample begins.

    Where arrival or a clock of coarse steps shows that the samples before lay
    too late, windows come closer, each by half a hop at most: none begins
    before its neighbour, however short it is. Of a fine clock each message is
    taken at its word.
    """
    assert position.rate_hz is not None
    start_ns = time_of(position, position.first_sample)
    if position.newest_start_ns is not None and position.clock_step_ns:
        nearest_ns = position.newest_start_ns + round(
            CLOSEST * n_hop / position.rate_hz * 1e9
        )
        start_ns = max(start_ns, nearest_ns)
    position.newest_start_ns = start_ns
    return start_ns


def measured_rate_hz(position: Position) -> float | None:
    """From message times within the segment, None while they span too little."""
    first, last = position.first_message, position.last_message
    if first is None or last is None:
        return None
    span_ns = last[1] - first[1]
    if span_ns < max(RATE_BASE_NS, RATE_BASE_STEPS * position.clock_step_ns):
        return None
    return (last[0] - first[0]) * 1e9 / span_ns


def cover(position: Position, start_ns: int, end_ns: int) -> None:
    """Verdicts stand in this span of time now. Neighbours become one where there are too many."""
    covered = position.covered
    if covered and covered[-1][0] <= start_ns <= covered[-1][1] + BACK_NS:
        covered[-1] = (covered[-1][0], max(covered[-1][1], end_ns))
        return
    covered.append((start_ns, end_ns))
    if len(covered) > N_COVERED:
        _join_nearest(covered)


def why_arrival(position: Position, chunk: Chunk) -> WhyArrival:
    """Why the message's time cannot be used, or '' where it can."""
    if chunk.start_ns is None:
        return "no_time"
    ahead_ns = chunk.start_ns - chunk.received_ns
    if ahead_ns > FAR_AHEAD_NS:
        return "far_ahead"
    if ahead_ns < -FAR_BEHIND_NS:
        return "far_behind"
    start_ns = chunk.start_ns
    runs_back = any(
        first_ns - BACK_NS <= start_ns < last_ns - BACK_NS
        for first_ns, last_ns in position.covered
    )
    return "runs_back" if runs_back else ""


def _join_nearest(covered: list[tuple[int, int]]) -> None:
    """Of the older spans of time, the two that are nearest to each other."""
    *older, newest = covered
    older.sort()
    apart_ns = [after[0] - before[1] for before, after in pairwise(older)]
    at = apart_ns.index(min(apart_ns))
    older[at : at + 2] = [(older[at][0], max(older[at][1], older[at + 1][1]))]
    covered[:] = [*older, newest]


def _coarse_step_ns(position: Position, chunk: Chunk) -> int:
    """The step that the clock counts in where that is longer than a message, else 0."""
    assert chunk.start_ns is not None
    step_ns = min(_step_of(chunk.start_ns), position.clock_step_ns)
    return step_ns if step_ns > duration_ns(chunk) else 0


def _step_of(time_ns: int) -> int:
    return next((step_ns for step_ns in STEPS_NS if time_ns % step_ns == 0), 0)


def _placed_ns(position: Position, chunk: Chunk) -> int:
    """The earliest time at which the chunk may begin; position.slack_ns becomes how much later it
    may.

    A coarse clock leaves open where within its step a message began. What the
    messages before say is carried along: the truth lies where all of them
    agree.
    """
    assert chunk.start_ns is not None
    step_ns = _coarse_step_ns(position, chunk)
    position.clock_step_ns = min(position.clock_step_ns, _step_of(chunk.start_ns))
    earliest_ns, latest_ns = chunk.start_ns, chunk.start_ns + max(0, step_ns - 1)
    if position.first_message is not None and step_ns and position.expected_ns is not None:
        expected_ns = position.expected_ns
        expected_last_ns = expected_ns + min(position.slack_ns, step_ns)
        earliest_ns = min(max(earliest_ns, expected_ns), latest_ns)
        latest_ns = max(earliest_ns, min(latest_ns, expected_last_ns))
    position.slack_ns = latest_ns - earliest_ns
    return earliest_ns


def _follow_arrival(position: Position, received_ns: int, end: int) -> None:
    """Move the samples along where all arrive too late by as much, or one too early.

    A backlog arrives late, but less so with every message: then the samples
    stay where they are.
    """
    delay_ns = received_ns - time_of(position, end)
    if position.least_delay_ns is None or position.looked_ns is None:
        position.least_delay_ns, position.looked_ns = delay_ns, received_ns
    position.least_delay_ns = min(delay_ns, position.least_delay_ns)
    if received_ns - position.looked_ns < LOOK_NS:
        return
    before_ns, least_ns = position.delay_before_ns, position.least_delay_ns
    position.delay_before_ns, position.least_delay_ns = least_ns, None
    is_steady = before_ns is not None and least_ns > before_ns - LATE_NS
    if least_ns < -LATE_NS or (is_steady and min(before_ns or 0, least_ns) > LATE_NS):
        by_ns = least_ns if before_ns is None else min(before_ns, least_ns)
        position.delay_before_ns = None
        _note_time(position, (end, time_of(position, end) + by_ns))


def _note_time(position: Position, mark: tuple[int, int]) -> None:
    """Times are needed where windows begin: of a message with no window's first sample none is
    kept.

    Else a window of hundreds of short messages would store as many times at
    every commit.
    """
    times, first, n_hop = position.times, position.first_sample, position.n_hop
    if times:
        next_border = first - min(0, first - times[-1][0]) // n_hop * n_hop
        if next_border >= mark[0]:
            times.pop()
    times.append(mark)
