"""What is held out stays out of the training data, by whatever way it comes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.evidence.model_folder import load_model_manifest
from monitor.journal.labels import LabelStore
from monitor.journal.writer import Journal
from monitor.recordings.manifest import RecordingSet, load_manifest
from monitor.recordings.recording import read
from monitor.records.labels import Label, LabelRequest
from monitor.records.signal import Float32
from tests.signals import START_NS
from tests.training.conftest import N_WINDOW
from tests.training.test_live_and_offline import live
from tests.training.test_thresholds import made
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
    step=st.sampled_from([0.0, 1e-4, 3e-4]),
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


GAP = 110  # samples between peaks
BESIDE = (0.3, -0.5, 0.6, 0.1, 1.0, 0.4, -0.2, 0.5, 0.2)  # a peak, and four on each side


def one_peak(height: float, at: int, beside: Sequence[float] = BESIDE) -> Float32:
    slope = np.zeros(GAP, np.float32)
    slope[at - 4 : at + 5] = height * np.array(beside)
    return slope


def signal(slopes: Sequence[Float32]) -> Float32:
    return np.cumsum(np.concatenate([np.zeros(1), *slopes]), dtype=np.float32)[None]


def unlike(number: int) -> tuple[float, ...]:
    """What stands beside a peak of another signal."""
    beside = np.random.default_rng(number).uniform(-0.8, 0.8, 9)
    beside[4] = 1.0
    return tuple(beside)


@pytest.fixture(scope="module")
def held_peak(tmp_path_factory: pytest.TempPathFactory) -> HeldOut:
    """One peak is known, of a held-out recording; of another machine's, one that has no like."""
    folder = tmp_path_factory.mktemp("peaks")
    np.save(folder / "a.npy", signal([one_peak(1.0, 50)]))
    np.save(folder / "b.npy", signal([one_peak(1.0, 50, unlike(99))]))
    rows = "path,label,machine,group\na.npy,ok,A,1\nb.npy,ok,B,2\n"
    (folder / "recordings.csv").write_text(rows, encoding="utf-8")
    path = folder / "set.yaml"
    path.write_text(
        "name: peaks\nfiles: {format: npy, axes: [channel, time], sample_rate_hz: 2000,"
        " channels: [x]}\nconstants: {point: p}\ngroups: [machine]\n",
        encoding="utf-8",
    )
    pairs = [("machine", "A"), ("group", "none")]
    return HeldOut(pairs, load_manifest(path).recordings)


def is_known(held: HeldOut, slopes: Sequence[Float32]) -> bool:
    return held.why(OTHER, signal(slopes)) == "part of a held-out recording"


@pytest.mark.parametrize(
    ("n_known", "n_other", "expected"),
    [(4, 0, False), (5, 0, True), (5, 5, True), (5, 6, False), (1, 9, False)],
)
def test_half_of_five_peaks_must_be_known(
    held_peak: HeldOut, n_known: int, n_other: int, expected: bool
) -> None:
    others = [one_peak(1.0, 50, unlike(n)) for n in range(n_other)]
    assert is_known(held_peak, [one_peak(2.0, 50)] * n_known + others) is expected


@pytest.mark.parametrize(
    ("place", "off", "expected"),
    [
        (0, 0.04, False),
        (8, 0.04, False),
        (0, 0.005, True),  # numbers may have been rounded
        (8, 0.005, True),
    ],
)
def test_four_samples_on_each_side_must_be_alike(
    held_peak: HeldOut, place: int, off: float, expected: bool
) -> None:
    beside = list(BESIDE)
    beside[place] += off
    assert is_known(held_peak, [one_peak(1.0, 50, beside)] * 9) is expected


def test_a_fifth_sample_says_nothing(held_peak: HeldOut) -> None:
    slope = one_peak(1.0, 50)
    slope[45] = slope[55] = 0.9
    assert is_known(held_peak, [slope] * 9)


@pytest.mark.parametrize(("distance", "expected"), [(16, True), (32, True), (33, False)])
def test_a_peak_is_highest_within_32_samples(
    held_peak: HeldOut, distance: int, expected: bool
) -> None:
    """Two unknown ones stand beside each, and count if they are far enough."""
    lower = [one_peak(0.9, 50 + side * distance, unlike(side + 1)) for side in (-1, 1)]
    assert is_known(held_peak, [one_peak(1.0, 50) + sum(lower)] * 9) is expected


@pytest.mark.parametrize("at_end", [False, True])
def test_what_stands_near_an_end_may_be_no_peak(held_peak: HeldOut, at_end: bool) -> None:
    slope = np.concatenate([one_peak(1.0, 50)] * 5)
    cut = slice(0, -50) if at_end else slice(40, None)
    assert not is_known(held_peak, [slope[cut]])
    assert is_known(held_peak, [slope])


def test_any_of_several_groups_is_held_out(plant: RecordingSet) -> None:
    held = HeldOut([("machine", "M1"), ("machine", "M2")], plant.recordings)
    known = {
        one.machine
        for one in plant.recordings
        if held.why(OTHER, read(one)) == "part of a held-out recording"
    }
    assert known == {"M1", "M2"}


def test_windows_of_one_signal_differ_by_rounding_alone() -> None:
    names = [str(number) for number in range(40)]
    test = made(["A"] * 40, [0] * 40, names)
    for off_db, expected in ((0.03, sorted(f"B/p/{name}" for name in names)), (0.08, [])):
        train = made(["B"] * 40, [0] * 40, names)
        train.psd_db[:] = test.psd_db + 0.01
        for number in range(40):
            train.psd_db[number, 0, number % 8] += off_db
        assert runs_on_both_sides(train, test, []) == expected


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
