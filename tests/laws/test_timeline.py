"""Laws of a stream's time: coarse clocks, clocks that are wrong, and no clock at all."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from monitor.records.signal import Chunk, Drop, Gap, Window
from monitor.records.stream import Position
from monitor.signal import timeline
from monitor.signal.windows import Windower, WindowSettings

RATE_HZ = 1000.0
START_NS = 1_700_000_000_137_259_731
SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS


def chunks(
    n_messages: int,
    n_each: int,
    rate_hz: float = RATE_HZ,
    first: int = 0,
    at_ns: int = START_NS,
) -> list[Chunk]:
    """Messages without time or number that arrive when their first sample was measured."""
    return [
        Chunk(
            "m/p",
            np.arange(n, n + n_each, dtype=np.float32)[None, :],
            RATE_HZ,
            at_ns + round((n - first) / rate_hz * 1e9),
        )
        for n in range(first, first + n_messages * n_each, n_each)
    ]


def timed(pieces: list[Chunk], by_ns: int = 0, step_ns: int = 1) -> list[Chunk]:
    """With the time of a clock that is off by so much, and counts in steps."""
    return [
        replace(piece, start_ns=(piece.received_ns + by_ns) // step_ns * step_ns)
        for piece in pieces
    ]


def feed(
    windower: Windower, pieces: list[Chunk], checksum: int = 0
) -> tuple[list[Window], list[Gap | Drop]]:
    windows, ended = [], []
    for piece in pieces:
        checksum += 1
        ended += windower.push(piece, checksum)
        while (window := windower.cut()) is not None:
            windows.append(window)
    return windows, ended


def make(n_window: int = 1000, rate_hz: float = RATE_HZ) -> Windower:
    return Windower("m/p", WindowSettings("continuous", n_window, n_window, rate_hz))


def end_ns(window: Window) -> int:
    n = int(window.samples.shape[1])
    return window.start_ns + round(n / window.sample_rate_hz * 1e9)


@given(st.lists(st.floats(-0.029, 0.029), min_size=1, max_size=40), st.booleans())
def test_a_stated_rate_near_the_nominal_one_measures_it(
    off: list[float], is_timed: bool
) -> None:
    """Case d28-measured-rate: it jitters with each message; 0 of 20,000 samples were analysed."""
    pieces = [
        replace(piece, sample_rate_hz=RATE_HZ * (1 + share))
        for piece, share in zip(chunks(len(off), 250), off, strict=True)
    ]
    windower = make()
    windows, ended = feed(windower, timed(pieces) if is_timed else pieces)
    assert not ended
    assert len(windows) == len(off) // 4
    assert all(window.sample_rate_hz == RATE_HZ for window in windows)
    if not is_timed:
        stated = [window.measured_rate_hz or RATE_HZ for window in windows]
        assert stated == [piece.sample_rate_hz for piece in pieces[3::4]]


@pytest.mark.parametrize(
    ("rates", "reasons"), [((1040.0, 1040.3), []), ((1000.0, 1060.0), ["rate_change"])]
)
def test_a_rate_beyond_tolerance_is_another(
    rates: tuple[float, float], reasons: list[str]
) -> None:
    first, second = chunks(2, 250)
    pieces = [
        replace(first, sample_rate_hz=rates[0]),
        replace(second, sample_rate_hz=rates[1]),
    ]
    _, ended = feed(make(), pieces)
    assert [piece.reason for piece in ended] == reasons


@given(
    st.integers(30, 450),
    st.integers(0, SECOND_NS - 1),
    st.floats(-0.01, 0.01),
    st.integers(1, 9),
)
@example(335, 0, 0.009765625, 7)  # a window of 142 ms began 8 ms before its neighbour
def test_whole_seconds_are_time_enough(
    n_each: int, phase_ns: int, drift: float, n_window_parts: int
) -> None:
    """Time stamps in whole seconds at several messages a second: all was BAD_DATA."""
    pieces = timed(
        chunks(120, n_each, RATE_HZ * (1 + drift), at_ns=START_NS + phase_ns),
        step_ns=SECOND_NS,
    )
    windower = make(max(7, 1000 // n_window_parts))
    windows, ended = feed(windower, pieces)
    assert not ended
    starts = [window.start_ns for window in windows]
    assert all(after > before for before, after in pairwise(starts))
    for window in windows:
        true_ns = START_NS + phase_ns + round(window.first_sample / (1 + drift) * 1e6)
        assert abs(window.start_ns - true_ns) <= SECOND_NS
        measured_hz = window.measured_rate_hz
        assert measured_hz is None or abs(measured_hz / RATE_HZ - 1) < 0.03
    assert not any(window.continuity == "verified" for window in windows[9:])


@given(st.integers(100, 400), st.integers(0, SECOND_NS - 1), st.integers(4, 7))
def test_a_loss_shows_by_whole_seconds_once_they_are_known(
    n_each: int, phase_ns: int, n_lost: int
) -> None:
    """Known to half a message: the messages before began early and late enough in their seconds.

    With 332 samples from phase 0 on only to .2 s: there four lost ones may be one.
    """
    pieces = chunks(200, n_each, at_ns=START_NS + phase_ns)
    begun_ns = [piece.received_ns % SECOND_NS for piece in pieces[:100]]
    unsure_ns = min(begun_ns) + SECOND_NS - max(begun_ns)
    assume(unsure_ns <= timeline.duration_ns(pieces[0]) / 2)
    pieces = timed(pieces, step_ns=SECOND_NS)
    del pieces[100 : 100 + n_lost]
    windows, ended = feed(make(), pieces)
    assert [piece.reason for piece in ended] == ["gap"]
    assert sum(window.n_new for window in windows) > 150 * n_each


@given(st.integers(1, 60))
def test_a_clock_that_is_fine_is_not_taken_for_a_coarse_one(n_each: int) -> None:
    """Its first time stamp may lie on a whole second by chance."""
    pieces = timed(chunks(40, n_each, at_ns=1_700_000_000 * SECOND_NS))
    del pieces[20]
    _, ended = feed(make(17), pieces)
    seen = [piece.reason for piece in ended]
    assert seen == (["gap"] if n_each > 2 else [])


def boots(n_boots: int, n_messages: int) -> list[list[Chunk]]:
    """A sensor that counts milliseconds from its start, an hour apart."""
    life = [
        chunks(n_messages, 250, at_ns=START_NS + boot * 3_600 * SECOND_NS)
        for boot in range(n_boots)
    ]
    return [timed(one, -one[0].received_ns + 2_017_000_000) for one in life]


def test_no_two_windows_of_three_lives_have_one_time() -> None:
    """Case d17: three boots of a sensor that sends its uptime gave 30 rows at 10 times."""
    windower, windows = make(), []
    for number, life in enumerate(boots(3, 40)):
        found, _ = feed(windower, life, 1000 * number)
        assert windower.position.on_arrival == "far_behind"
        assert found[0].start_ns == life[0].received_ns
        windows += found
    ends = [end_ns(window) for window in windows]
    assert len(set(ends)) == len(ends) == 30
    assert ends == sorted(ends)


def test_an_hour_that_comes_twice_is_told_by_arrival() -> None:
    """Case d17-local-time-dst: local time, read as UTC, in the night the clocks go back."""
    hour_ns = 3_600 * SECOND_NS
    windower = make(10_000)
    night = chunks(800, 5_000)
    first, _ = feed(windower, timed(night[:750], 2 * hour_ns))
    second, _ = feed(windower, timed(night[750:], hour_ns), 10_000)
    assert windower.position.on_arrival == "runs_back"
    assert second[0].start_ns == night[750].received_ns
    assert not {end_ns(window) for window in first} & {end_ns(window) for window in second}


@given(st.integers(2, 3000))
def test_a_host_whose_clock_is_days_behind_keeps_every_sample(days: int) -> None:
    """Case s14-host-clock-behind: messages were refused as in the future, and acknowledged."""
    windower, pieces = make(), chunks(60, 250)
    windows, ended = feed(windower, timed(pieces, days * DAY_NS))
    assert not ended
    assert sum(window.n_new for window in windows) == 15_000
    assert windower.position.on_arrival == "far_ahead"
    assert [window.start_ns for window in windows[:2]] == [
        pieces[0].received_ns,
        pieces[4].received_ns,
    ]


def test_a_clock_that_is_set_right_is_believed_from_the_next_segment_on() -> None:
    windower, pieces = make(), chunks(60, 250)
    feed(windower, timed(pieces[:30], 3 * DAY_NS))
    after = [
        replace(piece, received_ns=piece.received_ns + 3 * DAY_NS) for piece in pieces[31:]
    ]
    windows, _ = feed(windower, timed(after), 100)
    assert windower.position.on_arrival == ""
    assert windows[0].start_ns == pieces[31].received_ns + 3 * DAY_NS


@given(st.integers(20, 400), st.integers(4, 60))
def test_a_backlog_leaves_times_where_they_are(n_messages: int, outage_s: int) -> None:
    """Without times: what the broker held arrives at once, later than it was measured."""
    pieces = chunks(n_messages + 400, 250)
    back_ns = pieces[20].received_ns + outage_s * SECOND_NS
    late = [
        replace(piece, received_ns=max(piece.received_ns, back_ns + n * 1_000_000))
        for n, piece in enumerate(pieces[20:])
    ]
    windows, ended = feed(make(), pieces[:20] + late)
    assert not ended
    for window in windows:
        assert abs(window.start_ns - pieces[window.first_sample // 250].received_ns) <= 2


@given(st.floats(-0.02, 0.02), st.integers(0, 200_000_000), st.integers(0, 999))
@settings(max_examples=30)
def test_without_times_samples_stay_where_they_arrive(
    drift: float, jitter_ns: int, seed: int
) -> None:
    """A rate that is not quite the nominal one made times wrong by more and more."""
    pieces = chunks(1600, 500, RATE_HZ * (1 + drift))
    random = np.random.default_rng(seed)
    delays = random.integers(0, jitter_ns + 1, len(pieces)).tolist()
    arrived = [
        replace(piece, received_ns=piece.received_ns + delay)
        for piece, delay in zip(pieces, delays, strict=True)
    ]
    windows, ended = feed(make(), arrived)
    assert not ended
    for window in windows:
        off_ns = window.start_ns - pieces[window.first_sample // 500].received_ns
        assert abs(off_ns) < 1.5 * SECOND_NS


@given(st.floats(0.005, 0.02), st.integers(7, 400))
@settings(max_examples=30)
def test_short_windows_stay_in_order_where_arrival_moves_them_back(
    drift: float, n_window: int
) -> None:
    """Half a second at once is more than such a window lasts."""
    pieces = chunks(600, 500, RATE_HZ * (1 + drift))
    windows, _ = feed(make(n_window), pieces)
    starts = np.array([window.start_ns for window in windows])
    n = len(starts)
    assert (np.diff(starts) > 0).all()
    true_ns = START_NS + np.arange(n) * n_window / (RATE_HZ * (1 + drift)) * 1e9
    assert (np.abs(starts - true_ns) < 1.5 * SECOND_NS).all()


def test_an_outage_that_nothing_showed_is_made_good() -> None:
    """QoS 0, no time, no number: times stayed wrong by the outage from then on."""
    pieces = chunks(400, 250)
    later = [
        replace(piece, received_ns=piece.received_ns + 30 * SECOND_NS)
        for piece in pieces[40:]
    ]
    windows, _ = feed(make(), pieces[:40] + later)
    late = windows[-1]
    assert abs(late.start_ns - later[late.first_sample // 250 - 40].received_ns) < SECOND_NS


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(1, 5_000)), min_size=1, max_size=60
    )
)
def test_spans_of_time_with_verdicts_stay_few_and_forget_nothing(
    spans: list[tuple[int, int]],
) -> None:
    position = Position()
    for start_s, n_s in spans:
        timeline.cover(position, start_s * SECOND_NS, (start_s + n_s) * SECOND_NS)
    assert len(position.covered) <= timeline.N_COVERED
    for start_s, n_s in spans:
        middle_ns = (start_s * SECOND_NS) + n_s * SECOND_NS // 2
        assert any(first <= middle_ns <= last for first, last in position.covered)
