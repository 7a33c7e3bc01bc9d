"""Windows that raise alarms are occluded: which, from what, and what is stored of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from monitor.config import JournalSettings
from monitor.evidence.model_folder import find_model
from monitor.evidence.network import Classifier
from monitor.evidence.novelty import commission
from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.pipeline import occluding
from monitor.pipeline.judging import Cut, Judge, Judgement, judge
from monitor.pipeline.pipeline import Pipeline
from monitor.pipeline.router import Rules
from monitor.pipeline.sensor import Sensor
from monitor.pipeline.workers import Workers
from monitor.records.batch import Batch, Event
from monitor.records.commissioned import Commissioned
from monitor.records.occlusion import Occlusion
from monitor.records.signal import Float32, Message, Window
from monitor.records.verdict import Status
from monitor.signal.spectrogram import spectrogram, to_grid
from monitor.simulator.known import KnownMachine, Part
from tests.signals import START_NS, configure, rules
from tests.verdicts import make_verdict

RATE_HZ = 25_600
N_SECONDS = 4


@cache
def signal(part: Part, seed: int = 2) -> Float32:
    return KnownMachine(part, seed).block(N_SECONDS * RATE_HZ).astype("<f4")


@cache
def known(model: str = "simulator", channels: tuple[str, ...] = ("x",)) -> Rules:
    sensor = {"sample_rate_hz": RATE_HZ, "model": model, "channels": list(channels)}
    return rules(configure(sensor=sensor), Classifier(find_model(model)))


def sent(name: str, samples: Float32) -> list[Message]:
    """Two messages a second."""
    topic, n = f"vibration/{name}/waveform", RATE_HZ // 2
    return [
        Message(
            topic,
            samples[:, first : first + n].T.astype("<f4").tobytes(),
            START_NS,
            {"start_time_ns": str(START_NS + first * 10**9 // RATE_HZ)},
        )
        for first in range(0, samples.shape[1], n)
    ]


def own(name: str, rules_: Rules, healthy: Float32) -> Commissioned:
    """From windows of the healthy machine."""
    analyser = rules_.analysers[0]
    n = analyser.settings.n_window
    windows = healthy[:, : healthy.shape[1] // n * n].reshape(len(healthy), -1, n)
    psd_db = spectrogram(windows.swapaxes(0, 1), analyser.settings)
    baseline = commission(to_grid(psd_db, analyser.grid.shape[1]))
    edges = analyser.grid.f_edges_hz
    return Commissioned(name, edges, baseline, None, "", 0.0, len(psd_db), 0)


def run(
    some: Sequence[Message],
    commissioned: Mapping[str, Commissioned],
    rules_: Rules | None = None,
    per_turn: int = 3,
    by: Judge = judge,
) -> Batch:
    """All of it in one batch, after as many turns as it takes."""
    pipeline = Pipeline(rules_ or known(), {}, {}, 0.0, judge=by)
    pipeline.commission(commissioned)
    for first in range(0, len(some), per_turn):
        pipeline.process(some[first : first + per_turn], START_NS, 0.0)
    while pipeline.is_occluding:
        pipeline.process([], START_NS, 0.0)
    return pipeline.take_batch(True)


def raised(batch: Batch) -> list[tuple[str, int]]:
    return sorted((e.sensor, e.at_ns) for e in batch.events if e.kind == "alarm_raised")


def by_window(batch: Batch) -> dict[tuple[str, int], Occlusion]:
    return {(verdict.sensor, verdict.end_ns): one for verdict, one in batch.occlusions}


PLANT: dict[str, Part] = {"a/1": "outer race", "b/1": "healthy", "c/1": "inner race"}


@cache
def plant() -> tuple[list[Message], dict[str, Commissioned]]:
    """Two broken machines, and a healthy one."""
    streams = [sent(name, signal(part)) for name, part in PLANT.items()]
    messages = [one for turn in zip(*streams, strict=True) for one in turn]
    owns = {name: own(name, known(), signal("healthy")) for name in PLANT}
    return messages, owns


@cache
def found() -> Batch:
    return run(*plant())


def test_every_window_that_raised_an_alarm_and_no_other() -> None:
    batch = found()
    assert sorted(by_window(batch)) == raised(batch)
    assert {sensor for sensor, _ in raised(batch)} == {"a/1", "c/1"}
    assert {verdict.status for verdict, _ in batch.occlusions} == {Status.NG}
    assert any(verdict.sensor == "b/1" for verdict in batch.verdicts)


@pytest.mark.parametrize(("n_workers", "per_turn"), [(1, 1), (2, 7), (7, 1000)])
def test_it_is_the_same_however_many_threads_judge_and_messages_come(
    n_workers: int, per_turn: int
) -> None:
    workers = Workers(n_workers)
    again = run(*plant(), per_turn=per_turn, by=workers.judge)
    workers.close()
    expected, other = by_window(found()), by_window(again)
    assert other.keys() == expected.keys()
    for key, one in expected.items():
        np.testing.assert_allclose(other[key].falls, one.falls, atol=1e-5)
        bands = [(band.low_hz, band.high_hz) for band in one.bands]
        assert [(band.low_hz, band.high_hz) for band in other[key].bands] == bands


@pytest.mark.parametrize(("model", "channels"), [("simulator", "x"), ("bearing", "xy")])
def test_parts_are_set_to_the_commissioned_level(model: str, channels: str) -> None:
    """By hand, for one patch and the first band: of absolute levels, and of relative ones."""
    rules_, n = known(model, tuple(channels)), len(channels)
    broken = 4 * np.repeat(signal("outer race"), n, axis=0)
    healthy = np.repeat(signal("healthy"), n, axis=0)
    baseline = own("a/1", rules_, healthy)
    batch = run(sent("a/1", broken), {"a/1": baseline}, rules_)
    ((verdict, one),) = batch.occlusions
    analyser, end = rules_.analysers[0], verdict.first_sample + verdict.n_samples
    samples = broken[None, :, verdict.first_sample : end]
    psd_db = spectrogram(samples, analyser.settings)[0]
    own_db = baseline.baseline.centre_db

    def logit(bands: slice, frames: slice) -> float:
        assert analyser.classifier is not None
        changed = psd_db.copy()
        changed[:, bands, frames] = own_db[:, bands, None]
        if model == "bearing":
            changed -= own_db[..., None]
        return float(analyser.classifier.predict(changed[None])[0][0])

    network = verdict.of_kind("network")
    assert network is not None
    assert logit(slice(0), slice(0)) == pytest.approx(network.score, abs=1e-4)
    place = np.unravel_index(int(one.falls.argmax()), one.falls.shape)
    starts = [round(t / analyser.settings.delta_t_s) for t in one.grid.t_edges_s]
    starts[-1] = psd_db.shape[2]
    band, patch = int(place[0]), int(place[1])
    left = logit(slice(band, band + 1), slice(starts[patch], starts[patch + 1]))
    assert network.score - left == pytest.approx(one.falls[place], abs=1e-4)
    edges = one.grid.f_edges_hz
    first, last = edges.index(one.bands[0].low_hz), edges.index(one.bands[0].high_hz)
    assert one.bands[0].logit == pytest.approx(
        logit(slice(first, last), slice(None)), abs=1e-4
    )


def test_without_a_baseline_or_a_network_there_is_none() -> None:
    messages = sent("a/1", signal("outer race"))
    batch = run(messages, {})
    assert raised(batch)
    assert batch.occlusions == []
    bare = rules(configure(sensor={"sample_rate_hz": RATE_HZ, "window_s": 0.1}))
    batch = run(messages, {"a/1": own("a/1", bare, signal("healthy"))}, bare)
    assert raised(batch)
    assert batch.occlusions == []


def test_what_was_stored_is_read_back_and_goes_with_its_window(tmp_path: Path) -> None:
    batch, path = found(), tmp_path / "journal"
    journal = Journal(path)
    journal.commit(batch)
    reader = JournalReader(path)
    rows = {(row.verdict.sensor, row.verdict.end_ns): row.row_id for row in reader.rows()}
    for key, one in by_window(batch).items():
        stored = reader.occlusion(rows[key])
        assert stored is not None
        np.testing.assert_array_equal(stored.falls, one.falls)
        assert (stored.grid, stored.bands) == (one.grid, one.bands)
        assert reader.newest_occluded(key[0], key[1], key[1]) == rows[key]
        assert reader.newest_occluded(key[0], key[1] + 1, key[1] + 2) is None
    others = rows.keys() - by_window(batch).keys()
    assert all(reader.occlusion(rows[key]) is None for key in others)
    while any(reader.rows()):
        journal.thin(0, 0, [])
    assert all(reader.occlusion(row_id) is None for row_id in rows.values())
    journal.commit(Batch(occlusions=batch.occlusions))  # late: its window has been thinned
    assert all(reader.occlusion(row_id) is None for row_id in rows.values())


def test_a_journal_that_an_older_program_wrote_last_has_none(tmp_path: Path) -> None:
    Journal(tmp_path / "journal").close()
    link = sqlite3.connect(tmp_path / "journal")
    link.execute("DROP TABLE occlusion")
    reader = JournalReader(tmp_path / "journal")
    assert reader.occlusion(1) is None
    assert reader.newest_occluded("a/1", 0, 1) is None
    journal = Journal(tmp_path / "journal")  # a newer one makes it
    journal.commit(found())
    assert reader.newest_occluded("a/1", 0, 2**62) is not None


def test_while_messages_wait_for_long_it_waits_too() -> None:
    messages, owns = plant()
    pipeline = Pipeline(known(), {}, {}, 0.0)
    pipeline.commission(owns)
    for one in messages:
        pipeline.process([one], START_NS + 60 * 10**9, 0.0)
    behind = pipeline.take_batch(True)
    assert raised(behind)
    assert pipeline.is_occluding
    assert behind.occlusions == []
    while pipeline.is_occluding:
        pipeline.process([], START_NS, 0.0)
    assert by_window(pipeline.take_batch(True)).keys() == by_window(found()).keys()


def test_of_a_plant_that_trips_the_first_alarm_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(occluding, "MAX_BYTES", 4 * RATE_HZ)  # one window
    batch = run(*plant(), per_turn=1000)
    assert sorted(by_window(batch)) == raised(batch)[:1]


@pytest.mark.parametrize("status", [Status.OK, Status.NG])
def test_an_alarm_that_an_ok_window_raised_has_none(
    status: Status,
) -> None:
    """A block of windows that has too many NG ones may end in OK."""
    name, analyser = "a/1", known().analysers[0]
    sensor = Sensor(name, analyser, JournalSettings(), 0.0)
    sensor.verdicts.commissioned = plant()[1][name]
    samples = signal("healthy")[:, :RATE_HZ]
    window = Window(name, 0, 0, START_NS, float(RATE_HZ), samples, RATE_HZ)
    verdict = make_verdict(sensor=name, status=status)
    event = Event(verdict.end_ns, name, "alarm_raised")
    waiting = occluding.Occluder()
    cut = Cut(sensor, analyser, window)
    waiting.take(Judgement(verdict, RATE_HZ, events=[event], cut=cut))
    assert waiting.is_busy == (status is Status.NG)
