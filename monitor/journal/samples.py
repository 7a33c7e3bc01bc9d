"""Raw samples as the journal keeps them: exactly, except for the sign of a zero.

Most sensors send whole numbers, and the service multiplies them by a scale.
Where every sample of a channel is such a multiple, the numbers are kept as they
came, in one, two or four bytes each, or their differences where these fit in
fewer. Coding them would take a third of the bytes off, and as long as all else
of a window's row.

Other samples are float32: their lower bytes as they are, as noise has all
values alike there, and the highest ones coded by how often each occurs.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Float32, Float64

HEADER = struct.Struct("<II")  # n_channels, n_samples
# of a channel: its numbers, how often differenced, their scale
PART = struct.Struct("<BBd")
LENGTH = struct.Struct("<I")  # of the coded bytes that follow

FLOATS = 0
WHOLE = {1: "<i1", 2: "<i2", 4: "<i4"}

N_TRIED = 2048  # samples that a scale is guessed from
MAX_COUNT = 1 << 24  # float32 skips whole numbers beyond it
# So many steps away a guess is still right to a quarter step, once the one before has been used.
REACHES = (30, 1000, 30_000, 1_000_000)
MAX_STEPS_OFF = 8  # a number may have been counted from zero by so many too few or too many
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
    except (struct.error, zlib.error, ValueError) as error:
        raise ValueError(f"no samples: {error}") from error
    return np.stack(channels) if channels else np.zeros((0, n), np.float32)


def scale_of(channel: Float32) -> float | None:
    """A scale of which every sample is exactly a whole multiple; None where none is found."""
    largest = float(np.abs(channel).max(initial=0.0))
    if not largest < np.inf:
        return None
    some = np.append(0.0, np.sort(np.abs(channel[:: 1 + len(channel) // N_TRIED])))
    # So few are sorted sooner than np.unique hashes them.
    tried = some[np.diff(some, prepend=-1.0) > 0]
    guesses = _guesses(tried, largest)
    near = (scale for guess in guesses for scale in _near(guess))
    return next((scale for scale in near if _is_exact(channel, scale)), None)


def _guesses(tried: Float64, largest: float) -> Iterator[float]:
    """Steps that these samples may have in common, to a few bits of float32; the likeliest first.

    tried : of some of them, without their signs, sorted, each once
    largest : of all, likewise
    """
    if not largest:
        yield 1.0
        return
    steps = np.diff(tried)
    shortest = float(steps.min(initial=np.inf))
    if not largest / MAX_COUNT < shortest < np.inf:
        return
    step = float(steps[steps < 1.5 * shortest].mean())  # each is rounded its own way
    middle = len(tried) // 2  # about it they lie close together
    distances = tried[middle:] - tried[middle]
    for reach in REACHES:
        far = float(distances[np.searchsorted(distances, reach * step, "right") - 1])
        step = _divided(far, step)
    n_steps = round(largest / step)
    # Of few numbers far from zero the step is not known to a part of n_steps.
    rounded = n_steps * float(np.spacing(np.float32(largest))) / max(far, step)
    for n in sorted(range(-MAX_STEPS_OFF, MAX_STEPS_OFF + 1), key=abs):
        if abs(n) <= rounded + 0.5 and n_steps + n > 0:
            yield largest / (n_steps + n)


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
        # The product of two float32 numbers is rounded once, here and in float64.
        found = (counts * _factor(scale)).astype(np.float32, copy=False)
        if not np.array_equal(found, part):
            return False
    return bool(np.abs(counts).max(initial=0) < MAX_COUNT)


def _factor(scale: float) -> np.float32 | np.float64:
    """The scale, in float32 where it is one: that takes half the time."""
    single = np.float32(scale)
    return single if float(single) == scale else np.float64(scale)


def _counts(channel: Float32, scale: float) -> Float32:
    """Whole numbers, exact up to MAX_COUNT."""
    counts: Float32 = np.rint(channel / np.float32(scale))
    return counts


def _pack_channel(channel: Float32) -> bytes:
    scale = scale_of(channel)
    if scale is None:
        return PART.pack(FLOATS, 0, 0.0) + _coded(channel)
    counts = _counts(channel, scale).astype(np.int32)
    steps = np.diff(counts, prepend=np.int32(0))
    is_smooth = _size(steps) < _size(counts)
    numbers = steps if is_smooth else counts
    size = _size(numbers)
    return PART.pack(size, int(is_smooth), scale) + numbers.astype(WHOLE[size]).tobytes()


def _size(numbers: NDArray[np.int32]) -> int:
    """Bytes that each of them fits in."""
    least, most = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    return next(
        size for size in WHOLE if -least <= (half := 1 << (8 * size - 1)) and most < half
    )


def _unpack_channel(blob: bytes, place: int, n: int) -> tuple[Float32, int]:
    """n samples, and where their bytes end."""
    size, n_differences, scale = PART.unpack_from(blob, place)
    place += PART.size
    if size == FLOATS:
        return _decoded(blob, place, n)
    if size not in WHOLE:
        raise ValueError(f"numbers of {size} bytes")
    counts = np.frombuffer(blob, WHOLE[size], n, place).astype(np.int64)
    if n_differences:
        counts = counts.cumsum()
    return (counts * scale).astype(np.float32), place + n * size


def _coded(channel: Float32) -> bytes:
    *lower, highest = channel.astype("<f4").view(np.uint8).reshape(len(channel), 4).T
    coder = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_HUFFMAN_ONLY)
    data = coder.compress(highest.tobytes()) + coder.flush()
    return LENGTH.pack(len(data)) + data + b"".join(plane.tobytes() for plane in lower)


def _decoded(blob: bytes, place: int, n: int) -> tuple[Float32, int]:
    (length,) = LENGTH.unpack_from(blob, place)
    place += LENGTH.size
    end = place + length + 3 * n
    highest = zlib.decompressobj(-zlib.MAX_WBITS).decompress(
        blob[place : place + length], n + 1
    )
    planes = np.frombuffer(blob[place + length : end] + highest, np.uint8)
    if len(planes) != 4 * n:
        raise ValueError(f"{len(planes)} bytes are not {n} of them")
    channel = planes.reshape(4, n).T.copy().view("<f4")[:, 0]
    return channel.astype(np.float32), end
