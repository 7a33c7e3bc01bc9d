"""The network: a few convolutions, global average pooling, one linear unit (GAP-CNN, Zhou et al.
2016), in Keras.

    psd_db (n_channels, n_bands, n_frames) -> standardise -> [conv, batch norm, relu, max pooling
    along time] ... -> conv, batch norm, relu = features (n_bands, n_t, n_maps) -> mean over cells
    -> one weight a map -> logit

Nothing but a plain mean and one weight a map comes after the last activation,
so the logit splits exactly into cells. Pooling is along time only: the map
keeps the bands of the spectrogram.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Float32
from training.in_parallel import n_processors
from training.quiet import quiet

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


with quiet():
    import keras
    import tensorflow as tf
    from keras import layers, ops

tf.get_logger().setLevel("ERROR")
# As many threads as processors we may use: more of them wait for each other in a busy loop.
tf.config.threading.set_intra_op_parallelism_threads(n_processors())
tf.config.threading.set_inter_op_parallelism_threads(1)

__all__ = [
    "FusedBatchNormalization",
    "NetworkSettings",
    "average",
    "build",
    "head",
    "keras",
    "make_repeatable",
    "predict",
    "set_head",
    "tf",
    "traced",
]

# At first every map speaks for a fault and the bias for health, so that maps learn to light up for
# faults. Learning is free to turn a weight's sign.
FIRST_WEIGHT, FIRST_BIAS = 0.5, -2.0

# Spectrograms in, logit and features out.
Forward = Callable[[Float32], dict[str, Any]]
FEATURES_LAYER, HEAD_LAYER = "features", "head"


@dataclass(frozen=True)
class NetworkSettings:
    """n_maps : feature maps of each convolution. pools : columns that each pooling between them
    makes one.

    kernels : bands and frames that each convolution spans. n_members : networks
        of this shape, their logits averaged
    """

    n_channels: int
    n_bands: int
    n_frames: int
    n_maps: tuple[int, ...]
    pools: tuple[int, ...]
    kernels: tuple[tuple[int, int], ...]
    n_members: int = 1

    def __post_init__(self) -> None:
        if len(self.pools) != len(self.n_maps) - 1:
            raise ValueError(
                f"pools = {self.pools}: must be one fewer than the {len(self.n_maps)} convolutions."
            )
        if len(self.kernels) != len(self.n_maps):
            raise ValueError(
                f"kernels = {self.kernels}: must be one for each of the {len(self.n_maps)}"
                " convolutions."
            )

    @property
    def n_t(self) -> int:
        """Columns of the map; the last may be made of fewer frames."""
        n = self.n_frames
        for pool in self.pools:
            n = -(-n // pool)
        return n

    @property
    def frames_per_column(self) -> int:
        return int(np.prod(self.pools))

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Bands and frames of the spectrogram that one cell of the map sees."""
        n_bands = 1 + sum(bands - 1 for bands, _ in self.kernels)
        n_frames, stride = 1, 1
        for (_, frames), pool in zip(self.kernels, (*self.pools, 1), strict=True):
            n_frames += (frames - 1 + pool - 1) * stride
            stride *= pool
        return min(n_bands, self.n_bands), min(n_frames, self.n_frames)

    @property
    def n_flops(self) -> int:
        """Of one window, all members: two for each multiplication in a convolution; the rest is
        small beside them.
        """
        total, n_in, n_t = 0, self.n_channels + 1, self.n_frames
        for n_out, (bands, frames), pool in zip(
            self.n_maps, self.kernels, (*self.pools, 1), strict=True
        ):
            total += 2 * self.n_bands * n_t * bands * frames * n_in * n_out
            n_in, n_t = n_out, -(-n_t // pool)
        return total * self.n_members


@keras.saving.register_keras_serializable(package="camshaft")
class SpectrogramInput(layers.Layer):  # type: ignore[misc]
    """Standardises each channel and band by fixed figures of the training set and adds a channel
    with the band's place.

    In (n_channels, n_bands, n_frames), out (n_bands, n_frames, n_channels + 1).
    """

    def __init__(self, mean_db: Any, std_db: Any, **options: Any) -> None:
        super().__init__(**options)
        self.mean_db = np.asarray(mean_db, np.float32)
        self.std_db = np.asarray(std_db, np.float32)

    def call(self, psd_db: Any) -> Any:
        standard = (psd_db - self.mean_db[:, :, None]) * (1 / self.std_db[:, :, None])
        picture = ops.pad(
            ops.transpose(standard, (0, 2, 3, 1)), ((0, 0), (0, 0), (0, 0), (0, 1))
        )
        n_channels, n_bands = self.mean_db.shape
        place = np.zeros((n_bands, 1, n_channels + 1), np.float32)
        place[:, 0, -1] = np.linspace(-1, 1, n_bands)
        return picture + place

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "mean_db": self.mean_db.tolist(),
            "std_db": self.std_db.tolist(),
        }


@keras.saving.register_keras_serializable(package="camshaft")
class FusedBatchNormalization(layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalization whose training step is one operation. Keras makes some
    twenty of it, which is most of the time that a small network learns.

    The moving variance is the unbiased one.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not training:
            return super().call(inputs, training=False, mask=mask)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            tf.convert_to_tensor(self.gamma),
            tf.convert_to_tensor(self.beta),
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return outputs


def make_repeatable(seed: int) -> None:
    """Same seed, same machine, same number of threads: same network."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def build(settings: NetworkSettings, mean_db: Float32, std_db: Float32) -> keras.Model:
    """A fresh network with outputs logit (n, 1) and features (n, n_bands, n_t, n_maps).

    mean_db, std_db : shape (n_channels, n_bands), of the training set
    """
    psd_db = keras.Input(
        (settings.n_channels, settings.n_bands, settings.n_frames), name="psd_db"
    )
    x = SpectrogramInput(mean_db, std_db, name="standardise")(psd_db)
    stages = zip(settings.n_maps, settings.kernels, (*settings.pools, 1), strict=True)
    # Every layer is named: names go into the export.
    for i, (n_maps, kernel, pool) in enumerate(stages, start=1):
        last = i == len(settings.n_maps)
        x = layers.Conv2D(
            n_maps, kernel, padding="same", use_bias=False, name=f"convolution_{i}"
        )(x)
        x = FusedBatchNormalization(momentum=0.9, name=f"norm_{i}")(x)
        x = layers.ReLU(name=FEATURES_LAYER if last else f"relu_{i}")(x)
        if pool > 1:
            x = layers.MaxPooling2D((1, pool), padding="same", name=f"pool_{i}")(x)
    return _with_head(psd_db, x)


def average(members: Sequence[keras.Model]) -> keras.Model:
    """One network whose logit is the mean of the members' logits, exactly additive as each of them.

    Feature maps side by side, head weights divided by the number of members,
    biases averaged.
    """
    psd_db = keras.Input(members[0].input_shape[1:], name="psd_db")
    bodies = [
        keras.Model(
            member.input, member.get_layer(FEATURES_LAYER).output, name=f"member_{i}"
        )
        for i, member in enumerate(members, start=1)
    ]
    joined = [body(psd_db) for body in bodies]
    features = (
        layers.Concatenate(name=FEATURES_LAYER)(joined) if len(joined) > 1 else joined[0]
    )
    model = _with_head(psd_db, features)
    heads = [head(member) for member in members]
    weights = np.concatenate([weights for weights, _ in heads]) / len(members)
    set_head(model, weights, float(np.mean([bias for _, bias in heads])))
    return model


def head(model: keras.Model) -> tuple[Float32, float]:
    """Weight of each feature map, and the bias."""
    weights, bias = model.get_layer(HEAD_LAYER).get_weights()
    return weights[:, 0], float(bias[0])


def set_head(model: keras.Model, weights: NDArray[Any], bias: float) -> None:
    model.get_layer(HEAD_LAYER).set_weights(
        [np.asarray(weights, np.float32)[:, None], np.array([bias], np.float32)]
    )


def traced(model: keras.Model) -> Forward:
    """For many calls: each takes a tenth of the time, the first one longer."""
    shape = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    forward: Forward = tf.function(partial(model, training=False), input_signature=[shape])
    return forward


def predict(
    forward: Forward, psd_db: Float32, n_batch: int = 256
) -> tuple[Float32, Float32]:
    """logit (n,) and features (n, n_bands, n_t, n_maps) of any number of spectrograms.

    forward : a network, or a traced one
    """
    parts = [forward(psd_db[i : i + n_batch]) for i in range(0, len(psd_db), n_batch)]
    logit = np.concatenate([np.asarray(part["logit"])[:, 0] for part in parts])
    return logit, np.concatenate([np.asarray(part["features"]) for part in parts])


def _with_head(psd_db: Any, features: Any) -> keras.Model:
    mean = layers.GlobalAveragePooling2D(name="gap")(features)
    logit = layers.Dense(
        1,
        kernel_initializer=keras.initializers.RandomUniform(0.0, FIRST_WEIGHT),
        bias_initializer=keras.initializers.Constant(FIRST_BIAS),
        name=HEAD_LAYER,
    )(mean)
    return keras.Model(psd_db, {"logit": logit, "features": features}, name="gap_cnn")
