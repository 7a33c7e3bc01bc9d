"""What the logit would be without parts of a window, on networks whose reasons are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.evidence.occlusion import (
    LEAST_FALL,
    MAX_NAMED,
    MAX_PATCHES,
    Occluding,
    Picture,
)
from monitor.records.evidence import Grid
from monitor.records.occlusion import Occlusion
from monitor.records.signal import Float32, Float64

N_CHANNELS = 2


def grid(n_f: int, n_t: int) -> Grid:
    return Grid(tuple(100.0 * i for i in range(n_f + 1)), tuple(map(float, range(n_t + 1))))


def finished(occluding: Occluding) -> Occlusion:
    while (found := occluding.step()) is None:
        pass
    return found


def one_cell_wide(frames: list[int]) -> Callable[[Float32], Float64]:
    """Maps (n, n_f, n_t) of a network in which a cell hears its own frames alone: what they have
    over -50 dB, squared, by channel and band.
    """

    def cells(psd_db: Float32) -> Float64:
        heard = np.maximum(psd_db.astype(np.float64) + 50, 0) ** 2
        weight = np.arange(1, psd_db.shape[2] + 1)[:, np.newaxis] / 100 - 0.03
        return np.add.reduceat((heard * weight).sum(axis=1), frames, axis=2)

    return cells


@given(st.integers(1, 6), st.lists(st.integers(1, 3), min_size=1, max_size=27), st.data())
def test_of_a_network_one_cell_wide_it_is_the_map_over_the_reference(
    n_f: int, widths: list[int], data: st.DataObject
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    n_t, n_frames = len(widths), sum(widths)
    frames = [0, *np.cumsum(widths)[:-1].tolist()]
    psd_db = rng.normal(-48, 5, (N_CHANNELS, n_f, n_frames)).astype(np.float32)
    reference_db = rng.normal(-52, 5, (N_CHANNELS, n_f)).astype(np.float32)
    cells = one_cell_wide(frames)

    def logits(pictures: Float32) -> Float32:
        assert len(pictures) <= max(n_f, MAX_NAMED)  # so long is a step, and no longer
        return np.asarray(cells(pictures).sum(axis=(1, 2)), np.float32)

    whole, empty = (
        cells(psd_db[None])[0],
        np.broadcast_to(reference_db[:, :, None], psd_db.shape),
    )
    expected = whole - cells(empty[None])[0]
    picture = Picture(logits, psd_db, reference_db)
    found = finished(Occluding(picture, float(whole.sum()), grid(n_f, n_t), frames))

    starts = [int(edge_s) for edge_s in found.grid.t_edges_s[:-1]]
    assert len(starts) == min(n_t, MAX_PATCHES)
    assert (found.grid.t_edges_s[-1], found.grid.f_edges_hz) == (
        n_t,
        grid(n_f, 1).f_edges_hz,
    )
    in_patches = np.add.reduceat(expected, starts, axis=1)
    np.testing.assert_allclose(found.falls, in_patches, atol=1e-2)
    # Here, and nowhere else, what parts are worth adds up: to what whole bands are.
    for band in found.bands:
        first, last = (round(hz / 100) for hz in (band.low_hz, band.high_hz))
        without = whole.sum() - expected[first:last].sum()
        np.testing.assert_allclose(band.logit, without, atol=1e-2)
    logits_left = [band.logit for band in found.bands]
    assert logits_left == sorted(logits_left)
    assert all(left < whole.sum() for left in logits_left)
    strongest = expected.sum(axis=1).max()
    if abs(strongest) > 2 * LEAST_FALL:
        assert bool(found.bands) == (strongest > 0)


def occluded(predict: Callable[[Float32], Float32], psd_db: Float32) -> Occlusion:
    """Of bands by 12 columns of a frame each, over -50 dB."""
    n_f, n_t = psd_db.shape[1:]
    picture = Picture(predict, psd_db, np.full((1, n_f), -50, np.float32))
    logit = float(predict(psd_db[None])[0])
    return finished(Occluding(picture, logit, grid(n_f, n_t), list(range(n_t))))


def test_what_is_as_it_was_commissioned_is_worth_nothing() -> None:
    def predict(pictures: Float32) -> Float32:
        axes = (1, 2, 3)
        return np.asarray(pictures.mean(axis=axes) + 3 * pictures.max(axis=axes))

    found = occluded(predict, np.full((1, 5, 12), -50, np.float32))
    assert not found.falls.any()
    assert found.bands == ()


def loud(*bands: int) -> Float32:
    psd_db = np.full((1, 8, 12), -50, np.float32)
    psd_db[:, list(bands)] = -20
    return psd_db


def test_neighbours_go_together() -> None:
    """Each of three alone is worth a third; the pair beside each other is one band of the list."""

    def predict(pictures: Float32) -> Float32:
        return np.asarray((pictures + 50).mean(axis=(1, 3)).sum(axis=1) / 30)

    found = occluded(predict, loud(2, 3, 6))
    assert [(one.low_hz, one.high_hz) for one in found.bands] == [(200, 400), (600, 700)]
    np.testing.assert_allclose([one.logit for one in found.bands], [1, 2], atol=1e-5)


def test_a_fall_that_no_digit_shows_names_no_band() -> None:
    def predict(pictures: Float32) -> Float32:
        return np.asarray((pictures + 50).mean(axis=(1, 3)).sum(axis=1) / 6000)

    found = occluded(predict, loud(2))
    assert found.falls.any()
    assert found.bands == ()


def test_of_two_that_say_the_same_one_may_go() -> None:
    def predict(pictures: Float32) -> Float32:
        return np.asarray(pictures.mean(axis=(1, 3)).max(axis=1))

    found = occluded(predict, loud(1, 5))
    assert not found.falls.any()
    assert found.bands == ()
