"""The pipeline: messages in, verdicts and closed books out, acknowledgements in order and not too
early.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.pipeline.pipeline import Pipeline
from monitor.records.batch import Batch
from monitor.records.signal import Delivery, Message
from monitor.records.verdict import Status
from tests.signals import START_NS, configure, make_pipeline, messages, noise, rules

N_WINDOW = 1000


def imbalance(batches: list[Batch]) -> dict[str, int]:
    books = sum((batch.books for batch in batches), Counter())
    waiting = {
        update.sensor: update.n_waiting for batch in batches for update in batch.streams
    }
    left: Counter[str] = Counter()
    for (sensor, fate, _), n in books.items():
        left[sensor] += n if fate == "received" else -n
    return {
        sensor: n - waiting.get(sensor, 0)
        for sensor, n in left.items()
        if n != waiting.get(sensor, 0)
    }


@given(
    st.lists(st.integers(1, 700), min_size=1, max_size=20),
    st.lists(st.booleans(), min_size=20, max_size=20),
)
@hypothesis_settings(deadline=None, max_examples=30)
def test_the_books_close_and_every_message_is_settled_once(
    lengths: list[int], with_tails: list[bool]
) -> None:
    pipeline, batches = make_pipeline(), []
    sent = messages(noise(sum(lengths)), lengths)
    for message, tails in zip(sent, with_tails, strict=False):
        pipeline.process([message], START_NS, 0.0)
        batches.append(pipeline.take_batch(tails))
    batches.append(pipeline.take_batch(True))
    assert not imbalance(batches)
    settled = [delivery for batch in batches for delivery in batch.settled]
    assert settled == [message.delivery for message in sent]


def test_a_message_is_settled_only_when_all_its_samples_are_stored() -> None:
    pipeline = make_pipeline()
    first, second = messages(noise(1500), [700, 800])
    pipeline.process([first], START_NS, 0.0)
    assert not pipeline.take_batch(False).settled
    pipeline.process([second], START_NS, 0.0)
    # The window is whole; what is left of the second message goes along as a tail.
    batch = pipeline.take_batch(False)
    assert batch.settled == [first.delivery, second.delivery]
    (update,) = batch.streams
    assert update.tail is not None
    assert (update.tail[0], update.tail[1].shape) == (1000, (1, 500))


def test_redelivered_messages_make_no_second_verdict() -> None:
    pipeline = make_pipeline()
    sent = messages(noise(3000), [1000] * 3)
    pipeline.process(sent, START_NS, 0.0)
    again = [
        replace(message, delivery=Delivery("again", message.delivery.key, redelivered=True))
        for message in sent
        if message.delivery
    ]
    pipeline.process(again, START_NS, 0.0)
    batch = pipeline.take_batch(True)
    assert [verdict.first_sample for verdict in batch.verdicts] == [0, 1000, 2000]
    assert len(batch.settled) == 6
    assert batch.counters["messages_redelivered"] == 3
    assert not imbalance([batch])


def test_any_number_of_bad_payloads_and_a_good_one_gets_through() -> None:
    pipeline = make_pipeline()
    bad = [
        Message(
            "vibration/m/p/waveform", b"x" * 7, START_NS, {}, Delivery(k + 1, k + 1, False)
        )
        for k in range(500)
    ]
    stray = Message("elsewhere/m", b"", START_NS, {}, Delivery(999, 999, False))
    pipeline.process(
        [*bad, stray, *messages(noise(1000), [1000], first_packet=2000)], START_NS, 0.0
    )
    batch = pipeline.take_batch(False)
    assert [verdict.status for verdict in batch.verdicts] == [Status.LEARNING]
    assert batch.counters["bad_payloads.bad_length"] == 500
    assert batch.counters["bad_payloads.unmatched_topic"] == 1
    assert len(batch.settled) == 502
    assert batch.bad_payloads[0].head == b"x" * 7


def test_a_silent_sensor_becomes_no_data_once_and_comes_back() -> None:
    pipeline = make_pipeline()
    sent = messages(noise(2500), [1500, 1000])
    pipeline.process(sent[:1], START_NS, 0.0)
    pipeline.tick(START_NS, 2.9)
    assert [v.status for v in pipeline.take_batch(True).verdicts] == [Status.LEARNING]
    pipeline.tick(START_NS, 3.1)
    pipeline.tick(START_NS, 9.0)
    batch = pipeline.take_batch(True)
    assert [v.status for v in batch.verdicts] == [Status.NO_DATA]
    assert batch.books["m/p", "dropped", "segment_end"] == 500
    pipeline.process(sent[1:], START_NS, 10.0)
    back = pipeline.take_batch(True)
    assert [event.kind for event in back.events] == ["back"]
    assert [(v.status, v.segment) for v in back.verdicts] == [(Status.LEARNING, 1)]


def test_a_gap_is_a_bad_data_row_with_its_reason() -> None:
    pipeline = make_pipeline()
    first, _, third = messages(noise(3300), [1300, 700, 1300])
    pipeline.process([first, third], START_NS, 0.0)
    batch = pipeline.take_batch(True)
    assert [(v.status, v.reason, v.n_samples) for v in batch.verdicts] == [
        (Status.LEARNING, "not_commissioned", 1000),
        (Status.BAD_DATA, "gap", 300),
        (Status.LEARNING, "not_commissioned", 1000),
    ]
    assert not imbalance([batch])


def test_a_machine_that_stands_still_is_idle() -> None:
    pipeline = make_pipeline(sensor={"running": {"limit_rms_ms2": 0.5}})
    quiet = noise(1000) * np.float32(0.01)
    pipeline.process(
        messages(np.concatenate([noise(1000), quiet], axis=1), [1000, 1000]), START_NS, 0.0
    )
    verdicts = pipeline.take_batch(True).verdicts
    assert [(v.status, v.running) for v in verdicts] == [
        (Status.LEARNING, True),
        (Status.IDLE, False),
    ]


def test_a_running_topic_stands_above_the_level() -> None:
    pipeline = make_pipeline(sensor={"running": {"topic": "plant/{machine}/running"}})
    first, second = messages(noise(2000), [1000, 1000])
    off, odd = (
        Message("plant/m/running", b"off", START_NS),
        Message("plant/m/running", b"maybe", START_NS),
    )
    pipeline.process([first, off, odd, second], START_NS, 0.0)
    batch = pipeline.take_batch(True)
    assert [v.status for v in batch.verdicts] == [Status.LEARNING, Status.IDLE]
    assert batch.counters["bad_payloads.bad_running_state"] == 1


def test_overload_is_shed_and_counted_where_a_limit_is_set() -> None:
    pipeline = make_pipeline(max_lag_s=2.0)
    pipeline.process(messages(noise(6000), [1000] * 6), START_NS + 3_600_000_000, 0.0)
    batch = pipeline.take_batch(True)
    # The first three ended over 2 s ago.
    assert [v.first_sample for v in batch.verdicts] == [
        3000,
        4000,
        5000,
    ]
    assert batch.books["m/p", "dropped", "overload"] == 3000
    assert not imbalance([batch])


@pytest.mark.parametrize("at", [0, 1, 5, 11])
def test_a_new_process_goes_on_where_the_journal_stands(tmp_path: Path, at: int) -> None:
    """Everything after the last commit comes again from the broker: rows as if nothing had
    happened.
    """
    sent = messages(noise(4400), [400] * 11)
    whole = Journal(tmp_path / "whole")
    pipeline = make_pipeline()
    pipeline.process(sent, START_NS, 0.0)
    whole.commit(pipeline.take_batch(True))

    cut = Journal(tmp_path / "cut")
    first = make_pipeline()
    first.process(sent[:at], START_NS, 0.0)
    cut.commit(first.take_batch(at % 2 == 0))
    second = Pipeline(rules(configure()), cut.streams(), cut.digests(), 0.0)
    redelivered = [
        replace(m, delivery=Delivery("again", m.delivery.key, True))
        for m in sent[:at]
        if m.delivery
    ]
    second.process([*redelivered, *sent[at:]], START_NS, 0.0)
    cut.commit(second.take_batch(True))

    def rows(path: Path) -> list[tuple[object, ...]]:
        found = [row.verdict for row in JournalReader(path).rows()]
        return [
            (v.segment, v.first_sample, v.start_ns, v.status, v.quality["rms_ms2"])
            for v in found
        ]

    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")
    assert len(rows(tmp_path / "cut")) == 4
    assert not JournalReader(tmp_path / "cut").books().imbalance()


def test_evidence_is_kept_for_a_sample_of_ok_and_around_changes() -> None:
    pipeline = make_pipeline(sensor={"running": {"limit_rms_ms2": 0.5}})
    signal = noise(10_000)
    signal[:, 6000:7000] *= np.float32(0.01)
    pipeline.process(messages(signal, [1000] * 10), START_NS, 0.0)
    kept = pipeline.take_batch(True).kept_windows
    assert [(e.first_sample, e.why) for e in kept] == [
        (4000, "change"),
        (5000, "change"),
        (6000, "change"),
        (7000, "change"),
        (8000, "change"),
        (9000, "change"),
    ]


def test_a_name_that_fits_no_rule_is_counted() -> None:
    pipeline = make_pipeline(sensor={"match": "press-*"})
    pipeline.process(messages(noise(1000), [1000]), START_NS, 0.0)
    assert pipeline.take_batch(True).counters["bad_payloads.unmatched_sensor"] == 1


def test_a_change_of_model_is_marked_also_over_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    first = make_pipeline()
    first.process(messages(noise(1000), [1000]), START_NS, 0.0)
    batch = first.take_batch(True)
    assert not batch.events
    journal.commit(replace(batch, verdicts=[replace(batch.verdicts[0], model_id="old")]))
    second = Pipeline(rules(configure()), journal.streams(), journal.digests(), 0.0)
    second.process(messages(noise(2000), [1000, 1000])[1:], START_NS, 0.0)
    (event,) = second.take_batch(True).events
    assert (event.kind, event.text) == ("model_changed", "from old to no model")


def test_a_new_unit_holds_from_the_next_window_on() -> None:
    """Not from the next message: half a window in g and half in m/s² would be neither."""
    pipeline, sent = (
        make_pipeline(sensor={"unit": "g"}),
        messages(noise(2 * N_WINDOW), [500] * 4),
    )
    pipeline.process(sent[:1], START_NS, 0.0)
    pipeline.change_rules(rules(configure(sensor={"unit": "m/s2"})))
    pipeline.process(sent[1:], START_NS, 0.0)
    in_g, in_ms2 = (
        verdict.quality["rms_ms2"] for verdict in pipeline.take_batch(True).verdicts
    )
    raw = noise(2 * N_WINDOW)[0]
    assert in_g == pytest.approx(9.80665 * raw[:N_WINDOW].std(), rel=1e-4)
    assert in_ms2 == pytest.approx(raw[N_WINDOW:].std(), rel=1e-4)


@pytest.mark.parametrize(("period_s", "limit_s"), [(4, 12.0), (0.1, 1.0)])
def test_three_expected_periods_are_silence_and_less_than_a_second_is_none(
    period_s: float, limit_s: float
) -> None:
    pipeline = make_pipeline(sensor={"expected_period_s": period_s})
    pipeline.process(messages(noise(N_WINDOW), [N_WINDOW]), START_NS, 0.0)
    pipeline.tick(START_NS, limit_s)
    (judged,) = pipeline.take_batch(True).verdicts
    assert judged.end_ns - judged.start_ns == round(N_WINDOW / 2000 * 1e9)
    pipeline.tick(START_NS + 7, limit_s + 0.1)
    (silent,) = pipeline.take_batch(True).verdicts
    assert (silent.status, silent.first_sample) == (Status.NO_DATA, 0)
    assert silent.start_ns == silent.end_ns == START_NS + 7


def test_a_known_sensor_keeps_its_rule_where_a_reload_leaves_none() -> None:
    pipeline, sent = make_pipeline(), messages(noise(2 * N_WINDOW), [500] * 4)
    pipeline.process(sent[:1], START_NS, 0.0)
    pipeline.change_rules(rules(configure(sensor={"match": "press-*"})))
    pipeline.process(sent[1:], START_NS, 0.0)
    batch = pipeline.take_batch(True)
    assert len(batch.verdicts) == 2
    assert not batch.bad_payloads


def kept(message: Message, **properties: str) -> Message:
    """The same as its source kept it: with these properties alone."""
    return replace(message, properties=properties, delivery=None, retained=True)


def test_a_retained_waveform_is_never_now() -> None:
    """Case d22-retained-waveform: +500 old samples at every restart, judged again as new."""
    pipeline = make_pipeline()
    sent = messages(noise(2500), [500] * 5)
    pipeline.process([kept(sent[0]), kept(sent[0], sequence="0")], START_NS, 0.0)
    pipeline.process(sent[:4], START_NS, 0.0)
    pipeline.process([kept(sent[3]), kept(sent[3], sequence="3")], START_NS, 0.0)
    # With its time it has a place: one that the stream has passed, or a new one.
    pipeline.process([kept(sent[1], **sent[1].properties)], START_NS, 0.0)
    pipeline.process([kept(sent[4], **sent[4].properties)], START_NS, 0.0)
    batch = pipeline.take_batch(True)
    assert [one.first_sample for one in batch.verdicts] == [0, 1000]
    assert batch.books["m/p", "dropped", "retained"] == 5 * 500
    assert batch.streams[0].n_waiting == 500
    assert not imbalance([batch])


def test_a_retained_waveform_is_settled_and_no_sign_of_life() -> None:
    pipeline = make_pipeline()
    sent = messages(noise(1500), [500] * 3)
    pipeline.process(sent[:2], START_NS, 0.0)
    pipeline.take_batch(True)
    old = replace(
        sent[1], properties={}, retained=True, delivery=Delivery("old", 77, False)
    )
    pipeline.process([old], START_NS, 2.9)
    batch = pipeline.take_batch(False)
    assert [one.token for one in batch.settled] == ["old"]
    pipeline.tick(START_NS, 3.1)
    assert [one.status for one in pipeline.take_batch(True).verdicts] == [Status.NO_DATA]


def test_a_retained_label_is_refused_and_counted() -> None:
    """Case d23-retained-label: it labelled the newest window again at every restart."""
    pipeline = make_pipeline()
    payload = b'{"sensor": "m/p", "word": "NG confirmed", "author": "Ann"}'
    label = Message("camshaft/label", payload, START_NS)
    pipeline.process([replace(label, retained=True)], START_NS, 0.0)
    batch = pipeline.take_batch(False)
    assert batch.labels == []
    assert batch.counters["bad_payloads.retained_label"] == 1
    assert "send it without the retain flag" in batch.bad_payloads[0].detail
    pipeline.process([label], START_NS, 0.0)
    assert len(pipeline.take_batch(False).labels) == 1


def test_a_retained_running_state_holds() -> None:
    running = {"topic": "plant/{machine}/running"}
    pipeline = make_pipeline(sensor={"running": running})
    state = Message("plant/m/running", b"off", START_NS, retained=True)
    pipeline.process([state, *messages(noise(1000), [1000])], START_NS, 0.0)
    assert [one.status for one in pipeline.take_batch(True).verdicts] == [Status.IDLE]


BAD = {
    "bad_length": (b"x" * 7, {}),
    "empty": (b"", {}),
    "bad_time": (noise(250).T.tobytes(), {"start_time": "yesterday"}),
    "bad_sequence": (noise(250).T.tobytes(), {"sequence": "-1"}),
    "bad_rate": (noise(250).T.tobytes(), {"sample_rate_hz": "0"}),
}


def without_facts(sent: list[Message]) -> list[Message]:
    return [replace(message, properties={}, delivery=None) for message in sent]


@pytest.mark.parametrize("reason", BAD)
def test_a_refused_message_is_a_hole_in_a_stream_that_shows_none(reason: str) -> None:
    """Case d14-nan-in-json: whatever the reason, its neighbours were joined over the hole."""
    pipeline = make_pipeline()
    payload, properties = BAD[reason]
    sent = without_facts(messages(noise(2250), [250] * 9))
    sent[5] = replace(sent[5], payload=payload, properties=properties)
    pipeline.process(sent, START_NS, 0.0)
    batch = pipeline.take_batch(True)
    assert batch.counters[f"bad_payloads.{reason}"] == 1
    assert [(v.reason, v.segment, v.n_samples) for v in batch.verdicts] == [
        ("not_commissioned", 0, 1000),
        ("refused_message", 0, 250),
    ]
    assert batch.counters["breaks.refused_message"] == 1
    assert not imbalance([batch])


def test_a_message_dropped_on_our_side_is_a_hole_too() -> None:
    """Too large, or a full inbox: the source or the inbox dropped it, the next one says so."""
    pipeline = make_pipeline()
    sent = without_facts(messages(noise(2000), [250] * 8))
    sent[5] = replace(sent[5], after_loss=True)
    pipeline.process(sent, START_NS, 0.0)
    batch = pipeline.take_batch(True)
    assert [v.reason for v in batch.verdicts] == ["not_commissioned", "refused_message"]


def test_numbers_that_go_on_say_that_a_refused_message_was_none_of_the_stream() -> None:
    pipeline = make_pipeline()
    sent = messages(noise(2000), [250] * 8)
    stray = Message(sent[0].topic, b"online!", START_NS)
    pipeline.process([*sent[:5], stray, *sent[5:]], START_NS, 0.0)
    assert [v.segment for v in pipeline.take_batch(True).verdicts] == [0, 0]


def test_a_refused_message_is_remembered_over_a_restart(tmp_path: Path) -> None:
    journal, first = Journal(tmp_path / "journal"), make_pipeline()
    sent = without_facts(messages(noise(2000), [250] * 8))
    first.process([*sent[:2], replace(sent[2], payload=b"x")], START_NS, 0.0)
    journal.commit(first.take_batch(True))
    second = Pipeline(rules(configure()), journal.streams(), journal.digests(), 0.0)
    second.process(sent[3:], START_NS, 0.0)
    assert second.take_batch(True).counters["breaks.refused_message"] == 1


def test_sensors_that_their_messages_name_miss_what_their_topic_refused() -> None:
    """The topic names no machine: each sensor last heard on it may have had samples there."""
    payload = {"format": "json", "machine": "id", "sequence": None, "time": None}
    pipeline = make_pipeline(subscriptions=[{"topic": "gateway/data", "payload": payload}])

    def said(machine: str, text: str | None = None) -> Message:
        values = noise(250)[0].tolist()
        found = json.dumps({"id": machine, "samples": values}) if text is None else text
        return Message("gateway/data", found.encode(), START_NS)

    pipeline.process(
        [said("a"), said("b"), said("", "{"), said("a"), said("b")], START_NS, 0.0
    )
    batch = pipeline.take_batch(True)
    reasons = [(v.sensor, v.reason, v.n_samples) for v in batch.verdicts]
    assert reasons == [
        ("a/main", "refused_message", 250),
        ("b/main", "refused_message", 250),
    ]


def arriving(sent: list[Message], from_ns: int, is_owed: bool) -> list[Message]:
    """Without time and number; each comes when its 500 samples are measured."""
    return [
        replace(
            message,
            properties={},
            delivery=message.delivery if is_owed else None,
            received_ns=from_ns + number * 250_000_000,
        )
        for number, message in enumerate(sent)
    ]


@pytest.mark.parametrize(
    ("is_owed", "is_resumed", "reasons"),
    [(False, True, {"outage": 1}), (True, False, {"outage": 1}), (True, True, {})],
)
def test_what_was_lost_while_we_were_away_is_a_gap(
    tmp_path: Path, is_owed: bool, is_resumed: bool, reasons: dict[str, int]
) -> None:
    """Nothing shows it where messages have neither time nor number. With max_lag_s every window
    was dropped as overload from then on.
    """
    journal, first = Journal(tmp_path / "journal"), make_pipeline(max_lag_s=20.0)
    sent = messages(noise(10_000), [500] * 20)
    first.process(arriving(sent[:5], START_NS, is_owed), START_NS, 0.0)
    journal.commit(first.take_batch(True))
    second = Pipeline(
        rules(configure(max_lag_s=20.0)), journal.streams(), journal.digests(), 0.0
    )
    second.connected(is_resumed)
    away_ns = 30_000_000_000 if reasons else 0  # what is owed comes at once
    later_ns = START_NS + 5 * 250_000_000 + away_ns
    second.process(arriving(sent[5:], later_ns, is_owed), later_ns + 4_000_000_000, 0.0)
    batch = second.take_batch(True)
    breaks = {
        name.removeprefix("breaks."): n
        for name, n in batch.counters.items()
        if name.startswith("breaks.")
    }
    assert breaks == reasons
    assert batch.counters["windows_shed"] == 0
    if reasons:
        judged = [v for v in batch.verdicts if v.n_samples == N_WINDOW]
        assert judged[0].start_ns == later_ns
    journal.commit(batch)
    assert not JournalReader(tmp_path / "journal").books().imbalance()


def test_a_stream_that_shows_its_losses_is_not_cut_by_an_outage() -> None:
    pipeline = make_pipeline()
    sent = messages(noise(4000), [500] * 8)
    pipeline.process(sent[:3], START_NS, 0.0)
    pipeline.connected(False)
    pipeline.process(sent[3:], START_NS, 0.0)
    assert [v.segment for v in pipeline.take_batch(True).verdicts] == [0, 0, 0, 0]


def test_a_sensor_whose_windows_are_all_dropped_is_not_ok() -> None:
    """The page showed green, and the status before, while every window was dropped as overload."""
    pipeline = make_pipeline(max_lag_s=2.0)
    sent = messages(noise(12_000), [1000] * 12)
    pipeline.process(sent[:1], START_NS, 0.0)
    pipeline.take_batch(True)
    for number, message in enumerate(sent[1:]):
        pipeline.process([message], START_NS + 60_000_000_000, 0.0)
        pipeline.tick(START_NS + (60 + number) * 1_000_000_000, 0.0)
    batch = pipeline.take_batch(True)
    assert [(v.status, v.reason, v.n_samples) for v in batch.verdicts] == [
        (Status.BAD_DATA, "overload", 0)
    ]
    assert batch.verdicts[0].first_sample > 0
    assert not imbalance([batch])
    assert "a sensor's clock is behind" in batch.events[0].text
