"""Which numbers bytes are: type and byte order, and what stands before and behind the samples.

Each reading is a code: the right one needs the fewest bits for what a number is
not told by those before it. Floating point shows by itself: read wrongly,
exponents are all over the place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.discovery import prediction
from monitor.records.signal import Float64
from monitor.signal.payload.samples import N_BYTES, numbers_of

MAX_BYTES = 24_000  # looked at
MIN_BYTES = 200
HEAD_BYTES = 96  # may be a header, and is left out where there is enough behind it
COUNTS = (1, 2, 3, 4, 6)
TAIL_BYTES = 16  # likewise a checksum
SURE_SHARE = 0.005  # of bits: the lead over the next best that counts as sure
SURE_BITS = 60.0
# a number that needs fewer bits than this, of all that it has, says nothing
RANDOM_BITS = 0.75
ODD_TAIL = 1.04  # a number of bytes behind the samples that is no whole number is rare
FLOAT_RANGE = (1e-9, 1e9)
FAR = 4.0  # times as near
MAX_SPREAD = 4000.0  # of 16 bits; that of fractions is 18,900


@dataclass(frozen=True, slots=True)
class Stored:
    """tail : bytes behind the last whole number; bits : a byte of samples needs"""

    dtype: str
    byte_order: str
    tail: int
    bits: float

    @property
    def width(self) -> int:
        return N_BYTES[self.dtype]

    def numbers(self, blob: bytes) -> NDArray[Any]:
        """As many as fit, counted from the end."""
        end = len(blob) - self.tail
        n = end // self.width
        return numbers_of(blob[end - n * self.width : end], self.dtype, self.byte_order)


def readings(blobs: Sequence[bytes], tails: Sequence[int] = ()) -> list[Stored]:
    """The likeliest first. tails : bytes that may stand behind the samples; any where not given"""
    found = []
    for stored in _candidates(tails):
        width = stored.width
        bits = _bits(_bulk(stored, blobs), stored.dtype) / width
        bits *= ODD_TAIL if stored.tail % width else 1.0
        if np.isfinite(bits):
            found.append(replace(stored, bits=bits))
    return sorted(found, key=lambda one: (one.bits, one.tail, one.dtype.startswith("u")))


def _candidates(tails: Sequence[int]) -> Iterator[Stored]:
    for dtype, width in N_BYTES.items():
        orders = ("little", "big") if width > 1 else ("little",)
        for byte_order, tail in product(orders, tails or range(width)):
            yield Stored(dtype, byte_order, tail, 0.0)


def _bulk(stored: Stored, blobs: Sequence[bytes]) -> list[Float64]:
    """Numbers of each message without what may be a header or a checksum."""
    found, n_bytes = [], 0
    for blob in blobs:
        n_skip = min(HEAD_BYTES, len(blob) // 3) // stored.width
        n_last = min(TAIL_BYTES, len(blob) // 8) // stored.width
        values = stored.numbers(blob)
        values = values[n_skip : len(values) - n_last]
        found.append(values[: MAX_BYTES // stored.width])
        n_bytes += len(blob)
        if n_bytes > MAX_BYTES:
            break
    with np.errstate(invalid="ignore"):
        return [values.astype(np.float64) for values in found]


def _bits(runs: list[Float64], dtype: str) -> float:
    """Bits a number; infinite where these are no such numbers."""
    if dtype.startswith("float"):
        return _float_bits(runs, dtype)
    codes = [prediction.code_bits(runs, n) for n in COUNTS]
    return float(min(codes))


def _float_bits(runs: list[Float64], dtype: str) -> float:
    values = np.concatenate(runs) if runs else np.zeros(0)
    if len(values) < 16 or not np.isfinite(values).all():
        return np.inf
    sizes = np.abs(values[values != 0])
    if len(sizes) < 0.3 * len(values) or sizes.max() > FLOAT_RANGE[1]:
        return np.inf
    if np.mean(sizes > max(FLOAT_RANGE[0], sizes.max() * 1e-7)) < 0.995:
        return np.inf
    spread = np.log2(sizes.max() / np.median(sizes))
    if spread > 20:
        return np.inf
    if _are_words(values, dtype):
        return np.inf
    # Nothing else looks so: it goes before whatever code whole numbers have. Pairs of float32 of
    # one size look like float64; halves of float64 do not look like float32, unless they are 0:
    # then both say as much.
    if dtype == "float32":
        return 0.1
    has_halves = bool(np.any(values != values.astype(np.float32)))
    return 0.3 if has_halves else 0.2


def are_floats(values: NDArray[Any]) -> bool:
    """Whether float32 numbers are of sizes that a signal has."""
    with np.errstate(invalid="ignore"):
        return bool(np.isfinite(_float_bits([values.astype(np.float64)], "float32")))


def rivals(found: Sequence[Stored], n_bytes: int) -> list[Stored]:
    """Those that the first does not stand out from, though they give other samples."""
    best = found[0]
    if best.dtype.startswith("float"):
        return [one for one in found[1:] if one.bits <= best.bits and one.tail == best.tail]
    limit = best.bits + max(SURE_SHARE * best.bits, SURE_BITS / n_bytes)
    return [one for one in found[1:] if one.bits <= limit and not _are_alike(best, one)]


def _are_words(values: Float64, dtype: str) -> bool:
    """int16 near 16384 or -16384, 1 g of many sensors, look like floats of about 2: but they look
    like each other, which exponents and fractions do not.
    """
    stored = np.ascontiguousarray(values.astype(dtype))
    words = stored.view(np.int16).reshape(len(values), -1).astype(np.float64)
    middles, spreads = np.median(words, axis=0), words.std(axis=0)
    if spreads.max() > MAX_SPREAD:
        return False
    return bool(np.ptp(middles) <= 2 * spreads.max())


def by_sign(found: Sequence[Stored], blobs: Sequence[bytes]) -> list[Stored]:
    """The same readings; of the best one and its kin of the other sign, where both say as much,
    the one whose numbers are far nearer its own zero: an unsigned one has it in the middle.
    """
    best = found[0]
    kin = next((one for one in found[1:] if _are_alike(best, one)), None)
    if kin is None or kin.bits > best.bits * (1 + SURE_SHARE):
        return list(found)
    offsets = {one: _offset(one, blobs) for one in (best, kin)}
    if _are_same(best, kin, blobs):
        offsets = dict.fromkeys(offsets, 0.0)  # the signed one
    near, far = sorted((best, kin), key=lambda one: (offsets[one], one.dtype[0] == "u"))
    return [near, far, *(one for one in found if one not in (best, kin))]


def is_sign_open(found: Sequence[Stored], blobs: Sequence[bytes]) -> bool:
    """Whether the first two differ in their sign alone, and neither is far nearer its zero."""
    if len(found) < 2 or not _are_alike(found[0], found[1]):
        return False
    if found[1].bits > found[0].bits * (1 + SURE_SHARE) or _are_same(
        found[0], found[1], blobs
    ):
        return False
    return FAR * _offset(found[0], blobs) > _offset(found[1], blobs)


def _offset(stored: Stored, blobs: Sequence[bytes]) -> float:
    """How far the numbers are from the zero of their type; not their middle, for channels on
    either side of it would have theirs near zero.
    """
    values = np.concatenate(_bulk(stored, blobs))
    zero = 2.0 ** (8 * stored.width - 1) if stored.dtype.startswith("u") else 0.0
    return float(np.median(np.abs(values - zero)))


def _are_same(one: Stored, other: Stored, blobs: Sequence[bytes]) -> bool:
    """No number has the bit that makes the difference."""
    pairs = zip(_bulk(one, blobs), _bulk(other, blobs), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def is_noise(best: Stored) -> bool:
    """Nothing tells these numbers: packed, or encrypted, or no numbers at all."""
    if best.dtype.startswith("float"):
        return False
    return 8 * best.width - best.bits * best.width < RANDOM_BITS


def has_shifted_twin(best: Stored, found: Sequence[Stored]) -> bool:
    """The other byte order with a byte less at the end: told apart by the ends alone."""
    return any(
        one.width == best.width
        and one.byte_order != best.byte_order
        and one.tail % one.width
        and one.bits / ODD_TAIL < 1.02 * best.bits
        for one in found
    )


def _are_alike(one: Stored, other: Stored) -> bool:
    """Signed and unsigned of one width: told apart by where zero is, not by their code."""
    same_place = (one.byte_order, one.tail) == (other.byte_order, other.tail)
    return same_place and one.dtype.removeprefix("u") == other.dtype.removeprefix("u")
