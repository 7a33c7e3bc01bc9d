"""Handwritten digits: ten linear units share the feature maps, so every digit has its own exact
map.

    python -m training.examples.mnist --data mnist.npz

logit[c] = bias[c] + mean over the 7 × 7 cells of sum_k weights[k, c] *
features[k] (Zhou et al. 2016). The epoch is chosen on a part of the training
set; the test set is looked at once, at the end.
"""

from __future__ import annotations

import argparse
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from monitor.evidence.cam import activation_maps
from monitor.exit_codes import EXIT_OK, EXIT_REFUSED
from monitor.records.signal import Float32
from training import TrainingError
from training.examples.proportion import share
from training.network import (
    FusedBatchNormalization,
    keras,
    make_repeatable,
)
from training.plots import png
from training.progress import bar

N_DIGITS = 10
N_PIXELS = 28
N_MAPS = (16, 32, 48, 64)
POOLS = (2, 1, 2, 1)  # 28 × 28, 14 × 14 twice, 7 × 7
FIELD = 22  # pixels on each side that one cell of the map sees
N_VALIDATION = 5000
N_BATCH = 64
N_EPOCHS = 8
LEARNING_RATE = 5e-3
# Means over 49 cells lie close together: small first weights would take epochs to grow.
HEAD_STD = 1.0
N_SHOWN = 4  # typical digits, and as many that were called wrong
KEYS = ("x_train", "y_train", "x_test", "y_test")

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Digits:
    """image : float32, shape (n, 28, 28, 1), 0 to 1. label : shape (n,)"""

    image: Float32
    label: Labels

    def __len__(self) -> int:
        return len(self.label)

    def select(self, chosen: NDArray[np.intp]) -> Digits:
        return Digits(self.image[chosen], self.label[chosen])


def load(path: Path | None) -> tuple[Digits, Digits]:
    """Training and test set, from an mnist.npz or by Keras' own download. Raises TrainingError."""
    if path is None:
        (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
        return _digits(x_train, y_train), _digits(x_test, y_test)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            x_train, y_train, x_test, y_test = (arrays[key] for key in KEYS)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise TrainingError(
            f"{path}: must be an npz file with {', '.join(KEYS)} ({error})."
        ) from error
    return _digits(x_train, y_train), _digits(x_test, y_test)


def build() -> keras.Model:
    """A fresh network: outputs logit (n, 10) and features (n, 7, 7, n_maps)."""
    layers = keras.layers
    image = keras.Input((N_PIXELS, N_PIXELS, 1), name="image")
    x = image
    for i, (n_maps, pool) in enumerate(zip(N_MAPS, POOLS, strict=True)):
        last = i == len(N_MAPS) - 1
        x = layers.Conv2D(n_maps, 3, padding="same", use_bias=False)(x)
        x = FusedBatchNormalization(momentum=0.9)(x)
        x = layers.ReLU(name="features" if last else None)(x)
        if pool > 1:
            x = layers.MaxPooling2D(pool)(x)
    start = keras.initializers.RandomNormal(stddev=HEAD_STD)
    mean = layers.GlobalAveragePooling2D(name="gap")(x)
    logit = layers.Dense(N_DIGITS, kernel_initializer=start, name="head")(mean)
    return keras.Model(image, {"logit": logit, "features": x})


def fit(
    train: Digits,
    seed: int,
    n_epochs: int = N_EPOCHS,
    tick: Callable[[], None] | None = None,
) -> keras.Model:
    """The network of the epoch that is best on the last images of the training set, which it never
    learns from.
    """
    make_repeatable(seed)
    order = np.random.default_rng(seed).permutation(len(train))
    n_validation = min(N_VALIDATION, len(train) // 5)
    learned, held_back = (
        train.select(order[n_validation:]),
        train.select(order[:n_validation]),
    )
    model = build()
    learner = keras.Model(model.input, model.output["logit"])
    n_steps = -(-len(learned) // N_BATCH) * n_epochs
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, n_steps)
    learner.compile(
        keras.optimizers.AdamW(schedule, weight_decay=1e-2),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    keep = _KeepBest(tick)
    learner.fit(
        learned.image,
        learned.label,
        N_BATCH,
        n_epochs,
        verbose=0,
        callbacks=[keep],
        validation_data=(held_back.image, held_back.label),
        validation_batch_size=500,
    )
    learner.set_weights(keep.weights)
    return model


class _KeepBest(keras.callbacks.Callback):  # type: ignore[misc]
    """The weights of the epoch with the highest validation accuracy; of equal ones the last."""

    def __init__(self, tick: Callable[[], None] | None) -> None:
        super().__init__()
        self._tick = tick
        self._best = -1.0
        self.weights: list[Float32] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        reached = (logs or {})["val_accuracy"]
        print(f"epoch {epoch + 1}: validation accuracy {reached:.4f}", file=sys.stderr)
        if reached >= self._best:
            self._best, self.weights = reached, self.model.get_weights()
        if self._tick is not None:
            self._tick()


@dataclass(frozen=True)
class Judged:
    """logit (n, 10), contribution (n, 7, 7, 10) in logit units, residual (n, 10): how far each sum
    misses its logit.
    """

    logit: Float32
    contribution: Float32
    bias: Float32
    residual: NDArray[np.float64]

    @property
    def ranking(self) -> NDArray[np.intp]:
        """Digits of each image, the likeliest first, shape (n, 10)."""
        return np.argsort(-self.logit, axis=1, kind="stable")


def judge(model: keras.Model, digits: Digits, n_batch: int = 500) -> Judged:
    """Logits and a map for each of the ten digits."""
    weights, bias = model.get_layer("head").get_weights()
    logits, maps, residuals = [], [], []
    for start in range(0, len(digits), n_batch):
        output = model(digits.image[start : start + n_batch], training=False)
        logit, features = np.asarray(output["logit"]), np.asarray(output["features"])
        each = [
            activation_maps(features, weights[:, c], float(bias[c]), logit[:, c])
            for c in range(N_DIGITS)
        ]
        logits.append(logit)
        maps.append(np.stack([contribution for contribution, _ in each], axis=-1))
        residuals.append(np.stack([residual for _, residual in each], axis=-1))
    return Judged(
        np.concatenate(logits), np.concatenate(maps), bias, np.concatenate(residuals)
    )


def shown(judged: Judged, label: Labels) -> NDArray[np.intp]:
    """The first images of the set, and those wrong ones that the network was surest of."""
    called = judged.ranking[:, 0]
    each = np.arange(len(label))
    wrong_by = judged.logit[each, called] - judged.logit[each, label]
    typical = np.flatnonzero(wrong_by == 0)[:N_SHOWN]
    wrong = np.argsort(-wrong_by, kind="stable")[:N_SHOWN]
    return np.concatenate([typical, wrong[wrong_by[wrong] > 0]])


def picture(judged: Judged, digits: Digits) -> bytes:
    """Each digit above the maps of the two likeliest readings; colours alike everywhere."""
    index = shown(judged, digits.label)
    figure, all_axes = plt.subplots(
        3, len(index), figsize=(1.85 * len(index), 5.9), squeeze=False
    )
    ranking = judged.ranking
    limit = float(
        np.abs([judged.contribution[i, :, :, ranking[i, :2]] for i in index]).max()
    )
    for column, i in zip(all_axes.T, index, strict=True):
        column[0].imshow(
            digits.image[i, :, :, 0], cmap="gray_r", extent=(0, N_PIXELS, N_PIXELS, 0)
        )
        right = "right" if ranking[i, 0] == digits.label[i] else "wrong"
        column[0].set_title(
            f"a {digits.label[i]}, read as {ranking[i, 0]}\n({right})", fontsize=9
        )
        for axes, digit in zip(column[1:], ranking[i, :2], strict=True):
            cells = _map(
                axes, judged.contribution[i, :, :, digit], digits.image[i, :, :, 0], limit
            )
            evidence = judged.logit[i, digit] - judged.bias[digit]
            words = (
                f"{judged.bias[digit]:.1f} {evidence:+.1f} = {judged.logit[i, digit]:.1f}"
            )
            axes.set_title(f"for {digit}\n{words}", fontsize=8)
    for axes in all_axes.flat:
        axes.set(xticks=[], yticks=[])
    for axes, words in zip(
        all_axes[:, 0], ("digit", "likeliest", "runner-up"), strict=True
    ):
        axes.set_ylabel(words)
    _field_box(all_axes[1][0])
    figure.colorbar(cells, ax=all_axes, label="contribution of a cell, logit", shrink=0.6)
    explained = "bias + sum of the cells = logit; dotted: what the cell in the middle sees"
    figure.suptitle(explained, fontsize=10, x=0.45, y=0.98)
    return png(figure)


def _map(axes: Axes, contribution: Float32, image: Float32, limit: float) -> AxesImage:
    extent = (0, N_PIXELS, N_PIXELS, 0)
    cells = axes.imshow(contribution, cmap="RdBu_r", vmin=-limit, vmax=limit, extent=extent)
    middle = np.arange(N_PIXELS) + 0.5
    axes.contour(middle, middle, image, levels=[0.5], colors="black", linewidths=0.8)
    return cells


def _field_box(axes: Axes) -> None:
    corner = (N_PIXELS - FIELD) / 2
    axes.add_patch(
        Rectangle(
            (corner, corner), FIELD, FIELD, fill=False, linestyle=":", edgecolor="black"
        )
    )


def _digits(image: NDArray[np.uint8], label: NDArray[np.uint8]) -> Digits:
    if (
        image.ndim != 3
        or image.shape[1:] != (N_PIXELS, N_PIXELS)
        or label.shape != image.shape[:1]
    ):
        raise TrainingError(
            f"images of shape {image.shape}: must be (n, {N_PIXELS}, {N_PIXELS}) with n labels."
        )
    return Digits((image[..., None] / 255).astype(np.float32), label.astype(np.int64))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.examples.mnist", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="mnist.npz; without it Keras downloads the set",
    )
    parser.add_argument("--epochs", type=int, default=N_EPOCHS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/examples/mnist.png"),
        metavar="PATH",
        help="figure",
    )
    options = parser.parse_args(arguments)
    try:
        train, test = load(options.data)
    except TrainingError as error:
        print(f"mnist: {error}", file=sys.stderr)
        return EXIT_REFUSED
    began = time.monotonic()
    with bar("learning digits", options.epochs) as tick:
        model = fit(train, options.seed, options.epochs, tick)
    judged = judge(model, test)
    right = share(judged.ranking[:, 0] == test.label)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(picture(judged, test))
    print(
        f"test accuracy {right.value:.2%} (95 %: {right.low:.2%} to {right.high:.2%}), {len(test)}"
        " digits"
    )
    print(
        f"each map adds up to its logit: largest residual {judged.residual.max():.1e} of"
        f" {judged.residual.size} maps"
    )
    print(
        f"{model.count_params()} parameters, learned in {time.monotonic() - began:.0f} s; figure:"
        f" {options.out}"
    )
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
