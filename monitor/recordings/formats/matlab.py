"""MATLAB's files: up to version 7, and 7.3, which is HDF5. Both give the same arrays.

A key leads into structs as MATLAB writes it: "bearing.gs", "Y(7).Data", counted from 1. Each level
may be a pattern.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.recordings.formats.base import (
    MAX_FILE_BYTES,
    FileError,
    Stored,
    check_size,
    pick,
    stack,
)
from monitor.recordings.formats.hdf5 import (
    is_group,
    is_hdf5,
    is_references,
    member,
    numbers,
    opened,
)

if TYPE_CHECKING:
    from monitor.recordings.file_settings import FileSettings, Key

HEAD_BYTES = 128  # before the first element
COMPRESSED = 15
PIECE_BYTES = 1 << 20

_LEVEL = re.compile(r"(.+?)(?:\(([1-9][0-9]{0,6})\))?")


def mat(path: Path, settings: FileSettings, key: Key) -> Stored:
    if is_hdf5(path):
        with opened(path) as file:
            array = _keyed(key, lambda one: _of_v73(file, one))
        kind = "MATLAB 7.3"
    else:
        _check_elements(path)
        array = _keyed(key, lambda one: _of_v7(path, one))
        kind = "MATLAB"
    # MATLAB has no vectors: they are rows or columns.
    if settings.array_axes == ("time",) and array.size == max(array.shape, default=0):
        array = array.ravel()
    return Stored(array, understood=f"{kind}, key {key or 'not needed'}")


def _keyed(key: Key, read: Callable[[str | None], NDArray[Any]]) -> NDArray[Any]:
    return stack([(one, read(one)) for one in key]) if isinstance(key, tuple) else read(key)


def _levels(key: str | None) -> list[tuple[str | None, int | None]]:
    """Name or pattern and number, of each level of a key. Raises FileError."""
    if key is None:
        return [(None, None)]
    found = [_LEVEL.fullmatch(level) for level in key.split(".")]
    levels = [(one[1], int(one[2]) if one[2] else None) for one in found if one]
    if len(levels) < len(found):
        raise FileError(f"cannot be read by key = {key!r}: an example is bearing.gs or Y(7).Data")
    return list(levels)


def _entry(entries: NDArray[Any], number: int | None, name: str) -> Any:
    """The one entry of a struct array or a cell array that a key means."""
    flat = entries.ravel(order="F")
    if number is None and len(flat) != 1:
        raise FileError(f"has {len(flat)} entries in {name!r}: the key must say which, {name}(1)")
    if (number or 1) > len(flat):
        raise FileError(f"has {len(flat)} entries in {name!r}, entry {number} is wanted")
    return flat[(number or 1) - 1]


# -- up to version 7 ------------------------------------------------------------------------------


def _of_v7(path: Path, key: str | None) -> NDArray[Any]:
    import scipy.io

    levels = _levels(key)
    sizes = {name: shape for name, shape, _ in scipy.io.whosmat(path)}
    name = _first(sizes, levels, key)
    value = scipy.io.loadmat(path, variable_names=[name])[name]
    levels = [(name, None)] if name == key else levels
    number = levels[0][1]
    for level, next_number in levels[1:]:
        value = _field(value, number, level, name)
        name, number = str(level), next_number
    return np.asarray(value if number is None else _entry(value, number, name))


def _first(names: Iterable[str], levels: list[Any], key: str | None) -> str:
    """The variable. MATLAB allows no dot in its name, others write it."""
    known = list(names)
    return str(key) if key in known else pick(known, levels[0][0])


def _field(value: NDArray[Any], number: int | None, level: str | None, name: str) -> Any:
    if value.dtype.kind == "O":
        value, number = np.asarray(_entry(value, number, name)), None
    if value.dtype.names is None:
        raise FileError(f"has no struct under {name!r}, so no field {level!r}")
    field = pick(value.dtype.names, level)
    return _entry(value[field], number, name)


def _check_elements(path: Path) -> None:
    """Walk the file's elements: each must lie within the file, and expand to no more than we take.

    scipy takes both on trust. Raises FileError.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        if len(head) < HEAD_BYTES or head[126:128] not in (b"IM", b"MI"):
            return  # version 4, or none: scipy says
        order, n_file, total = "<" if head[126:] == b"IM" else ">", path.stat().st_size, 0
        while tag := file.read(8):
            kind, n_bytes = struct.unpack(f"{order}II", tag.ljust(8, b"\0"))
            end = file.tell() + n_bytes
            if len(tag) < 8 or end > n_file:
                raise FileError("is cut short: it ends within a variable")
            total += _expanded(file, n_bytes) if kind == COMPRESSED else n_bytes
            check_size(total)
            file.seek(end)


def _expanded(file: Any, n_bytes: int) -> int:
    """Bytes that come out of a compressed element; counted up to the limit."""
    inflate, total = zlib.decompressobj(), 0
    while n_bytes > 0 and total <= MAX_FILE_BYTES and (piece := file.read(min(n_bytes, 1 << 16))):
        n_bytes -= len(piece)
        while piece and total <= MAX_FILE_BYTES:
            total += len(inflate.decompress(piece, PIECE_BYTES))
            piece = inflate.unconsumed_tail
    return total


# -- version 7.3 ----------------------------------------------------------------------------------


def _of_v73(file: Any, key: str | None) -> NDArray[Any]:
    """A struct is a group. Of a struct array, each field is a list of references to its values."""
    item, name, number = file, "", None
    for level, next_number in _levels(key):
        if not is_group(item):
            raise FileError(f"has no struct under {name!r}, so no field {level!r}")
        name = pick([one for one in item if not one.startswith("#")], level)
        item = _referred(file, member(item, name), number, name)
        number = next_number
        if number is not None and not is_group(item):  # of a cell array
            item, number = _referred(file, item, number, name), None
    if "MATLAB_empty" in item.attrs:
        raise FileError("holds no values")
    return numbers(_referred(file, item, number, name), name).T  # MATLAB writes by columns


def _referred(file: Any, item: Any, number: int | None, name: str) -> Any:
    """What the one reference that is meant leads to; anything but references as it is."""
    if not is_references(item):
        if (number or 1) != 1:
            raise FileError(f"has 1 entry in {name!r}, entry {number} is wanted")
        return item
    check_size(8 * item.size, f"{name!r} would be")
    return file[_entry(item[()], number, name)]
