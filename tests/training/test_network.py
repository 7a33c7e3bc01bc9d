"""What the network must keep to so that its verdict splits into cells,
and what it claims to see.
"""

from __future__ import annotations

import numpy as np
import pytest

from monitor.evidence.cam import activation_maps
from monitor.records.signal import Float32
from training.network import (
    NetworkSettings,
    average,
    build,
    head,
    make_repeatable,
    predict,
    set_head,
)

SQUARE = ((3, 3), (3, 3), (3, 3))
SETTINGS = NetworkSettings(2, 24, 39, (4, 6, 8), (2, 2), SQUARE)
MEAN_DB, STD_DB = np.full((2, 24), -50, np.float32), np.full((2, 24), 8, np.float32)


def spectra(n: int = 5) -> Float32:
    return np.random.default_rng(0).normal(-50, 8, (n, 2, 24, 39)).astype(np.float32)


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        NetworkSettings(2, 24, 39, (3,), (), ((3, 3),)),
        NetworkSettings(2, 24, 39, (3, 4), (3,), ((5, 1), (1, 3))),
    ],
)
def test_the_logit_is_the_sum_of_its_cells(settings: NetworkSettings) -> None:
    make_repeatable(1)
    model = build(settings, MEAN_DB, STD_DB)
    logit, features = predict(model, spectra())
    assert features.shape == (5, 24, settings.n_t, settings.n_maps[-1])
    _, residual = activation_maps(features, *head(model), logit)
    assert residual.max() < 1e-5


def test_the_average_of_members_is_one_network_with_one_exact_map() -> None:
    members = []
    for seed in range(3):
        make_repeatable(seed)
        member = build(SETTINGS, MEAN_DB, STD_DB)
        set_head(member, np.random.default_rng(seed).normal(size=8), 0.3 * seed)
        members.append(member)
    joined = average(members)
    logit, features = predict(joined, spectra())
    np.testing.assert_allclose(
        logit, np.mean([predict(one, spectra())[0] for one in members], axis=0), atol=1e-5
    )
    assert features.shape[-1] == 24
    contribution, residual = activation_maps(features, *head(joined), logit)
    assert residual.max() < 1e-5
    parts = []
    for one in members:
        own_logit, own_features = predict(one, spectra())
        parts.append(activation_maps(own_features, *head(one), own_logit)[0])
    np.testing.assert_allclose(contribution, np.mean(parts, axis=0), atol=1e-5)


@pytest.mark.parametrize("kernels", [SQUARE, ((3, 3), (3, 3), (1, 3))])
def test_the_receptive_field_is_what_a_cell_really_sees(
    kernels: tuple[tuple[int, int], ...],
) -> None:
    """Move one input at a time and watch the middle cell."""
    settings = NetworkSettings(1, 24, 39, (4, 4, 4), (2, 2), kernels)
    make_repeatable(0)
    model = build(settings, MEAN_DB[:1], STD_DB[:1])
    base = spectra(1)[:, :1]
    row, column = 12, 5
    before = predict(model, base)[1][0, row, column]
    seen = np.zeros((24, 39), bool)
    for step in (200.0, -200.0):  # max pooling and relu hide small changes
        moved = np.repeat(base, 24 * 39, axis=0)
        for i in range(24 * 39):
            moved[i, 0, i // 39, i % 39] += step
        changed = (
            np.abs(predict(model, moved)[1][:, row, column] - before).max(axis=1) > 1e-6
        )
        seen |= changed.reshape(24, 39)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    extent = (int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1)
    assert extent[0] == settings.receptive_field[0]
    assert settings.receptive_field[1] - 4 <= extent[1] <= settings.receptive_field[1]


def test_flops_of_a_small_network_by_hand() -> None:
    settings = NetworkSettings(1, 2, 4, (3, 5), (2,), ((3, 3), (1, 3)), n_members=2)
    assert settings.n_flops == 2 * (2 * 2 * 4 * 9 * 2 * 3 + 2 * 2 * 2 * 3 * 3 * 5)


def test_pools_must_fit_between_the_convolutions() -> None:
    with pytest.raises(ValueError, match="must be one fewer than the 2 convolutions"):
        NetworkSettings(1, 24, 39, (4, 4), (2, 2), SQUARE[:2])
    with pytest.raises(ValueError, match="must be one for each of the 2 convolutions"):
        NetworkSettings(1, 24, 39, (4, 4), (2,), SQUARE)
