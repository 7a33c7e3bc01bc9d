"""The exported network is the trained one, or there is no model folder."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import training.export
from monitor.commands.doctor import self_test
from monitor.evidence.model_folder import ModelError, load_model_manifest
from monitor.evidence.network import Classifier
from monitor.signal.spectrogram import column_starts
from tests.training.conftest import QUICK, RATE_HZ
from training import TrainingError
from training.dataset import Dataset
from training.export import ModelCard, check_parity, export, load_network, whole_folder
from training.network import average, build, head, keras, make_repeatable, predict, set_head
from training.provenance import Provenance
from training.recipe import (
    FINE,
    Recipe,
    grid_edges_s,
    network_settings,
    spectrogram_settings,
)

FIGURES = (np.full((2, 24), -40, np.float32), np.full((2, 24), 5, np.float32))


def small_model(dataset: Dataset) -> tuple[keras.Model, ModelCard]:
    """Fresh, as before any training."""
    recipe = Recipe(1.0, (3, 4, 5))
    make_repeatable(1)
    model = average(
        [build(network_settings(dataset.settings, 2, recipe), *FIGURES) for _ in range(2)]
    )
    return model, ModelCard(
        name="small",
        settings=dataset.settings,
        network=network_settings(dataset.settings, 2, recipe),
        threshold=0.0,
        status_rule="network",
        novelty_floor=0.3,
        provenance=Provenance("test", recipe),
    )


def test_a_model_folder_is_what_keras_predicts(
    model_folder: Path, dataset: Dataset
) -> None:
    logit, features = Classifier(model_folder).predict(dataset.psd_db)
    keras_logit, keras_features = predict(load_network(model_folder), dataset.psd_db)
    np.testing.assert_allclose(
        logit, keras_logit, atol=1e-5 * max(1, np.abs(keras_logit).max())
    )
    np.testing.assert_allclose(
        features, keras_features, atol=1e-5 * max(1, keras_features.max())
    )


def test_a_model_brings_its_own_self_test(model_folder: Path) -> None:
    assert "self-test of 8 windows agrees" in self_test(
        model_folder, Classifier(model_folder)
    )


def test_the_manifest_says_what_was_done(model_folder: Path) -> None:
    manifest = load_model_manifest(model_folder)
    assert manifest.training["split"] == {"held_out": ["machine=M2"]}
    assert manifest.training["machines"] == ["M0", "M1"]
    assert manifest.training["recipe"]["seed"] == QUICK.seed
    assert manifest.training["parity"]["logit"] <= 1e-5
    assert "keras" in manifest.training["versions"]
    assert manifest.receptive_field.s < 1.0
    columns_ms = 1e3 * np.diff(manifest.grid.t_edges_s)
    np.testing.assert_allclose(columns_ms, np.round(columns_ms), atol=1e-9)


def test_the_same_network_gets_the_same_id(dataset: Dataset, tmp_path: Path) -> None:
    ids = [
        export(*small_model(dataset), dataset.psd_db[:4], tmp_path / name)
        for name in ("a", "b")
    ]
    assert ids[0] == ids[1]


def test_an_export_that_differs_leaves_nothing(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, card = small_model(dataset)
    true_conversion = training.export.to_litert

    def wrong_conversion(network: keras.Model) -> bytes:
        weights, bias = head(network)
        set_head(network, weights, bias + 1e-3)
        converted = true_conversion(network)
        set_head(network, weights, bias)
        return converted

    monkeypatch.setattr(training.export, "to_litert", wrong_conversion)
    with pytest.raises(
        TrainingError,
        match=r"logit of the exported network differs by 0.0\d+, at most 1e-05",
    ):
        export(model, card, dataset.psd_db[:4], tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_head_that_is_not_the_networks_fails_parity(
    model_folder: Path, dataset: Dataset
) -> None:
    model = load_network(model_folder)
    weights, bias = head(model)
    set_head(model, weights * 1.01, bias)
    with pytest.raises(TrainingError, match="differs"):
        check_parity(model, model_folder, dataset.psd_db[:4])


def test_a_killed_job_leaves_no_half_folder(tmp_path: Path) -> None:
    def work() -> None:
        with whole_folder(tmp_path / "model") as draft:
            (draft / "half").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with (
        pytest.raises(FileExistsError, match="exists already"),
        whole_folder(tmp_path / "model"),
    ):
        pass


def test_a_changed_file_is_not_loaded(model_folder: Path, tmp_path: Path) -> None:
    for path in model_folder.iterdir():
        (tmp_path / path.name).write_bytes(
            path.read_bytes() + (b"x" if path.suffix == ".keras" else b"")
        )
    with pytest.raises(ModelError, match="changed after the model was made"):
        load_network(tmp_path)


@pytest.mark.parametrize(
    ("rate_hz", "window_s", "n_t"),
    [(2000.0, 5.0, 10), (25_600.0, 1.0, 10), (25_600.0, 0.1, 5), (12_000.0, 1.0, 10)],
)
def test_columns_are_whole_milliseconds_and_those_of_the_monitor(
    rate_hz: float, window_s: float, n_t: int
) -> None:
    recipe = Recipe(window_s)
    settings = spectrogram_settings(rate_hz, recipe)
    network = network_settings(settings, 1, recipe)
    edges_ms = 1e3 * np.array(grid_edges_s(settings, network))
    assert network.n_t == n_t
    np.testing.assert_allclose(edges_ms, np.round(edges_ms), atol=1e-6)
    assert edges_ms[-1] == pytest.approx(window_s * 1e3)
    starts = [
        start * settings.delta_t_s * 1e3 for start in column_starts(settings.n_frames, n_t)
    ]
    np.testing.assert_allclose(edges_ms[:-1], starts, atol=1e-6)


@pytest.mark.parametrize(
    ("rate_hz", "window_s", "n_window"),
    [
        (26_667.0, 1.0, 26_640),  # a common MEMS sensor
        (6_667.0, 1.48, 9_828),
        (48_828.125, 1.0, 48_800),  # 100 MHz / 2048
        (200_000 / 3, 1.0, 66_640),
        (4_096.0, 2.44, 9_984),
    ],
)
def test_a_rate_without_whole_milliseconds_has_equal_columns(
    rate_hz: float, window_s: float, n_window: int
) -> None:
    """A window is at most 1 % shorter than was asked for, never longer."""
    recipe = Recipe(window_s, **FINE)
    settings = spectrogram_settings(rate_hz, recipe)
    network = network_settings(settings, 1, recipe)
    assert settings.n_window == n_window
    assert 0.99 * window_s * rate_hz < n_window <= round(window_s * rate_hz)
    widths = np.diff(grid_edges_s(settings, network))
    np.testing.assert_allclose(widths, n_window / rate_hz / network.n_t, atol=1e-8)


@given(st.floats(10, 2e5), st.floats(0.02, 20))
def test_every_window_is_cut_or_refused_in_a_sentence(
    rate_hz: float, window_s: float
) -> None:
    with contextlib.suppress(TrainingError):
        settings = spectrogram_settings(rate_hz, Recipe(window_s, **FINE))
        assert settings.n_window <= round(window_s * rate_hz)


def test_a_window_that_cannot_be_cut_so_is_refused() -> None:
    with pytest.raises(
        TrainingError, match=r"window_s = 0.0017.* s at 25600 Hz: cannot be cut"
    ):
        spectrogram_settings(25_600.0, Recipe(0.0017))
    assert spectrogram_settings(RATE_HZ, QUICK).n_bands == 24
