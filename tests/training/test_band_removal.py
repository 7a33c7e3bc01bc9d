"""What whole bands are worth, on a network whose reasons are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.evidence.occlusion import MAX_PATCHES
from monitor.records.signal import Float32
from tests.training.test_truth import BAND, scene
from training.band_removal import band_agreement, occlusion, worth_of_bands
from training.truth import Scene, exact_map


def over_reference(given: Scene) -> Float32:
    """What the map says beyond what it says of a picture of reference levels."""
    empty = np.broadcast_to(given.reference_db[:, :, None], given.psd_db.shape)
    return given.contribution - exact_map(given.model, np.ascontiguousarray(empty))


def test_only_the_band_that_the_network_listens_to_is_worth_anything() -> None:
    given = scene()
    worth = worth_of_bands(given)
    others = np.delete(worth, BAND, axis=1)
    # The network is one cell wide, so a band is worth what the map gives it.
    named = over_reference(given).sum(axis=2)
    np.testing.assert_allclose(worth[:, BAND], named[:, BAND], atol=1e-4)
    np.testing.assert_allclose(others, 0, atol=1e-5)


def test_patches_of_a_network_one_cell_wide_are_its_map() -> None:
    given = scene()
    assert given.contribution.shape[2] == MAX_PATCHES  # so a patch is a cell
    np.testing.assert_allclose(occlusion(given), over_reference(given), atol=1e-4)


def test_a_map_turned_round_is_told_from_the_right_one() -> None:
    given = scene()
    right = band_agreement(given)
    wrong = band_agreement(replace(given, contribution=-given.contribution))
    assert right["exact map"].rank.low > 0
    assert wrong["exact map"].rank.high < 0
    assert right["occlusion"].rank.low > 0
    assert right["exact map"].first.value == 1
    assert wrong["exact map"].first.value == 0
