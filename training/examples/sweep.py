"""A frequency sweep in noise and clutter: does the map follow the ridge, which is known here?

    python -m training.examples.sweep

The network learns from labels alone, sweep or none. On signals it never saw, a
cell's positive evidence is right where the sweep passes through what that cell
sees: its receptive field.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from monitor.evidence.cam import activation_maps
from monitor.exit_codes import EXIT_OK
from monitor.records.signal import Float32, Float64
from training.dataset import NG, Dataset
from training.examples.proportion import share
from training.examples.sweep_signals import KINDS, Sweep, make_dataset, ridge
from training.metrics import Interval, auc, bootstrap, bootstrap_score
from training.network import NetworkSettings, head, keras, predict
from training.network_fit import fit
from training.plots import png
from training.progress import bar
from training.recipe import Recipe, grid_edges_s, network_settings

RECIPE = Recipe(
    window_s=4.0,
    n_maps=(8, 16, 24),
    pools=(2, 2),
    kernels=((3, 3), (3, 3), (1, 3)),
    n_members=1,
    n_epochs=20,
    learning_rate=3e-3,
    mixup=0.0,
    sparsity=0.01,
)
N_TRAIN, N_TEST = 3000, 600
FIRST_IN_BOX = 6  # band where the figure shows what a cell sees
TEST_SEED = 1000  # so far from the seeds of the training signals


@dataclass(frozen=True)
class Maps:
    """The network's word on each test signal and what it says of the sweeps.

    contribution : (n, n_bands, n_t), logit units. within_field, on_ridge : (n,
        n_bands, n_t), cells that see the ridge, and cells that it passes or
        that touch such a cell; empty without a sweep
    """

    logit: Float32
    contribution: Float32
    residual: Float64
    within_field: NDArray[np.bool_]
    on_ridge: NDArray[np.bool_]


def judge(
    model: keras.Model,
    network: NetworkSettings,
    test: Dataset,
    sweeps: Sequence[Sweep | None],
) -> Maps:
    """Maps of every test signal, and where their evidence ought to be."""
    logit, features = predict(model, test.psd_db)
    contribution, residual = activation_maps(features, *head(model), logit)
    none = np.zeros((network.n_bands, network.n_frames), bool)
    passed = np.stack(
        [none if sweep is None else ridge(sweep, test.settings) for sweep in sweeps]
    )
    return Maps(
        logit,
        contribution,
        residual,
        within_field(passed, network),
        next_to(passed, network),
    )


def within_field(passed: NDArray[np.bool_], network: NetworkSettings) -> NDArray[np.bool_]:
    """Cells of the map that see any of the marked bands and frames. (n, n_bands, n_frames) to (n,
    n_bands, n_t)
    """
    seen_bands, seen_frames = network.receptive_field
    each_side = (seen_frames - network.frames_per_column) // 2
    around = maximum_filter(
        passed, size=(1, seen_bands, 2 * each_side + 1), mode="constant"
    )
    return _any_in_column(around, network)


def next_to(passed: NDArray[np.bool_], network: NetworkSettings) -> NDArray[np.bool_]:
    """Cells with a mark inside, and their neighbours."""
    return np.asarray(
        maximum_filter(_any_in_column(passed, network), size=(1, 3, 3), mode="constant")
    )


def evidence_share(contribution: Float32, region: NDArray[np.bool_]) -> Float64:
    """Share of each signal's positive evidence that lies in its region, shape (n,); 0 where nothing
    is positive.
    """
    positive = np.maximum(contribution, 0).astype(np.float64)
    total = positive.sum(axis=(1, 2))
    return np.asarray((positive * region).sum(axis=(1, 2)) / np.where(total > 0, total, 1))


def report(maps: Maps, test: Dataset) -> list[str]:
    """Figures with 95 % intervals over the test signals, each line ready to print."""
    kind, right = test.column("kind"), (maps.logit > 0) == (test.label == NG)
    ranking = bootstrap_score(np.arange(len(test)), test.label, maps.logit, auc)
    lines = [f"AUC {ranking}, right at P = 0.5: {share(right)} of {len(test)}"]
    lines += [
        f"  {name}: right {share(right[kind == name])} of {(kind == name).sum()}"
        for name in KINDS
    ]
    sweep = test.label == NG
    for words, some in (("every sweep", sweep), ("sweeps found", sweep & (maps.logit > 0))):
        lines.append(f"positive evidence of {words} ({some.sum()}):")
        if not some.any():
            continue
        for name, region in (
            ("within one receptive field of the ridge", maps.within_field),
            ("on the ridge or next to it", maps.on_ridge),
        ):
            inside = evidence_share(maps.contribution[some], region[some])
            lines.append(
                f"  {name}: {mean_interval(inside)} on {region[some].mean():.0%} of the map"
            )
    return [
        *lines,
        f"each map adds up to its logit: largest residual {maps.residual.max():.1e}",
    ]


def mean_interval(values: NDArray[np.generic]) -> Interval:
    number = np.asarray(values, np.float64)
    return bootstrap(np.arange(len(number)), lambda index: float(number[index].mean()))


def chosen(maps: Maps, test: Dataset) -> dict[str, int]:
    """A strong sweep, a middling one, a weak one, the clutter most like a sweep, and middling
    noise.
    """
    kind = test.column("kind")
    places = {
        "strong sweep": ("sweep", 0.9),
        "middling sweep": ("sweep", 0.5),
        "weak sweep": ("sweep", 0.1),
    }
    places |= {
        "clutter most like a sweep": ("clutter", 1.0),
        "middling noise": ("noise", 0.5),
    }
    found = {}
    for words, (name, place) in places.items():
        index = np.flatnonzero(kind == name)
        found[words] = int(
            index[np.argsort(maps.logit[index])][round(place * (len(index) - 1))]
        )
    return found


def picture(
    maps: Maps, test: Dataset, sweeps: Sequence[Sweep | None], network: NetworkSettings
) -> bytes:
    """Spectrogram above, map below, the true ridge over both; a box shows what one cell sees."""
    cases = chosen(maps, test)
    index = list(cases.values())
    limit = float(np.abs(maps.contribution[index]).max())
    figure, all_axes = plt.subplots(
        2, len(index), figsize=(3 * len(index), 6), sharex=True, sharey=True
    )
    edges_hz = test.settings.band_edges_hz
    frames_s = test.settings.delta_t_s * (np.arange(test.settings.n_frames + 1) + 0.5)
    for (top, below), (words, i) in zip(all_axes.T, cases.items(), strict=True):
        top.pcolormesh(frames_s, edges_hz, test.psd_db[i, 0], cmap="viridis")
        cells = below.pcolormesh(
            grid_edges_s(test.settings, network),
            edges_hz,
            maps.contribution[i],
            cmap="RdBu_r",
            vmin=-limit,
            vmax=limit,
        )
        top.set_title(f"{words}\nP = {1 / (1 + np.exp(-maps.logit[i])):.2f}", fontsize=9)
        below.set_xlabel("s")
        for axes in (top, below):
            _ridge_line(axes, sweeps[i], edges_hz[-1])
    for axes in all_axes[:, 0]:
        axes.set_ylabel("Hz")
    _field_box(all_axes[1][-1], network, test)
    figure.colorbar(cells, ax=all_axes, label="contribution of a cell, logit", shrink=0.6)
    return png(figure)


def _ridge_line(axes: Axes, sweep: Sweep | None, top_hz: float) -> None:
    axes.set(yscale="log", ylim=(20, top_hz))
    if sweep is not None:
        t_s = np.linspace(sweep.start_s, sweep.start_s + sweep.duration_s, 50)
        axes.plot(
            t_s,
            sweep.frequency_hz(t_s),
            color="black",
            linewidth=1.2,
            linestyle=(0, (4, 2)),
        )


def _field_box(axes: Axes, network: NetworkSettings, test: Dataset) -> None:
    """The receptive field, beside no evidence."""
    seen_bands, seen_frames = network.receptive_field
    settings = test.settings
    width_s = (settings.n_fft + (seen_frames - 1) * settings.hop) / settings.sample_rate_hz
    low, high = (
        settings.band_edges_hz[FIRST_IN_BOX],
        settings.band_edges_hz[FIRST_IN_BOX + seen_bands],
    )
    corner = (1.0, low)
    axes.text(corner[0], high * 1.1, "one cell sees", fontsize=8)
    axes.add_patch(
        Rectangle(corner, width_s, high - low, fill=False, linestyle=":", edgecolor="black")
    )


def _any_in_column(
    marked: NDArray[np.bool_], network: NetworkSettings
) -> NDArray[np.bool_]:
    starts = np.arange(network.n_t) * network.frames_per_column
    return np.asarray(np.logical_or.reduceat(marked, starts, axis=2))


def learn(
    n_signals: int, recipe: Recipe, tick: Callable[[], None] | None = None
) -> tuple[keras.Model, NetworkSettings]:
    train, _ = make_dataset(n_signals, recipe.seed)
    return fit(train, recipe, tick), network_settings(train.settings, 1, recipe)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.examples.sweep", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--signals", type=int, default=N_TRAIN, help="to learn from")
    parser.add_argument("--test-signals", type=int, default=N_TEST)
    parser.add_argument("--epochs", type=int, default=RECIPE.n_epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/examples/sweep.png"),
        metavar="PATH",
        help="figure",
    )
    options = parser.parse_args(arguments)
    began = time.monotonic()
    recipe = Recipe(**{**vars(RECIPE), "n_epochs": options.epochs, "seed": options.seed})
    with bar("learning sweeps", options.epochs) as tick:
        model, network = learn(options.signals, recipe, tick)
    test, sweeps = make_dataset(options.test_signals, TEST_SEED + options.seed)
    maps = judge(model, network, test, sweeps)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(picture(maps, test, sweeps, network))
    print("\n".join(report(maps, test)))
    print(
        f"{model.count_params()} parameters, {time.monotonic() - began:.0f} s in all; figure:"
        f" {options.out}"
    )
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
