"""Stored numbers to samples in m/s²."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Float32
from monitor.signal.payload.base import PayloadError

Dtype = Literal["int16", "int32", "float32"]
DTYPES: dict[str, np.dtype[Any]] = {
    "int16": np.dtype("<i2"),
    "int32": np.dtype("<i4"),
    "float32": np.dtype("<f4"),
}


def from_bytes(data: bytes, dtype: str, n_channels: int, scale: float) -> Float32:
    frame_bytes = DTYPES[dtype].itemsize * n_channels
    if len(data) % frame_bytes:
        raise PayloadError(
            "bad_length",
            f"{len(data)} bytes are not a whole number of {frame_bytes} bytes"
            f" ({n_channels} channels of {dtype}).",
        )
    return to_ms2(np.frombuffer(data, DTYPES[dtype]).reshape(-1, n_channels).T, scale)


def to_ms2(numbers: NDArray[Any], scale: float) -> Float32:
    """(n_channels, n) stored numbers to float32 m/s², in one pass. What float32 cannot hold becomes
    infinite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if scale == 1.0:
            return np.array(numbers, dtype=np.float32, order="C")
        samples: Float32 = np.multiply(
            numbers, np.float32(scale), dtype=np.float32, casting="unsafe", order="C"
        )
        return samples
