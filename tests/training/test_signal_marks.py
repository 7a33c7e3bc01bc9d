"""A signal is known under any name, from any place on, in any unit; two are never taken for one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from monitor.evidence.model_folder import load_model_manifest
from monitor.records.signal import Float32
from training import TrainingError
from training.dataset import Dataset, concatenate
from training.evaluate import known_by_name, renamed, split_by_model
from training.signal_marks import (
    FEW,
    N_OF_RUN,
    Marks,
    marks_in,
    marks_of,
    marks_of_runs,
    marks_text,
    same_signals,
)
from training.splits import by_group, leave_one_out, refuse_same_signal

N_WINDOW = 1000


def noise(seed: int, n: int = 20_000, colour: float = 0.5) -> Float32:
    """Two channels."""
    white = np.random.default_rng(seed).normal(size=(2, n))
    return np.asarray(lfilter([1.0], [1.0, -colour], white), np.float32)


def marks_of_run(signal: Float32) -> Marks:
    n = signal.shape[1] // N_WINDOW
    windows = signal[:, : n * N_WINDOW].reshape(2, n, N_WINDOW).swapaxes(0, 1)
    return marks_of_runs(np.full(n, "run"), marks_of(windows))["run"]


def are_same(one: Float32, other: Float32) -> bool:
    return bool(same_signals({"a": marks_of_run(one)}, {"b": marks_of_run(other)}))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 100),
    first=st.integers(0, 15_000),
    scale=st.floats(1e-3, 1e3),
    offset=st.floats(-1.0, 1.0),
    step=st.sampled_from([0.0, 1e-4]),
)
def test_a_quarter_of_a_run_is_known(
    seed: int, first: int, scale: float, offset: float, step: float
) -> None:
    """step : of the numbers in which it was stored, a share of its largest; 0 for floats"""
    whole = noise(seed)
    part = whole[:, first : first + 5_000]
    if step:
        unit = np.float32(np.abs(part).max() * step)
        part = np.rint(part / unit) * unit
    part = np.asarray(np.float32(scale) * (part + np.float32(offset)), np.float32)
    assert are_same(whole, part)
    assert are_same(part, whole)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), colour=st.sampled_from([-0.9, 0.0, 0.9]))
def test_two_signals_of_one_machine_are_not_one(seed: int, colour: float) -> None:
    assert not are_same(noise(2 * seed, 8000, colour), noise(2 * seed + 1, 8000, colour))


@pytest.mark.parametrize("hz", [0.0, 0.0101, 0.2031])
@pytest.mark.parametrize("noise_share", [0.0, 1e-4, 1e-2])
def test_of_a_tone_nothing_is_told(hz: float, noise_share: float) -> None:
    """hz : a share of the sample rate. Peaks of any two tones are alike."""
    tone = np.sin(2 * np.pi * hz * np.arange(20_000), dtype=np.float32)
    one, other = (tone + np.float32(noise_share) * noise(seed) for seed in (1, 2))
    assert not are_same(one, other)


def test_marks_come_back_from_text() -> None:
    marks = marks_of_run(noise(1))
    assert len(marks) == N_OF_RUN > FEW
    np.testing.assert_array_equal(marks_in(marks_text(marks)), marks)


def with_a_copy(dataset: Dataset) -> Dataset:
    """Machine M2's first run once more, as if a fourth machine had made it."""
    copy = dataset.select(dataset.run == dataset.run[dataset.column("machine") == "M2"][0])
    names = {"machine": np.full(len(copy), "M9"), "group": np.full(len(copy), "copy")}
    return concatenate(dataset, replace(copy, columns={**copy.columns, **names}))


def test_a_signal_that_would_judge_what_learned_from_it_is_refused(
    dataset: Dataset,
) -> None:
    planted = with_a_copy(dataset)
    sentence = r"run '.*', of the training, holds the signal of run '.*', which judges it"
    with pytest.raises(TrainingError, match=sentence):
        leave_one_out(planted, "machine")
    with pytest.raises(TrainingError, match=sentence):
        by_group(planted, "run", 8)
    aside = planted.column("machine") == "M2"
    with pytest.raises(TrainingError, match=sentence):
        refuse_same_signal("hold-out", planted.select(~aside), planted.select(aside))
    aside |= planted.column("machine") == "M9"
    refuse_same_signal("hold-out", planted.select(~aside), planted.select(aside))


def test_a_model_knows_what_it_learned_from_under_other_names(
    dataset: Dataset, model_folder: Path
) -> None:
    """As where the same files stand in another manifest, of another name, without machines."""
    model = load_model_manifest(model_folder)
    columns = {**dataset.columns, "machine": np.full(len(dataset), "elsewhere")}
    other = replace(dataset, columns=columns)
    assert not known_by_name(model, other)
    seen, unseen = split_by_model(model, other)
    assert set(dataset.column("machine")[np.isin(other.run, unseen.run)]) == {"M2"}
    assert len(seen) + len(unseen) == len(dataset)
    (sentence,) = renamed(model, other)
    assert sentence.startswith("Left out are runs that the model learned from")
    assert sentence.endswith("the first of 16.")
    assert not renamed(model, dataset)
