"""What is held out stays out of the training data, by whatever way it comes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.evidence.model_folder import load_model_manifest
from monitor.journal.labels import LabelStore
from monitor.journal.writer import Journal
from monitor.recordings.manifest import RecordingSet
from monitor.recordings.recording import read
from monitor.records.labels import Label, LabelRequest
from tests.signals import START_NS
from tests.training.conftest import N_WINDOW
from tests.training.test_live_and_offline import live
from training.dataset import Dataset, concatenate
from training.gates import leak_gate
from training.labelled_windows import labelled_dataset
from training.leaks import HeldOut, runs_on_both_sides

PAIRS = [("machine", "M2")]
OTHER = {"machine": "M7", "point": "spindle"}


@pytest.fixture(scope="module")
def held_out(plant: RecordingSet) -> HeldOut:
    return HeldOut(PAIRS, plant.recordings)


@settings(max_examples=40)
@given(
    which=st.integers(0, 5),
    first=st.integers(0, N_WINDOW // 2),
    scale=st.floats(1e-3, 1e3),
    step=st.sampled_from([0.0, 1e-4]),
)
def test_a_held_out_recording_is_known_by_another_name_offset_and_scale(
    plant: RecordingSet,
    held_out: HeldOut,
    which: int,
    first: int,
    scale: float,
    step: float,
) -> None:
    """step : of the numbers in which it was sent, a share of its largest; 0 for floats"""
    signal = read([one for one in plant.recordings if one.machine == "M2"][which])
    part = signal[:, first : first + N_WINDOW // 2] * np.float32(scale)
    if step:
        unit = np.float32(np.abs(part).max() * step)
        part = np.rint(part / unit) * unit
    assert held_out.why(OTHER, part) == "part of a held-out recording"


def test_other_signals_are_no_leak(plant: RecordingSet, held_out: HeldOut) -> None:
    for one in plant.recordings:
        why = held_out.why({"machine": one.machine, "point": one.point}, read(one))
        assert why == ("of the held-out machine M2" if one.machine == "M2" else "")
    silence = np.zeros((2, N_WINDOW), np.float32)
    assert held_out.why(OTHER, silence) == ""


def test_a_held_out_column_that_live_windows_lack_keeps_all_of_them_out(
    plant: RecordingSet,
) -> None:
    noise = np.random.default_rng(1).normal(size=(2, N_WINDOW)).astype(np.float32)
    by_operation = HeldOut([("operation", "OP1")], plant.recordings)
    assert by_operation.why(OTHER, noise) == "perhaps of the held-out operation OP1"
    by_run = HeldOut([("group", "M2-1")], plant.recordings)
    assert by_run.why(OTHER, noise) == ""


def test_a_held_out_recording_that_was_played_live_and_labelled_is_not_trained_on(
    plant: RecordingSet, held_out: HeldOut, model_folder: Path, tmp_path: Path
) -> None:
    some = [one for one in plant.recordings if one.machine == "M2"][:3]
    played = np.concatenate([read(one) for one in some], axis=1)[:, 300:]
    other = np.random.default_rng(8).normal(size=(2, N_WINDOW)).astype(np.float32)
    samples = np.concatenate([played[:, : 2 * N_WINDOW], other], axis=1)
    path = tmp_path / "live.journal"
    store = Journal(path)
    store.commit(live(model_folder, samples, [N_WINDOW] * 3, -1000.0, "M7/spindle"))
    store.close()
    labels = LabelStore(path)
    for row_id in (1, 2, 3):
        labels.add(LabelRequest(Label("NG confirmed"), START_NS, row_id))
    labels.close()
    analysed = labelled_dataset(
        path, load_model_manifest(model_folder).settings, 2, held_out
    )
    assert analysed.left_out == {"part of a held-out recording": 2}
    assert analysed.dataset is not None
    assert len(analysed.dataset) == 1


def test_a_planted_leak_makes_the_gate_fail(dataset: Dataset) -> None:
    aside = dataset.column("machine") == "M2"
    train, test = dataset.select(~aside), dataset.select(aside)
    assert leak_gate(runs_on_both_sides(train, test, PAIRS)).passed
    renamed = test.select(np.arange(2))
    renamed.columns["machine"][:] = "M0"
    renamed.columns["group"][:] = "late"
    planted = concatenate(train, renamed)
    assert runs_on_both_sides(planted, test, PAIRS) == ["M0/spindle/late"]
    of_machine = concatenate(train, test.select(np.arange(3, 5)))
    assert not leak_gate(
        runs_on_both_sides(of_machine, test.select(np.arange(9, 12)), PAIRS)
    ).passed
