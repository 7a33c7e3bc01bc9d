"""What a network is shown: levels as they are, or less those of the sensor's own commissioning.

Relative levels carry over to machines that nobody trained on, where a machine
has one healthy self: eight bearings run to failure, each judged by single
networks of the other seven, are ranked with an AUC of .93 to .94 in place of
.90 to .93 (docs/laboratory.md). A machine that does now this and then that has
no one level to compare with; its novelty ranks its faults badly, and the
network gets levels as they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.evidence.novelty import MIN_WINDOWS
from monitor.records.signal import Float64
from monitor.signal.spectrogram import to_grid
from training import TrainingError
from training.dataset import Dataset, LabelNumbers
from training.metrics import auc
from training.recipe import ABSOLUTE, AUTO, CUTMIX, RELATIVE, Levels, Recipe
from training.thresholds import DEFAULT_WINDOWS, HALF, centre_db, first_windows

RELATIVE_AUC = 0.9  # of novelty on the training machines: so far they are unlike themselves


def choose_levels(recipe: Recipe, label: LabelNumbers, novelty: Float64) -> Levels:
    """The recipe's, or by how well each machine's novelty ranks its faults.

    label, novelty : shape (n,); novelty : NaN for windows that prove nothing
    """
    if recipe.levels != AUTO:
        return recipe.levels
    known = ~np.isnan(novelty) & (label >= 0)
    return RELATIVE if auc(label[known], novelty[known]) >= RELATIVE_AUC else ABSOLUTE


def with_levels(recipe: Recipe, levels: Levels) -> Recipe:
    """The recipe with levels chosen. With relative ones CutMix ranks best and is tried first."""
    if recipe.levels == AUTO and levels == RELATIVE:
        first = tuple(one for one in recipe.mixings if one == CUTMIX)
        others = tuple(one for one in recipe.mixings if one != CUTMIX)
        return replace(recipe, levels=levels, mixings=first + others)
    return replace(recipe, levels=levels)


def as_seen(
    dataset: Dataset, levels: Levels, n_t: int, n_windows: int = DEFAULT_WINDOWS
) -> Dataset:
    """The dataset with the levels that a network is shown.

    n_t : columns of its map. n_windows : of each sensor, the first ones, that
        commission it
    Raises TrainingError for a sensor that has too few to be commissioned.
    """
    if levels != RELATIVE:
        return dataset
    own_db = np.empty(dataset.psd_db.shape[:3], np.float32)
    for sensor, first in first_windows(dataset, n_windows, HALF).items():
        if len(first) < MIN_WINDOWS:
            raise TrainingError(
                f"{sensor}: {len(first)} windows to commission it with, at least {MIN_WINDOWS} are"
                " needed where a network sees levels relative to a sensor's own (--levels absolute"
                " needs none)."
            )
        # As the monitor's baseline has it.
        own_db[dataset.sensor == sensor] = centre_db(to_grid(dataset.psd_db[first], n_t))
    return replace(dataset, psd_db=dataset.psd_db - own_db[..., None])
