"""Mixing is chosen by maps out of fold, and what is pasted is worth what it covers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import training.cross_fit
from tests.training.conftest import QUICK
from tests.training.networks import Fit, each, untrained
from training.cross_fit import CrossFit, choose_mixing
from training.dataset import Dataset
from training.many_fits import FitEach
from training.metrics import Interval
from training.network import keras
from training.network_fit import MixedBatches, Tick, fit
from training.recipe import CUTMIX, MIXUP, Recipe
from training.splits import Fold, inner_folds

BOTH = replace(QUICK, mixings=(MIXUP, CUTMIX))


def test_a_pasted_window_is_worth_the_area_it_covers(dataset: Dataset) -> None:
    """Healthy windows all 0, faulty ones all 1: the mean of a picture is its target, whatever was
    pasted.
    """
    flat = np.broadcast_to(dataset.label[:, None, None, None], dataset.psd_db.shape).astype(
        np.float32
    )
    recipe = replace(QUICK, mixings=(CUTMIX,), equaliser_db=0.0, n_batch=len(dataset))
    mixed = MixedBatches(flat, dataset.label, recipe, seed=0)[0]
    picture, target = mixed.psd_db, mixed.target
    np.testing.assert_allclose(picture.mean(axis=(1, 2, 3)), target[:, 0], atol=1e-5)
    assert set(np.unique(picture)) == {0.0, 1.0}  # pasted, not blended
    assert ((target > 0) & (target < 1)).any()


def test_maps_that_point_keep_the_first_mixing(dataset: Dataset) -> None:
    used: list[str] = []
    ticks: list[int] = []
    crossed, leads = choose_mixing(
        dataset,
        inner_folds(dataset, ("machine",)),
        BOTH,
        noting(used, fit),
        lambda: ticks.append(1),
    )
    assert set(used) == {MIXUP}
    assert crossed.recipe.mixings == (MIXUP,)
    assert leads[MIXUP]["random"].low > 0
    # Also those that were not needed: a bar reaches its end.
    assert len(ticks) == 2 * 3 * BOTH.n_epochs


@pytest.mark.parametrize(("cutmix_lead", "chosen"), [(0.5, CUTMIX), (-0.1, MIXUP)])
def test_maps_that_do_not_point_hand_over_to_the_next(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, cutmix_lead: float, chosen: str
) -> None:
    lead = {MIXUP: -0.2, CUTMIX: cutmix_lead}

    def found(
        _train: Dataset, _folds: list[Fold], crossed: CrossFit
    ) -> dict[str, Interval]:
        value = lead[crossed.recipe.mixings[0]]
        return {
            "random": Interval(value, value - 0.01, value + 0.01),
            "equal_energy": Interval(1.0, 0.9, 1.1),
        }

    monkeypatch.setattr(training.cross_fit, "_map_lead", found)
    used: list[str] = []
    crossed, leads = choose_mixing(
        dataset, inner_folds(dataset, ("machine",)), BOTH, noting(used, untrained), None
    )
    assert list(dict.fromkeys(used)) == [MIXUP, CUTMIX]
    assert crossed.recipe.mixings == (chosen,)
    assert [leads[name]["random"].value for name in (MIXUP, CUTMIX)] == [-0.2, cutmix_lead]


def noting(used: list[str], fit: Fit) -> FitEach:
    """fit, and in `used` the mixing of each network."""

    def noted(dataset: Dataset, recipe: Recipe, tick: Tick | None) -> keras.Model:
        used.append(recipe.mixings[0])
        return fit(dataset, recipe, tick)

    return each(noted)
