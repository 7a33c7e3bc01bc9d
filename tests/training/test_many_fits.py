"""Networks that several processes fit are the networks that one fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from tests.training.conftest import QUICK
from training import TrainingError
from training.dataset import NG, Dataset
from training.in_parallel import opened
from training.judged_runs import Memory
from training.many_fits import ALL, fit_each
from training.network import keras

SHORT = replace(QUICK, n_epochs=1)


class Backwards:
    """This process, and the last item first."""

    n_threads = 1

    def each(
        self, function: Callable[[Any], Any], items: Iterable[Any]
    ) -> Iterator[tuple[int, Any]]:
        return ((number, function(item)) for number, item in [*enumerate(items)][::-1])


def weights(model: keras.Model) -> bytes:
    return b"".join(np.asarray(one).tobytes() for one in model.get_weights())


def test_law_another_process_fits_the_same_network(dataset: Dataset) -> None:
    (alone,) = fit_each(dataset, [ALL], SHORT)
    with opened(2) as workers:  # one begins, for one member
        (other,) = fit_each(dataset, [ALL], SHORT, None, workers)
    assert weights(other) == weights(alone)


def test_law_the_order_in_which_members_are_done_does_not_matter(dataset: Dataset) -> None:
    recipe = replace(SHORT, n_members=2)
    chosen = [np.flatnonzero(dataset.column("machine") != "M0"), ALL]
    ticks: list[int] = []
    memory = Memory(partial(fit_each, workers=Backwards()))
    found = memory.fit_each(dataset, [*chosen, ALL], recipe, lambda: ticks.append(1))
    in_order = fit_each(dataset, chosen, recipe)
    assert [weights(model) for model in found[:2]] == [weights(one) for one in in_order]
    # A training set that stands twice is fitted once, and counted twice.
    assert found[2] is found[1]
    assert len(ticks) == 3 * recipe.n_members * recipe.n_epochs


def test_a_class_that_is_missing_is_refused_before_another_process_has_it(
    dataset: Dataset,
) -> None:
    with (
        opened(2) as workers,
        pytest.raises(TrainingError, match="no window of this class"),
    ):
        fit_each(dataset, [dataset.label == NG], SHORT, None, workers)
