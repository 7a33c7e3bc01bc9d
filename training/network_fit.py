"""Fit one network, or an average of several, to labelled windows. Same data, recipe and seed: same
network.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Float32
from training import TrainingError
from training.dataset import NG, OK, Dataset
from training.network import average, build, keras, make_repeatable
from training.recipe import CUTMIX, RELATIVE, Recipe, network_settings

MIN_STD_DB = 1.0
SMOOTHNESS = 4  # the random equaliser is a sum of this many cosines over the bands

Tick = Callable[[], None]  # called after each epoch


def fit(dataset: Dataset, recipe: Recipe, tick: Tick | None = None) -> keras.Model:
    """The average of recipe.n_members networks, each from its own seed. Unlabelled windows are left
    out.

    Raises TrainingError unless both classes are there.
    """
    labelled = dataset.select(dataset.label >= 0)
    check_classes(labelled)
    members = [
        _fit_member(labelled, recipe, recipe.seed + i, tick)
        for i in range(recipe.n_members)
    ]
    return average(members)


def check_classes(labelled: Dataset) -> None:
    for number, name in ((OK, "ok"), (NG, "ng")):
        if not (labelled.label == number).any():
            raise TrainingError(
                f"label = {name!r}: no window of this class to train with, both classes are needed;"
                " write them into the label column of the table."
            )


def _fit_member(
    labelled: Dataset, recipe: Recipe, seed: int, tick: Tick | None
) -> keras.Model:
    make_repeatable(seed)
    mean_db, std_db = _standard(labelled, recipe)
    settings = network_settings(labelled.settings, labelled.psd_db.shape[1], recipe)
    model = build(settings, mean_db, std_db)
    batches = MixedBatches(labelled.psd_db, labelled.label, recipe, seed)
    learner = _learner(model, recipe, len(batches))
    callbacks = (
        []
        if tick is None
        else [keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: tick())]
    )
    learner.fit(
        batches, epochs=recipe.n_epochs, verbose=0, shuffle=False, callbacks=callbacks
    )
    return model


def _standard(labelled: Dataset, recipe: Recipe) -> tuple[Float32, Float32]:
    """What the input is standardised by: mean and spread, shape (n_channels, n_bands).

    Relative levels keep their zero, which is the sensor's own level, and count
    by how far healthy machines come to lie from it.
    """
    if recipe.levels != RELATIVE:
        psd_db = labelled.psd_db
        return psd_db.mean(axis=(0, 3)), np.maximum(psd_db.std(axis=(0, 3)), MIN_STD_DB)
    healthy = labelled.psd_db[labelled.label == OK]
    spread = np.sqrt(np.square(healthy).mean(axis=(0, 3)))
    return np.zeros_like(spread), np.maximum(spread, MIN_STD_DB)


def _learner(model: keras.Model, recipe: Recipe, n_batches: int) -> keras.Model:
    """The model with its losses and optimizer. n_batches : of an epoch"""
    schedule = keras.optimizers.schedules.CosineDecay(
        1e-5,
        n_batches * recipe.n_epochs,
        warmup_target=recipe.learning_rate,
        warmup_steps=2 * n_batches,
    )
    activity = keras.ops.mean(keras.ops.sum(model.output["features"], axis=-1), axis=(1, 2))
    learner = keras.Model(model.input, [model.output["logit"], activity])
    learner.compile(
        keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay),
        [
            keras.losses.BinaryCrossentropy(from_logits=True),
            keras.losses.MeanAbsoluteError(),
        ],
        loss_weights=[1.0, recipe.sparsity],
    )
    _make_variables(learner)
    return learner


def _make_variables(learner: keras.Model) -> None:
    """Of optimizer and losses. Made while TensorFlow traces the first step, they would have it
    trace that step twice, which is most of the time that a small network takes.
    """
    learner.optimizer.build(learner.trainable_variables)
    one = np.zeros((1, 1), np.float32)
    learner.compute_loss(y=[one, one], y_pred=[one, one[0]], sample_weight=[one, one])


class MixedBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of mixed windows with a random smooth equaliser, in dB; each class weighs the same.

    Mixup (Zhang et al. 2018) blends two windows; CutMix (Yun et al. 2019)
    pastes a rectangle of one into the other, so that half a fault is worth half
    the evidence and the rim of a hole is worth none. recipe.mixings[0] says
    which.

    Two targets: NG, and no activity in the feature maps, which recipe.sparsity
    weighs. Activity costs a healthy window twice as much, so that the maps
    light up for faults and not for health.
    """

    def __init__(
        self, psd_db: Float32, label: NDArray[np.int8], recipe: Recipe, seed: int
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._psd_db, self._target = psd_db, label.astype(np.float32)
        share_ng = self._target.mean()
        self._weight = np.where(label == NG, 0.5 / share_ng, 0.5 / (1 - share_ng)).astype(
            np.float32
        )
        self._recipe = recipe
        self._random = np.random.default_rng(seed)
        self._order = self._random.permutation(len(label))
        self._curves = _smooth_curves(psd_db.shape[2])

    def __len__(self) -> int:
        return math.ceil(len(self._target) / self._recipe.n_batch)

    def __getitem__(self, number: int) -> tuple[Any, Any, Any]:
        index = self._order[
            number * self._recipe.n_batch : (number + 1) * self._recipe.n_batch
        ]
        psd_db, target, weight = (
            self._psd_db[index],
            self._target[index, None],
            self._weight[index, None],
        )
        if self._recipe.equaliser_db > 0:
            psd_db = psd_db + self._equaliser(psd_db.shape[:2])
        if self._recipe.levels == RELATIVE:
            # A fault may lower levels as well as raise them, which few recordings show.
            psd_db = psd_db * self._random.choice((-1, 1), (len(index), 1, 1, 1)).astype(
                np.float32
            )
        if self._recipe.mixup > 0:
            other = self._random.permutation(len(index))
            share = self._random.beta(
                self._recipe.mixup, self._recipe.mixup, (len(index), 1)
            ).astype(np.float32)
            kept = share[:, :, None, None]
            if self._recipe.mixings[0] == CUTMIX:
                kept = 1 - self._rectangles(1 - share, psd_db.shape[2:])
                share = kept.mean(axis=(2, 3))
            psd_db = kept * psd_db + (1 - kept) * psd_db[other]
            target = share * target + (1 - share) * target[other]
            weight = share * weight + (1 - share) * weight[other]
        return psd_db, (target, np.zeros_like(target)), (weight, weight * (1 - target / 2))

    def on_epoch_end(self) -> None:
        self._order = self._random.permutation(len(self._target))

    def _rectangles(self, area: Float32, shape: tuple[int, ...]) -> Float32:
        """1 inside a rectangle of this area (n, 1) anywhere in the picture, cut off at its rim; (n,
        1, *shape).
        """
        inside = []
        for size in shape:
            centre = self._random.uniform(0, size, (len(area), 1))
            inside.append(np.abs(np.arange(size) + 0.5 - centre) < np.sqrt(area) * size / 2)
        return (inside[0][:, None, :, None] & inside[1][:, None, None, :]).astype(
            np.float32
        )

    def _equaliser(self, shape: tuple[int, int]) -> Float32:
        """A gain over frequency for each window and channel, dB, rms recipe.equaliser_db."""
        amounts = (
            self._random.normal(size=(*shape, SMOOTHNESS))
            * self._recipe.equaliser_db
            / math.sqrt(SMOOTHNESS)
        )
        gain: Float32 = (amounts @ self._curves).astype(np.float32)
        return gain[..., None]


def _smooth_curves(n_bands: int) -> NDArray[np.float64]:
    """A constant and the lowest cosines over the bands, each of rms 1, shape (SMOOTHNESS,
    n_bands).
    """
    place = (np.arange(n_bands) + 0.5) / n_bands
    curves = [
        np.sqrt(2) * np.cos(np.pi * k * place) if k else np.ones(n_bands)
        for k in range(SMOOTHNESS)
    ]
    return np.array(curves)
