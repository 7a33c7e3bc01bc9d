"""The windower step by step: breaks, what they leave, and what another geometry takes over. Its
laws are in tests/laws/test_windows.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.records.signal import Chunk, Drop, Gap, Window
from monitor.records.stream import Piece, Position
from monitor.signal.derivative import N_HISTORY
from monitor.signal.windows import Recent, Windower, WindowSettings

RATE_HZ = 1000.0
MS, S = 10**6, 10**9
T = 1_700_000_000 * S + 137_259_731


def windower(n_window: int = 100, n_hop: int = 100, **more: Any) -> Windower:
    acquisition = more.pop("acquisition", "continuous")
    return Windower("m/p", WindowSettings(acquisition, n_window, n_hop, **more))


def chunk(first: int, n: int, off_ns: int | None = 0, **more: Any) -> Chunk:
    """Numbered samples. off_ns : of the time at which they should be; None for no time"""
    samples = np.arange(first, first + n, dtype=np.float32)[None]
    start_ns = None if off_ns is None else T + first * MS + off_ns
    return Chunk("m/p", samples, RATE_HZ, T + first * MS, start_ns, **more)


def push(to: Windower, *chunks: Chunk) -> tuple[list[Window], list[Gap | Drop]]:
    windows, ended = [], []
    for number, one in enumerate(chunks):
        ended += to.push(one, number)
        while (window := to.cut()) is not None:
            windows.append(window)
    return windows, ended


def reasons(ended: list[Gap | Drop]) -> list[str]:
    return [one.reason for one in ended]


def test_the_last_messages_are_remembered_and_no_others() -> None:
    recent = Recent(3)
    for number in range(5):
        recent.add((number, None, 0))
        assert len(recent) == min(number + 1, 3)
        known = [one for one in range(6) if (one, None, 0) in recent]
        assert known == list(range(max(0, number - 2), number + 1))
    assert (4, None, 1) not in recent
    assert (4, 5, 0) in Recent(2, [(4, 5, 0)])


@pytest.mark.parametrize(("n_first", "n_late"), [(0, 64), (60, 64)])
def test_a_counter_far_behind_is_believed_after_64_messages_in_a_row(
    n_first: int, n_late: int
) -> None:
    """A sensor that began anew, whose first numbers were lost."""
    found = windower(10, 10)
    push(found, *(chunk(10 * k, 10, sequence=5000 + k) for k in range(3)))
    anew = [chunk(10 * k, 10, -60 * S, sequence=3000 + k) for k in range(n_first + 70)]
    _, ended = push(found, *anew[:n_first])
    assert reasons(ended) == ["out_of_order"] * n_first
    if n_first:
        push(found, chunk(30, 10, sequence=5003))
    _, ended = push(found, *anew[n_first:])
    assert reasons(ended)[: n_late + 1] == ["out_of_order"] * n_late + ["sequence_reset"]


@pytest.mark.parametrize(
    ("behind_ns", "reason"),
    [
        (5 * MS + 30 * MS, "sequence_reset"),  # half a message: it may go on
        (5 * MS + 30 * MS + 1, "out_of_order"),
        (600 * S + 30 * MS, "out_of_order"),
        (600 * S + 30 * MS + 1, "sequence_reset"),
    ],
)
def test_what_is_behind_in_number_and_time_was_delivered_before(
    behind_ns: int, reason: str
) -> None:
    found = windower(10, 10)
    push(found, *(chunk(10 * k, 10, sequence=5000 + k) for k in range(3)))
    late = replace(chunk(0, 10, sequence=4000), start_ns=T + 60 * MS - behind_ns)
    assert reasons(found.push(late, 9)) == [reason]


def test_windows_cover_the_time_that_they_last() -> None:
    found = windower()
    windows, _ = push(found, chunk(0, 250, sequence=0))
    assert [one.start_ns for one in windows] == [T, T + 100 * MS]
    assert found.position.covered == [(T, T + 200 * MS)]
    assert found.position.newest_start_ns == T + 100 * MS


@pytest.mark.parametrize(
    ("n_hop", "n", "expected"),
    [
        (100, 130, (100, 30, 30)),
        (50, 130, (50, 80, 30)),
        (50, 100, (50, 0, 0)),
        (100, 100, (100, 0, 0)),
        (100, 30, (0, 30, 30)),
    ],
)
def test_a_break_leaves_the_window_that_was_begun(
    n_hop: int, n: int, expected: tuple[int, int, int]
) -> None:
    """First sample, samples, and how many of them no window had held."""
    found = windower(100, n_hop)
    _, ended = push(found, chunk(0, n, sequence=0), chunk(500, 10, sequence=2))
    (gap,) = ended
    assert isinstance(gap, Gap)
    assert (gap.first_sample, gap.n_samples, gap.n_new) == expected
    assert (gap.sensor, gap.segment, gap.reason) == ("m/p", 0, "gap")
    assert (gap.start_ns, gap.end_ns) == (T + gap.first_sample * MS, T + n * MS)
    n_covered = n if gap.n_samples else n // 100 * 100
    assert found.position.covered == [(T, T + n_covered * MS)]
    assert found.position.segment == 1
    assert found.n_waiting == 10


@pytest.mark.parametrize("acquisition", ["continuous", "snapshot"])
def test_where_a_pause_is_normal_what_is_left_is_dropped(acquisition: str) -> None:
    found = windower(100, 50, acquisition=acquisition)
    assert found.end_segment("segment_end") == []
    assert found.position.segment == 0
    push(found, chunk(0, 130))
    assert found.end_segment("segment_end") == [Drop("m/p", 30, "segment_end")]
    assert (found.position.segment, found.n_buffered, found.n_waiting) == (1, 0, 0)
    push(found, chunk(130, 100))
    assert found.end_segment("segment_end") == []
    assert found.position.segment == 2
    assert found.position.covered == [(T, T + 230 * MS)]
    assert found.position.expected_ns == T + 230 * MS


def test_two_rows_without_samples_have_segments_of_their_own() -> None:
    found = windower()
    push(found, chunk(0, 30))
    found.skip_segment()
    assert (found.position.segment, found.n_waiting) == (0, 30)
    found.end_segment("segment_end")
    found.skip_segment()
    assert found.position.segment == 2


def test_another_geometry_takes_over_what_waits() -> None:
    found = windower(100, 50)
    push(found, *(chunk(40 * k, 40, sequence=k) for k in range(4)))
    before = found.position
    assert (before.first_sample, before.n_counted, found.n_buffered) == (100, 150, 60)
    found.change(found.settings)
    assert found.position is before
    found.change(replace(found.settings, n_window=70, n_hop=30))
    now = found.position
    assert (now.segment, now.first_sample, now.n_counted) == (1, 0, 50)
    assert (now.n_window, now.n_hop, now.start_ns) == (70, 30, T + 100 * MS)
    assert now.first_message == (-100, T)
    assert now.last_message == (20, T + 120 * MS)
    assert now.times == [(first - 100, time) for first, time in before.times]
    assert (found.n_buffered, found.n_waiting) == (60, 10)
    ((window,), ended) = push(found, chunk(160, 10, sequence=4))
    assert ended == []
    assert window.start_ns == T + 100 * MS
    np.testing.assert_array_equal(window.samples[0], np.arange(100, 170))
    assert window.n_new == 20


def test_another_geometry_before_any_sample_is_a_segment_of_its_own() -> None:
    found = windower()
    found.change(replace(found.settings, n_window=70))
    assert (found.position.segment, found.position.start_ns, found.n_buffered) == (1, 0, 0)
    assert found.position.last_message is found.position.first_message is None


def test_pieces_of_the_unfinished_window_are_known_after_a_change_too() -> None:
    found = windower()
    found.push(chunk(0, 60), 0, Piece(3, 3, 60))
    assert found.pieces() == (Piece(3, 3, 60),)
    found.change(replace(found.settings, n_window=70, n_hop=70))
    assert found.pieces() == (Piece(3, 3, 60),)
    found.push(chunk(60, 30), 1, Piece(4, 4, 30))
    assert found.cut() is not None
    assert found.pieces() == (Piece(4, 4, 30),)
    found.push(chunk(90, 10), 2)
    assert found.pieces() == (Piece(4, 4, 30),)
    found.end_segment("gap")
    assert found.pieces() == ()
    found.push(chunk(100, 10), 3)
    assert found.pieces() is None


@pytest.mark.parametrize("n_window", [100, 70])
def test_a_restart_with_another_geometry_starts_a_segment(n_window: int) -> None:
    before = windower()
    push(before, *(chunk(50 * k, 50, sequence=k) for k in range(3)))
    tail = before.tail()
    assert tail is not None
    after = windower(n_window, n_window)
    keys, pieces = list(before.keys), (Piece(3, 3, 50),)
    after.restore(replace(before.position), keys, tail[1], pieces)
    is_other = n_window != 100
    assert after.position.segment == is_other
    assert (after.n_buffered, after.pieces()) == (50, pieces)
    assert after.settings.n_window == after.position.n_window == n_window
    # handed out before, unless all begins anew
    assert (after.tail() is None) == (not is_other)
    assert reasons(after.push(chunk(100, 50, sequence=2), 2)) == ["duplicate"]
    nothing = windower()
    nothing.restore(Position(n_window=100, n_hop=100), [], None)
    assert (nothing.n_buffered, nothing.pieces(), nothing.tail()) == (0, (), None)


def test_samples_read_again_are_handed_out_again() -> None:
    before = windower()
    push(before, chunk(0, 130, sequence=0))
    after = windower()
    samples = chunk(0, 130).samples
    after.refill(replace(before.position), [], samples, 30, (Piece(3, 3, 130),))
    assert (after.n_buffered, after.n_waiting) == (30, 30)
    tail = after.tail()
    assert tail is not None
    assert tail[0] == 100
    np.testing.assert_array_equal(tail[1], samples[:, 100:])


@pytest.mark.parametrize(
    ("following", "reason"),
    [
        (chunk(50, 50), []),
        (replace(chunk(50, 50), sample_rate_hz=1031.0), ["rate_change"]),
        (replace(chunk(50, 50), sample_rate_hz=1029.0), []),
        (replace(chunk(50, 50), samples=np.zeros((2, 50), np.float32)), ["channel_change"]),
        (chunk(50, 50, reading="b"), ["settings_changed"]),
        (chunk(50, 50, 25 * MS), []),
        (chunk(50, 50, 25 * MS + 1), ["gap"]),
        (chunk(50, 50, -25 * MS), []),
        (chunk(50, 50, -25 * MS - 1), ["overlap"]),
        (chunk(50, 50, -S), ["overlap"]),
        (chunk(50, 50, -S - 1), ["time_jump"]),
        (chunk(50, 50, None), []),
    ],
)
def test_what_breaks_a_stream_without_numbers(following: Chunk, reason: list[str]) -> None:
    found = windower()
    first = chunk(0, 50, reading="a" if following.reading else "")
    assert reasons(push(found, first, following)[1]) == reason
    assert found.position.segment == len(reason)


@pytest.mark.parametrize(
    ("off_ns", "number", "reason"),
    [
        (S, 8, []),
        (S + 1, 8, ["time_jump"]),
        (-S, 8, []),
        (-S - 1, 8, ["time_jump"]),
        (0, 9, ["gap"]),
        (0, 0, ["sequence_reset"]),
    ],
)
def test_what_breaks_a_stream_with_numbers(
    off_ns: int, number: int, reason: list[str]
) -> None:
    found = windower()
    first, second = chunk(0, 50, sequence=7), chunk(50, 50, off_ns, sequence=number)
    assert reasons(push(found, first, second)[1]) == reason


@pytest.mark.parametrize(
    ("off_ns", "sequence", "reason"),
    [(None, None, ["outage"]), (0, None, []), (None, 1, [])],
)
def test_a_missing_message_breaks_what_shows_no_losses(
    off_ns: int | None, sequence: int | None, reason: list[str]
) -> None:
    found = windower()
    first = 0 if sequence else None
    push(found, chunk(0, 50, off_ns, sequence=first))
    found.note_missing("outage")
    assert reasons(push(found, chunk(50, 50, off_ns, sequence=sequence))[1]) == reason
    assert push(found, chunk(100, 10, off_ns, sequence=2 if sequence else None))[1] == []


@pytest.mark.parametrize(
    ("off_ns", "segment"),
    [(0, 0), (25 * MS, 0), (25 * MS + 1, 1), (-26 * MS, 1), (None, 1)],
)
def test_a_snapshot_goes_on_by_its_times(off_ns: int | None, segment: int) -> None:
    found = windower(acquisition="snapshot")
    push(found, chunk(0, 50))
    push(found, chunk(50, 50, off_ns))
    assert found.position.segment == segment


def test_what_is_told_of_a_window() -> None:
    """Its rate as stated, and whether a loss before it would have shown."""
    found = windower(50, 50, rate_hz=1000.0)
    stated = replace(chunk(0, 50), sample_rate_hz=1010.0)
    ((first,), _) = push(found, stated)
    assert (first.sample_rate_hz, first.measured_rate_hz) == (1000.0, 1010.0)
    assert first.continuity == "verified"
    ((second,), _) = push(found, chunk(50, 50, None))
    assert (second.measured_rate_hz, second.continuity) == (None, "unverified")
    ((third,), _) = push(found, chunk(100, 50, -50 * MS))
    assert third.segment == 0
    assert third.continuity == "unverified"
    only_numbers = windower(50, 50)
    ((one,), _) = push(only_numbers, chunk(0, 50, None, sequence=1))
    assert one.continuity == "verified"


def test_without_times_a_rate_that_arrives_is_measured() -> None:
    found = windower(500, 500)
    for number in range(60):
        at_ns = T + number * 250 * MS  # twice the rate
        samples = np.zeros((1, 500), np.float32)
        found.push(Chunk("m/p", samples, RATE_HZ, at_ns), number)
        window = found.cut()
    assert window is not None
    assert window.measured_rate_hz == pytest.approx(2000, rel=0.05)
    for reason in ("segment_end", "gap"):
        found.end_segment(reason)
        assert found.arrivals.wrong is None
        for number in range(60):  # what was held meanwhile may come first
            at_ns = T + 60 * S + number * 250 * MS
            found.push(Chunk("m/p", samples, RATE_HZ, at_ns), number)
        assert (found.arrivals.wrong is None) == (reason == "segment_end")


@pytest.mark.parametrize(
    ("shown_ns", "late_ns", "is_late"),
    [
        (0, 0, True),
        (0, 10 * MS - 1, True),
        (0, 10 * MS, False),  # as late as what showed the hole: of another life
        (0, None, True),
        (None, 10 * MS, True),
    ],
)
def test_what_fills_a_hole_is_late(
    shown_ns: int | None, late_ns: int | None, is_late: bool
) -> None:
    found = windower(10, 10)
    push(found, chunk(0, 10, sequence=0), chunk(20, 10, shown_ns, sequence=2))
    late = chunk(10, 10, late_ns, sequence=1)
    assert (reasons(found.push(late, 9)) == ["out_of_order"]) == is_late


def test_a_hole_may_reach_over_the_lap_of_a_counter() -> None:
    found = windower(10, 10, sequence_bits=8)
    push(found, chunk(0, 10, sequence=253), chunk(50, 10, sequence=2))
    assert reasons(found.push(chunk(30, 10, sequence=0), 9)) == ["out_of_order"]


def test_a_hole_of_a_silence_is_known_too() -> None:
    found = windower(10, 10)
    push(found, chunk(0, 10, sequence=0))
    found.end_segment("segment_end")
    assert push(found, chunk(30, 10, sequence=3))[1] == []
    assert reasons(found.push(chunk(20, 10, sequence=2), 9)) == ["out_of_order"]


def test_a_hole_is_forgotten_where_another_clock_begins() -> None:
    found = windower(10, 10)
    push(found, chunk(0, 10, sequence=0), chunk(20, 10, sequence=2))
    assert found.position.hole == (1, 2)
    push(found, chunk(30, 10, 3600 * S, sequence=3))
    assert found.position.hole is None


def test_what_would_be_remembered_was_not_delivered_before() -> None:
    found = windower(10, 10)
    push(found, *(chunk(10 * k, 10, sequence=5000 + k) for k in range(3)))
    anew = chunk(0, 10, -70 * MS, sequence=5000)
    assert reasons(found.push(anew, 9)) == ["sequence_reset"]


def test_numbers_and_times_may_be_missing_now_and_then() -> None:
    found = windower(10, 10)
    sent = [
        chunk(0, 10, sequence=0),
        chunk(10, 10),
        chunk(20, 10, None),
        chunk(30, 10, -10 * MS, sequence=1),
        chunk(40, 10, None, sequence=2),
        chunk(50, 10, None, sequence=9),
    ]
    assert reasons(push(found, *sent)[1]) == ["gap"]


def test_velocity_that_is_read_again_is_derived_again() -> None:
    before = windower(derives=True)
    samples = np.random.default_rng(0).normal(size=(1, 130)).astype(np.float32)
    push(before, replace(chunk(0, 130, sequence=0), samples=samples))
    expected = before.tail()
    assert expected is not None
    after = windower(derives=True)
    after.refill(replace(before.position), [], samples, 30, (Piece(3, 3, 130),))
    found = after.tail()
    assert found is not None
    assert found[0] == expected[0] == 100
    np.testing.assert_allclose(found[1], expected[1][:, -30:])


def test_what_is_behind_by_one_number_does_not_go_on() -> None:
    found = windower(10, 10)
    push(found, *(chunk(10 * k, 10, None, sequence=5 + k) for k in range(2)))
    assert reasons(found.push(chunk(20, 10, None, sequence=5), 9)) == ["sequence_reset"]


def test_a_hole_is_forgotten_where_numbers_begin_anew_after_a_silence() -> None:
    found = windower(10, 10)
    push(found, chunk(0, 10, sequence=0), chunk(20, 10, sequence=2))
    found.end_segment("segment_end")
    assert found.position.hole == (1, 2)
    assert push(found, chunk(900, 10, sequence=0))[1] == []
    assert found.position.hole is None


@pytest.mark.parametrize(
    ("first", "off_ns", "reason"),
    [
        (110, 0, "gap"),  # ten messages of ten samples are missing by the time, too
        (10, 0, "sequence_reset"),
        (40, 0, "sequence_reset"),
        (10, None, "gap"),
    ],
)
def test_time_tells_a_loss_across_a_lap_from_a_restart(
    first: int, off_ns: int | None, reason: str
) -> None:
    found = windower(10, 10, sequence_bits=8)
    push(found, chunk(0, 10, sequence=250))
    assert reasons(push(found, chunk(first, 10, off_ns, sequence=5))[1]) == [reason]
    assert found.position.hole == ((251, 261) if reason == "gap" else None)


def test_times_may_begin_later_than_numbers_or_than_the_stream() -> None:
    numbered = windower(10, 10, sequence_bits=8)
    first = chunk(0, 10, None, sequence=250)
    assert reasons(push(numbered, first, chunk(10, 10, sequence=5))[1]) == ["gap"]
    bare = windower(10, 10)
    assert push(bare, chunk(0, 10, None), chunk(10, 10))[1] == []
    snapshots = windower(10, 10, acquisition="snapshot")
    push(snapshots, chunk(0, 10, None), chunk(10, 10))
    assert snapshots.position.segment == 1


def test_without_numbers_time_tells_what_is_late() -> None:
    found = windower(10, 10)
    assert reasons(push(found, chunk(0, 10), chunk(20, 10))[1]) == ["gap"]
    assert reasons(found.push(chunk(10, 10), 9)) == ["out_of_order"]


def test_where_no_window_is_begun_another_number_of_channels_breaks_nothing() -> None:
    found = windower()
    two = replace(chunk(100, 50, sequence=1), samples=np.zeros((2, 50), np.float32))
    assert push(found, chunk(0, 100, sequence=0), two)[1] == []


@pytest.mark.parametrize(
    ("acquisition", "off_ns"), [("continuous", 0), ("snapshot", None), ("snapshot", 0)]
)
def test_arrival_tells_no_rate_of_what_has_times_or_pauses(
    acquisition: str, off_ns: int | None
) -> None:
    found = windower(500, 500, acquisition=acquisition)
    for number in range(60):
        late = chunk(500 * number, 500, off_ns)
        push(found, replace(late, received_ns=T + 60 * S + number * 250 * MS))
    assert found.arrivals.wrong is None


def test_a_thousand_messages_are_remembered_while_the_process_runs() -> None:
    found = windower(10, 10)
    sent = [chunk(k, 1) for k in range(1100)]
    push(found, *sent)
    assert reasons(found.push(sent[-1024], 1100 - 1024)) == ["duplicate"]
    assert reasons(found.push(sent[-1025], 1100 - 1025)) != ["duplicate"]


def test_of_what_windows_have_passed_little_is_kept() -> None:
    found = windower()
    push(found, *(chunk(50 * k, 50, sequence=k) for k in range(5)))
    assert found.position.times == [(200, T + 200 * MS)]
    push(found, chunk(250, 120, sequence=5))
    assert found.position.times == [(250, T + 250 * MS)]
    velocity = windower(derives=True)
    for number, (first, n) in enumerate(((0, 60), (60, 36), (96, 4))):
        sent = chunk(first, n, sequence=number)
        velocity.push(sent, number, Piece(first, first, n))
    assert velocity.cut() is not None
    kept = velocity.pieces()
    assert kept is not None
    assert sum(piece.n_samples for piece in kept) >= N_HISTORY
    assert kept[0].first > 0


def test_a_new_segment_knows_of_the_hole_before_and_hands_out_all_of_its_own() -> None:
    found = windower()
    push(found, *(chunk(10 * k, 10, sequence=k) for k in (0, 2, 3, 4)))
    found.push(chunk(60, 10, sequence=1), 9)
    n_since_hole = found.position.n_since_hole
    assert n_since_hole == 3
    assert found.tail() is not None
    found.end_segment("segment_end")
    assert found.position.n_since_hole == n_since_hole
    push(found, chunk(900, 10, sequence=5))
    tail = found.tail()
    assert tail is not None
    assert (tail[0], tail[1].shape) == (0, (1, 10))
