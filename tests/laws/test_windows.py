"""Laws of the windower: samples are conserved, no window spans a break, borders do not depend on
how MQTT cut.
"""

from __future__ import annotations

from dataclasses import asdict
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitor.records.signal import Chunk, Drop, Gap, Window
from monitor.signal.windows import Windower, WindowSettings

RATE_HZ = 1013.7  # no sample but the first lies on a whole nanosecond
START_NS = 1_700_000_000_000_600_417


def sample_time_ns(sample: int) -> int:
    return START_NS + round(sample / RATE_HZ * 1e9)


def counting(first: int, n: int) -> np.ndarray:
    """A signal that locates its own faults: every sample holds its number."""
    return np.arange(first, first + n, dtype=np.float32)[None, :]


def chunk(first: int, n: int, sequence: int | None = None, timed: bool = True) -> Chunk:
    start_ns = sample_time_ns(first) if timed else None
    return Chunk(
        "m/p", counting(first, n), RATE_HZ, START_NS, start_ns=start_ns, sequence=sequence
    )


def feed(
    windower: Windower, chunks: list[Chunk], first_checksum: int = 0
) -> tuple[list[Window], list[Gap | Drop]]:
    windows, ended = [], []
    for checksum, piece in enumerate(chunks, first_checksum):
        ended += windower.push(piece, checksum)
        while (window := windower.cut()) is not None:
            windows.append(window)
    return windows, ended


def cut_up(lengths: list[int], timed: bool = True, numbered: bool = True) -> list[Chunk]:
    starts = [0, *accumulate(lengths)]
    return [
        chunk(first, end - first, number if numbered else None, timed)
        for number, (first, end) in enumerate(pairwise(starts))
    ]


def fields(piece: Chunk) -> dict[str, Any]:
    return asdict(piece)


settings = st.integers(1, 40).flatmap(
    lambda n: st.integers(1, n).map(lambda hop: WindowSettings("continuous", n, hop))
)
lengths = st.lists(st.integers(1, 50), min_size=1, max_size=30)


@given(settings, lengths, st.booleans(), st.booleans())
def test_borders_do_not_depend_on_the_cut(
    settings: WindowSettings, lengths: list[int], timed: bool, numbered: bool
) -> None:
    one, _ = feed(Windower("m/p", settings), cut_up([sum(lengths)], timed, numbered))
    many, ended = feed(Windower("m/p", settings), cut_up(lengths, timed, numbered))
    assert not ended
    assert len(one) == len(many)
    for a, b in zip(one, many, strict=True):
        assert (a.segment, a.first_sample, a.n_new) == (b.segment, b.first_sample, b.n_new)
        assert abs(a.start_ns - b.start_ns) <= 1
        np.testing.assert_array_equal(a.samples, b.samples)


@given(settings, lengths, st.data())
def test_a_window_begins_at_its_messages_own_time_and_few_times_are_kept(
    settings: WindowSettings, lengths: list[int], data: st.DataObject
) -> None:
    """Message times jitter; only those of messages in which a window begins are needed, and the
    newest.
    """
    windower, starts, times_ns = Windower("m/p", settings), [], []
    for sequence, (first, end) in enumerate(pairwise([0, *accumulate(lengths)])):
        starts.append(first)
        times_ns.append(sample_time_ns(first) + data.draw(st.integers(-(10**6), 10**6)))
        windower.push(
            Chunk(
                "m/p",
                counting(first, end - first),
                RATE_HZ,
                START_NS,
                times_ns[-1],
                sequence,
            )
        )
        while (window := windower.cut()) is not None:
            message = max(
                i for i, start in enumerate(starts) if start <= window.first_sample
            )
            offset_ns = round((window.first_sample - starts[message]) / RATE_HZ * 1e9)
            assert window.start_ns == times_ns[message] + offset_ns
        assert len(windower.position.times) <= settings.n_window / settings.n_hop + 2


@given(settings, lengths, st.sets(st.integers(0, 29)), st.booleans())
def test_every_sample_is_counted_once_and_no_window_spans_a_gap(
    settings: WindowSettings, lengths: list[int], lost: set[int], numbered: bool
) -> None:
    if not numbered:  # then only time tells, to half a message: senders keep their length
        lengths = [lengths[0] + 10] * len(lengths)
    chunks = [
        piece for i, piece in enumerate(cut_up(lengths, numbered=numbered)) if i not in lost
    ]
    windower = Windower("m/p", settings)
    windows, ended = feed(windower, chunks)
    received = sum(piece.samples.shape[1] for piece in chunks)
    settled = sum(window.n_new for window in windows) + sum(
        item.n_new if isinstance(item, Gap) else item.n_samples for item in ended
    )
    assert received == settled + windower.n_waiting
    for window in windows:
        assert (np.diff(window.samples[0]) == 1).all()
        assert abs(window.start_ns - sample_time_ns(int(window.samples[0, 0]))) <= 1


@given(settings, lengths, st.data())
def test_a_restart_at_any_moment_changes_nothing(
    settings: WindowSettings, lengths: list[int], data: st.DataObject
) -> None:
    chunks = cut_up(lengths)
    whole, _ = feed(Windower("m/p", settings), chunks)
    stop = data.draw(st.integers(0, len(chunks)))
    first = Windower("m/p", settings)
    before, _ = feed(first, chunks[:stop])
    tail = first.tail()
    second = Windower("m/p", settings)
    second.restore(first.position, list(first.keys), None if tail is None else tail[1])
    after, ended = feed(second, chunks[stop:])
    assert not ended
    assert [(w.first_sample, w.start_ns, w.n_new) for w in before + after] == [
        (w.first_sample, w.start_ns, w.n_new) for w in whole
    ]


@given(settings, lengths, st.data())
def test_tails_are_handed_out_once_and_whole(
    settings: WindowSettings, lengths: list[int], data: st.DataObject
) -> None:
    """Stored pieces, less what windows have passed, are the buffer: so a restart finds every
    sample.
    """
    windower = Windower("m/p", settings)
    stored: list[float] = []
    first_stored = 0
    for checksum, piece in enumerate(cut_up(lengths)):
        windower.push(piece, checksum)
        while windower.cut() is not None:
            pass
        if data.draw(st.booleans()) and (tail := windower.tail()) is not None:
            first, samples = tail
            if not stored or first > first_stored + len(stored):
                # What lies before was never needed: windows had passed it.
                first_stored, stored = (
                    first,
                    [],
                )
            assert first == first_stored + len(stored)
            stored += samples[0].tolist()
    last = windower.tail()
    stored += [] if last is None else last[1][0].tolist()
    n_buffered = sum(lengths) - windower.position.first_sample
    wanted = list(range(windower.position.first_sample, sum(lengths)))
    assert stored[len(stored) - n_buffered :] == wanted


def test_a_duplicate_is_dropped_and_a_late_message_too() -> None:
    windower = Windower("m/p", WindowSettings("continuous", 100, 100))
    pieces = cut_up([50] * 6)
    order = [0, 1, 1, 3, 2, 4]
    ended = []
    for number in order:
        ended += windower.push(pieces[number], number)
        while windower.cut() is not None:
            pass
    reasons = [item.reason for item in ended]
    assert reasons == ["duplicate", "gap", "out_of_order"]


def test_a_gap_ends_the_segment_with_the_partial_window() -> None:
    windower = Windower("m/p", WindowSettings("continuous", 100, 100))
    _, ended = feed(windower, [chunk(0, 130, 0), chunk(200, 130, 2)])
    (gap,) = ended
    assert isinstance(gap, Gap)
    assert (gap.segment, gap.first_sample, gap.n_samples, gap.reason) == (0, 100, 30, "gap")
    assert gap.start_ns == sample_time_ns(100)
    assert gap.end_ns == sample_time_ns(130)
    assert windower.position.segment == 1


def test_a_clock_step_ends_the_segment_even_where_the_sequence_goes_on() -> None:
    windower = Windower("m/p", WindowSettings("continuous", 100, 100))
    stepped = Chunk(
        "m/p",
        counting(50, 50),
        RATE_HZ,
        0,
        start_ns=sample_time_ns(50) + 3_600_000_000_000,
        sequence=1,
    )
    _, ended = feed(windower, [chunk(0, 50, 0), stepped])
    assert [item.reason for item in ended] == ["time_jump"]


def test_snapshots_are_segments_of_their_own_and_pauses_no_gaps() -> None:
    windower = Windower("m/p", WindowSettings("snapshot", 100, 100))
    chunks = [
        Chunk(
            "m/p",
            counting(0, 100),
            RATE_HZ,
            0,
            start_ns=START_NS + k * 10_000_000_000,
            sequence=k,
        )
        for k in range(5)
    ]
    windows, ended = feed(windower, chunks)
    assert [window.segment for window in windows] == [0, 1, 2, 3, 4]
    assert not ended


def test_without_time_and_sequence_continuity_is_unverified() -> None:
    windows, _ = feed(
        Windower("m/p", WindowSettings("continuous", 10, 10)),
        cut_up([10, 10], timed=False, numbered=False),
    )
    assert [window.continuity for window in windows] == ["unverified", "unverified"]
    assert [window.start_ns for window in windows] == [START_NS, sample_time_ns(10)]


def test_a_wrapped_counter_is_no_gap() -> None:
    windower = Windower("m/p", WindowSettings("continuous", 10, 10))
    _, ended = feed(windower, [chunk(0, 10, 65535), chunk(10, 10, 0), chunk(20, 10, 1)])
    assert not ended


@given(st.integers(2, 30), st.integers(2, 30), lengths)
def test_a_changed_geometry_skips_no_sample(
    n_old: int, n_new: int, lengths: list[int]
) -> None:
    windower = Windower("m/p", WindowSettings("continuous", n_old, n_old))
    windows = []
    for number, piece in enumerate(cut_up(lengths)):
        windower.push(piece, number)
        while (window := windower.cut()) is not None:
            windows.append(window)
            if len(windows) == 1:
                windower.change(WindowSettings("continuous", n_new, n_new))
    seen = (
        np.concatenate([window.samples[0] for window in windows])
        if windows
        else np.zeros(0)
    )
    np.testing.assert_array_equal(seen, np.arange(len(seen)))
    assert sum(lengths) == sum(window.n_new for window in windows) + windower.n_waiting


@given(lengths, st.integers(2, 28), st.integers(1, 29))
def test_what_a_forgetful_broker_delivers_again_is_late_however_long_ago(
    lengths: list[int], first: int, n_again: int
) -> None:
    settings, sent = WindowSettings("continuous", 7, 7), cut_up(lengths * 4)
    windower = Windower("m/p", settings)
    once, _ = feed(Windower("m/p", settings), sent)
    found, ended = feed(windower, sent[:100])
    # as after more messages than are remembered
    windower.restore(windower.position, [], None)
    again, repeated = feed(windower, sent[:100][first : first + n_again])
    rest, _ = feed(windower, sent[100:])
    assert not ended
    assert not again
    assert {item.reason for item in repeated} <= {"out_of_order"}
    assert [window.first_sample for window in found + rest] == [
        window.first_sample for window in once
    ]


def test_a_sensor_that_starts_anew_is_no_late_message() -> None:
    """Its counter begins at zero while its clock goes on, or begins in 1970."""
    windower = Windower("m/p", WindowSettings("continuous", 10, 10))
    feed(windower, cut_up([10] * 5))
    for start_ns in (sample_time_ns(80), 5_000_000_000):
        anew = Chunk("m/p", counting(0, 10), RATE_HZ, START_NS, start_ns, 0)
        windows, ended = feed(windower, [anew])
        assert [item.reason for item in ended] == ["sequence_reset"]
        assert len(windows) == 1


COUNTERS = st.sampled_from([2**8, 2**16, 2**32])


def counted(
    n: int, first_number: int, modulus: int, n_each: int = 7, n_timed: int = 0
) -> list[Chunk]:
    """n messages of a counter that wraps; the first n_timed carry a time, at odd nanoseconds."""
    return [
        Chunk(
            "m/p",
            counting(i * n_each, n_each),
            RATE_HZ,
            START_NS,
            start_ns=sample_time_ns(i * n_each) + 137 if i < n_timed else None,
            sequence=(first_number + i) % modulus,
        )
        for i in range(n)
    ]


@given(
    COUNTERS, st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 30), st.booleans()
)
def test_one_loss_costs_what_was_lost_and_nothing_later(
    modulus: int, first_number: int, lost_at: int, n_lost: int, timed: bool
) -> None:
    """Case d19-seq-8bit-one-gap: ten lost messages once cost ten good ones in every later lap."""
    n = 700  # almost three laps of eight bits
    sent = counted(n, first_number % modulus, modulus, n_timed=n if timed else 0)
    heard = sent[:lost_at] + sent[lost_at + n_lost :]
    windower = Windower("m/p", WindowSettings("continuous", 5, 5))
    windows, ended = feed(windower, heard)
    assert all(isinstance(item, Gap) for item in ended)
    assert len(ended) <= 1  # none where the loss hid the wrap of the counter ... or one
    dropped = sum(item.n_new for item in ended if isinstance(item, Gap))
    assert sum(
        window.n_new for window in windows
    ) + dropped + windower.n_waiting == 7 * len(heard)
    assert dropped < 5


@given(
    st.integers(1, 40),
    st.integers(1, 30),
    st.integers(1, 160),
    st.integers(0, 1),
    st.booleans(),
)
@pytest.mark.parametrize("clock", ["goes on", "behind", "back"])
def test_a_reboot_after_a_loss_loses_nothing(
    clock: str, lost_at: int, n_lost: int, n_after: int, first: int, timed: bool
) -> None:
    """Case d20-reboot-after-gap, with the clock going on, behind, or back where it began.

    first : number heard of the new life. If that is the first of those lost,
        nobody can tell.
    """
    assume(first < lost_at)
    before = counted(200, 0, 2**32, n_timed=200 if timed else 0)
    n_sent = lost_at + n_lost + n_after
    heard = before[:lost_at] + before[lost_at + n_lost : n_sent]
    step_ns = {"goes on": n_sent * 7_000_000, "behind": -300_000_000_000, "back": 137}[
        clock
    ]
    after = [
        Chunk(
            "m/p",
            piece.samples + 10_000,
            RATE_HZ,
            START_NS,
            None if piece.start_ns is None else piece.start_ns + 137 + step_ns,
            piece.sequence,
        )
        for piece in before[first:]
    ]
    windower = Windower("m/p", WindowSettings("continuous", 5, 5))
    feed(windower, heard)
    windows, ended = feed(windower, after, 1000)
    assert [item.reason for item in ended] == ["sequence_reset"]
    assert sum(window.n_new for window in windows) + windower.n_waiting == 7 * len(after)


@given(st.integers(20, 90), st.integers(1, 30), st.integers(-5, 5))
def test_a_clock_that_steps_back_into_a_hole_loses_little(
    n_before: int, n_lost: int, off: int
) -> None:
    """Without numbers only time tells; a message there may be late, a stream is not."""
    pieces = counted(400, 0, 2**32, n_timed=400)
    no_numbers = [Chunk(**{**fields(piece), "sequence": None}) for piece in pieces]
    heard = no_numbers[:n_before] + no_numbers[n_before + n_lost : n_before + n_lost + 100]
    back_ns = (100 + n_lost + off) * 7_000_000
    stepped = [
        Chunk(
            **{
                **fields(piece),
                "samples": piece.samples + 10_000,
                "start_ns": (piece.start_ns or 0) - back_ns,
            }
        )
        for piece in no_numbers[n_before + n_lost + 100 :]
    ]
    windower = Windower("m/p", WindowSettings("continuous", 5, 5))
    _, ended = feed(windower, heard + stepped)
    late = sum(isinstance(item, Drop) for item in ended)
    assert late <= max(0, n_lost - abs(off))


def test_a_machine_at_rest_is_no_duplicate() -> None:
    """Eight bits and silence: the same number with the same payload comes in every lap."""
    still = [
        Chunk("m/p", np.zeros((1, 7), np.float32), RATE_HZ, START_NS, None, i % 256)
        for i in range(700)
    ]
    windower = Windower("m/p", WindowSettings("continuous", 5, 5))
    ended = []
    for piece in still:
        ended += windower.push(piece, 77)
        while windower.cut() is not None:
            pass
    assert not ended


def shifted(first: int, n: int, sequence: int | None, by_s: float) -> Chunk:
    start_ns = sample_time_ns(first) + round(by_s * 1e9)
    return Chunk("m/p", counting(first, n), RATE_HZ, START_NS, start_ns, sequence)


@pytest.mark.parametrize(
    ("by_s", "reasons"),
    [(-1.1, ["time_jump"]), (-0.9, []), (0.9, []), (1.1, ["time_jump"])],
)
def test_while_numbers_go_on_a_clock_may_be_off_by_a_second(
    by_s: float, reasons: list[str]
) -> None:
    windower = Windower("m/p", WindowSettings("continuous", 100, 100))
    _, ended = feed(windower, [chunk(0, 50, 0), shifted(50, 50, 1, by_s)])
    assert [item.reason for item in ended] == reasons


@pytest.mark.parametrize(("by_s", "reason"), [(-0.9, "overlap"), (-1.1, "time_jump")])
def test_without_numbers_a_step_back_by_over_a_second_is_another_clock(
    by_s: float, reason: str
) -> None:
    windower = Windower("m/p", WindowSettings("continuous", 100, 100))
    _, ended = feed(windower, [chunk(0, 50), shifted(50, 50, None, by_s)])
    assert [item.reason for item in ended] == [reason]


@pytest.mark.parametrize(("behind_s", "is_late"), [(590.0, True), (610.0, False)])
def test_what_is_behind_by_over_ten_minutes_is_no_late_message(
    behind_s: float, is_late: bool
) -> None:
    """But a sensor whose clock was lost: its numbers are far behind as well."""
    windower = Windower("m/p", WindowSettings("continuous", 10, 10))
    feed(windower, [chunk(10 * i, 10, 5000 + i) for i in range(5)])
    windows, ended = feed(windower, [shifted(50, 10, 3000, -behind_s)], 9)
    assert [item.reason for item in ended] == (
        ["out_of_order"] if is_late else ["sequence_reset"]
    )
    assert len(windows) == (0 if is_late else 1)


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize(("n_back", "is_known"), [(64, True), (65, False)])
def test_a_restart_remembers_64_messages(timed: bool, n_back: int, is_known: bool) -> None:
    sent = cut_up([10] * 200, timed)
    before = Windower("m/p", WindowSettings("continuous", 10, 10))
    feed(before, sent)
    after = Windower("m/p", WindowSettings("continuous", 10, 10))
    after.restore(before.position, list(before.keys), None)
    _, ended = feed(after, [sent[-n_back]], 200 - n_back)
    assert ("duplicate" in [item.reason for item in ended]) == is_known


@pytest.mark.parametrize(("n_between", "is_late"), [(63, True), (64, False)])
def test_a_hole_is_forgotten_after_64_messages(n_between: int, is_late: bool) -> None:
    """None can still be under way then: its number is one of the next lap."""
    windower = Windower("m/p", WindowSettings("continuous", 10, 10))
    numbers = [0, *range(2, 3 + n_between)]
    feed(windower, [chunk(10 * i, 10, i, timed=False) for i in numbers])
    _, ended = feed(windower, [chunk(10, 10, 1, timed=False)], 500)
    assert (ended[0].reason == "out_of_order") == is_late
