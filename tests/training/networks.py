"""Networks for tests that ask what is done with a network, not how well it learned."""

from __future__ import annotations

import numpy as np

from training.dataset import Dataset
from training.network import build, keras, make_repeatable
from training.network_fit import Tick
from training.recipe import Recipe, network_settings


def untrained(dataset: Dataset, recipe: Recipe, tick: Tick | None = None) -> keras.Model:
    """In the place of network_fit.fit, which takes seconds."""
    make_repeatable(recipe.seed)
    settings = network_settings(dataset.settings, dataset.psd_db.shape[1], recipe)
    shape = (settings.n_channels, settings.n_bands)
    return build(settings, np.full(shape, -40, np.float32), np.full(shape, 5, np.float32))
