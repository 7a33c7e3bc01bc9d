"""What the logit would be without parts of a window: a part is set to the level of the
sensor's commissioning, and the network is asked again. Pure.

The map says where the network sees a fault; this says what its logit rests on.
Patches are removed as in Zeiler and Fergus (2014), whole bands as in Buck et al.
(arXiv 2601.19017). The falls do not add up: of two redundant parts either may
go at no cost, and of two that are both needed each takes everything with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from monitor.evidence.cam import named_rows
from monitor.records.evidence import Grid
from monitor.records.occlusion import Occlusion, WithoutBand
from monitor.records.signal import Float32, Float64

# Spectrograms (n, n_channels, n_f, n_frames), as the network is shown them, to logits (n,).
Predict = Callable[[Float32], Float32]

ALL_TIMES = slice(None)
MAX_PATCHES = 10  # along time
MAX_NAMED = 3  # bands
LEAST_FALL = 0.01  # logit: a smaller one does not show in two digits


@dataclass(frozen=True, slots=True)
class Picture:
    """A window as its network is shown it.

    psd_db : float32, shape (n_channels, n_f, n_frames)
    reference_db : float32, shape (n_channels, n_f), what a part is set to
    """

    predict: Predict
    psd_db: Float32
    reference_db: Float32

    def without(
        self, bands: Sequence[tuple[int, int]], frames: slice = ALL_TIMES
    ) -> Float64:
        """The logit without each of these runs of bands, first and last, in these frames."""
        pictures = np.repeat(self.psd_db[np.newaxis], len(bands), axis=0)
        for picture, (first, last) in zip(pictures, bands, strict=True):
            rows = slice(first, last + 1)
            picture[:, rows, frames] = self.reference_db[:, rows, np.newaxis]
        return np.asarray(self.predict(pictures), np.float64)

    def without_each_band(self, frames: slice = ALL_TIMES) -> Float64:
        """The logit without each, shape (n_f,): one run of the network for each."""
        return self.without([(band, band) for band in range(self.psd_db.shape[1])], frames)

    def without_each_patch(self, frames: Sequence[int]) -> Float64:
        """The logit without each, shape (n_f, n_patches).

        frames : the first one of each patch, and the number of all
        """
        spans = (slice(*borders) for borders in pairwise(frames))
        return np.stack([self.without_each_band(span) for span in spans], axis=1)


def patch_columns(n_t: int) -> list[int]:
    """The first column of a map in each patch, and n_t."""
    borders = np.linspace(0, n_t, min(n_t, MAX_PATCHES) + 1)
    return [int(column) for column in borders.round()]


def patch_levels(spectrum_db: Float32, of: Grid, patches: Grid) -> Float32:
    """The mean power of each patch, to lay it over: (n_channels, n_f, n_patches), dB.

    spectrum_db : (n_channels, n_f, n_t), on the map's grid, whose edges patches share
    """
    starts = [of.t_edges_s.index(edge_s) for edge_s in patches.t_edges_s[:-1]]
    power = 10 ** (spectrum_db.astype(np.float64) / 10)
    total = np.add.reduceat(power, starts, axis=2) / np.diff([*starts, of.shape[1]])
    return np.asarray(10 * np.log10(total), np.float32)


class Occluding:
    """One window's occlusion, a step at a time: each as many runs of the network as there
    are bands, and in the last one up to three more.
    """

    def __init__(
        self, picture: Picture, logit: float, grid: Grid, frames: Sequence[int]
    ) -> None:
        """logit : of the whole window
        grid, frames : of the network's map; the first frame of each column
        """
        columns = patch_columns(grid.shape[1])
        edges_s = tuple(grid.t_edges_s[column] for column in columns)
        borders = [*(frames[column] for column in columns[:-1]), picture.psd_db.shape[2]]
        self._grid = Grid(grid.f_edges_hz, edges_s)
        self._spans = [slice(*pair) for pair in pairwise(borders)]
        self._picture, self._logit = picture, logit
        self._left: list[Float64] = []  # without each band, of each patch along time

    def step(self) -> Occlusion | None:
        """None until it is whole."""
        n_done = len(self._left)
        if n_done < len(self._spans):
            self._left.append(self._picture.without_each_band(self._spans[n_done]))
            return None
        falls = self._logit - np.stack(self._left, axis=1)
        bands = _named(self._picture, self._logit, self._grid.f_edges_hz)
        return Occlusion(self._grid, falls.astype(np.float32), bands)


def _named(
    picture: Picture, logit: float, f_edges_hz: Sequence[float]
) -> tuple[WithoutBand, ...]:
    """By the rule of the map; none where the logit rests on none."""
    worth = np.asarray(logit - picture.without_each_band(), np.float32)
    rows = named_rows(worth[:, np.newaxis])[:MAX_NAMED]
    runs = [(first, last) for first, last, _ in rows]
    if not runs:
        return ()
    found = [
        WithoutBand(float(f_edges_hz[first]), float(f_edges_hz[last + 1]), float(left))
        for (first, last), left in zip(runs, picture.without(runs), strict=True)
        if left <= logit - LEAST_FALL
    ]
    return tuple(sorted(found, key=lambda one: one.logit))
