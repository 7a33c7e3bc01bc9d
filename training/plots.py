"""Figures of a report as PNG, drawn without a display."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from monitor.records.evidence import Grid
from monitor.records.signal import Float32, Float64
from training.dataset import NG, OK
from training.report_figures import CalibrationCurve
from training.truth import Curves, MapFigures

MAX_MACHINES = 8  # side by side
COLOURS = {
    "network": "#1f77b4",
    "novelty": "#2ca02c",
    "status": "#d62728",
    "random forest": "0.5",
    "logistic regression": "#ff7f0e",
}


def png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, dpi=90, bbox_inches="tight")
    plt.close(figure)
    return content.getvalue()


def rankings(label: NDArray[np.int8], scores: dict[str, Float64]) -> bytes:
    """ROC and precision-recall curves side by side."""
    figure, (roc, recall) = plt.subplots(1, 2, figsize=(10, 4.2))
    n_ng, n_ok = (label == NG).sum(), (label == OK).sum()
    for name, score in scores.items():
        if np.isnan(score).all() or n_ng == 0 or n_ok == 0:
            continue
        order = np.argsort(-score, kind="stable")
        hits, misses = np.cumsum(label[order] == NG), np.cumsum(label[order] == OK)
        roc.plot(misses / n_ok, hits / n_ng, label=name, color=COLOURS.get(name))
        recall.plot(
            hits / n_ng, hits / (hits + misses), label=name, color=COLOURS.get(name)
        )
    roc.plot([0, 1], [0, 1], color="0.8", zorder=0)
    roc.set(
        xlabel="share of OK windows called NG",
        ylabel="share of NG windows found",
        title="ROC",
    )
    recall.set(
        xlabel="share of NG windows found",
        ylabel="share of alarms that are right",
        title="Precision and recall",
    )
    if len(label):
        recall.axhline(label.mean(), color="0.8", zorder=0)
    if roc.get_legend_handles_labels()[0]:
        roc.legend(loc="lower right")
    return png(figure)


def calibration(curve: CalibrationCurve) -> bytes:
    figure, axes = plt.subplots(figsize=(4.6, 4.2))
    axes.plot([0, 1], [0, 1], color="0.8")
    axes.plot(curve.probability, curve.share_ng, "o-")
    axes.set(
        xlabel="P(NG) by the network",
        ylabel="share of NG windows",
        title="Calibration",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    return png(figure)


def distributions(label: NDArray[np.int8], scores: dict[str, Float64]) -> bytes:
    """How the scores of OK and NG windows lie about the threshold, which is 0."""
    figure, all_axes = plt.subplots(
        1, len(scores), figsize=(4.6 * len(scores), 3.4), squeeze=False
    )
    for axes, (name, score) in zip(all_axes[0], scores.items(), strict=True):
        known = ~np.isnan(score)
        if not known.any():
            continue
        edges = np.histogram_bin_edges(score[known], 40)
        for name_of_class, value, colour in (("ok", OK, "#2ca02c"), ("ng", NG, "#d62728")):
            some = score[known & (label == value)]
            if len(some):
                axes.hist(
                    some, edges, alpha=0.6, label=name_of_class, color=colour, density=True
                )
        axes.axvline(0, color="black", linewidth=1)
        axes.set(title=name, xlabel="score; NG above 0", yticks=[])
    if all_axes[0][0].get_legend_handles_labels()[0]:
        all_axes[0][0].legend(loc="upper right")
    return png(figure)


def deletion(figures: dict[str, MapFigures]) -> bytes:
    """Deletion and insertion curves of each way to explain, or each fold. figures : by name"""
    figure, all_axes = plt.subplots(
        len(figures), 2, figsize=(9, 3.2 * len(figures)), squeeze=False
    )
    for (left, right), (name, one) in zip(all_axes, figures.items(), strict=True):
        _curves(left, one.shares, one.deletion)
        _curves(right, one.shares, one.insertion)
        left.set(title=f"{name}: deletion", xlabel="share of cells", ylabel="logit fell by")
        right.set(
            title=f"{name}: insertion", xlabel="share of cells", ylabel="logit rose by"
        )
    all_axes[0][0].legend(loc="upper right")
    figure.tight_layout()
    return png(figure)


def _curves(axes: Axes, shares: list[float], curves: Curves) -> None:
    lines = {
        "named": curves.named,
        "equal energy": curves.equal_energy,
        "random": curves.random,
    }
    for label, moved in lines.items():
        axes.plot(shares, moved, "o-", markersize=3, label=label)


def maps(
    psd_db: Float32,
    contribution: Float32,
    grid: Grid,
    titles: Sequence[str],
    field: tuple[float, float],
    delta_t_s: float,
) -> bytes:
    """Spectrogram above, map below, for a few windows; a box shows what one cell sees (Hz, s).

    psd_db : (n, n_bands, n_frames). contribution : (n, n_f, n_t)
    """
    n = len(psd_db)
    figure, all_axes = plt.subplots(
        2, n, figsize=(3.6 * n, 6), squeeze=False, layout="constrained"
    )
    limit = max(float(np.abs(contribution).max()), 1e-12)
    frames_s = np.arange(psd_db.shape[2] + 1) * delta_t_s
    for i in range(n):
        top, below = all_axes[0][i], all_axes[1][i]
        top.pcolormesh(frames_s, grid.f_edges_hz, psd_db[i], cmap="viridis")
        cells = _cells(below, contribution[i], grid, limit)
        top.set_title(titles[i], fontsize=9)
        _box(below, grid, field)
        for axes in (top, below):
            axes.set_yscale("log" if grid.f_edges_hz[0] > 0 else "linear")
        below.set_xlabel("s")
    all_axes[0][0].set_ylabel("Hz")
    all_axes[1][0].set_ylabel("Hz")
    figure.colorbar(cells, ax=all_axes[1], label="contribution, logit")
    return png(figure)


def _cells(axes: Axes, contribution: Float32, grid: Grid, limit: float) -> QuadMesh:
    return axes.pcolormesh(
        grid.t_edges_s,
        grid.f_edges_hz,
        contribution,
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
    )


def life(runs: Sequence[tuple[str, Float64, Float64]]) -> bytes:
    """Status score over the life of each run to failure: name, hours, score."""
    columns = min(3, len(runs))
    rows = -(-len(runs) // columns)
    figure, all_axes = plt.subplots(
        rows, columns, figsize=(4.4 * columns, 2.8 * rows), squeeze=False
    )
    for axes, (name, hours, score) in zip(all_axes.flat, runs, strict=False):
        axes.plot(hours, score, linewidth=0.7)
        axes.axhline(0, color="black", linewidth=1)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("h")
    for axes in all_axes.flat[len(runs) :]:
        axes.set_visible(False)
    all_axes[0][0].set_ylabel("status score; NG above 0")
    figure.tight_layout()
    return png(figure)


def overview_picture(
    level_db: Float32,
    label: NDArray[np.int8],
    machine: NDArray[np.str_],
    edges_hz: Sequence[float],
) -> bytes:
    """Mean spectrum of each machine and class, all channels averaged. level_db : (n, n_channels,
    n_bands)
    """
    names = [str(name) for name in dict.fromkeys(machine)][:MAX_MACHINES]
    figure, all_axes = plt.subplots(
        1, len(names), figsize=(4 * len(names), 3.4), squeeze=False, sharey=True
    )
    for axes, name in zip(all_axes[0], names, strict=True):
        for number, word, colour in (
            (OK, "ok", "#2ca02c"),
            (NG, "ng", "#d62728"),
            (-1, "unlabelled", "0.7"),
        ):
            some = level_db[(machine == name) & (label == number)].mean(axis=1)
            if len(some) == 0:
                continue
            low, middle, high = np.percentile(some, [10, 50, 90], axis=0)
            axes.stairs(
                middle, edges_hz, color=colour, label=f"{word} ({len(some)})", baseline=None
            )
            axes.fill_between(
                edges_hz[:-1], low, high, step="post", color=colour, alpha=0.2
            )
        axes.set(title=name, xlabel="Hz", xscale="log")
        axes.legend(loc="upper right", fontsize=8)
    all_axes[0][0].set_ylabel("dB re 1 (m/s²)²/Hz; 10 to 90 % of windows")
    return png(figure)


def _box(axes: Axes, grid: Grid, field: tuple[float, float]) -> None:
    """The receptive field, drawn at the upper left corner."""
    high, left = grid.f_edges_hz[-1], grid.t_edges_s[0]
    axes.add_patch(
        mpl.patches.Rectangle(
            (left, high - field[0]),
            field[1],
            field[0],
            fill=False,
            linestyle=":",
            edgecolor="black",
        )
    )
