"""Stored numbers to samples in m/s²."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Float32
from monitor.signal.payload.base import PayloadError

Dtype = Literal[
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int24",
    "uint24",
    "int32",
    "uint32",
    "float32",
    "float64",
]
ByteOrder = Literal["little", "big"]
# interleaved: x0 y0 z0 x1 y1 z1 ...; planar: x0 x1 ... y0 y1 ... z0 z1 ...
Layout = Literal["interleaved", "planar"]
Scale = float | tuple[float, ...]  # m/s² per stored number, of all channels or of each

_CODES = {
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "float32": "f4",
    "float64": "f8",
    "int24": "i4",  # after widening
    "uint24": "u4",
}
DTYPES: dict[tuple[str, str], np.dtype[Any]] = {
    (name, order): np.dtype(sign + code)
    for name, code in _CODES.items()
    for order, sign in (("little", "<"), ("big", ">"))
}
N_BYTES = {name: int("".join(filter(str.isdigit, name))) // 8 for name in _CODES}


class Stored(Protocol):
    """How samples lie in bytes. zero: the stored number that means 0 m/s²."""

    @property
    def dtype(self) -> Dtype: ...

    @property
    def byte_order(self) -> ByteOrder: ...

    @property
    def zero(self) -> float: ...


def from_bytes(
    data: bytes | memoryview,
    stored: Stored,
    layout: Layout | None,
    n_channels: int,
    scale: Scale,
) -> Float32:
    """(n_channels, n) samples in m/s². layout None: interleaved. Raises PayloadError."""
    dtype = stored.dtype
    frame_bytes = N_BYTES[dtype] * n_channels
    if not data or len(data) % frame_bytes:
        raise _bad_length(len(data), frame_bytes, f"{n_channels} channels of {dtype}")
    numbers = numbers_of(data, dtype, stored.byte_order)
    if layout == "planar":
        return to_ms2(numbers.reshape(n_channels, -1), scale, stored.zero)
    return to_ms2(numbers.reshape(-1, n_channels).T, scale, stored.zero)


def numbers_of(data: bytes | memoryview, dtype: str, byte_order: str) -> NDArray[Any]:
    """All stored numbers in their order. data: a whole number of them."""
    if N_BYTES[dtype] == 3:
        return _from_24_bits(
            np.frombuffer(data, np.uint8).reshape(-1, 3), dtype, byte_order
        )
    return np.frombuffer(data, DTYPES[dtype, byte_order])


def _from_24_bits(triples: NDArray[np.uint8], dtype: str, byte_order: str) -> NDArray[Any]:
    """In the upper three of four bytes, then shifted down: the sign comes along."""
    wide = np.zeros((len(triples), 4), np.uint8)
    if byte_order == "little":
        wide[:, 1:] = triples
    else:
        wide[:, :3] = triples
    return wide.view(DTYPES[dtype, byte_order]).ravel() >> 8


def to_ms2(numbers: NDArray[Any], scale: Scale, zero: float = 0.0) -> Float32:
    """(n_channels, n) stored numbers to float32 m/s². What float32 cannot hold becomes infinite.

    Converted, then scaled in place: numpy takes twice as long for both in one
    pass.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if zero:
            # in float64: uint32 less 2^31 keeps its digits
            numbers = numbers - np.float64(zero)
        samples = np.array(numbers, dtype=np.float32, order="C")
        if scale != 1.0:
            samples *= np.float32(scale) if isinstance(scale, float) else _column(scale)
        return samples


def _column(scale: Sequence[float]) -> Float32:
    return np.array(scale, np.float32)[:, np.newaxis]


def _bad_length(n_bytes: int, frame_bytes: int, what: str) -> PayloadError:
    if not n_bytes:
        return PayloadError("empty", "Payload has no samples.")
    return PayloadError(
        "bad_length",
        f"{n_bytes} bytes are not a whole number of {frame_bytes} bytes ({what}).",
    )
