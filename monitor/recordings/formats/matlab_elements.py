"""MATLAB's files of version 5 to 7, as far as numbers go: arrays, structs and cells of them.

After MathWorks' "MAT-File Format", level 5. scipy's reader believes the sizes
in a file: a damaged one ends the whole process. Here each size is held against
what is there before it is used.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.recordings.formats.base import MAX_FILE_BYTES, N_SHOWN, FileError, check_size

HEAD_BYTES = 128  # before the first element
NAME_BYTES = 4096  # of a variable, in which its name stands
MAX_DIMENSIONS = 32
ORDERS = {b"IM": "<", b"MI": ">"}
CUT_SHORT = "is cut short or damaged: it ends within a variable"

MATRIX, COMPRESSED = 14, 15
TYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
STORED = dict(zip((1, 2, 3, 4, 5, 6, 12, 13), TYPES, strict=True)) | {7: "f4", 9: "f8"}
CELL, STRUCT = 1, 2
CLASSES = dict(zip(range(8, 16), TYPES, strict=True)) | {6: "f8", 7: "f4"}
OTHERS = {
    3: "an object",
    4: "text",
    5: "a sparse matrix",
    16: "a function",
    17: "an object",
}
COMPLEX = 0x0800


@dataclass(frozen=True, slots=True)
class Matrix:
    """A variable, a field or an entry; its content not read yet.

    kind : MATLAB's number of its class. order : of bytes
    """

    name: str
    kind: int
    is_complex: bool
    shape: tuple[int, ...]
    content: memoryview
    order: str

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def fields(self) -> list[str]:
        """Of a struct; [] of anything else."""
        if self.kind != STRUCT:
            return []
        _, length, at = element(self.content, 0, self.order)
        n_letters = int.from_bytes(length, "little" if self.order == "<" else "big")
        _, names, _ = element(self.content, at, self.order)
        if not 0 < n_letters <= 1024:
            raise FileError(CUT_SHORT)
        return [
            _letters(names[first : first + n_letters])
            for first in range(0, len(names), n_letters)
        ]

    def entry(self, number: int, field: str | None = None) -> Matrix:
        """Of a cell array, or a field of a struct array; number from 0."""
        at, fields = 0, self.fields
        for _ in range(2 if fields else 0):
            _, _, at = element(self.content, at, self.order)
        skipped = number if field is None else number * len(fields) + fields.index(field)
        for _ in range(skipped):
            _, _, at = element(self.content, at, self.order)
        return matrix(*element(self.content, at, self.order)[:2], self.order)

    def numbers(self, name: str) -> NDArray[Any]:
        """In the type that MATLAB has them in, whatever smaller one they are stored in.

        name : by which a person knows them, as a field has none
        """
        if fields := self.fields:
            raise FileError(
                f"has a struct under {name!r}, with the fields {fields[:N_SHOWN]}"
            )
        if self.kind not in CLASSES or self.is_complex:
            what = (
                "complex numbers"
                if self.is_complex
                else OTHERS.get(self.kind, "no numbers")
            )
            raise FileError(f"holds {what} under {name!r}, real numbers are needed")
        stored, content, _ = element(self.content, 0, self.order)
        dtype = np.dtype(f"{self.order}{STORED[stored]}") if stored in STORED else None
        if dtype is None or len(content) != self.size * dtype.itemsize:
            raise FileError(CUT_SHORT)
        found = np.frombuffer(content, dtype).astype(CLASSES[self.kind])
        return found.reshape(self.shape, order="F")


def element(data: memoryview, at: int, order: str) -> tuple[int, memoryview, int]:
    """Kind and content of the element there, and where the next begins. Raises FileError."""
    if at + 8 > len(data):
        raise FileError(CUT_SHORT)
    kind, n_bytes = struct.unpack_from(f"{order}II", data, at)
    if kind >> 16:  # a small one: its content stands where else its size would
        kind, n_bytes = kind & 0xFFFF, kind >> 16
        if n_bytes > 4:
            raise FileError(CUT_SHORT)
        return kind, data[at + 4 : at + 4 + n_bytes], at + 8
    end = at + 8 + n_bytes
    if end > len(data):
        raise FileError(CUT_SHORT)
    return kind, data[at + 8 : end], end + -n_bytes % 8


def matrix(kind: int, content: memoryview, order: str, is_whole: bool = True) -> Matrix:
    """is_whole : the content is all there, not its beginning alone"""
    if kind != MATRIX:
        raise FileError(CUT_SHORT)
    if not content:  # a field that was never set
        return Matrix("", 6, False, (0, 0), content, order)
    _, flags, at = element(content, 0, order)
    _, sizes, at = element(content, at, order)
    _, name, at = element(content, at, order)
    if len(flags) < 8 or len(sizes) % 4 or not 8 <= len(sizes) <= 4 * MAX_DIMENSIONS:
        raise FileError(CUT_SHORT)
    (facts,) = struct.unpack_from(f"{order}I", flags)
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    if any(size < 0 for size in shape):
        raise FileError(CUT_SHORT)
    if is_whole:
        check_size(math.prod(shape), f"{_letters(name)!r} would be")
    return Matrix(
        _letters(name), facts & 0xFF, bool(facts & COMPLEX), shape, content[at:], order
    )


def _letters(text: memoryview) -> str:
    return bytes(text).partition(b"\0")[0].decode("latin-1")


def variables(path: Path) -> dict[str, int]:
    """Where each begins in the file, by name. The whole file is walked: it must be all there."""
    return {name: at for name, at in _walk(path)}


def _walk(path: Path) -> Iterator[tuple[str, int]]:
    n_file = path.stat().st_size
    with path.open("rb") as file:
        order, at = _order(file.read(HEAD_BYTES)), HEAD_BYTES
        while at < n_file:
            file.seek(at)
            kind, n_bytes, content = _head(file.read(8 + NAME_BYTES), order)
            if at + 8 + n_bytes > n_file:
                raise FileError(CUT_SHORT)
            yield _name(kind, content, order), at
            at += 8 + n_bytes


def _order(head: bytes) -> str:
    order = ORDERS.get(head[126:128])
    if len(head) < HEAD_BYTES or order is None:
        raise FileError(
            "is no MATLAB file of version 5 or newer; older ones must be saved anew"
        )
    return order


def _head(head: bytes, order: str) -> tuple[int, int, memoryview]:
    if len(head) < 8:
        raise FileError(CUT_SHORT)
    kind, n_bytes = struct.unpack_from(f"{order}II", head)
    return kind, n_bytes, memoryview(head)[8 : 8 + n_bytes]


def _name(kind: int, content: memoryview, order: str) -> str:
    """Of a variable, by its first bytes."""
    if kind == COMPRESSED:
        inflated = zlib.decompressobj().decompress(content, NAME_BYTES)
        kind, _, content = _head(inflated, order)
    elif kind != MATRIX:
        return ""  # of no variable
    return matrix(kind, content, order, is_whole=False).name


def variable(path: Path, at: int) -> Matrix:
    """The one that begins there, whole."""
    with path.open("rb") as file:
        order = _order(file.read(HEAD_BYTES))
        file.seek(at)
        kind, n_bytes = struct.unpack(f"{order}II", file.read(8))
        content = file.read(n_bytes)
    if kind != COMPRESSED:
        return matrix(kind, memoryview(content), order)
    inflate = zlib.decompressobj()
    inflated = inflate.decompress(content, MAX_FILE_BYTES)
    if not inflate.eof:
        check_size(MAX_FILE_BYTES + bool(inflate.unconsumed_tail))
        raise FileError(CUT_SHORT)
    kind, whole, _ = element(memoryview(inflated), 0, order)
    return matrix(kind, whole, order)
