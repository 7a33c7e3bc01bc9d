"""What a turn counts: each thing once, with the stream that shows it, within limits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.pipeline.judging import Cut, Judgement, judge
from monitor.pipeline.pipeline import Pipeline
from monitor.records.batch import Batch
from monitor.records.signal import Delivery, Message
from monitor.records.verdict import Status
from tests.pipeline.test_origins import GATEWAYS, in_turn, of_json, on, tagged
from tests.pipeline.test_origins import pipeline as on_topic
from tests.signals import START_NS, configure, make_pipeline, messages, noise, rules

N_WINDOW = 1000
S = 10**9


def windows(n: int, **how: Any) -> list[Message]:
    return messages(noise(n * N_WINDOW), [N_WINDOW] * n, **how)


def run(to: Pipeline, sent: Sequence[Message], late_s: int = 0) -> Batch:
    """Without tails: streams that must go along go by themselves."""
    for message in sent:
        to.process([message], START_NS + late_s * S, 0.0)
    return stored(to)


def stored(to: Pipeline) -> Batch:
    batch = to.take_batch(with_tails=False)
    named = {one.sensor for one in batch.verdicts} | {key[0] for key in batch.books}
    assert named <= {update.sensor for update in batch.streams}
    return batch


# -- what is counted is stored with its stream ----------------------------------------------------


def test_a_whole_window_is_counted_with_its_message_and_its_fate() -> None:
    sent = windows(2)
    batch = run(make_pipeline(), [replace(sent[0], received_ns=START_NS + 7), sent[1]])
    assert batch.window_received_ns == [START_NS + 7, START_NS]
    assert batch.counters == {"windows.LEARNING": 2, "messages_received": 2}
    assert batch.books == {
        ("m/p", "received", ""): 2 * N_WINDOW,
        ("m/p", "analysed", "LEARNING"): 2 * N_WINDOW,
    }


def test_what_could_not_be_judged_is_no_sample_of_it() -> None:
    first, _, third = messages(noise(2300), [300, N_WINDOW, N_WINDOW])
    batch = run(make_pipeline(), [first, third])
    assert batch.books["m/p", "judged_bad", "gap"] == 300
    assert batch.books["m/p", "analysed", "LEARNING"] == N_WINDOW
    assert batch.counters["windows.BAD_DATA"] == batch.counters["breaks.gap"] == 1


def mismatched(work: Sequence[Cut]) -> Iterator[Judgement]:
    for one in judge(work):
        verdict = replace(one.verdict, status=Status.BAD_DATA, reason="map_mismatch")
        yield replace(one, verdict=verdict)


def test_a_map_that_does_not_add_up_is_an_error_of_ours() -> None:
    found = Pipeline(rules(configure()), {}, {}, 0.0, judge=mismatched)
    batch = run(found, windows(2))
    assert batch.counters["errors.map_mismatch"] == 2
    assert batch.counters["windows.BAD_DATA"] == 2


def test_a_break_without_samples_is_stored_at_once() -> None:
    sent = windows(3)
    found = make_pipeline()
    run(found, sent[:1])
    half = messages(noise(500), [500])[0]
    batch = run(found, [replace(half, properties={"sequence": "7"})])
    assert batch.counters["breaks.gap"] == 1
    assert [update.position.segment for update in batch.streams] == [1]


@pytest.mark.parametrize("what", ["retained", "duplicate"])
def test_what_is_dropped_is_stored_at_once(what: str) -> None:
    found, (one,) = make_pipeline(), windows(1)
    run(found, [one])
    again = replace(one, delivery=Delivery("again", 9, False), retained=what == "retained")
    assert run(found, [again]).books["m/p", "dropped", what] == N_WINDOW


def test_windows_that_are_shed_are_counted_one_by_one() -> None:
    found = make_pipeline(max_lag_s=2)
    batch = run(found, windows(3), late_s=60)
    assert batch.books["m/p", "dropped", "overload"] == 3 * N_WINDOW
    assert batch.counters["windows_shed"] == 3
    for _ in range(3):
        found.tick(START_NS, 0.0)
    assert [one.reason for one in stored(found).verdicts] == ["overload"]


def test_silence_and_a_snapshot_that_is_too_short_are_stored_at_once() -> None:
    found = make_pipeline()
    run(found, windows(1))
    found.tick(START_NS, 60.0)
    assert [one.reason for one in stored(found).verdicts] == ["silent"]
    found = make_pipeline(sensor={"acquisition": "snapshot"})
    short = [replace(one, properties={}) for one in messages(noise(200), [100, 100])]
    assert [one.reason for one in run(found, short).verdicts] == ["snapshot_too_short"]


def test_a_missing_message_is_stored_at_once() -> None:
    found, (one,) = make_pipeline(), windows(1)
    run(found, [one])
    batch = run(found, [replace(one, payload=b"x", delivery=None)])
    assert [update.position.missing for update in batch.streams] == ["refused_message"]


def test_who_takes_no_samples_of_a_message_does_not_keep_it_waiting() -> None:
    """Neither one of another topic nor one of another sender."""
    sent = messages(noise(250), [25] * 10)
    first, second = (on(topic, sent) for topic in GATEWAYS)
    of_topics = on_topic("gateway/+/{machine}/{point}"), [first[0], second[1]]
    one, other = (tagged(sent, {"id": name}) for name in "ab")
    of_senders = of_json(), in_turn(one, other)[:4]
    for found, some in (of_topics, of_senders):
        numbered = [
            replace(message, delivery=Delivery(key, key, False))
            for key, message in enumerate(some)
        ]
        batch = run(found, numbered)
        assert [one.token for one in batch.settled] == [len(some) - 1]
        assert len(batch.bad_payloads) == 1


def test_what_waits_and_for_how_long() -> None:
    found = make_pipeline()
    assert (found.n_pending, found.waited_s(7.0), found.has_verdicts) == (0, 0.0, False)
    for now_s, message in enumerate(messages(noise(900), [300] * 3)):
        found.process([message], START_NS, float(now_s))
    assert (found.n_pending, found.waited_s(7.0), found.has_verdicts) == (3, 7.0, False)
    found.process(windows(1, sensor="m/q"), START_NS, 3.0)
    assert (found.n_pending, found.has_verdicts) == (4, True)
    stored(found)
    assert (found.n_pending, found.has_verdicts) == (3, False)


def test_what_the_source_found_out_is_counted_and_told() -> None:
    found = make_pipeline()
    found.note("lost", "so many", 7, START_NS)
    found.note("lost", "more", 2, START_NS)
    batch = stored(found)
    assert batch.counters == {"lost": 9}
    told = [(one.at_ns, one.sensor, one.kind, one.text) for one in batch.events]
    assert told == [(START_NS, "", "lost", "so many"), (START_NS, "", "lost", "more")]


def test_what_is_tolerated_is_counted_once_a_message() -> None:
    payload = json.dumps({"samples": [1.0, 2.0]}).encode() + b"\0"
    batch = run(of_json(), [Message("gateway/m", payload, START_NS)] * 3)
    assert batch.counters["tolerated.nul_bytes"] == 3


# -- maps -----------------------------------------------------------------------------------------

STILL = {"running": {"limit_rms_ms2": 0.5}}


def test_whoever_waits_for_maps_gets_them_from_known_and_from_new_sensors() -> None:
    found = make_pipeline(
        journal={"maps": "ng"}, sensor={"running": {"limit_rms_ms2": 1e6}}
    )

    def keeps(number: int) -> dict[str, bool]:
        names = ("m/known", "m/p") if number == 0 else ("m/known", "m/new", "m/p")
        sent = [windows(4, sensor=name)[number] for name in names]
        return {one.sensor: one.keeps_maps for one in run(found, sent).verdicts}

    assert keeps(0) == {"m/known": False, "m/p": False}
    found.keep_all_maps_of({"m/known", "m/new"})
    assert keeps(1) == {"m/known": True, "m/new": True, "m/p": False}
    found.keep_all_maps_of({"m/known", "m/new"})
    assert keeps(2) == {"m/known": True, "m/new": True, "m/p": False}
    found.keep_all_maps_of(set())
    assert not any(keeps(3).values())


def test_maps_before_a_change_are_kept_after_all() -> None:
    found = make_pipeline(journal={"maps": "changes"}, sensor=STILL)
    signal = noise(4 * N_WINDOW)
    signal[:, 3 * N_WINDOW :] *= np.float32(0.01)
    batch = run(found, messages(signal, [N_WINDOW] * 4))
    assert [one.first_sample for one in batch.late_maps] == [N_WINDOW, 2 * N_WINDOW]


# -- limits ---------------------------------------------------------------------------------------


def named(name: str, payload: bytes | None = None) -> Message:
    (sent,) = messages(noise(10), [10], name)
    return sent if payload is None else replace(sent, payload=payload)


def test_there_are_five_thousand_sensors_at_most() -> None:
    found = make_pipeline()
    run(found, [named("m/p")])
    others = (f"m{number}/p" for number in range(4997))
    found.sensors.update(dict.fromkeys(others, found.sensors["m/p"]))
    assert not run(found, [named("new/1")]).bad_payloads
    assert run(found, [named("new/2", b"x")]).counters["bad_payloads.bad_length"] == 1
    assert len(found.sensors) == 5000
    refused = run(found, [named("new/3"), named("new/4", b"x"), named("new/1")])
    assert refused.counters["bad_payloads.too_many_sensors"] == 1
    assert len(found.sensors) == 5000


def test_who_is_understood_makes_room_for_garbage_of_new_names() -> None:
    found = make_pipeline()
    run(found, [named(f"m{number}/p", b"x") for number in range(501)])
    assert len(found.sensors) == 500
    run(found, [named("m0/p"), named("new/p", b"x")])
    assert len(found.sensors) == 501
    run(found, [named("newer/p", b"x")])
    assert len(found.sensors) == 501


def test_of_a_bad_payload_64_bytes_are_kept() -> None:
    payload = bytes(range(199))
    (bad,) = run(make_pipeline(), [named("m/p", payload)]).bad_payloads
    assert bad.head == payload[:64]


@pytest.mark.parametrize(("n", "is_taken"), [(200, True), (201, False)])
def test_a_name_that_topic_and_payload_give_together_is_no_longer_than_any(
    n: int, is_taken: bool
) -> None:
    payload = {"format": "json", "machine": "id", "time": None}
    found = make_pipeline(subscriptions=[{"topic": "data/{point}", "payload": payload}])
    said = json.dumps({"id": "m" * 90, "samples": [1.0, 2.0]}).encode()
    batch = run(found, [Message("data/" + "p" * (n - 91), said, START_NS)])
    assert [len(name) for name in found.sensors] == ([n] if is_taken else [])
    assert batch.counters["bad_payloads.unmatched_sensor"] == (not is_taken)
