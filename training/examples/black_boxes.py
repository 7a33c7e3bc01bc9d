"""What does giving up the dense layers cost? The GAP-CNN beside LeNet-5 and AlexNet in style, on
the same spectrograms.

    python -m training.examples.black_boxes [--manifest training/manifests/bosch-cnc.yaml]

Same signals, augmentation, optimiser and epochs for all; several seeds;
differences in AUC paired by test window. Dense layers mix all places, so the
two others have no map that adds up.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from monitor.exit_codes import EXIT_OK, EXIT_REFUSED
from monitor.recordings.manifest import load_manifest
from monitor.recordings.recording import RecordingError
from monitor.records.signal import Float32
from training import TrainingError
from training.dataset import Dataset
from training.examples.sweep import N_TEST, RECIPE, TEST_SEED
from training.examples.sweep_signals import make_dataset
from training.fit import usable
from training.metrics import Interval, auc, balanced_accuracy, bootstrap
from training.network import (
    FusedBatchNormalization,
    NetworkSettings,
    SpectrogramInput,
    keras,
    make_repeatable,
    predict,
)
from training.network_fit import MIN_STD_DB, MixedBatches, fit, learning_rates
from training.plots import png
from training.progress import bar, read_with_bar
from training.recipe import Recipe, default_recipe, network_settings, spectrogram_settings
from training.splits import leave_one_out

GAP, LENET, ALEXNET = "GAP-CNN", "LeNet-5 style", "AlexNet style"
N_SEEDS = 3
# fewer than the sweep example learns from, as there are many networks to train
N_TRAIN = 1500
N_EPOCHS = 15
N_BATCH = 256

Build = Callable[[NetworkSettings, Float32, Float32], keras.Model]


@dataclass(frozen=True)
class Problem:
    """A set of spectrograms, already split: each part is learned from and tested on."""

    name: str
    recipe: Recipe
    folds: tuple[tuple[Dataset, Dataset], ...]

    def tested(self, values: Callable[[Dataset], NDArray[Any]]) -> NDArray[Any]:
        """Of the test windows of all folds, side by side."""
        return np.concatenate([values(test) for _, test in self.folds])

    @property
    def fold(self) -> NDArray[np.intp]:
        return np.repeat(np.arange(len(self.folds)), [len(test) for _, test in self.folds])


@dataclass(frozen=True)
class Outcome:
    """logit : shape (n_seeds, n_test_windows). n_flops : of one window,
    two for each multiplication
    """

    logit: Float32
    n_parameters: int
    n_flops: int


def lenet(settings: NetworkSettings, mean_db: Float32, std_db: Float32) -> keras.Model:
    """Two convolutions and three dense layers of LeCun et al. 1998; relu and batch norm, as in the
    GAP-CNN.
    """
    layers = keras.layers
    psd_db, x = _standardised(settings, mean_db, std_db)
    for n_maps in (6, 16):
        x = layers.MaxPooling2D(2, padding="same")(_convolution(x, n_maps, 5))
    x = layers.Flatten()(x)
    for n_units in (120, 84):
        x = layers.Dense(n_units, activation="relu")(x)
    return keras.Model(psd_db, layers.Dense(1)(x))


def alexnet(settings: NetworkSettings, mean_db: Float32, std_db: Float32) -> keras.Model:
    """Five convolutions and three dense layers with dropout of Krizhevsky et al. 2012, narrowed to
    the spectrogram.
    """
    layers = keras.layers
    psd_db, x = _standardised(settings, mean_db, std_db)
    x = layers.MaxPooling2D((1, 2), padding="same")(_convolution(x, 16, 5, strides=2))
    x = layers.MaxPooling2D(2, padding="same")(_convolution(x, 32, 5))
    for n_maps in (48, 48, 32):
        x = _convolution(x, n_maps, 3)
    x = layers.Flatten()(layers.MaxPooling2D(2, padding="same")(x))
    for _ in range(2):
        x = layers.Dropout(0.5)(layers.Dense(256, activation="relu")(x))
    return keras.Model(psd_db, layers.Dense(1)(x))


BLACK_BOXES: dict[str, Build] = {LENET: lenet, ALEXNET: alexnet}


def fit_black_box(train: Dataset, recipe: Recipe, build: Build) -> keras.Model:
    """As network_fit.fit does for the GAP-CNN: same batches, same optimiser, same schedule."""
    make_repeatable(recipe.seed)
    mean_db = train.psd_db.mean(axis=(0, 3))
    std_db = np.maximum(train.psd_db.std(axis=(0, 3)), MIN_STD_DB)
    model = build(
        network_settings(train.settings, train.psd_db.shape[1], recipe), mean_db, std_db
    )
    batches = _Batches(MixedBatches(train.psd_db, train.label, recipe, recipe.seed))
    rates = iter(learning_rates(recipe, len(batches)))
    optimiser = keras.optimizers.AdamW(0.0, weight_decay=recipe.weight_decay)
    model.compile(optimiser, keras.losses.BinaryCrossentropy(from_logits=True))

    def set_rate(*_: object, **__: object) -> None:
        optimiser.learning_rate = next(rates)

    model.fit(
        batches,
        epochs=recipe.n_epochs,
        verbose=0,
        shuffle=False,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_begin=set_rate)],
    )
    return model


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """As Keras takes them, without the cost of feature maps, which a black box has not."""

    def __init__(self, batches: MixedBatches) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, number: int) -> tuple[Any, Any, Any]:
        batch = self._batches[number]
        return batch.psd_db, batch.target, batch.weight

    def on_epoch_end(self) -> None:
        self._batches.on_epoch_end()


def sweep_problem(n_train: int, n_test: int, recipe: Recipe) -> Problem:
    """The signals of the sweep example."""
    return Problem(
        "sweep",
        recipe,
        ((make_dataset(n_train, 0)[0], make_dataset(n_test, TEST_SEED)[0]),),
    )


def recordings_problem(path: Path, n_epochs: int | None) -> Problem:
    """Each machine in turn is tested by networks that never saw it. Raises RecordingError,
    TrainingError.

    n_epochs : None for as many as the recipe of camshaft-train fit has
    """
    manifest = load_manifest(path)
    # The shape that the figures in docs/examples.md were made with.
    recipe = Recipe(default_recipe(manifest).window_s, n_members=1)
    recipe = recipe if n_epochs is None else replace(recipe, n_epochs=n_epochs)
    dataset = usable(
        read_with_bar(manifest, spectrogram_settings(manifest.sample_rate_hz, recipe))
    )
    folds = leave_one_out(dataset, manifest.settings.groups[0])
    return Problem(
        manifest.name,
        recipe,
        tuple((dataset.select(f.train), dataset.select(f.test)) for f in folds),
    )


def compete(problem: Problem, n_seeds: int, tick: Callable[[], None]) -> dict[str, Outcome]:
    """Every network, with every seed, on every fold."""
    return {name: _outcome(problem, name, n_seeds, tick) for name in (GAP, *BLACK_BOXES)}


def paired_difference(problem: Problem, ours: Outcome, other: Outcome) -> Interval:
    """By how much our AUC, mean over folds and seeds, is above the other's. Runs and seeds are
    drawn again.
    """
    label, fold, run = (
        problem.tested(lambda test: test.label),
        problem.fold,
        problem.tested(lambda test: test.run),
    )
    random = np.random.default_rng(0)
    every = np.arange(len(ours.logit))

    def draw() -> NDArray[np.intp]:
        return random.integers(len(every), size=len(every))

    def difference(
        index: NDArray[np.intp], our_seeds: NDArray[np.intp], other_seeds: NDArray[np.intp]
    ) -> float:
        both = ours.logit[our_seeds][:, index], other.logit[other_seeds][:, index]
        our_auc, other_auc = (_mean_auc(label[index], logit, fold[index]) for logit in both)
        return float(our_auc.mean() - other_auc.mean())

    drawn = bootstrap(run, lambda index: difference(index, draw(), draw()))
    return replace(drawn, value=difference(np.arange(len(label)), every, every))


def seed_auc(problem: Problem, outcome: Outcome) -> NDArray[np.float64]:
    """Mean over the folds, for each seed."""
    return _mean_auc(problem.tested(lambda test: test.label), outcome.logit, problem.fold)


def table(problem: Problem, outcomes: dict[str, Outcome]) -> list[str]:
    """One line a network, ready to print."""
    label = problem.tested(lambda test: test.label)
    lines = [
        f"{problem.name}: {len(label)} test windows, {len(problem.folds)} fold(s),"
        f" {len(outcomes[GAP].logit)} seeds"
    ]
    lines.append(
        f"{'network':14s} parameters  MFLOP  AUC of the seeds        balanced  AUC of the GAP-CNN"
        " minus its own"
    )
    for name, outcome in outcomes.items():
        reached = seed_auc(problem, outcome)
        balanced = np.mean([balanced_accuracy(label, logit > 0) for logit in outcome.logit])
        ahead = (
            "" if name == GAP else f"{paired_difference(problem, outcomes[GAP], outcome)}"
        )
        lines.append(
            f"{name:14s} {outcome.n_parameters:10,d} {outcome.n_flops / 1e6:6.1f} "
            f" {reached.mean():.3f} ({reached.min():.3f} to {reached.max():.3f})  {balanced:8.3f} "
            f" {ahead}"
        )
    return lines


def picture(results: Sequence[tuple[Problem, dict[str, Outcome]]]) -> bytes:
    """AUC of each seed against the number of parameters."""
    figure, all_axes = plt.subplots(
        1, len(results), figsize=(4.8 * len(results), 3.8), squeeze=False
    )
    for axes, (problem, outcomes) in zip(all_axes[0], results, strict=True):
        for name, outcome in outcomes.items():
            reached = seed_auc(problem, outcome)
            (dots,) = axes.plot(
                np.full(len(reached), outcome.n_parameters),
                reached,
                "o",
                alpha=0.6,
                label=name,
            )
            axes.plot(
                outcome.n_parameters,
                reached.mean(),
                "_",
                markersize=24,
                color=dots.get_color(),
            )
        axes.set(
            xscale="log",
            xlabel="parameters",
            title=f"{problem.name}: a dot a seed, bar = mean",
        )
        axes.margins(x=0.15, y=0.2)
        axes.grid(alpha=0.3)
    all_axes[0][0].set_ylabel("AUC on windows never seen")
    all_axes[0][0].legend(loc="lower left")
    figure.tight_layout()
    return png(figure)


def count_flops(model: keras.Model) -> int:
    """Two for each multiplication in convolutions and dense layers, of one window; the rest is
    small beside them.
    """
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += count_flops(layer)
        elif isinstance(layer, keras.layers.Conv2D):
            total += (
                2 * int(np.prod(layer.kernel.shape)) * int(np.prod(layer.output.shape[1:3]))
            )
        elif isinstance(layer, keras.layers.Dense):
            total += 2 * int(np.prod(layer.kernel.shape))
    return total


def _outcome(
    problem: Problem, name: str, n_seeds: int, tick: Callable[[], None]
) -> Outcome:
    logits = []
    for seed in range(n_seeds):
        recipe = replace(problem.recipe, seed=seed)
        parts = []
        for train, test in problem.folds:
            model = (
                fit(train, recipe)
                if name == GAP
                else fit_black_box(train, recipe, BLACK_BOXES[name])
            )
            parts.append(_logit(model, test.psd_db))
            tick()
        logits.append(np.concatenate(parts))
    return Outcome(np.stack(logits), model.count_params(), count_flops(model))


def _logit(model: keras.Model, psd_db: Float32) -> Float32:
    if isinstance(model.output, dict):
        return predict(model, psd_db)[0]
    parts = [
        model(psd_db[i : i + N_BATCH], training=False)
        for i in range(0, len(psd_db), N_BATCH)
    ]
    return np.concatenate([np.asarray(part)[:, 0] for part in parts])


def _mean_auc(
    label: NDArray[np.int8], logit: Float32, fold: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Mean over the folds, shape (n_seeds,)."""
    parts = [
        [auc(label[fold == k], one[fold == k]) for k in np.unique(fold)] for one in logit
    ]
    return np.asarray(np.mean(parts, axis=1))


def _standardised(
    settings: NetworkSettings, mean_db: Float32, std_db: Float32
) -> tuple[Any, Any]:
    psd_db = keras.Input(
        (settings.n_channels, settings.n_bands, settings.n_frames), name="psd_db"
    )
    return psd_db, SpectrogramInput(mean_db, std_db, name="standardise")(psd_db)


def _convolution(x: Any, n_maps: int, kernel: int, strides: int = 1) -> Any:
    layers = keras.layers
    x = layers.Conv2D(n_maps, kernel, strides=strides, padding="same", use_bias=False)(x)
    return layers.ReLU()(FusedBatchNormalization(momentum=0.9)(x))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.examples.black_boxes",
        description=(__doc__ or "").split("\n")[0],
    )
    parser.add_argument(
        "--manifest", type=Path, metavar="PATH", help="recordings to compare on as well"
    )
    parser.add_argument(
        "--manifest-epochs",
        type=int,
        metavar="N",
        help="on these; default: as camshaft-train fit",
    )
    parser.add_argument(
        "--signals", type=int, default=N_TRAIN, help="sweep signals to learn from"
    )
    parser.add_argument("--test-signals", type=int, default=N_TEST)
    parser.add_argument("--epochs", type=int, default=N_EPOCHS)
    parser.add_argument("--seeds", type=int, default=N_SEEDS)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/examples/black_boxes.png"),
        metavar="PATH",
        help="figure",
    )
    return parser


def _problems(options: argparse.Namespace) -> list[Problem]:
    recipe = replace(RECIPE, n_epochs=options.epochs)
    sweeps = sweep_problem(options.signals, options.test_signals, recipe)
    if options.manifest is None:
        return [sweeps]
    return [sweeps, recordings_problem(options.manifest, options.manifest_epochs)]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    began = time.monotonic()
    try:
        problems = _problems(options)
    except (RecordingError, TrainingError) as error:
        print(f"black_boxes: {error}", file=sys.stderr)
        return EXIT_REFUSED
    n_folds = sum(len(problem.folds) for problem in problems)
    n_fits = options.seeds * (1 + len(BLACK_BOXES)) * n_folds
    results = []
    with bar("learning networks", n_fits) as tick:
        for problem in problems:
            results.append((problem, compete(problem, options.seeds, tick)))
            print("\n".join(table(*results[-1])), flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(picture(results))
    print(f"{time.monotonic() - began:.0f} s in all; figure: {options.out}")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
