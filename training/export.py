"""A trained network becomes a model folder that the monitor runs, or nothing: LiteRT must agree
with Keras to 1e-5.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from monitor.evidence.cam import activation_maps
from monitor.evidence.model_folder import MANIFEST_NAME, SELF_TEST_FILE, load_model_manifest
from monitor.evidence.network import NETWORK_FILE, Classifier
from monitor.records.signal import Float32
from monitor.signal.spectrogram import SpectrogramSettings
from training import TrainingError
from training.network import NetworkSettings, head, keras, predict
from training.plain import plain
from training.provenance import Provenance
from training.quiet import quiet
from training.recipe import ABSOLUTE, RELATIVE, Levels, grid_edges_s

KERAS_FILE = "model.keras"
PARITY = 1e-5  # relative to the largest value
# Windows that go with the model, for `camshaft doctor` to try it on another machine.
N_SELF_TEST = 8
VERSIONS_OF = (
    "camshaft",
    "numpy",
    "scipy",
    "keras",
    "tensorflow-cpu",
    "tensorflow",
    "ai-edge-litert",
)


@dataclass(frozen=True)
class ModelCard:
    """What a manifest says beside what follows from the network."""

    name: str
    settings: SpectrogramSettings
    network: NetworkSettings
    threshold: float
    status_rule: str
    novelty_floor: float
    provenance: Provenance
    levels: Levels = ABSOLUTE


def export(model: keras.Model, card: ModelCard, samples_db: Float32, folder: Path) -> str:
    """Write the model folder, whole or not at all, and return the model's id.

    samples_db : spectrograms (n, n_channels, n_bands, n_frames) on which Keras
        and LiteRT are compared Raises TrainingError where they differ by more
        than PARITY, or FileExistsError.
    """
    with whole_folder(folder) as draft:
        network = to_litert(model)
        (draft / NETWORK_FILE).write_bytes(network)
        model.save(draft / KERAS_FILE)
        tried = samples_db[:N_SELF_TEST]
        np.savez(draft / SELF_TEST_FILE, psd_db=tried, logit=predict(model, tried)[0])
        tree = _manifest(model, card, network)
        files = (NETWORK_FILE, KERAS_FILE, SELF_TEST_FILE)
        tree["files"] = {name: _sha256((draft / name).read_bytes()) for name in files}
        (draft / MANIFEST_NAME).write_text(
            yaml.safe_dump(tree, sort_keys=False, width=120), encoding="utf-8"
        )
        tree["training"]["parity"] = check_parity(model, draft, samples_db)
        (draft / MANIFEST_NAME).write_text(
            yaml.safe_dump(tree, sort_keys=False, width=120), encoding="utf-8"
        )
    return str(tree["id"])


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, that takes its place by one rename at the end; nothing is left of it if the
    work fails.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists already.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield draft
        draft.chmod(0o755)
        os.rename(draft, folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def load_network(folder: Path) -> keras.Model:
    """The Keras network of a model folder whose files are as its manifest says.
    Raises ModelError.
    """
    load_model_manifest(folder)
    model: keras.Model = keras.saving.load_model(
        folder / KERAS_FILE, compile=False, safe_mode=True
    )
    return model


def check_parity(model: keras.Model, folder: Path, samples_db: Float32) -> dict[str, float]:
    """Largest differences between Keras and the model folder, relative to the largest value. Raises
    TrainingError.
    """
    classifier = Classifier(folder)
    logit, features = classifier.predict(samples_db)
    keras_logit, keras_features = predict(model, samples_db)
    manifest_head = classifier.manifest.head
    _, residual = activation_maps(
        features, np.array(manifest_head.weights, np.float32), manifest_head.bias, logit
    )
    found = {
        "logit": _relative(logit, keras_logit),
        "features": _relative(features, keras_features),
        "residual": float(residual.max()) / max(1.0, float(np.abs(logit).max())),
    }
    for what, difference in found.items():
        if not difference <= PARITY:
            raise TrainingError(
                f"{what} of the exported network differs by {difference:.2g}, at most {PARITY:g} is"
                " allowed."
            )
    return found


def _relative(ours: Float32, reference: Float32) -> float:
    return float(np.abs(ours - reference).max()) / max(1.0, float(np.abs(reference).max()))


def to_litert(model: keras.Model) -> bytes:
    """With the signature psd_db -> logit, features:
    the names of the network's input and outputs.
    """
    import tensorflow as tf

    with quiet(), redirect_stdout(io.StringIO()):
        return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def _manifest(model: keras.Model, card: ModelCard, network: bytes) -> dict[str, Any]:
    weights, bias = head(model)
    settings = card.settings
    seen_bands, seen_frames = card.network.receptive_field
    edges_hz = list(settings.band_edges_hz)
    tree = {
        "name": card.name,
        "n_channels": card.network.n_channels,
        "unit": "m/s2",
        "spectrogram": {**asdict(settings), "band_edges_hz": edges_hz},
        "grid": {
            "f_edges_hz": edges_hz,
            "t_edges_s": list(grid_edges_s(settings, card.network)),
        },
        "head": {"weights": [float(weight) for weight in weights], "bias": bias},
        "threshold": float(card.threshold),
        "status_rule": card.status_rule,
        "novelty_floor": card.novelty_floor,
        "receptive_field": {
            "hz": _widest_hz(edges_hz, seen_bands),
            "s": (settings.n_fft + (seen_frames - 1) * settings.hop)
            / settings.sample_rate_hz,
        },
    }
    if card.levels == RELATIVE:
        tree["levels"] = card.levels
    identity = _sha256(network + json.dumps(tree, sort_keys=True).encode())[:12]
    versions = {"python": platform.python_version(), **_versions()}
    provenance = replace(
        card.provenance, n_parameters=model.count_params(), n_flops=card.network.n_flops
    )
    training = {**plain(provenance), "versions": versions}
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return {"id": identity, **tree, "created": created, "training": training}


def _widest_hz(edges_hz: list[float], n_bands: int) -> float:
    """Of the widest run of n_bands bands: what a cell at the top of the map sees."""
    return max(edges_hz[i + n_bands] - edges_hz[i] for i in range(len(edges_hz) - n_bands))


def _versions() -> dict[str, str]:
    found = {}
    for name in VERSIONS_OF:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
