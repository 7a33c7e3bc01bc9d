"""Networks for tests that ask what is done with a network, not how well it learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from training.dataset import Dataset
from training.in_parallel import HERE, Workers
from training.many_fits import Chosen, FitEach
from training.network import build, keras, make_repeatable
from training.network_fit import Tick
from training.recipe import Recipe, network_settings

Fit = Callable[[Dataset, Recipe, Tick | None], keras.Model]


def each(fit: Fit) -> FitEach:
    """One after another."""

    def fit_each(
        dataset: Dataset,
        chosen: Sequence[Chosen],
        recipe: Recipe,
        tick: Tick | None = None,
        workers: Workers = HERE,
    ) -> list[keras.Model]:
        return [fit(dataset.select(some), recipe, tick) for some in chosen]

    return fit_each


def untrained(dataset: Dataset, recipe: Recipe, tick: Tick | None = None) -> keras.Model:
    """In the place of network_fit.fit, which takes seconds."""
    make_repeatable(recipe.seed)
    settings = network_settings(dataset.settings, dataset.psd_db.shape[1], recipe)
    shape = (settings.n_channels, settings.n_bands)
    return build(settings, np.full(shape, -40, np.float32), np.full(shape, 5, np.float32))
