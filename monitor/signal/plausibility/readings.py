"""Which number type and byte order bytes speak for.

The right reading is the one that describes the bytes shortest. A sample of a real signal is near
its neighbour or near its mean, so it takes few bits; read with its bytes swapped, or across the
borders of numbers, it takes nearly all of them. That holds for noise too, as long as it does not
fill the number's range. Numbers of a float type are told by their size: in a wrong reading the
exponents are random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.signal.payload.samples import N_BYTES, ByteOrder, Dtype, Layout, numbers_of

MIN_NUMBERS = 64  # of a channel; fewer tell nothing
MAX_NUMBERS = 1024  # of a channel; more tell no more
MIN_INNER = 16  # numbers of a channel that do not lie at its limits
# Of a number: by how much another reading must be shorter. A loud signal that rests at both ends of
# its range, as a soft limiter's does, is longer than noise by 1.44.
MARGIN_BITS = 1.75
SIGN_BITS = 3.0  # likewise of one without a sign: a sine over the full range is longer by 1.7
MARGIN_SURE = 8.0  # the same over the root of the number of numbers
NOISE_BITS = 7.3  # of a byte: bytes that take more in any reading are no signal at all
SANE = (1e-12, 1e12)  # sizes that samples of a float type have, in any unit
WRONG_SHARE = 0.1  # of numbers beyond them: no right reading has as many
MIN_BINADES = 3  # powers of two that floats of a signal spread over, where integers do not
MAX_ZEROS = 0.3
MIN_SHARE = 0.02  # of numbers of either sign
HALVES_BITS = 0.9  # of a byte: by how much halves must be shorter to be numbers of their own
FULL_BITS = -2.7  # bits() of noise that fills a number's range, less its width: -2.44
UNLIKE_BITS = 2.0  # of a number
MIN_LOW = 8  # different low halves
FLOATS: tuple[Dtype, Dtype] = ("float32", "float64")
ORDERS: tuple[ByteOrder, ByteOrder] = ("little", "big")

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reading:
    """How numbers lie in bytes."""

    dtype: Dtype
    byte_order: ByteOrder
    layout: Layout
    n_channels: int

    @property
    def width(self) -> int:
        """Bytes of a number."""
        return N_BYTES[self.dtype]

    @property
    def frame_bytes(self) -> int:
        return self.width * self.n_channels

    def fits(self, data: bytes) -> bool:
        """Whether the bytes are a whole number of frames, and enough to tell anything."""
        return len(data) >= MIN_NUMBERS * self.frame_bytes and not len(data) % self.frame_bytes

    def numbers(self, data: bytes, n_most: int = MAX_NUMBERS) -> NDArray[Any]:
        """(n_channels, n) stored numbers, the first n_most at most."""
        if self.layout == "planar":
            n_bytes = len(data) // self.n_channels
            width, n = self.width, min(n_most, len(data) // self.frame_bytes)
            starts = range(0, self.n_channels * n_bytes, n_bytes)
            data = b"".join(data[at : at + n * width] for at in starts)
            return numbers_of(data, self.dtype, self.byte_order).reshape(self.n_channels, -1)
        data = data[: n_most * self.frame_bytes]
        return numbers_of(data, self.dtype, self.byte_order).reshape(-1, self.n_channels).T


def other_reading(data: bytes, own: Reading) -> Reading | None:
    """What the bytes are rather than what they are taken for; None where nothing speaks against
    that.
    """
    if not own.fits(data):
        return None
    found = _as_floats(data, own)
    if found is not None or own.dtype in FLOATS:
        return found
    return _shorter(data, own) or _halves(data, own)


def bits_per_byte(data: bytes, reading: Reading, own: Reading | None = None) -> float:
    """Of an integer type: how many of eight bits the numbers take.

    own : of the same width: what is clipped there is left out here, too
    """
    inner = None if own is None else _inner(own.numbers(data))
    return (bits(reading.numbers(data), inner) + 2) / reading.width


def is_sane(data: bytes, reading: Reading) -> bool:
    """Of a float type: whether the numbers are of a size and spread that samples have, and of both
    signs: integers about a fixed offset are of one.
    """
    sizes = _sizes(data, reading)
    if _wrong_share(sizes) or not _is_spread(sizes):
        return False
    negative = float((reading.numbers(data) < 0).mean())
    return MIN_SHARE < negative < 1 - MIN_SHARE


def bits(numbers: NDArray[Any], inner: NDArray[np.bool_] | None = None) -> float:
    """Mean bits of a number, about its neighbour or about its channel's median, whichever is less.
    Low bits that never change do not count, nor do numbers at a channel's limits: clipped ones.

    numbers : integers, shape (n_channels, n)
    inner : which of them do not lie at the limits, where that is known already
    """
    x = numbers.astype(np.int64)
    steps = np.diff(x, axis=1)
    unit = _lowest_bit(np.bitwise_or.reduce(steps, axis=1))[:, np.newaxis]
    inner = _inner(numbers) if inner is None else inner
    enough = inner.sum(axis=1) >= MIN_INNER
    if not enough.any():
        return 0.0
    about_median = _mean_bits(x - np.median(x, axis=1, keepdims=True), unit, inner)
    about_last = _mean_bits(steps, unit, inner[:, 1:])
    return float(np.minimum(about_median, about_last)[enough].mean())


def _inner(numbers: NDArray[Any]) -> NDArray[np.bool_]:
    """Which numbers do not lie at the limits of their channel."""
    low, high = numbers.min(axis=1, keepdims=True), numbers.max(axis=1, keepdims=True)
    inner: NDArray[np.bool_] = (numbers > low) & (numbers < high)
    return inner


def _lowest_bit(x: NDArray[np.int64]) -> NDArray[np.int64]:
    lowest: NDArray[np.int64] = np.maximum(x & -x, 1)
    return lowest


def _mean_bits(x: NDArray[Any], unit: NDArray[np.int64], chosen: NDArray[np.bool_]) -> Float64:
    """Of each channel, over the chosen numbers."""
    each = np.log2(1.0 + np.abs(x) / unit)
    mean: Float64 = (each * chosen).sum(axis=1) / np.maximum(chosen.sum(axis=1), 1)
    return mean


def _as_floats(data: bytes, own: Reading) -> Reading | None:
    """Bytes that are floats of another kind than configured, or no floats at all."""
    if own.dtype in FLOATS and not _is_wrong_float(data, own):
        return None
    floats = (replace(own, dtype=d, byte_order=o) for d in FLOATS for o in ORDERS)
    sane = [one for one in floats if one != own and one.fits(data) and is_sane(data, one)]
    if sane:
        return min(sane, key=lambda one: one.byte_order != own.byte_order)
    if own.dtype not in FLOATS:
        return None
    return _shortest(data, _integers(own), NOISE_BITS, own)


def _is_wrong_float(data: bytes, own: Reading) -> bool:
    """Numbers of sizes that no signal has; NaN and infinity alone have a reason of their own."""
    sizes = _sizes(data, own)
    if _wrong_share(sizes) > WRONG_SHARE:
        return True
    # The halves of float32 beside each other pass for float64.
    half = replace(own, dtype="float32")
    return own.dtype == "float64" and half.fits(data) and is_sane(data, half)


def _sizes(data: bytes, reading: Reading) -> Float64:
    with np.errstate(invalid="ignore"):  # signalling NaN are what we look for
        sizes: Float64 = np.abs(reading.numbers(data).astype(np.float64))
    return sizes


def _wrong_share(sizes: Float64) -> float:
    is_wrong = (sizes != 0) & ~((sizes > SANE[0]) & (sizes < SANE[1]))
    return float(is_wrong.mean())


def _is_spread(sizes: Float64) -> bool:
    """Over more than one power of two; zeros do not count."""
    there = sizes[sizes > 0]
    if len(there) < (1 - MAX_ZEROS) * sizes.size:
        return False
    low, high = np.percentile(np.frexp(there)[1], (2, 98))
    return bool(high - low >= MIN_BINADES)


def _integers(own: Reading) -> list[Reading]:
    """All signed integer readings; of one byte there is but one order."""
    types: tuple[Dtype, ...] = ("int16", "int24", "int32")
    longer = [replace(own, dtype=dtype, byte_order=order) for dtype in types for order in ORDERS]
    return [replace(own, dtype="int8"), *longer]


def _shorter(data: bytes, own: Reading) -> Reading | None:
    """Another integer type or byte order that is shorter by more than chance."""
    length = bits_per_byte(data, own)
    limit = length - _margin_bits(data, own) / own.width
    # Twice as long a number is never shorter than its halves: _halves tells these.
    others = [one for one in _integers(own) if one.width not in (own.width, 2 * own.width)]
    same_width = [own] if own.width == 1 else [own, _swapped(own)]
    found = _shortest(data, [*same_width, *others], limit, own)
    if found not in (None, own):
        return found
    other_sign = replace(own, dtype=_OTHER_SIGN[own.dtype])
    is_shorter = bits_per_byte(data, other_sign, own) < length - SIGN_BITS / own.width
    return other_sign if is_shorter else None


def _swapped(reading: Reading) -> Reading:
    return replace(reading, byte_order=ORDERS[reading.byte_order == "little"])


def _shortest(
    data: bytes, readings: Sequence[Reading], limit: float, own: Reading
) -> Reading | None:
    """The shortest of those below the limit. The halves of a number, read each by itself, may take
    a little less than the number; they are no numbers for that.
    """
    lengths = {
        one: bits_per_byte(data, one, own if _is_alike(one, own) else None)
        for one in readings
        if one.fits(data)
    }
    for reading in sorted(lengths, key=lambda one: lengths[one]):
        longer = [lengths[one] for one in lengths if one.width == 2 * reading.width]
        if min(longer, default=np.inf) > lengths[reading] + HALVES_BITS:
            return reading if lengths[reading] < limit else None
    return None


def _is_alike(one: Reading, own: Reading) -> bool:
    """Whether the numbers of both are made of the same bytes, integers each."""
    return one.width == own.width and own.dtype not in FLOATS


def _margin_bits(data: bytes, own: Reading) -> float:
    n = min(MAX_NUMBERS, len(data) // own.frame_bytes) * own.n_channels
    return MARGIN_BITS + float(MARGIN_SURE / np.sqrt(n))


def _halves(data: bytes, own: Reading) -> Reading | None:
    """A number of twice the width whose halves are taken for two numbers."""
    dtype = _TWICE.get(own.dtype)
    if dtype is None:
        return None
    longer = replace(own, dtype=dtype)
    if not longer.fits(data):
        return None
    if _is_sign(data, own):
        return longer
    is_split = own.layout == "planar" or own.n_channels % 2
    return longer if is_split and _are_unlike(data, own, longer) else None


def _is_sign(data: bytes, own: Reading) -> bool:
    """Whether every second number is nothing but the sign of its neighbour."""
    numbers = replace(own, n_channels=1, layout="interleaved").numbers(data)[0]
    first = 0 if own.byte_order == "little" else 1
    n = len(numbers) // 2 * 2
    low, high = numbers[first:n:2], numbers[1 - first : n : 2]
    half = 1 << 8 * own.width - 1
    signed = low.astype(np.int64)
    signed = np.where(signed >= half, signed - 2 * half, signed)
    n_negative = int((signed < 0).sum())
    if not len(low) / 20 < n_negative < len(low) * 19 / 20 or len(np.unique(low)) < MIN_LOW:
        return False
    return bool((high.astype(np.int64) % (2 * half) == np.where(signed < 0, 2 * half - 1, 0)).all())


def _are_unlike(data: bytes, own: Reading, longer: Reading) -> bool:
    """Whether every second number of a channel is noise that fills its range, and the others not,
    while the longer number is no longer than the two.
    """
    numbers = own.numbers(data)
    n = numbers.shape[1] // 2 * 2
    first = 0 if own.byte_order == "little" else 1
    low, high = bits(numbers[:, first:n:2]), bits(numbers[:, 1 - first : n : 2])
    full = FULL_BITS + 8 * own.width
    if low < full or high > low - UNLIKE_BITS:
        return False
    return bits_per_byte(data, longer) < bits_per_byte(data, own) + HALVES_BITS


_OTHER_SIGN: dict[Dtype, Dtype] = {
    "int8": "uint8",
    "int16": "uint16",
    "int24": "uint24",
    "int32": "uint32",
    "uint8": "int8",
    "uint16": "int16",
    "uint24": "int24",
    "uint32": "int32",
}
_TWICE: dict[Dtype, Dtype] = {
    "int8": "int16",
    "uint8": "int16",
    "int16": "int32",
    "uint16": "int32",
}
