"""However many threads judge, every answer is the same, in the same order."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from monitor.evidence.model_folder import find_model
from monitor.evidence.network import Classifier
from monitor.pipeline.judging import Cut, Judge, Judgement, judge
from monitor.pipeline.pipeline import Pipeline
from monitor.pipeline.router import Rules
from monitor.pipeline.verdicts import Verdicts
from monitor.pipeline.workers import Workers, workers_here
from monitor.records.batch import Batch
from monitor.records.signal import Message, Window
from monitor.records.verdict import Verdict
from tests.signals import START_NS, configure, rules

RATE_HZ = 25_600
N_SENSORS, N_WINDOWS, PER_TURN = 9, 7, 31


@pytest.fixture(scope="module")
def known() -> Rules:
    config = configure(sensor={"sample_rate_hz": RATE_HZ, "model": "simulator"})
    return rules(config, Classifier(find_model("simulator")))


@pytest.fixture(scope="module")
def sent() -> list[Message]:
    """Sensors in turn, some broken, one that pauses and one of no signal at all."""
    rng = np.random.default_rng(5)
    found = []
    for second in range(N_WINDOWS):
        for sensor in range(N_SENSORS):
            if sensor == 4 and second == 3:
                continue
            n = RATE_HZ + (700 if sensor == 4 else 0)  # windows lie across its messages
            samples = rng.normal(size=n) * (0.0 if sensor == 6 else 1.0)
            if sensor % 3 == 0 and second > 1:
                samples[:: 1000 + sensor] += 40.0
            times = {"start_time_ns": str(START_NS + round(second * n / RATE_HZ * 1e9))}
            topic = f"vibration/mill {sensor}/spindle/waveform"
            payload = samples.astype("<f4").tobytes()
            found.append(Message(topic, payload, START_NS, times, None))
    return found


def judged(known: Rules, sent: list[Message], judge: Judge) -> Batch:
    pipeline = Pipeline(known, {}, {}, 0.0, judge=judge)
    for first in range(0, len(sent), PER_TURN):
        pipeline.process(sent[first : first + PER_TURN], START_NS, 0.0)
    return pipeline.take_batch(True)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_any_number_of_workers_gives_the_answers_of_one_thread(
    known: Rules, sent: list[Message], n: int
) -> None:
    alone = judged(known, sent, judge)
    workers = Workers(n)
    together = judged(known, sent, workers.judge)
    workers.close()
    assert len(alone.verdicts) == N_SENSORS * N_WINDOWS
    assert {one.status for one in alone.verdicts} >= {"NG", "BAD_DATA"}
    for one, other in zip(alone.verdicts, together.verdicts, strict=True):
        assert row(one) == row(other)
        for a, b in zip(one.evidence, other.evidence, strict=True):
            assert a.score == pytest.approx(b.score, abs=1e-5)
            np.testing.assert_allclose(a.cells, b.cells, atol=1e-5)
    assert together.events == alone.events
    assert together.books == alone.books
    assert kept(together) == kept(alone)


def row(verdict: Verdict) -> tuple[object, ...]:
    key = verdict.sensor, verdict.segment, verdict.first_sample, verdict.start_ns
    return *key, verdict.status, verdict.reason, verdict.alarm, verdict.n_samples


def kept(batch: Batch) -> list[tuple[str, int, str]]:
    return [(one.sensor, one.first_sample, one.why) for one in batch.kept_windows]


@pytest.mark.parametrize("number", [0, 4, 8])
def test_a_fault_in_any_thread_is_the_callers(
    known: Rules, sent: list[Message], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Verdicts.of_window

    def fail(verdicts: Verdicts, window: Window, *found: Any) -> Any:
        if window.sensor == f"mill {number}/spindle":
            raise RuntimeError(window.sensor)
        return whole(verdicts, window, *found)

    monkeypatch.setattr(Verdicts, "of_window", fail)
    pipeline = Pipeline(known, {}, {}, 0.0, judge=Workers(3).judge)
    with pytest.raises(RuntimeError, match=f"mill {number}"):
        pipeline.process(sent[:PER_TURN], START_NS, 0.0)


def test_where_none_is_needed_the_callers_thread_judges_by_itself(
    known: Rules, sent: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()

    def noting(work: Sequence[Cut]) -> Iterator[Judgement]:
        threads.add(threading.get_ident())
        return judge(work)

    monkeypatch.setattr("monitor.pipeline.workers.judge", noting)
    workers = Workers(2)
    workers.are_needed = False
    judged(known, sent, workers.judge)
    assert threads == {threading.get_ident()}
    workers.are_needed = True
    judged(known, sent, workers.judge)
    assert len(threads) == 2
    workers.close()


def test_untold_there_is_a_worker_for_each_processor() -> None:
    assert workers_here(3) == 3
    assert 1 <= workers_here(None) <= 4
