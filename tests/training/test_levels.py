"""Levels relative to a sensor's own: what a network is shown, in training and live."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.evidence.limits import logit_threshold
from monitor.evidence.model_folder import load_model_manifest
from monitor.evidence.network import Classifier
from monitor.evidence.novelty import commission
from monitor.pipeline.pipeline import Pipeline
from monitor.recordings.manifest import RecordingSet, runs
from monitor.recordings.recording import read
from monitor.records.commissioned import Commissioned
from monitor.records.signal import Float32
from monitor.records.verdict import Status, Verdict
from monitor.signal.spectrogram import spectrogram, to_grid
from tests.signals import START_NS, configure, messages, rules
from tests.training.conftest import N_WINDOW, QUICK
from tests.training.scored import scored
from tests.verdicts import score_of
from training import TrainingError
from training.dataset import NG, OK, Dataset
from training.fold_model import n_columns
from training.levels import as_seen, choose_levels, with_levels
from training.network import SpectrogramInput
from training.network_fit import MixedBatches, fit
from training.recipe import ABSOLUTE, AUTO, CUTMIX, MIXUP, RELATIVE

N_FIRST = 4
SENSOR = {"sample_rate_hz": 2000, "channels": ["x", "y"], "model": "given"}


@pytest.fixture(scope="module")
def relative_folder(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says that it sees relative levels; how well it judges does not matter here."""
    folder = tmp_path_factory.mktemp("relative") / "model"
    shutil.copytree(model_folder, folder)
    path = folder / "manifest.yaml"
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**tree, "levels": "relative"}), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def samples(plant: RecordingSet) -> Float32:
    """Twelve windows of one machine, of its healthy and of its faulty runs."""
    some = [run for run in runs(plant) if run[0].machine == "M2"]
    return np.concatenate([read(one) for run in some[2:6] for one in run], axis=1)


def live(pipeline: Pipeline, samples: Float32) -> list[Verdict]:
    n = samples.shape[1]
    pipeline.process(messages(samples, [n // 4] * 4, "M2/spindle"), START_NS, 0.0)
    return pipeline.take_batch(True).verdicts


def own_of(verdicts: list[Verdict]) -> Commissioned:
    spectra = [one.spectrum_db for one in verdicts if one.spectrum_db is not None]
    assert verdicts[0].grid is not None
    edges = verdicts[0].grid.f_edges_hz
    return Commissioned(
        "M2/spindle", edges, commission(np.stack(spectra)), 7.0, "", 0.0, 4, 0
    )


def test_a_sensor_without_a_commissioning_is_learning(
    relative_folder: Path, samples: Float32
) -> None:
    pipeline = Pipeline(
        rules(configure(sensor=SENSOR), Classifier(relative_folder)), {}, {}, 0.0
    )
    verdicts = live(pipeline, samples)
    assert {(one.status, one.evidence) for one in verdicts} == {(Status.LEARNING, ())}


def test_the_network_is_shown_levels_less_the_sensors_own(
    relative_folder: Path, samples: Float32
) -> None:
    classifier = Classifier(relative_folder)
    ours = rules(configure(sensor=SENSOR), classifier)
    own = own_of(live(Pipeline(ours, {}, {}, 0.0), samples))
    sent = messages(samples, [N_WINDOW] * 12, "M2/spindle")
    pipeline = Pipeline(ours, {}, {}, 0.0)
    pipeline.process(sent[:1], START_NS, 0.0)
    pipeline.sensors["M2/spindle"].verdicts.commissioned = own
    pipeline.process(sent[1:], START_NS, 0.0)
    judged = pipeline.take_batch(True).verdicts[1:]
    windows = samples.reshape(2, -1, N_WINDOW).swapaxes(0, 1)
    psd_db = spectrogram(windows, classifier.manifest.settings)
    expected, _ = classifier.predict(psd_db[1:] - own.baseline.centre_db[..., None])
    assert [score_of(one) for one in judged] == pytest.approx(expected.tolist(), abs=1e-5)
    for one in judged:
        network = next(found for found in one.evidence if found.kind == "network")
        total = network.cells.sum() + network.bias
        assert total == pytest.approx(network.score, abs=1e-4)


def test_offline_the_first_windows_commission_and_the_others_are_judged_as_live(
    relative_folder: Path, plant: RecordingSet, tmp_path: Path
) -> None:
    classifier = Classifier(relative_folder)
    rows = scored(plant, relative_folder, tmp_path, "--commission", str(N_FIRST))
    machines = {row.machine for row in rows}
    assert len(machines) == 3
    for machine in machines:
        mine = [row for row in rows if row.machine == machine]
        assert [row.status for row in mine[:N_FIRST]] == ["LEARNING"] * N_FIRST
        assert all(row.logit is not None for row in mine[N_FIRST:])
    recordings = [one for run in runs(plant) for one in run if one.machine == "M0"]
    windows = np.stack([read(one) for one in recordings])
    psd_db = spectrogram(windows, classifier.manifest.settings)
    spectra = to_grid(psd_db, classifier.manifest.map_grid.shape[1])
    own_db = commission(spectra[:N_FIRST]).centre_db
    expected, _ = classifier.predict(psd_db[N_FIRST:] - own_db[..., None])
    found = [row.logit for row in rows if row.machine == "M0"][N_FIRST:]
    assert found == pytest.approx(expected.tolist(), abs=1e-5)


@settings(max_examples=20)
@given(
    gains_db=st.lists(st.floats(-30, 30), min_size=3, max_size=3), seed=st.integers(0, 99)
)
def test_a_sensors_gain_and_mounting_drop_out(
    dataset: Dataset, gains_db: list[float], seed: int
) -> None:
    n_t = n_columns(dataset, QUICK)
    curve = np.random.default_rng(seed).normal(0, 5, (3, *dataset.psd_db.shape[1:3]))
    machine = np.searchsorted(["M0", "M1", "M2"], dataset.column("machine"))
    offset = (np.array(gains_db)[:, None, None] + curve)[machine][..., None]
    other = replace(dataset, psd_db=(dataset.psd_db + offset).astype(np.float32))
    seen, seen_too = (as_seen(one, RELATIVE, n_t).psd_db for one in (dataset, other))
    np.testing.assert_allclose(seen, seen_too, atol=5e-3)
    assert as_seen(other, ABSOLUTE, n_t) is other


def test_too_few_windows_to_commission_a_sensor_are_refused(dataset: Dataset) -> None:
    few = dataset.select((dataset.label == NG) | (np.arange(len(dataset)) % 12 == 0))
    with pytest.raises(
        TrainingError, match=r"M\d/spindle: 0 windows to commission it with"
    ):
        as_seen(few, RELATIVE, n_columns(few, QUICK))


def test_the_levels_are_chosen_by_how_well_novelty_ranks() -> None:
    label = np.array([OK, OK, NG, NG, -1], np.int8)
    ranks, fails = np.array([0.1, 0.2, 0.8, 0.9, 0.5]), np.array([0.1, 0.8, 0.2, 0.9, 0.5])
    unknown = np.full(5, np.nan)
    recipe = replace(QUICK, levels=AUTO)
    assert choose_levels(recipe, label, ranks) == RELATIVE
    assert choose_levels(recipe, label, fails) == ABSOLUTE
    assert choose_levels(recipe, label, unknown) == ABSOLUTE
    assert choose_levels(replace(recipe, levels=RELATIVE), label, fails) == RELATIVE
    assert choose_levels(replace(recipe, levels=ABSOLUTE), label, ranks) == ABSOLUTE


def test_relative_levels_go_with_cutmix_first_unless_somebody_chose() -> None:
    both = replace(QUICK, levels=AUTO, mixings=(MIXUP, CUTMIX))
    assert with_levels(both, RELATIVE).mixings == (CUTMIX, MIXUP)
    assert with_levels(both, ABSOLUTE).mixings == (MIXUP, CUTMIX)
    assert with_levels(replace(both, mixings=(MIXUP,)), RELATIVE).mixings == (MIXUP,)
    assert with_levels(replace(both, levels=RELATIVE), RELATIVE).mixings == (MIXUP, CUTMIX)


def test_a_network_of_relative_levels_learns_both_signs(dataset: Dataset) -> None:
    recipe = replace(QUICK, levels=RELATIVE, equaliser_db=0.0, mixup=0.0)
    shown = as_seen(dataset, RELATIVE, n_columns(dataset, recipe))
    batches = MixedBatches(shown.psd_db, shown.label, recipe, seed=0)
    pictures = np.concatenate([batches[i].psd_db for i in range(len(batches))])
    known = {one.tobytes() for one in shown.psd_db}
    mirrored = {one.tobytes() for one in -shown.psd_db}
    n_mirrored = sum(one.tobytes() in mirrored for one in pictures)
    assert all(one.tobytes() in known | mirrored for one in pictures)
    assert 0.3 < n_mirrored / len(pictures) < 0.7
    plain = MixedBatches(
        dataset.psd_db, dataset.label, replace(recipe, levels=ABSOLUTE), seed=0
    )
    assert {one.tobytes() for one in plain[0].psd_db} <= {
        one.tobytes() for one in dataset.psd_db
    }


def test_relative_levels_keep_their_zero(dataset: Dataset) -> None:
    recipe = replace(QUICK, levels=RELATIVE, n_epochs=1)
    model = fit(as_seen(dataset, RELATIVE, n_columns(dataset, recipe)), recipe)
    layers = [one for one in model._flatten_layers() if isinstance(one, SpectrogramInput)]
    assert layers
    assert all(np.all(one.mean_db == 0) for one in layers)


def test_an_own_logit_threshold_holds_for_absolute_levels_alone(
    relative_folder: Path,
) -> None:
    manifest = load_model_manifest(relative_folder)
    own = Commissioned(
        "m/p",
        (0.0, 1.0),
        commission(np.zeros((3, 1, 1, 1), np.float32)),
        7.0,
        manifest.id,
        0.0,
        3,
        0,
    )
    rule = configure(sensor=SENSOR).sensors[0]
    assert logit_threshold(rule, own, manifest) == manifest.threshold
    absolute = manifest.model_copy(update={"levels": "absolute"})
    assert logit_threshold(rule, own, absolute) == 7.0
