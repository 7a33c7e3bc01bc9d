"""Networks for several training sets, which differ by the folds they leave out: one after another,
or their members by several processes.

Same figures either way: a process uses as many threads as one alone would, and a member knows
nothing of the others but its seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from training import in_parallel
from training.dataset import Dataset
from training.in_parallel import HERE, Workers
from training.network import average, keras
from training.network_fit import Tick, fit, labelled_of, member_of, member_weights
from training.recipe import Recipe

# What a training set is of the windows: their numbers, a mask or a slice.
Chosen = Any

FitEach = Callable[[Dataset, Sequence[Chosen], Recipe, Tick | None], list[keras.Model]]

ALL = slice(None)  # of the windows


def add_jobs(parser: argparse.ArgumentParser) -> None:
    in_parallel.add_jobs(
        parser,
        1,
        "processes that fit networks, about 1 GB of memory each (default %(default)s, whose"
        " threads keep a few processors busy); the figures are the same",
    )


def fit_each(
    dataset: Dataset,
    chosen: Sequence[Chosen],
    recipe: Recipe,
    tick: Tick | None = None,
    workers: Workers = HERE,
) -> list[keras.Model]:
    """fit() for each choice of windows.

    tick : after each epoch; for all those of a member at once where another
        process fits it
    Raises TrainingError unless both classes are in each choice; LostWorker.
    """
    if workers is HERE:
        return [fit(dataset.select(some), recipe, tick) for some in chosen]
    n = recipe.n_members
    weights: list[list[NDArray[Any]]] = [[] for _ in range(n * len(chosen))]
    for number, found in workers.each(_weights, _members(dataset, chosen, recipe)):
        weights[number] = found
        if tick is not None:
            for _ in range(recipe.n_epochs):
                tick()
    models = []
    for i, some in enumerate(chosen):
        labelled = labelled_of(dataset.select(some))
        of_this = weights[i * n : (i + 1) * n]
        models.append(average([member_of(labelled, recipe, one) for one in of_this]))
    return models


Member = tuple[Dataset, Recipe, int]  # and its seed


def _members(
    dataset: Dataset, chosen: Sequence[Chosen], recipe: Recipe
) -> Iterator[Member]:
    for some in chosen:
        labelled = labelled_of(dataset.select(some))
        for i in range(recipe.n_members):
            yield labelled, recipe, recipe.seed + i


def _weights(member: Member) -> list[NDArray[Any]]:
    return member_weights(*member)
