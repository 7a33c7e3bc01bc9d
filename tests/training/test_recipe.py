"""What a network may cost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from training.recipe import (
    FINE,
    FRUGAL_MAPS,
    MOST_FLOPS,
    Recipe,
    network_settings,
    spectrogram_settings,
    within_budget,
)

MILL = (2000.0, 5.0, 3)  # rate in hertz, window in seconds, channels
BEARING = (25_600.0, 0.1, 2)


def settled(rate_hz: float, window_s: float, n_channels: int) -> tuple[Recipe, int]:
    """The recipe, and what three members of it cost a window."""
    fine = Recipe(window_s, **FINE)
    settings = spectrogram_settings(rate_hz, fine)
    recipe = within_budget(fine, settings, n_channels)
    return recipe, network_settings(settings, n_channels, recipe).n_flops


def test_three_members_of_the_mill_s_model_keep_to_the_budget() -> None:
    recipe, n_flops = settled(*MILL)
    assert recipe == replace(Recipe(MILL[1], **FINE), n_maps=FRUGAL_MAPS)
    assert n_flops <= 3 * MOST_FLOPS == 20e6


def test_what_costs_little_is_left_as_it_is() -> None:
    recipe, n_flops = settled(*BEARING)
    assert recipe == Recipe(BEARING[1], **FINE)
    assert n_flops < MOST_FLOPS


@pytest.mark.parametrize("n_members", [1, 2, 5])
def test_law_the_shape_does_not_depend_on_how_many_are_averaged(n_members: int) -> None:
    fine = Recipe(MILL[1], n_members=n_members, **FINE)
    settings = spectrogram_settings(MILL[0], fine)
    assert within_budget(fine, settings, MILL[2]).n_maps == FRUGAL_MAPS
