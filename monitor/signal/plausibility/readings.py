"""Which number type and byte order bytes speak for.

Integers: the right reading is the one that describes the bytes shortest
(lengths.py). Read with their bytes swapped, or across the borders of numbers,
they take nearly all their bits. That holds for noise too, as long as it does
not fill the number's range. Floats: floats.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.signal.payload.samples import N_BYTES, ByteOrder, Dtype, Layout, numbers_of
from monitor.signal.plausibility import floats
from monitor.signal.plausibility.lengths import Integers, Length, inner_of, length_of

MIN_NUMBERS = 64  # of a channel; fewer tell nothing
MAX_NUMBERS = 1024  # of a channel; more tell no more
MARGIN_BITS = 1.25  # of a number: by how much another reading must be shorter
MARGIN_SURE = 8.0  # the same over the root of the number of numbers
LEAST_BITS = 3.0  # of a number: of what hardly leaves 0, any width is as short
# of a byte: by how much halves must be shorter to be numbers of their own
HALVES_BITS = 0.9
NOISE_BITS = 7.3  # of a byte: what takes more in any reading is no signal at all
FULL_BITS = 0.8  # of a number that noise does not fill at most
UNLIKE_BITS = 2.0  # of a number
MIN_LOW = 8  # different low halves
FLOATS: tuple[Dtype, Dtype] = ("float32", "float64")
ORDERS: tuple[ByteOrder, ByteOrder] = ("little", "big")


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

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    @property
    def is_unsigned(self) -> bool:
        return self.dtype.startswith("u")

    def fits(self, data: bytes) -> bool:
        """Whether the bytes are a whole number of frames, and enough to tell anything."""
        return (
            len(data) >= MIN_NUMBERS * self.frame_bytes and not len(data) % self.frame_bytes
        )

    def numbers(self, data: bytes, n_most: int = MAX_NUMBERS) -> NDArray[Any]:
        """(n_channels, n) stored numbers, the first n_most at most."""
        n = min(n_most, len(data) // self.frame_bytes)
        if self.layout == "interleaved":
            flat = numbers_of(data[: n * self.frame_bytes], self.dtype, self.byte_order)
            return flat.reshape(-1, self.n_channels).T
        n_bytes = len(data) // self.n_channels
        starts = range(0, self.n_channels * n_bytes, n_bytes)
        data = b"".join(data[at : at + n * self.width] for at in starts)
        return numbers_of(data, self.dtype, self.byte_order).reshape(self.n_channels, -1)


def other_reading(data: bytes, own: Reading) -> Reading | None:
    """What the bytes are rather than what they are taken for; None where nothing speaks against
    that.
    """
    if not own.fits(data):
        return None
    if own.is_float and not _is_wrong_float(data, own):
        return None
    return _as_float(data, own) or (
        _shortest_of_all(data, own) if own.is_float else _as_integer(data, own)
    )


def length(data: bytes, reading: Reading) -> Length | None:
    """Of an integer reading."""
    return (
        length_of(_integers(data, reading), reading.width) if reading.fits(data) else None
    )


def _integers(data: bytes, reading: Reading) -> Integers:
    return reading.numbers(data).astype(np.int64)


# -- floats ----------------------------------------------------------------------------------------


def _is_wrong_float(data: bytes, own: Reading) -> bool:
    if floats.are_wrong(own.numbers(data)):
        return True
    # Two of float32 beside each other pass for one of float64.
    half = replace(own, dtype="float32")
    return (
        own.dtype == "float64" and half.fits(data) and floats.are_sane(half.numbers(data))
    )


def _as_float(data: bytes, own: Reading) -> Reading | None:
    others = [
        replace(own, dtype=dtype, byte_order=o) for dtype in FLOATS for o in _orders(own)
    ]
    fitting = (one for one in others if one != own and one.fits(data))
    return next((one for one in fitting if floats.are_sane(one.numbers(data))), None)


def _orders(own: Reading) -> tuple[ByteOrder, ByteOrder]:
    """The configured one first."""
    return own.byte_order, _swapped(own).byte_order


def _swapped(reading: Reading) -> Reading:
    return replace(reading, byte_order=ORDERS[reading.byte_order == "little"])


# -- integers --------------------------------------------------------------------------------------


def _shortest_of_all(data: bytes, own: Reading) -> Reading | None:
    """Of bytes that are no floats."""
    return _shortest(_bits_per_byte(data, _signed(own)), NOISE_BITS)


def _bits_per_byte(data: bytes, readings: Iterable[Reading]) -> dict[Reading, float]:
    """Of those that tell anything."""
    found = ((one, length(data, one)) for one in readings)
    return {one: its.bits / one.width for one, its in found if its and not its.is_sparse}


def _signed(own: Reading) -> list[Reading]:
    """All signed integer readings; of one byte there is but one order."""
    types: tuple[Dtype, ...] = ("int16", "int24", "int32")
    longer = [
        replace(own, dtype=dtype, byte_order=o) for dtype in types for o in _orders(own)
    ]
    return [replace(own, dtype="int8"), *longer]


def _as_integer(data: bytes, own: Reading) -> Reading | None:
    numbers = _integers(data, own)
    found = length_of(numbers, own.width)
    if found is None:
        return None
    margin = MARGIN_BITS + MARGIN_SURE / float(np.sqrt(numbers.size))
    if own.width > 1:
        swapped = length_of(_integers(data, _swapped(own)), own.width, inner_of(numbers))
        if swapped and swapped.bits < found.bits - margin and not swapped.is_sparse:
            return _swapped(own)
    if _is_other_sign(numbers, own):
        return replace(own, dtype=_OTHER_SIGN[own.dtype])
    if found.is_sparse or found.is_clipped or found.bits < LEAST_BITS:
        return None
    return _of_other_width(data, own, found.bits - margin) or _of_twice_the_width(data, own)


def _is_other_sign(numbers: Integers, own: Reading) -> bool:
    """Whether a small signal about the middle of the range, or about 0, is torn apart: it is at
    both ends of what it is read as, and never in between, not even on the way.
    """
    half = 1 << 8 * own.width - 1
    sizes = np.abs(numbers - (half if own.is_unsigned else 0))
    signs = (numbers >= half if own.is_unsigned else numbers >= 0).mean(axis=1)
    at_ends = (sizes > half // 2).all() and (sizes < half - 1).any()
    both = ((signs > MIN_SIDE) & (signs < 1 - MIN_SIDE)).any()
    return bool(at_ends and both and len(np.unique(numbers)) >= MIN_LOW)


MIN_SIDE = 0.05  # share of numbers at either end


def _of_other_width(data: bytes, own: Reading, limit_bits: float) -> Reading | None:
    """Twice as long a number is never shorter than its halves: _of_twice_the_width tells these."""
    widths = {own.width, 2 * own.width} | ({own.width // 2} if own.is_unsigned else set())
    others = [one for one in _signed(own) if one.width not in widths]
    chosen = _shortest(_bits_per_byte(data, [own, *others]), limit_bits / own.width)
    return None if chosen == own else chosen


def _shortest(lengths: dict[Reading, float], limit: float) -> Reading | None:
    """The shortest of those below the limit. The halves of a number, read each by itself, may take
    a little less than the number; they are no numbers for that.

    lengths : in bits of a byte, as the limit
    """
    for reading in sorted(lengths, key=lambda one: lengths[one]):
        longer = [lengths[one] for one in lengths if one.width == 2 * reading.width]
        if min(longer, default=np.inf) > lengths[reading] + HALVES_BITS:
            return reading if lengths[reading] < limit else None
    return None


def _of_twice_the_width(data: bytes, own: Reading) -> Reading | None:
    """A number whose halves are taken for two numbers."""
    dtype = _TWICE.get(own.dtype)
    if dtype is None:
        return None
    longer = replace(own, dtype=dtype)
    if not longer.fits(data):
        return None
    low, high = _halves(data, own)
    is_split = own.layout == "planar" or own.n_channels % 2 == 1
    if _is_sign(low, high, own) or (is_split and _are_unlike(data, own, longer)):
        return longer
    return None


def _halves(data: bytes, own: Reading) -> tuple[Integers, Integers]:
    """Every second number in the order of the bytes: the lower half first."""
    flat = _integers(data, replace(own, n_channels=1, layout="interleaved"))[0]
    pairs = flat[: len(flat) // 2 * 2].reshape(-1, 2).T
    return (pairs[0], pairs[1]) if own.byte_order == "little" else (pairs[1], pairs[0])


def _is_sign(low: Integers, high: Integers, own: Reading) -> bool:
    """Whether the upper half is nothing but the sign of the lower one."""
    half = 1 << 8 * own.width - 1
    signed = (low + half) % (2 * half) - half
    negative = float((signed < 0).mean())
    if not MIN_SIDE < negative < 1 - MIN_SIDE or len(np.unique(low)) < MIN_LOW:
        return False
    return bool((high % (2 * half) == np.where(signed < 0, 2 * half - 1, 0)).all())


def _are_unlike(data: bytes, own: Reading, longer: Reading) -> bool:
    """Whether every second number of a channel is noise that fills its range, and the others not,
    while the longer number is no longer than the two.
    """
    numbers = _integers(data, own)
    pairs = numbers[:, : numbers.shape[1] // 2 * 2]
    first = 0 if own.byte_order == "little" else 1
    spread = [float(pairs[:, at::2].std()) for at in (first, 1 - first)]
    if spread[1] > spread[0] / 2:
        return False
    low, high = (length_of(pairs[:, at::2], own.width) for at in (first, 1 - first))
    both, whole = length(data, longer), length_of(numbers, own.width)
    if low is None or high is None or both is None or whole is None:
        return False
    if low.bits < 8 * own.width - FULL_BITS or high.bits > low.bits - UNLIKE_BITS:
        return False
    return both.bits / longer.width < whole.bits / own.width + HALVES_BITS


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
