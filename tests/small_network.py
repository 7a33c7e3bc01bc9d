"""A small random network in a model folder, for tests of what runs it. Needs TensorFlow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from monitor.records.signal import Float32
from monitor.signal.spectrogram import SpectrogramSettings

N_MAPS = 6
N_FRAMES_PER_COLUMN = 5

KerasPredict = Callable[[Float32], tuple[Float32, Float32]]


def write_small_model(
    folder: Path, settings: SpectrogramSettings, n_channels: int
) -> KerasPredict:
    """Write model.tflite and manifest.yaml; returns what Keras itself predicts: psd_db to (logit,
    features).
    """
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
    shape = (n_channels, settings.n_bands, settings.n_frames)
    psd_db = tf.keras.Input(shape, name="psd_db")
    maps = tf.keras.layers.Permute((2, 3, 1))(psd_db * 0.1)
    maps = tf.keras.layers.Conv2D(4, 3, padding="same", activation="relu")(maps)
    maps = tf.keras.layers.MaxPooling2D((1, N_FRAMES_PER_COLUMN))(maps)
    features = tf.keras.layers.Conv2D(
        N_MAPS, 3, padding="same", activation="relu", name="features"
    )(maps)
    logit = tf.keras.layers.Dense(1, name="head")(
        tf.keras.layers.GlobalAveragePooling2D()(features)
    )
    network = tf.keras.Model(psd_db, {"logit": logit, "features": features})

    # Not from_concrete_functions: it leaves the weights as variables, which LiteRT then finds
    # uninitialised.
    content = tf.lite.TFLiteConverter.from_keras_model(network).convert()
    weights, bias = (
        np.asarray(value, np.float64).ravel()
        for value in network.get_layer("head").get_weights()
    )
    write_folder(folder, settings, n_channels, content, weights.tolist(), float(bias[0]))

    def predict(batch: Float32) -> tuple[Float32, Float32]:
        found = network(batch, training=False)
        return found["logit"].numpy()[:, 0], found["features"].numpy()

    return predict


def write_folder(
    folder: Path,
    settings: SpectrogramSettings,
    n_channels: int,
    content: bytes,
    weights: list[float],
    bias: float,
) -> dict[str, Any]:
    """Write a network's bytes and the manifest that belongs to them.
    Returns the manifest's tree.
    """
    digest = hashlib.sha256(content).hexdigest()
    tree = _manifest(settings, n_channels, digest)
    tree["head"] = {"weights": weights, "bias": bias}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(content)
    (folder / "manifest.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    return tree


def _manifest(
    settings: SpectrogramSettings, n_channels: int, digest: str
) -> dict[str, Any]:
    """All but the head."""
    n_t = settings.n_frames // N_FRAMES_PER_COLUMN
    t_edges_s = [column * N_FRAMES_PER_COLUMN * settings.delta_t_s for column in range(n_t)]
    return {
        "id": "small-" + digest[:8],
        "name": "small",
        "created": "2026-01-01T00:00:00Z",
        "n_channels": n_channels,
        "unit": "m/s2",
        "spectrogram": {**asdict(settings), "band_edges_hz": list(settings.band_edges_hz)},
        "grid": {
            "f_edges_hz": list(settings.band_edges_hz),
            "t_edges_s": [*t_edges_s, settings.n_window / settings.sample_rate_hz],
        },
        "threshold": 0.0,
        "status_rule": "network",
        "receptive_field": {"hz": 5 * settings.delta_f_hz, "s": 15 * settings.delta_t_s},
        "training": {"note": "random weights"},
        "files": {"model.tflite": digest},
    }
