"""The pipeline's turns: what a batch holds, what is forgotten, and what other rules begin anew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.config import Config
from monitor.pipeline.pipeline import Pipeline
from monitor.pipeline.router import Rules
from monitor.records.batch import Batch
from monitor.records.commissioned import Baseline, Commissioned
from monitor.records.diagnosis import Ask, Diagnosed
from monitor.records.machine import Machine, ShaftSpeed, Surroundings
from monitor.records.signal import Delivery, Message
from monitor.records.verdict import Status
from tests.pipeline import test_edge_nodes
from tests.pipeline.test_diagnosing import Asked
from tests.pipeline.test_origins import GATEWAYS, of_json, on, tagged
from tests.pipeline.test_origins import pipeline as on_topic
from tests.signals import START_NS, configure, make_pipeline, messages, noise, rules

N_WINDOW = 1000
S = 10**9
SHAFT = Surroundings(Machine(ShaftSpeed(20.0, 20.0)))


def run(to: Pipeline, sent: Sequence[Message], with_tails: bool = True) -> Batch:
    for message in sent:
        to.process([message], START_NS, 0.0)
    return to.take_batch(with_tails)


def windows(n: int) -> list[Message]:
    return messages(noise(n * N_WINDOW), [N_WINDOW] * n)


def bare(message: Message, key: int, redelivered: bool = False) -> Message:
    """Only its source can tell that it came before."""
    return replace(message, properties={}, delivery=Delivery(key, key, redelivered))


def test_a_batch_holds_what_is_new_and_counts_each_message_once() -> None:
    found, sent = make_pipeline(), windows(3)
    first = run(found, sent[:2], with_tails=False)
    assert [update.sensor for update in first.streams] == ["m/p"]
    assert set(first.digests) == {1, 2}
    assert first.counters["messages_received"] == len(first.settled) == 2
    nothing = found.take_batch(with_tails=False)
    assert not nothing.streams
    assert not nothing.settled
    assert "messages_received" not in nothing.counters
    unowed = [replace(sent[2], delivery=None)]
    assert run(found, unowed).counters["messages_received"] == 1


@pytest.mark.parametrize(
    ("forgets_before", "n_dropped"), [(None, [0, 0]), (5, [0, 0]), (6, [1, 0]), (7, [1, 1])]
)
def test_what_cannot_come_again_is_forgotten(
    forgets_before: int | None, n_dropped: list[int]
) -> None:
    found, (one, other) = make_pipeline(), windows(2)
    run(found, [bare(one, 5), bare(other, 6)])
    if forgets_before is not None:
        found.forget_before(forgets_before)
    again = [run(found, [bare(one, 5, True)]), run(found, [bare(other, 6, True)])]
    assert [batch.books["m/p", "received", ""] // N_WINDOW for batch in again] == n_dropped


@pytest.mark.parametrize("is_resumed", [True, False])
def test_a_new_session_begins_its_keys_anew(is_resumed: bool) -> None:
    found, (one,) = make_pipeline(), windows(1)
    run(found, [bare(one, 5)])
    found.connected(is_resumed=is_resumed)
    again = run(found, [bare(one, 5, True)])
    assert (again.books["m/p", "received", ""] == 0) == is_resumed


def test_births_are_void_with_the_session_that_brought_them() -> None:
    found = Pipeline(rules(test_edge_nodes.config()), {}, {}, 0.0)
    births = test_edge_nodes.session()[:2]
    run(found, births)
    found.connected(is_resumed=False)
    assert found.take_batch(True).births == {one.topic: None for one in births}


def test_a_state_and_a_label_are_settled_too() -> None:
    found = make_pipeline(sensor={"running": {"topic": "plant/{machine}/running"}})
    label = b'{"sensor": "m/p", "word": "NG confirmed"}'
    sent = [
        Message("plant/m/running", b"on", START_NS, {}, Delivery(1, 1, False)),
        Message("camshaft/label", label, START_NS, {}, Delivery(2, 2, False)),
        Message("plant/m/running", b"odd", START_NS, {}, Delivery(3, 3, False)),
    ]
    assert [one.token for one in run(found, sent).settled] == [1, 2, 3]


def test_a_sender_that_is_refused_takes_nothing_from_others_of_its_message() -> None:
    found = of_json(parts="parts")
    for names, n_taken in (("ab", 2), ("ab", 1), ("ba", 1)):
        parts = [{"id": name, "samples": [1.0] * 10} for name in names]
        payload = json.dumps({"parts": parts}).encode()
        batch = run(found, [Message("gateway/m", payload, START_NS)])
        assert batch.books["m/main", "received", ""] == 10 * n_taken


# -- other rules ----------------------------------------------------------------------------------


def test_other_rules_tell_topics_and_senders_apart_anew() -> None:
    sent = messages(noise(4000), [500] * 8)
    first, second = (on(topic, sent, bare=True) for topic in GATEWAYS)
    topic = "gateway/+/{machine}/{point}"
    found = on_topic(topic)
    assert run(found, [first[0], second[1]]).counters["bad_payloads.ambiguous_topic"] == 1
    payload = {"format": "raw", "dtype": "float32"}
    config = configure(subscriptions=[{"topic": topic, "payload": payload}])
    found.change_rules(rules(config))
    assert not run(found, second[2:4]).bad_payloads
    one, other = (tagged(sent, {"id": name}) for name in "ab")
    found = of_json()
    mixed = [one[0], other[0], one[1], other[1]]
    assert run(found, mixed).counters["bad_payloads.ambiguous_sender"] == 1
    found.change_rules(found._rules)
    assert not run(found, other[2:]).bad_payloads


def test_other_rules_know_other_machines_and_limits() -> None:
    found = make_pipeline()
    run(found, windows(1))
    assert found.sensors["m/p"].verdicts.condition.machine is None
    late = replace(rules(configure(max_lag_s=1)), surroundings=lambda _name: SHAFT)
    found.change_rules(late)
    assert found.sensors["m/p"].verdicts.condition.machine is SHAFT
    found.process(windows(2)[1:], START_NS + 60 * S, 0.0)
    assert found.take_batch(True).books["m/p", "dropped", "overload"] == N_WINDOW


# -- diagnoses ------------------------------------------------------------------------------------


def served(asked: Asked, config: Config | None = None) -> Rules:
    found = rules(configure() if config is None else config)
    return replace(found, answer=asked, surroundings=lambda _name: SHAFT)


ASK = Ask(1, "m/p", START_NS, "Ann")


def test_who_asks_gets_an_answer_once_and_in_an_event() -> None:
    asked = Asked()
    found = Pipeline(served(asked), {}, {}, 0.0)
    found.ask([ASK], START_NS)
    found.ask([ASK], START_NS)
    batch = run(found, windows(20))
    assert [one.sensor for one in batch.diagnoses] == ["m/p"]
    ((answer),) = batch.answers
    assert (answer.ask_id, answer.text) == (1, "")
    (event,) = [one for one in batch.events if one.sensor == "m/p"]
    assert event.text == "asked by Ann: "
    assert len(asked.questions) == 1


def test_what_is_still_open_is_asked_of_other_rules_and_what_was_answered_is_not() -> None:
    asked = Asked()
    found = make_pipeline()
    found.ask([Ask(2, "m/p", START_NS, "Bo")], START_NS)  # no machine is known
    found.change_rules(served(asked))
    found.ask([Ask(2, "m/p", START_NS, "Bo"), ASK], START_NS)
    found.change_rules(served(asked))
    found.ask([Ask(2, "m/p", START_NS, "Bo"), ASK], START_NS)
    batch = run(found, windows(20))
    assert [answer.ask_id for answer in batch.answers] == [2, 1]
    assert "no entry of machines" in batch.answers[0].text
    assert batch.answers[1].text == ""


def test_who_asks_of_a_sensor_of_an_unknown_machine_is_told_at_once() -> None:
    asked = Asked()
    known = replace(served(asked), surroundings=lambda _name: None)
    found = Pipeline(known, {}, {}, 0.0)
    found.ask([ASK], START_NS)
    ((answer),) = run(found, windows(1)).answers
    assert "no entry of machines" in answer.text


def test_a_machine_that_is_known_is_judged_where_nothing_names_its_parts() -> None:
    known = replace(rules(configure()), surroundings=lambda _name: SHAFT)
    batch = run(Pipeline(known, {}, {}, 0.0), windows(20))
    assert len(batch.verdicts) == 20
    assert not batch.healthy


def test_a_partial_window_is_no_signal_of_a_machine() -> None:
    found = Pipeline(served(Asked()), {}, {}, 0.0)
    first, _, third = messages(noise(2300), [300, N_WINDOW, N_WINDOW])
    batch = run(found, [first, third])
    assert [one.reason for one in batch.verdicts] == ["gap", "not_commissioned"]


def test_a_course_of_speed_is_told_with_the_question() -> None:
    config = configure(context=[{"name": "rpm", "topic": "rpm/{machine}"}])
    near = Surroundings(Machine(), speed_context="rpm")
    asked = Asked()
    known = replace(served(asked, config), surroundings=lambda _name: near)
    found = Pipeline(known, {}, {}, 0.0)
    found.ask([ASK], START_NS)
    for number, message in enumerate(windows(20)):
        at_ns = START_NS + number * S // 2
        sent = [Message("rpm/m", b"1200", at_ns), replace(message, received_ns=at_ns)]
        found.process(sent, at_ns, 0.0)
    ((question),) = asked.questions
    assert [set(one.hz) for one in question.told_speeds] == [{20.0}]


def test_who_asks_of_a_sensor_that_sends_nothing_is_told() -> None:
    found = Pipeline(served(Asked()), {}, {}, 0.0)
    found.ask([ASK], START_NS)
    found.tick(START_NS + 600 * S, 0.0)
    assert found.take_batch(True).answers == []
    found.tick(START_NS + 600 * S + 1, 0.0)
    (answer,) = found.take_batch(True).answers
    assert answer.text == "no signal came that can be diagnosed"


class Named(Asked):
    def __call__(self, question: Any) -> Diagnosed:
        return replace(super().__call__(question), text="the gear", tree={"named": "gear"})


def commissioned(of: Pipeline, threshold: float) -> dict[str, Commissioned]:
    """By levels far below any signal's."""
    edges = of.geometry("m/p")
    assert edges is not None
    level = np.full((1, len(edges.f_edges_hz) - 1), -300.0, np.float32)
    own = Baseline(level, level, threshold)
    ours = Commissioned("m/p", edges.f_edges_hz, own, None, "", 0.0, 9, 0)
    return {"m/p": replace(ours, commissioning_id=3)}


def test_a_commissioning_holds_for_known_sensors_and_until_it_is_taken_back() -> None:
    found, sent = make_pipeline(), windows(3)
    run(found, sent[:1])
    found.commission(commissioned(found, 1e6))
    assert [one.status for one in run(found, sent[1:2]).verdicts] == [Status.OK]
    found.commission({})
    assert [one.status for one in run(found, sent[2:]).verdicts] == [Status.LEARNING]


@pytest.mark.parametrize(("near", "n"), [(SHAFT, 1), (Surroundings(Machine()), 0)])
def test_of_a_machine_whose_growth_can_be_told_a_healthy_signal_is_kept(
    near: Surroundings, n: int
) -> None:
    known = replace(served(Asked()), surroundings=lambda _name: near)
    found = Pipeline(known, {}, {}, 0.0)
    found.commission(commissioned(found, 1e6))
    healthy = run(found, windows(20)).healthy
    assert [(one.sensor, one.commissioning_id) for one in healthy] == [("m/p", 3)] * n


def test_an_alarm_says_what_is_broken() -> None:
    config = configure(sensor={"alarm": {"n": 1, "m": 1, "clear": 0}})
    found = Pipeline(served(Named(), config), {}, {}, 0.0)
    found.commission(commissioned(found, 0.1))
    batch = run(found, windows(1))
    assert [one.status for one in batch.verdicts] == [Status.NG]
    (event,) = [one for one in batch.events if one.kind == "alarm_raised"]
    assert event.text.endswith("; the gear")
    assert [one.text for one in batch.diagnoses] == ["the gear"]
    assert not batch.answers
