from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.evidence.cam import activation_maps
from monitor.evidence.model_folder import ModelError
from monitor.evidence.network import BATCH_SIZES, Classifier
from monitor.records.signal import Float32
from monitor.signal.spectrogram import default_settings
from tests.small_network import KerasPredict, write_folder, write_small_model

needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None,
    reason="needs TensorFlow to make a network: the extra `training`",
)
SETTINGS = default_settings(25_600, 25_600)


def psd_db(seed: int, n: int, n_channels: int = 2) -> Float32:
    random = np.random.default_rng(seed)
    return random.normal(
        -50, 10, (n, n_channels, SETTINGS.n_bands, SETTINGS.n_frames)
    ).astype(np.float32)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, KerasPredict]:
    folder = tmp_path_factory.mktemp("models") / "small"
    return folder, write_small_model(folder, SETTINGS, n_channels=2)


@needs_tensorflow
def test_agrees_with_keras(small: tuple[Path, KerasPredict]) -> None:
    folder, keras_predict = small
    batch = psd_db(0, 21)
    logit, features = Classifier(folder).predict(batch)
    keras_logit, keras_features = keras_predict(batch)
    np.testing.assert_allclose(logit, keras_logit, atol=1e-5)
    np.testing.assert_allclose(features, keras_features, atol=1e-5)


@needs_tensorflow
@given(n=st.integers(1, 2 * BATCH_SIZES[-1] + 3), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=20)
def test_a_window_does_not_depend_on_its_company(
    small: tuple[Path, KerasPredict], n: int, seed: int
) -> None:
    classifier = Classifier(small[0])
    batch = psd_db(seed, n)
    logit, features = classifier.predict(batch)
    assert logit.shape == (n,)
    for i in {0, n // 2, n - 1}:
        alone, alone_features = classifier.predict(batch[i : i + 1])
        np.testing.assert_allclose(alone[0], logit[i], atol=1e-5)
        np.testing.assert_allclose(alone_features[0], features[i], atol=1e-5)


@needs_tensorflow
def test_results_outlive_the_next_batch_and_none_is_fine(
    small: tuple[Path, KerasPredict],
) -> None:
    classifier = Classifier(small[0])
    first, features = classifier.predict(psd_db(1, 1))
    kept = first.copy(), features.copy()
    classifier.predict(psd_db(2, 1))
    np.testing.assert_array_equal(first, kept[0])
    np.testing.assert_array_equal(features, kept[1])
    assert classifier.predict(psd_db(1, 0))[0].shape == (0,)


@needs_tensorflow
def test_the_map_adds_up_to_the_logit(small: tuple[Path, KerasPredict]) -> None:
    classifier = Classifier(small[0])
    head = classifier.manifest.head
    batch = psd_db(3, 10)
    logit, features = classifier.predict(batch)
    weights = np.array(head.weights, np.float32)
    expected = logit, *activation_maps(features, weights, head.bias, logit)
    found = classifier.explain(batch)
    classifier.explain(psd_db(4, 10))  # what was found outlives it
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert found[2].max() < 1e-4


@needs_tensorflow
def test_a_spectrogram_of_another_shape_is_refused(
    small: tuple[Path, KerasPredict],
) -> None:
    with pytest.raises(
        ValueError, match=r"psd_db has shape \(1, 1, 24, 49\): must be \(n, 2, 24, 49\)"
    ):
        Classifier(small[0]).predict(psd_db(0, 1, n_channels=1))


@needs_tensorflow
def test_a_network_that_does_not_fit_its_manifest_is_refused(
    small: tuple[Path, KerasPredict], tmp_path: Path
) -> None:
    network = (small[0] / "model.tflite").read_bytes()
    write_folder(tmp_path / "channels", SETTINGS, 1, network, [0.0] * 6, 0.0)
    with pytest.raises(
        ModelError, match=r"model.tflite is not a network for psd_db \(1, 24, 49\)"
    ):
        Classifier(tmp_path / "channels")
    write_folder(tmp_path / "maps", SETTINGS, 2, network, [0.0] * 7, 0.0)
    with pytest.raises(
        ModelError, match=r"features of shape \(24, 9, 6\): .* \(24, 9, 7\)"
    ):
        Classifier(tmp_path / "maps")


def test_bytes_that_are_no_network_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "rubbish", SETTINGS, 1, b"rubbish" * 100, [0.0], 0.0)
    with pytest.raises(ModelError, match=r"model.tflite is not a network for psd_db"):
        Classifier(tmp_path / "rubbish")
