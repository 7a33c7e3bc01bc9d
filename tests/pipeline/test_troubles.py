"""What is told of a stream that is not as configured: one sentence, once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.pipeline.pipeline import Pipeline
from monitor.records.batch import TROUBLES, Batch
from monitor.records.signal import Delivery, Message
from monitor.records.verdict import Status
from tests.signals import RATE_HZ, START_NS, make_pipeline, messages, noise

SECOND_NS = 10**9


def told(batch: Batch) -> list[tuple[str, str]]:
    return [(event.kind, event.text) for event in batch.events if event.kind in TROUBLES]


def live(
    n: int, n_each: int = 500, rate_hz: float = RATE_HZ, **facts: str
) -> list[Message]:
    """Messages without time that arrive as their samples are measured."""
    sent = messages(noise(n * n_each), [n_each] * n)
    return [
        replace(
            message,
            properties=facts,
            delivery=None,
            received_ns=START_NS + round(number * n_each / rate_hz * 1e9),
        )
        for number, message in enumerate(sent)
    ]


def run(pipeline: Pipeline, sent: list[Message]) -> Batch:
    for message in sent:
        now_s = (message.received_ns - START_NS) / 1e9
        pipeline.process([message], message.received_ns, now_s)
        pipeline.tick(message.received_ns, now_s)
    return pipeline.take_batch(True)


@pytest.mark.parametrize("share", [0.5, 2.0])
def test_a_factor_of_two_is_seen_by_arrival(share: float) -> None:
    """README: a wrong rate is never OK. Without message times it was LEARNING without a word."""
    batch = run(make_pipeline(), live(120, rate_hz=share * RATE_HZ))
    (only,) = told(batch)
    assert only[0] == "rate_wrong"
    assert "2000 Hz is configured" in only[1]
    assert "payload.dtype or the number of channels" in only[1]
    statuses = [verdict.status for verdict in batch.verdicts]
    assert statuses[-1] is Status.BAD_DATA
    assert batch.verdicts[-1].reason == "rate_mismatch"
    assert batch.verdicts[-1].quality["rate_deviation"] == pytest.approx(share - 1, abs=0.1)
    assert statuses.index(Status.BAD_DATA) < 10


def test_the_right_rate_is_told_nothing_of() -> None:
    batch = run(make_pipeline(), live(400))
    assert not told(batch)
    assert {verdict.status for verdict in batch.verdicts} == {Status.LEARNING}


@pytest.mark.parametrize(
    ("waited_s", "kinds"), [(0.9, ["rate_wrong"]), (1.1, []), (2.0, [])]
)
def test_a_message_that_waited_on_our_side_tells_no_rate(
    waited_s: float, kinds: list[str]
) -> None:
    pipeline, sent = make_pipeline(), live(120, rate_hz=0.5 * RATE_HZ)
    for message in sent:
        now_ns = message.received_ns + round(waited_s * SECOND_NS)
        pipeline.process([message], now_ns, 0.0)
    assert [kind for kind, _ in told(pipeline.take_batch(True))] == kinds


def test_what_was_owed_over_an_outage_comes_faster_than_it_was_measured() -> None:
    pipeline, sent = make_pipeline(), live(120, rate_hz=2 * RATE_HZ)
    owed = [replace(one, delivery=Delivery(n, n, False)) for n, one in enumerate(sent)]
    run(pipeline, owed[:1])
    pipeline.connected(is_resumed=True)
    assert not told(run(pipeline, owed[1:]))


def test_a_rate_by_time_stamps_names_both_rates() -> None:
    """Case d29-odr-off: status and log showed no more than a word."""
    sent = live(40)
    timed = [
        replace(
            message, properties={"start_time_ns": str(START_NS + round(n * 250e6 / 1.04))}
        )
        for n, message in enumerate(sent)
    ]
    (only,) = told(run(make_pipeline(), timed))
    assert only == (
        "rate_wrong",
        "runs at 2080 Hz, 2000 Hz is configured: its windows are BAD_DATA; set sample_rate_hz",
    )


def test_a_stated_rate_that_jitters_is_judged_and_noted() -> None:
    """Case d28-measured-rate."""
    sent = [
        replace(
            message, properties={"sample_rate_hz": f"{RATE_HZ * (1.002 + 2e-4 * (n % 3))}"}
        )
        for n, message in enumerate(live(40))
    ]
    batch = run(make_pipeline(), sent)
    assert not told(batch)
    assert [v.status for v in batch.verdicts] == [Status.LEARNING] * 20
    assert all(0.0019 < v.quality["rate_deviation"] < 0.0025 for v in batch.verdicts)


def test_a_snapshot_that_is_too_short_is_told_once() -> None:
    """Case d31-snapshot-too-short: it looked alive and analysed nothing."""
    pipeline = make_pipeline(
        sensor={"acquisition": "snapshot", "window_s": 1.0, "expected_period_s": 10}
    )
    sent = live(30, 1024, 0.1 * 1024)
    batch = run(pipeline, sent)
    assert told(batch) == [
        (
            "snapshot_too_short",
            "a snapshot of 0.512 s is shorter than window_s = 1 s: it is never judged",
        )
    ]
    (row,) = batch.verdicts  # so it stands on the page
    assert row.start_ns == sent[1].received_ns  # once the first of them has ended
    assert (row.status, row.reason, row.n_samples) == (
        Status.BAD_DATA,
        "snapshot_too_short",
        0,
    )


def bursts(n: int) -> list[Message]:
    """Of 0.512 s, each with its time, one every five seconds."""
    return [
        replace(message, properties={"start_time_ns": str(message.received_ns)})
        for message in live(n, 1024, 0.1 * 1024)
    ]


def test_a_stream_that_breaks_before_a_window_is_full_is_told_once() -> None:
    """Bursts of a sensor that is called continuous: BAD_DATA for ever, and no word why."""
    rule = {"window_s": 1.0, "expected_period_s": 20}
    batch = run(make_pipeline(sensor=rule), bursts(30))
    (only,) = told(batch)
    assert only[0] == "never_whole"
    assert only[1].startswith(
        "the signal breaks off every 0.512 s, before a window of 1 s is full: if the sensor"
        " rests in between, set acquisition: snapshot"
    )
    assert {v.reason for v in batch.verdicts} == {"gap"}
    assert not told(run(make_pipeline(sensor=rule), bursts(8)))


def test_a_snapshot_of_a_window_and_a_bit_is_well() -> None:
    pipeline = make_pipeline(
        sensor={"acquisition": "snapshot", "window_s": 0.5, "expected_period_s": 10}
    )
    batch = run(pipeline, live(30, 1024, 0.1 * 1024))
    assert not told(batch)
    assert len(batch.verdicts) == 30


def test_a_sensor_that_flaps_is_told_its_period() -> None:
    """A snapshot sensor with the default period was silent and back each time, without a hint."""
    pipeline, sent = make_pipeline(sensor={"acquisition": "snapshot"}), live(6, 1000, 100.0)
    for number, message in enumerate(sent):
        pipeline.process([message], message.received_ns, 10.0 * number)
        pipeline.tick(message.received_ns, 10.0 * number + 5)
    (only,) = told(pipeline.take_batch(True))
    assert only[0] == "period_wrong"
    assert "messages come every 10 s, expected_period_s = 1 s is set" in only[1]


@pytest.mark.parametrize(
    ("off_ns", "text"),
    [
        (
            lambda at_ns: at_ns // 1000,
            "time is 54 years behind: does the sensor count in a unit",
        ),
        (
            lambda at_ns: at_ns - START_NS + 10**9,
            "time is 54 years behind: is payload.time_format",
        ),
        (lambda at_ns: at_ns + 3 * 86_400 * SECOND_NS, "time is 3 days ahead: "),
    ],
)
def test_a_clock_that_cannot_be_used_is_told_once(off_ns: object, text: str) -> None:
    """Cases d16-seconds-as-ms, d17-local-time-dst, s14-host-clock-behind."""
    assert callable(off_ns)
    sent = [
        replace(message, properties={"start_time_ns": str(off_ns(message.received_ns))})
        for message in live(40)
    ]
    batch = run(make_pipeline(), sent)
    (only,) = told(batch)
    assert only[0] == "clock_wrong"
    assert only[1].startswith(text)
    assert only[1].endswith("rows have the time of arrival")
    assert not batch.bad_payloads
    ends = [verdict.end_ns for verdict in batch.verdicts]
    assert ends == sorted(set(ends))
    assert np.ptp(ends) / 1e9 == pytest.approx(9.5, abs=0.6)
