"""Fit one network, or an average of several, to labelled windows. Same data, recipe and seed: same
network.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Float32, Float64
from training import TrainingError
from training.dataset import NG, OK, Dataset
from training.network import (
    NetworkSettings,
    average,
    build,
    keras,
    make_repeatable,
    tf,
)
from training.recipe import CUTMIX, RELATIVE, Recipe, network_settings

MIN_STD_DB = 1.0
FIRST_RATE = 1e-5
SMOOTHNESS = 4  # the random equaliser is a sum of this many cosines over the bands

Tick = Callable[[], None]  # called after each epoch


def fit(dataset: Dataset, recipe: Recipe, tick: Tick | None = None) -> keras.Model:
    """The average of recipe.n_members networks, each from its own seed. Unlabelled windows are left
    out.

    Raises TrainingError unless both classes are there.
    """
    labelled = labelled_of(dataset)
    members = [
        _fit_member(labelled, recipe, recipe.seed + i, tick)
        for i in range(recipe.n_members)
    ]
    return average(members)


def labelled_of(dataset: Dataset) -> Dataset:
    """Raises TrainingError unless both classes are there."""
    labelled = dataset.select(dataset.label >= 0)
    check_classes(labelled)
    return labelled


def check_classes(labelled: Dataset) -> None:
    for number, name in ((OK, "ok"), (NG, "ng")):
        if not (labelled.label == number).any():
            raise TrainingError(
                f"label = {name!r}: no window of this class to train with, both classes are needed;"
                " write them into the label column of the table."
            )


def member_weights(labelled: Dataset, recipe: Recipe, seed: int) -> list[NDArray[Any]]:
    """Of one network, which member_of makes a network again."""
    return list(_fit_member(labelled, recipe, seed, None).get_weights())


def member_of(
    labelled: Dataset, recipe: Recipe, weights: list[NDArray[Any]]
) -> keras.Model:
    """labelled, recipe : that the weights were learned with."""
    settings = network_settings(labelled.settings, labelled.psd_db.shape[1], recipe)
    model = build(settings, *_standard(labelled, recipe))
    model.set_weights(weights)
    return model


def _fit_member(
    labelled: Dataset, recipe: Recipe, seed: int, tick: Tick | None
) -> keras.Model:
    make_repeatable(seed)
    standard = _standard(labelled, recipe)
    settings = network_settings(labelled.settings, labelled.psd_db.shape[1], recipe)
    model = build(settings, *standard)
    batches = MixedBatches(labelled.psd_db, labelled.label, recipe, seed)
    learner = _learner(replace(settings, n_members=1), recipe.weight_decay, recipe.sparsity)
    learner.begin(model)
    rates = iter(learning_rates(recipe, len(batches)))
    for _ in range(recipe.n_epochs):
        for number in range(len(batches)):
            learner.step(batches[number], standard, next(rates))
        batches.on_epoch_end()
        if tick is not None:
            tick()
    model.set_weights(learner.weights())
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


def learning_rates(recipe: Recipe, n_batches: int) -> Float64:
    """Of each step: up for two epochs, then down a cosine. n_batches : of an epoch"""
    step = np.arange(n_batches * recipe.n_epochs)
    n_up = 2 * n_batches
    up = FIRST_RATE + (recipe.learning_rate - FIRST_RATE) * step / n_up
    down = recipe.learning_rate * (1 + np.cos(np.pi * (step - n_up) / len(step))) / 2
    return np.where(step < n_up, up, down)


class _Learner:
    """A network of one shape that can learn, one set of recordings after another. To trace its step
    takes TensorFlow two seconds, so this is done once for all networks of the shape.

    sparsity : recipe.sparsity
    """

    def __init__(
        self, settings: NetworkSettings, weight_decay: float, sparsity: float
    ) -> None:
        shape = (settings.n_channels, settings.n_bands)
        # it is shown standardised levels
        self._network = build(
            settings, np.zeros(shape, np.float32), np.ones(shape, np.float32)
        )
        self._optimizer = keras.optimizers.AdamW(0.0, weight_decay=weight_decay)
        self._optimizer.build(self._network.trainable_variables)
        self._sparsity = sparsity
        some = tf.TensorSpec((None, 1), tf.float32)
        psd_db = tf.TensorSpec((None, *shape, settings.n_frames), tf.float32)
        self._traced = tf.function(
            self._step,
            input_signature=[psd_db, some, some, some, tf.TensorSpec((), tf.float32)],
        )

    def begin(self, model: keras.Model) -> None:
        """From a model's weights, as if nothing had been learned yet."""
        self._network.set_weights(model.get_weights())
        for variable in self._optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))

    def step(
        self, batch: Batch, standard: tuple[Float32, Float32], learning_rate: float
    ) -> None:
        """standard : mean and spread, (n_channels, n_bands)"""
        mean_db, std_db = (figures[None, :, :, None] for figures in standard)
        shown = ((batch.psd_db - mean_db) / std_db).astype(np.float32)
        self._traced(
            shown, batch.target, batch.weight, batch.quiet_weight, np.float32(learning_rate)
        )

    def weights(self) -> list[NDArray[Any]]:
        return list(self._network.get_weights())

    def _step(
        self, shown: Any, target: Any, weight: Any, quiet_weight: Any, learning_rate: Any
    ) -> None:
        variables = self._network.trainable_variables
        with tf.GradientTape() as tape:
            output = self._network(shown, training=True)
            activity = tf.reduce_mean(
                tf.reduce_sum(output["features"], axis=-1), axis=(1, 2)
            )[:, None]
            missed = tf.nn.sigmoid_cross_entropy_with_logits(target, output["logit"])
            cost = tf.reduce_mean(
                weight * missed + quiet_weight * activity * self._sparsity
            )
        self._optimizer.learning_rate.assign(learning_rate)
        self._optimizer.apply_gradients(
            zip(tape.gradient(cost, variables), variables, strict=True)
        )


_learner = lru_cache(maxsize=2)(_Learner)


@dataclass(frozen=True)
class Batch:
    """psd_db : (n, n_channels, n_bands, n_frames)

    target : (n, 1), how much of a window is NG
    weight : (n, 1), of the target's cost
    quiet_weight : (n, 1), of activity in the feature maps
    """

    psd_db: Float32
    target: Float32
    weight: Float32
    quiet_weight: Float32


class MixedBatches:
    """Batches of mixed windows with a random smooth equaliser, in dB; each class weighs the same.

    Mixup (Zhang et al. 2018) blends two windows; CutMix (Yun et al. 2019)
    pastes a rectangle of one into the other, so that half a fault is worth half
    the evidence and the rim of a hole is worth none. recipe.mixings[0] says
    which.

    Activity in the feature maps has a cost, which recipe.sparsity weighs. It
    costs a healthy window twice as much, so that the maps light up for faults
    and not for health.
    """

    def __init__(
        self, psd_db: Float32, label: NDArray[np.int8], recipe: Recipe, seed: int
    ) -> None:
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

    def __getitem__(self, number: int) -> Batch:
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
        return Batch(psd_db, target, weight, weight * (1 - target / 2))

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
