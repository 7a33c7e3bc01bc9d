"""One sensor's stream and state: silence, short snapshots, other rules, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.config import JournalSettings
from monitor.evidence.base import NetworkOutput
from monitor.pipeline.analysis import Analyser, Analysis
from monitor.pipeline.sensor import Sensor, Taken
from monitor.records.batch import Event
from monitor.records.context import Value
from monitor.records.geometry import Geometry
from monitor.records.promise import PromiseState
from monitor.records.signal import Chunk, Drop, Message, Window
from monitor.records.stream import Piece, Position, StoredStream, TailRecords
from monitor.records.verdict import Status, Verdict
from monitor.signal.quality import Quality
from tests.pipeline.test_promise import REFERENCE
from tests.pipeline.test_sensor import CELLS, GOOD, SPECTRUM, analyser, commissioned
from tests.signals import RATE_HZ, START_NS, configure, noise, rules

N_WINDOW = 1000
SNAPSHOT = {"acquisition": "snapshot", "expected_period_s": 10}


def plain(**rule: Any) -> Analyser:
    """Without a network."""
    return rules(configure(sensor=rule)).analysers[0]


def sensor_of(rule: Analyser) -> Sensor:
    return Sensor("m/p", rule, JournalSettings(), 0.0)


def take(sensor: Sensor, n: int, at_s: float, now_s: float | None = None) -> Taken:
    """n samples that begin, and arrive, at such a time."""
    at_ns = START_NS + round(at_s * 1e9)
    chunk = Chunk("m/p", noise(n), RATE_HZ, at_ns, at_ns)
    return sensor.take(chunk, 0, at_s if now_s is None else now_s)


def told_short(taken: Taken) -> tuple[bool, bool]:
    """Whether an event said that a snapshot is too short, and a row."""
    kinds = [event.kind for event in taken.troubles]
    return "snapshot_too_short" in kinds, taken.unjudged is not None


def test_short_snapshots_have_one_row_until_one_is_judged_or_silence() -> None:
    sensor = sensor_of(plain(**SNAPSHOT))
    assert told_short(take(sensor, 600, 0)) == (False, False)
    first = take(sensor, 600, 10)  # shows that the one before has ended
    assert told_short(first) == (True, True)
    assert first.unjudged is not None
    row = first.unjudged
    assert (row.status, row.reason) == (Status.BAD_DATA, "snapshot_too_short")
    assert (row.n_samples, row.first_sample) == (0, 0)
    assert told_short(take(sensor, 600, 20)) == (False, False)
    assert told_short(take(sensor, N_WINDOW, 30)) == (False, False)
    assert told_short(take(sensor, 600, 40)) == (False, False)
    assert told_short(take(sensor, 600, 50)) == (False, True)
    assert sensor.stopped(START_NS, 90.0) is not None
    assert told_short(take(sensor, 600, 100)) == (False, False)
    assert told_short(take(sensor, 600, 110)) == (False, True)


def test_what_a_judged_snapshot_leaves_over_is_not_too_short() -> None:
    sensor = sensor_of(plain(**SNAPSHOT))
    assert len(take(sensor, N_WINDOW, 0).windows) == 1
    take(sensor, 600, N_WINDOW / RATE_HZ)  # more of the same snapshot
    following = take(sensor, N_WINDOW, 10)
    assert following.ended == [Drop("m/p", 600, "segment_end")]
    assert told_short(following) == (False, False)


def test_a_snapshot_that_comes_twice_is_not_too_short_by_what_it_leaves_over() -> None:
    sensor = sensor_of(plain(**SNAPSHOT))
    assert len(take(sensor, N_WINDOW + 600, 0).windows) == 1
    assert take(sensor, N_WINDOW + 600, 0).ended == [
        Drop("m/p", N_WINDOW + 600, "duplicate")
    ]
    assert told_short(take(sensor, N_WINDOW, 10)) == (False, False)


def test_a_short_snapshot_in_several_messages_is_told_once_however_long_it_lasts() -> None:
    sensor = sensor_of(plain(**SNAPSHOT))
    told = [
        told_short(take(sensor, 300, 10 * k + part * 300 / RATE_HZ, 1000.0 * k))
        for k in range(9)
        for part in (0, 1)
    ]
    assert told.count((True, True)) == 1
    assert told.count((False, False)) == len(told) - 1


@pytest.mark.parametrize(("period_s", "limit_s"), [(0.1, 1.0), (2, 6.0)])
def test_silence_begins_after_three_periods_and_is_told_once(
    period_s: float, limit_s: float
) -> None:
    sensor = sensor_of(plain(expected_period_s=period_s))
    take(sensor, 600, 0)
    assert sensor.stopped(START_NS, limit_s) is None
    assert not sensor.is_silent
    stopped = sensor.stopped(START_NS + 7, limit_s + 0.01)
    assert sensor.is_silent
    assert stopped is not None
    assert stopped.ended == [Drop("m/p", 600, "segment_end")]
    row = stopped.verdict
    assert (row.status, row.reason, row.first_sample) == (Status.NO_DATA, "silent", 0)
    text = "no message for three expected periods"
    assert stopped.events == [Event(START_NS + 7, "m/p", "silent", text)]
    assert sensor.stopped(START_NS, limit_s + 1) is None
    assert take(sensor, 600, 10).is_back
    assert not sensor.is_silent


def test_what_is_refused_for_too_long_has_a_row() -> None:
    sensor = sensor_of(plain())
    for now_s in (4.0, 4.5):
        sensor.note_not_understood(Message("t", b"x", START_NS), "why", now_s)
    stopped = sensor.stopped(START_NS, 5.0)
    assert stopped is not None
    row = stopped.verdict
    assert (row.status, row.reason) == (Status.BAD_DATA, "not_understood")
    assert (row.n_samples, row.first_sample) == (0, 0)
    assert [event.kind for event in stopped.events] == ["not_understood"]


def test_a_death_ends_the_stream_and_is_silence_at_once() -> None:
    sensor = sensor_of(plain())
    take(sensor, 600, 0)
    died = sensor.died(START_NS + 7, "its node has died")
    assert sensor.is_silent
    assert died.ended == [Drop("m/p", 600, "segment_end")]
    row = died.verdict
    assert (row.status, row.reason) == (Status.NO_DATA, "death_certificate")
    assert (row.n_samples, row.first_sample) == (0, 0)
    assert died.events == [Event(START_NS + 7, "m/p", "silent", "its node has died")]
    assert sensor.stopped(START_NS, 100.0) is None


def test_other_windows_begin_where_the_one_begun_ends() -> None:
    sensor, longer = sensor_of(plain()), plain(window_s=1.0)
    take(sensor, 600, 0)
    sensor.adopt(longer)
    taken = take(sensor, 2400, 600 / RATE_HZ)
    assert [one.samples.shape[1] for _, one in taken.windows] == [N_WINDOW, 2 * N_WINDOW]
    assert sensor.analyser is longer


def test_where_no_window_is_begun_another_rule_holds_at_once() -> None:
    sensor, longer = sensor_of(plain()), plain(window_s=1.0)
    take(sensor, N_WINDOW, 0)
    sensor.adopt(longer)
    assert sensor.analyser is longer
    assert sensor.update().position.n_window == 2 * N_WINDOW


def test_the_end_of_a_stream_is_a_border_too() -> None:
    longer = plain(window_s=1.0)
    for is_dead in (False, True):
        sensor = sensor_of(plain())
        take(sensor, 600, 0)
        sensor.adopt(longer)
        assert sensor.analyser is not longer
        if is_dead:
            sensor.died(START_NS, "its node has died")
        else:
            sensor.stopped(START_NS, 100.0)
        assert sensor.analyser is longer


@pytest.mark.parametrize("is_held", [False, True])
def test_of_messages_that_were_held_a_rate_above_the_nominal_one_tells_nothing(
    is_held: bool,
) -> None:
    sensor, kinds = sensor_of(plain()), []
    if is_held:
        sensor.note_held()
    for number in range(100):
        at_ns = START_NS + number * 125 * 10**6  # twice the rate
        taken = sensor.take(Chunk("m/p", noise(500), RATE_HZ, at_ns), number, 0.0)
        kinds += [event.kind for event in taken.troubles]
    assert kinds == ([] if is_held else ["rate_wrong"])


# -- after a restart, or with another's journal ---------------------------------------------------


def begun(*, overlap: float = 0.0, n: int = 1300) -> tuple[Sensor, StoredStream]:
    """A sensor that has taken n samples in, and what is stored of it but for the samples."""
    sensor = sensor_of(plain(overlap=overlap))
    chunk = Chunk("m/p", noise(n), RATE_HZ, START_NS, START_NS)
    sensor.newest_record = 7
    sensor.take(chunk, 0, 0.0, Piece(7, 7, n))
    update = sensor.update()
    records = update.records
    position = deepcopy(update.position)
    keys = list(update.keys)
    return sensor, StoredStream(
        position, keys, [], False, None, None, None, records=records
    )


def test_where_a_tail_s_records_are_is_told_if_all_of_them_are_known() -> None:
    sensor, _ = begun()
    assert sensor.update().records == TailRecords(7, 300, (Piece(7, 7, 1300),))
    sensor.newest_record = None
    assert sensor.update().records is None
    unnoted = sensor_of(plain())
    unnoted.newest_record = 8
    take(unnoted, 600, 0)  # nobody said in which record
    assert unnoted.update().records is None


def test_a_refilled_stream_goes_on_as_if_nothing_had_been() -> None:
    sensor, stored = begun()
    other = sensor_of(plain())
    other.note_read_again(300)
    other.refill(stored, noise(1300)[:, 1000:])
    assert (other.n_received, other.newest_record) == (300, 7)
    ((_, expected),) = take(sensor, 700, 1300 / RATE_HZ).windows
    ((_, found),) = take(other, 700, 1300 / RATE_HZ).windows
    np.testing.assert_array_equal(found.samples, expected.samples)
    assert (found.segment, found.first_sample) == (0, 1000)
    assert other.n_received == 1000


@pytest.mark.parametrize(
    ("overlap", "n", "n_lost"),
    [(0.0, 1300, 300), (0.0, 1000, 0), (0.5, 1300, 300), (0.5, 1000, 0)],
)
def test_a_stream_whose_records_are_gone_goes_on_in_a_new_segment(
    overlap: float, n: int, n_lost: int
) -> None:
    _, stored = begun(overlap=overlap, n=n)
    other = sensor_of(plain(overlap=overlap))
    assert other.restore_without_tail(stored) == n_lost
    assert other.newest_record == 7
    ((_, window),) = take(other, 1000, n / RATE_HZ).windows
    assert (window.segment, window.first_sample) == (1, 0)
    without = replace(stored, records=None)
    assert sensor_of(plain(overlap=overlap)).restore_without_tail(without) == 0


def test_a_restart_knows_the_newest_record() -> None:
    _, stored = begun(n=1000)
    other = sensor_of(plain())
    other.restore(stored)
    assert other.newest_record == 7


def test_another_rule_has_messages_looked_at_anew() -> None:
    sensor = sensor_of(plain())
    chunk = Chunk("m/p", noise(N_WINDOW), RATE_HZ, START_NS, START_NS)
    message = Message("t", chunk.samples.astype("<f4").tobytes(), START_NS)
    payload = configure().subscriptions[0].payload
    for _ in range(8):
        assert sensor.is_look_due(1.0)
        sensor.look(message, payload, chunk, 1.0)
    assert not sensor.is_look_due(1.0)
    sensor.adopt(plain())
    assert sensor.is_look_due(1.0)


def judged(
    sensor: Sensor,
    logit: float | None = 0.5,
    context: Mapping[str, Value] | None = None,
    quality: Quality = GOOD,
    rule: Analyser | None = None,
    **output: Any,
) -> tuple[Verdict, list[Event]]:
    """logit : of a network; None for none"""
    network = None if logit is None else NetworkOutput(logit, CELLS, 1e-7)
    if network is not None:
        network = replace(network, **output)
    window = Window("m/p", 0, 0, 0, RATE_HZ, np.zeros((1, N_WINDOW), np.float32), N_WINDOW)
    analysis = Analysis(quality, SPECTRUM, network=network)
    rule = sensor.analyser if rule is None else rule
    found = sensor.verdicts.of_window(window, analysis, rule, None, context or {})
    return found.verdict, list(found.events)


def restored(state: PromiseState | None = None, geometry_id: str | None = None) -> Sensor:
    """With an alarm that one NG window raises, and one OK window clears."""
    sensor = sensor_of(analyser(alarm={"n": 1, "m": 1, "clear": 0}))
    promise = state or PromiseState()
    sensor.restore(
        StoredStream(Position(), [], [], False, None, geometry_id, None, promise)
    )
    return sensor


def test_an_alarm_says_what_spoke_and_what_changed_and_its_end_does_not() -> None:
    sensor = restored(PromiseState(ok_context={"speed_rpm": 1000.0}))
    _, (raised,) = judged(sensor, 0.5, {"speed_rpm": 2000.0})
    assert raised.kind == "alarm_raised"
    assert raised.text == (
        "network, 0 to 200 Hz hold 100% of the evidence for NG. speed_rpm has changed from"
        " 1000.0 to 2000.0 since the last OK window"
    )
    _, (cleared,) = judged(sensor, -0.5, {"speed_rpm": 2000.0})
    assert cleared.kind == "alarm_cleared"
    assert cleared.text == "OK, 0 to 200 Hz hold 100% of the evidence for NG"


def test_drift_is_told_at_the_window_s_end() -> None:
    sensor = sensor_of(analyser(alarm={"budget": "1 per hour"}))
    state = PromiseState(commissioning_id=7, drift=1e9)
    sensor.restore(StoredStream(Position(), [], [], False, None, None, None, state))
    sensor.verdicts.commissioned = commissioned(
        0.0, reference=REFERENCE, commissioning_id=7
    )
    verdict, events = judged(sensor, -0.5)
    (drift,) = events
    assert (drift.kind, drift.at_ns, drift.model_id) == ("drift", verdict.end_ns, "m1")
    assert "commission it again" in drift.text


def test_a_map_that_does_not_add_up_says_by_how_much() -> None:
    verdict, _ = judged(restored(), 0.5, residual=0.25)
    assert verdict.quality["map_residual"] == 0.25
    assert "map_residual" not in judged(restored())[0].quality


def test_a_machine_at_its_limit_runs() -> None:
    sensor = restored()
    sensor.verdicts.commissioned = commissioned(0.0, running_limit_ms2=GOOD.rms_ms2)
    assert judged(sensor, -0.5)[0].running is True


def other_geometry(known: Geometry) -> Geometry:
    return replace(known, n_window=2 * known.n_window)


def test_a_baseline_holds_for_its_own_geometry_alone() -> None:
    rule = analyser()
    sensor = sensor_of(rule)
    assert sensor.verdicts.baseline(rule) is None
    sensor.verdicts.commissioned = own = commissioned(0.0, geometry=rule.geometry)
    assert sensor.verdicts.baseline(rule) is own.baseline
    sensor.verdicts.commissioned = replace(own, geometry=other_geometry(rule.geometry))
    assert sensor.verdicts.baseline(rule) is None


def test_another_geometry_sets_a_commissioning_aside_until_it_is_back() -> None:
    rule, other = analyser(), analyser()
    other.geometry = other_geometry(rule.geometry)
    sensor = sensor_of(rule)
    assert judged(sensor, -0.5)[1] == []
    assert judged(sensor, -0.5, rule=other)[1] == []  # not commissioned
    sensor.verdicts.commissioned = commissioned(0.0, geometry=other.geometry)
    assert judged(sensor, -0.5, rule=other)[1] == []
    verdict, (aside,) = judged(sensor, -0.5, rule=rule)
    assert (aside.kind, aside.at_ns) == ("geometry_changed", verdict.start_ns)
    assert aside.text == (
        f"{other.geometry.difference(rule.geometry)}: the commissioning of"
        " 1970-01-01 00:00:00 UTC is set aside; commission the sensor again"
    )
    assert judged(sensor, -0.5, rule=rule)[1] == []
    _, (back,) = judged(sensor, -0.5, rule=other)
    assert back.text == (
        "as it was: the commissioning of 1970-01-01 00:00:00 UTC holds again"
    )


@pytest.mark.parametrize(
    ("before", "holds", "n_events"),
    [
        (None, False, 0),  # nothing was judged before
        ("another", False, 1),
        ("another", True, 1),
        ("", False, 1),  # by a journal of before geometries were kept
        ("", True, 0),
    ],
)
def test_a_geometry_that_changed_while_nothing_ran_is_told(
    before: str | None, holds: bool, n_events: int
) -> None:
    sensor = restored(geometry_id=before)
    own = commissioned(0.0)
    edges = own.f_edges_hz if holds else (0.0, 1.0, 2.0)
    sensor.verdicts.commissioned = replace(own, f_edges_hz=edges)
    events = [one for one in judged(sensor, -0.5)[1] if one.kind == "geometry_changed"]
    assert len(events) == n_events
    if n_events and not holds:
        assert events[0].text.startswith("the commissioning of ")


def test_what_is_learning_for_its_geometry_says_so_and_no_other_does() -> None:
    sensor = sensor_of(analyser())
    own = commissioned(0.0)
    assert judged(sensor, None)[0].reason == "not_commissioned"
    sensor.verdicts.commissioned = replace(
        own, geometry=other_geometry(sensor.analyser.geometry)
    )
    learning, _ = judged(sensor, None)
    assert (learning.status, learning.reason) == (Status.LEARNING, "geometry_changed")
    assert judged(sensor, 0.5)[0].reason == "network"
    sensor.verdicts.commissioned = own
    assert judged(sensor, -0.5)[0].reason == ""
