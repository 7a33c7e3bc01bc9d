"""Raw samples as the journal keeps them: exactly, but for the sign of a zero.

Most sensors send whole numbers, and the service multiplies them by a scale. Where every sample of a
channel is such a multiple, the numbers are kept as they came, or their differences where these are
smaller; else the float32 values. Either way the first bytes of all stand together, then the second
ones and so on, each coded by how often it occurs: noise has no patterns to look for.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Float32, Float64

HEADER = struct.Struct("<II")  # n_channels, n_samples
PART = struct.Struct("<BBd")  # of a channel: its numbers, how often differenced, their scale
LENGTH = struct.Struct("<I")  # of the coded bytes that follow

FLOATS = 0
WHOLE = {1: "<i1", 2: "<i2", 4: "<i4"}

N_TRIED = 2048  # samples that a scale is guessed from
MAX_COUNT = 1 << 24  # float32 skips whole numbers beyond it
# So many steps away a guess is still right to a quarter step, once the one before has been used.
REACHES = (30, 1000, 30_000, 1_000_000)
NEIGHBOURS = (0, -1, 1, -2, 2)  # a guess is wrong by so many of the last bits of float32


def pack_samples(samples: Float32) -> bytes:
    """samples : (n_channels, n)"""
    return HEADER.pack(*samples.shape) + b"".join(map(_pack_channel, samples))


def unpack_samples(blob: bytes) -> Float32:
    """(n_channels, n). Raises ValueError where the bytes are no samples."""
    try:
        n_channels, n = HEADER.unpack_from(blob)
        place, channels = HEADER.size, []
        for _ in range(n_channels):
            channel, place = _unpack_channel(blob, place, n)
            channels.append(channel)
    except (struct.error, zlib.error) as error:
        raise ValueError(f"no samples: {error}") from error
    return np.stack(channels) if channels else np.zeros((0, n), np.float32)


def scale_of(channel: Float32) -> float | None:
    """A scale of which every sample is exactly a whole multiple; None where none is found."""
    largest = float(np.abs(channel).max(initial=0.0))
    if not largest < np.inf:
        return None
    tried = np.unique(np.append(0.0, channel[:: 1 + len(channel) // N_TRIED]))
    guess = _guess(tried.astype(np.float64), largest)
    if guess is None:
        return None
    return next((scale for scale in _near(guess) if _is_exact(channel, scale)), None)


def _guess(tried: Float64, largest: float) -> float | None:
    """The step that these samples have in common, to a few bits of float32.

    tried : some of them, sorted, each once. largest : of all, whatever its sign
    """
    if not largest:
        return 1.0
    step = float(np.diff(tried).min(initial=np.inf))
    if not largest / MAX_COUNT < step < np.inf:
        return None
    middle = len(tried) // 2  # about it they lie close together
    distances = tried[middle:] - tried[middle]
    for reach in REACHES:
        far = float(distances[np.searchsorted(distances, reach * step, "right") - 1])
        step = _divided(far, step)
    return _divided(largest, step)


def _divided(distance: float, step: float) -> float:
    """A better step, from a distance of so many of them."""
    n_steps = round(distance / step)
    return distance / n_steps if n_steps else step


def _near(guess: float) -> Iterator[float]:
    """Scales that may have been meant: float32 numbers, as of settings, or short decimals."""
    nearest = np.float32(guess)
    for n in NEIGHBOURS:
        yield float(nearest + n * np.spacing(nearest))
    for n_digits in (3, 6):
        yield float(f"{guess:.{n_digits}g}")


def _is_exact(channel: Float32, scale: float) -> bool:
    for part in (channel[:64], channel):
        counts = _counts(part, scale)
        found = (counts * scale).astype(np.float32)
        if not np.array_equal(found, part):
            return False
    return bool(np.abs(counts).max(initial=0) < MAX_COUNT)


def _counts(channel: Float32, scale: float) -> NDArray[np.int64]:
    return np.rint(channel.astype(np.float64) / scale).astype(np.int64)


def _pack_channel(channel: Float32) -> bytes:
    scale = scale_of(channel)
    if scale is None:
        return PART.pack(FLOATS, 0, 0.0) + _coded(channel.astype("<f4"))
    counts = _counts(channel, scale)
    forms = (counts, np.diff(counts, prepend=0))
    costs = [(_size(numbers), int(np.abs(numbers).sum())) for numbers in forms]
    chosen = costs.index(min(costs))
    size, _ = costs[chosen]
    return PART.pack(size, chosen, scale) + _coded(forms[chosen].astype(WHOLE[size]))


def _size(numbers: NDArray[np.int64]) -> int:
    """Bytes that each of them fits in."""
    least, most = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    return next(size for size in WHOLE if -least <= (half := 1 << (8 * size - 1)) and most < half)


def _unpack_channel(blob: bytes, place: int, n: int) -> tuple[Float32, int]:
    size, n_differences, scale = PART.unpack_from(blob, place)
    place += PART.size
    dtype = WHOLE[size] if size else "<f4"
    numbers, place = _decoded(blob, place, n, dtype)
    if size == FLOATS:
        return numbers.astype(np.float32), place
    counts = numbers.astype(np.int64)
    if n_differences:
        counts = counts.cumsum()
    return (counts * scale).astype(np.float32), place


def _coded(numbers: NDArray[np.generic]) -> bytes:
    planes = numbers.view(np.uint8).reshape(len(numbers), numbers.itemsize).T
    return b"".join(map(_coded_plane, planes))


def _coded_plane(plane: NDArray[np.uint8]) -> bytes:
    coder = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_HUFFMAN_ONLY)
    data = coder.compress(plane.tobytes()) + coder.flush()
    return LENGTH.pack(len(data)) + data


def _decoded(blob: bytes, place: int, n: int, dtype: str) -> tuple[NDArray[np.generic], int]:
    size = np.dtype(dtype).itemsize
    planes = np.empty((n, size), np.uint8)
    for index in range(size):
        (length,) = LENGTH.unpack_from(blob, place)
        place += LENGTH.size
        coder = zlib.decompressobj(-zlib.MAX_WBITS)
        data = coder.decompress(blob[place : place + length], n + 1)
        if len(data) != n:
            raise ValueError(f"no samples: {len(data)} bytes are not {n}")
        planes[:, index] = np.frombuffer(data, np.uint8)
        place += length
    return planes.view(dtype)[:, 0], place
