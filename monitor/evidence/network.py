"""The trained network, run by LiteRT (TensorFlow's small runtime). The one place that imports it.

LiteRT allocates for one batch size at a time and a change of size costs a
re-allocation, so two sizes are kept ready, each made when it is first needed,
and what is left over is padded. Larger batches were no faster, they leave the
cache.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monitor.evidence.cam import activation_maps
from monitor.evidence.model_folder import (
    ModelError,
    ModelManifest,
    load_model_manifest,
    read_checked,
)
from monitor.records.signal import Float32, Float64

NETWORK_FILE = "model.tflite"
INPUT_NAME, LOGIT_NAME, FEATURES_NAME = "psd_db", "logit", "features"
BATCH_SIZES = (1, 8)

# Windows of a batch, their logits, their features.
Read = Callable[[slice, Float32, Float32], None]


def open_network(content: bytes, n_threads: int) -> Any:
    """LiteRT's interpreter of a network. Raises ValueError if the bytes hold none."""
    # 0.2 s and 30 MB that a service without models does not pay
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(model_content=content, num_threads=n_threads)


@dataclass(frozen=True)
class _Ready:
    """An interpreter allocated for one batch size. Tensors go by their signature names: the raw
    order may differ.
    """

    interpreter: Any
    n_batch: int
    psd_db: int
    logit: int
    features: int

    def run(self, psd_db: Float32) -> Float32:
        """The logits, shape (n_batch,); features_here() has the rest."""
        self.interpreter.set_tensor(self.psd_db, psd_db)
        self.interpreter.invoke()
        logit: Float32 = self.interpreter.get_tensor(self.logit)
        return logit.reshape(self.n_batch)

    def features_here(self) -> Float32:
        """Of the last run, where the interpreter has them: it runs no more while anybody holds
        them.
        """
        here: Float32 = self.interpreter.tensor(self.features)()
        return here


class _Own(threading.local):
    """Each thread's interpreters by batch size: one cannot serve two threads at a time."""

    def __init__(self) -> None:
        self.ready: dict[int, _Ready] = {}


class Classifier:
    """A model folder's network. Raises ModelError where the network does not fit its manifest."""

    def __init__(self, folder: Path, n_threads: int = 1) -> None:
        self.manifest: ModelManifest = load_model_manifest(folder)
        if NETWORK_FILE not in self.manifest.files:
            raise ModelError(f"{folder}: the manifest's files name no {NETWORK_FILE}.")
        self._content = read_checked(folder, NETWORK_FILE, self.manifest)
        self._file = folder / NETWORK_FILE
        self._n_threads = n_threads
        self._own = _Own()
        settings = self.manifest.settings
        self._input_shape = (self.manifest.n_channels, settings.n_bands, settings.n_frames)
        self._features_shape = (
            *self.manifest.map_grid.shape,
            len(self.manifest.head.weights),
        )
        # A network that does not fit is refused now, not at the first window.
        self._batch(BATCH_SIZES[0])

    def predict(self, psd_db: Float32) -> tuple[Float32, Float32]:
        """Judge any number of spectrograms; a window's result does not depend on its company.

        psd_db : float32, shape (n, n_channels, n_bands, n_frames), dB re 1
            (m/s²)²/Hz
        Returns logit : float32, shape (n,); features : float32, shape (n, n_f,
            n_t, n_maps).
        Raises ValueError if the shape is not the model's.
        """
        features = np.empty((len(psd_db), *self._features_shape), np.float32)

        def copy(part: slice, _: Float32, found: Float32) -> None:
            features[part] = found

        return self._run(psd_db, copy), features

    def explain(self, psd_db: Float32) -> tuple[Float32, Float32, Float64]:
        """As predict(), with each window's map in place of its features, which are many times as
        large and are not copied.

        Returns logit; contribution and residual as cam.activation_maps has
        them.
        """
        head = self.manifest.head
        weights = np.asarray(head.weights, np.float32)
        contribution = np.empty((len(psd_db), *self._features_shape[:2]), np.float32)
        residual = np.empty(len(psd_db))

        def add_up(part: slice, logit: Float32, features: Float32) -> None:
            found = activation_maps(features, weights, head.bias, logit)
            contribution[part], residual[part] = found

        return self._run(psd_db, add_up), contribution, residual

    def _run(self, psd_db: Float32, read: Read) -> Float32:
        """Logits. read : is called for each batch, and keeps nothing of the features"""
        if psd_db.shape[1:] != self._input_shape:
            raise ValueError(
                f"psd_db has shape {psd_db.shape}: must be (n,"
                f" {', '.join(map(str, self._input_shape))})."
            )
        n = len(psd_db)
        logit = np.empty(n, np.float32)
        start = 0
        while start < n:
            # A few are cheaper one by one than padded.
            size = BATCH_SIZES[n - start > BATCH_SIZES[1] // 2]
            part = slice(start, min(start + size, n))
            n_own, ready = part.stop - start, self._batch(size)
            logit[part] = ready.run(self._padded(psd_db[part], size))[:n_own]
            read(part, logit[part], ready.features_here()[:n_own])
            start += size
        return logit

    def _padded(self, psd_db: Float32, size: int) -> Float32:
        n_missing = size - len(psd_db)
        if not n_missing:
            return np.ascontiguousarray(psd_db, np.float32)
        nothing = np.zeros((n_missing, *self._input_shape), np.float32)
        return np.concatenate([psd_db, nothing], dtype=np.float32)

    def _batch(self, size: int) -> _Ready:
        ready = self._own.ready
        if size not in ready:
            ready[size] = self._allocate(size)
        return ready[size]

    def _allocate(self, size: int) -> _Ready:
        try:
            interpreter = open_network(self._content, self._n_threads)
            psd_db, logit, features = self._tensors(interpreter)
            interpreter.resize_tensor_input(psd_db, (size, *self._input_shape), strict=True)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ModelError(
                f"{self._file} is not a network for psd_db {self._input_shape}: {reason}"
            ) from error
        ready = _Ready(interpreter, size, psd_db, logit, features)
        self._check_output(ready)
        return ready

    def _tensors(self, interpreter: Any) -> tuple[int, int, int]:
        """Indices of psd_db, logit and features. The runner must be gone before the interpreter may
        resize.
        """
        signature = interpreter.get_signature_runner()
        inputs, outputs = signature.get_input_details(), signature.get_output_details()
        if set(inputs) != {INPUT_NAME} or not {LOGIT_NAME, FEATURES_NAME} <= set(outputs):
            raise ModelError(
                f"{self._file}: its signature must have the input {INPUT_NAME} and the outputs"
                f" {LOGIT_NAME}, {FEATURES_NAME}; found {', '.join([*inputs, *outputs])}."
            )
        return (
            inputs[INPUT_NAME]["index"],
            outputs[LOGIT_NAME]["index"],
            outputs[FEATURES_NAME]["index"],
        )

    def _check_output(self, ready: _Ready) -> None:
        """A trial run: the shapes that come out must be the manifest's."""
        logit = ready.run(np.zeros((ready.n_batch, *self._input_shape), np.float32))
        shape = ready.features_here().shape[1:]
        if shape != self._features_shape or not np.isfinite(logit).all():
            raise ModelError(
                f"{self._file} gives the logit {logit[0]} and features of shape {shape}: must be"
                f" finite and, by the manifest's grid and head, {self._features_shape}."
            )
