"""Training repeats itself, learns what can be learned, and refuses what cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import QUICK
from tests.training.networks import each, untrained
from training import TrainingError
from training.dataset import Dataset
from training.export import load_network
from training.fold_model import choose_rule, learn, own_novelty, status_score
from training.metrics import auc
from training.network import keras, predict
from training.network_fit import MixedBatches, Tick, _standard, check_classes, fit
from training.recipe import Levels, Recipe

SHORT = replace(QUICK, n_epochs=2)


def test_same_data_recipe_and_seed_make_the_same_network(dataset: Dataset) -> None:
    ticks: list[int] = []
    both = fit(dataset, replace(SHORT, n_members=2), lambda: ticks.append(1))
    again = fit(dataset, replace(SHORT, seed=SHORT.seed + 1))
    first, second = (both.get_layer(f"member_{i}").get_weights() for i in (1, 2))
    assert all(
        np.array_equal(a, b)
        for a, b in zip(second, again.get_layer("member_1").get_weights(), strict=True)
    )
    assert not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert len(ticks) == 2 * SHORT.n_epochs


def test_it_learns_a_fault_on_a_machine_it_never_saw(
    dataset: Dataset, model_folder: Path
) -> None:
    aside = dataset.column("machine") == "M2"
    logit, _ = predict(load_network(model_folder), dataset.psd_db[aside])
    assert auc(dataset.label[aside], logit) > 0.98


def test_one_class_only_is_refused(dataset: Dataset) -> None:
    with pytest.raises(TrainingError, match="label = 'ng': no window of this class"):
        check_classes(dataset.select(dataset.label == 0))


def test_batches_weigh_both_classes_the_same(dataset: Dataset) -> None:
    unequal = dataset.select(
        np.flatnonzero((dataset.label == 0) | (np.arange(len(dataset)) % 4 == 0))
    )
    batches = MixedBatches(unequal.psd_db, unequal.label, replace(QUICK, mixup=0.0), seed=0)
    targets, weights = zip(
        *[(batches[i].target, batches[i].weight) for i in range(len(batches))], strict=True
    )
    target, weight = np.concatenate(targets), np.concatenate(weights)
    assert weight[target == 1].sum() == pytest.approx(weight[target == 0].sum(), rel=1e-5)


def test_mixup_and_equaliser_stay_within_their_bounds(dataset: Dataset) -> None:
    recipe = replace(QUICK, mixup=0.4, equaliser_db=1.0, n_batch=len(dataset))
    mixed = MixedBatches(dataset.psd_db, dataset.label, recipe, seed=0)[0]
    psd_db, target = mixed.psd_db, mixed.target
    assert ((target >= 0) & (target <= 1)).all()
    assert 0 < np.mean((target > 0) & (target < 1)) <= 1
    unmixed = replace(recipe, mixup=0.0)
    plain = MixedBatches(dataset.psd_db, dataset.label, unmixed, seed=0)[0].psd_db
    order = np.random.default_rng(0).permutation(len(dataset))
    gain = plain - dataset.psd_db[order]
    # The same in all frames.
    np.testing.assert_allclose(
        gain, gain[..., :1].repeat(gain.shape[-1], axis=-1), atol=1e-4
    )
    assert np.sqrt(np.mean(gain**2)) == pytest.approx(1.0, rel=0.2)
    assert psd_db.dtype == np.float32


def test_thresholds_and_rule_are_learned_out_of_fold(dataset: Dataset) -> None:
    learned_from = []

    def noted(train: Dataset, recipe: Recipe, tick: Tick | None) -> keras.Model:
        learned_from.append(sorted(set(train.column("machine"))))
        return untrained(train, recipe)

    learned = learn(dataset, QUICK, ("machine",), each(noted))
    # For each machine one that never saw it, then the network that is kept.
    assert learned_from == [["M1", "M2"], ["M0", "M2"], ["M0", "M1"], ["M0", "M1", "M2"]]
    assert learned.out_of_fold is not None
    assert learned.out_of_fold.folds == ("M0", "M1", "M2")
    assert learned.status_rule in ("network", "novelty", "either")
    found = learned.out_of_fold.auc
    assert found.low <= found.value <= found.high


def test_novelty_is_not_given_for_runs_that_made_the_baseline(dataset: Dataset) -> None:
    novelty, used = own_novelty(dataset, QUICK, 6)
    assert np.isnan(novelty[used]).all()
    assert np.isnan(novelty).sum() == 3 * 6  # two whole runs of each machine
    known = ~np.isnan(novelty)
    assert auc(dataset.label[known], novelty[known]) > 0.95


def test_either_rule_speaks_when_one_of_the_two_does() -> None:
    margin, ratio = np.array([1.0, -1.0, -2.0]), np.array([-1.0, 0.5, -0.1])
    assert list(status_score("either", margin, ratio) > 0) == [True, True, False]
    assert list(status_score("network", margin, ratio) > 0) == [True, False, False]
    assert list(status_score("novelty", margin, ratio) > 0) == [False, True, False]


def test_novelty_makes_the_status_unless_another_rule_is_better_beyond_chance(
    dataset: Dataset,
) -> None:
    right, wrong = np.where(dataset.label == 1, 1.0, -1.0), np.full(len(dataset), -1.0)
    assert choose_rule(dataset, right, right)[0] == "novelty"
    assert choose_rule(dataset, right, wrong)[0] == "network"
    assert choose_rule(dataset, wrong, right)[0] == "novelty"
    by_one_run = right.copy()
    by_one_run[dataset.run == dataset.run[0]] *= -1
    assert choose_rule(dataset, right, by_one_run)[0] == "novelty"  # chance
    half = dataset.column("machine") == "M0"
    assert (
        choose_rule(dataset, np.where(half, right, -1), np.where(half, -1, right))[0]
        == "either"
    )
    assert choose_rule(dataset, right, np.full(len(dataset), np.nan)) == ("network", {})


def test_a_sensor_without_a_commissioning_is_judged_by_its_network() -> None:
    network, novelty = np.array([1.0, -1.0]), np.full(2, np.nan)
    for rule in ("novelty", "either"):
        assert list(status_score(rule, network, novelty) > 0) == [True, False]


@pytest.mark.parametrize("levels", ["absolute", "relative"])
def test_a_band_that_hardly_varies_is_not_blown_up(
    dataset: Dataset, levels: Levels
) -> None:
    """It is standardised by a decibel at least: what is seen in it later is no outlier."""
    steady = replace(dataset, psd_db=np.zeros_like(dataset.psd_db))
    steady.psd_db[::2, :, 0] = 5.0
    _, spread = _standard(steady, replace(QUICK, levels=levels))
    assert (spread[:, 1:] == 1.0).all()
    assert (spread[:, 0] > 2.0).all()
