"""MATLAB's files: version 5 to 7, and 7.3, which is HDF5. Both give the same arrays.

A key leads into structs as MATLAB writes it: "bearing.gs", "Y(7).Data", counted
from 1. Each level may be a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from monitor.recordings.formats.base import FileError, Rate, Stored, check_size, pick, stack
from monitor.recordings.formats.hdf5 import (
    is_group,
    is_references,
    member,
    numbers,
    opened,
)
from monitor.recordings.formats.matlab_elements import CELL, Matrix, variable, variables
from monitor.recordings.formats.stated import is_rate_name, rate_beside

if TYPE_CHECKING:
    from monitor.recordings.file_settings import FileSettings, Key

HDF5_MAGIC = b"\x89HDF"
HDF5_AT = 512  # behind MATLAB's own head

Read = Callable[[str | None], NDArray[Any]]
NamesIn = Callable[[str], list[str]]

_LEVEL = re.compile(r"(.+?)(?:\(([1-9][0-9]{0,6})\))?")


def mat(path: Path, settings: FileSettings, key: Key) -> Stored:
    if _is_v73(path):
        with opened(path) as file:
            array, rate = _array_and_rate(
                settings, key, partial(_of_v73, file), partial(_names_v73, file)
            )
        kind = "MATLAB 7.3"
    else:
        array, rate = _array_and_rate(
            settings, key, partial(_of_v7, path), partial(_names_v7, path)
        )
        kind = "MATLAB"
    # MATLAB has no vectors: they are rows or columns.
    if settings.array_axes == ("time",) and array.size == max(array.shape, default=0):
        array = array.ravel()
    return Stored(array, rate, understood=f"{kind}, key {key or 'not needed'}")


def _is_v73(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(HDF5_AT)
        return file.read(len(HDF5_MAGIC)) == HDF5_MAGIC


def _array_and_rate(
    settings: FileSettings, key: Key, read: Read, names_in: NamesIn
) -> tuple[NDArray[Any], Rate | None]:
    if not isinstance(key, tuple):
        beside = _beside(key, read, names_in)
        return read(key), rate_beside(beside, settings.sample_rate_hz)
    beside = _beside(key[0], read, names_in)
    array = stack([(one, read(one)) for one in key])
    return array, rate_beside(beside, settings.sample_rate_hz)


def _beside(
    key: str | None, read: Read, names_in: NamesIn
) -> Iterator[tuple[str, NDArray[Any] | None]]:
    """What has a usual name of a rate in the structs that the key leads through, from the last on,
    and in the file.
    """
    levels = [] if key is None or key in names_in("") else key.split(".")[:-1]
    for depth in range(len(levels), -1, -1):
        above = levels[:depth]
        for name in filter(is_rate_name, names_in(".".join(above))):
            try:
                yield name, read(".".join([*above, name]))
            except FileError:  # no number
                continue


def _levels(key: str | None) -> list[tuple[str | None, int | None]]:
    """Name or pattern and number, of each level of a key. Raises FileError."""
    if key is None:
        return [(None, None)]
    found = [_LEVEL.fullmatch(level) for level in key.split(".")]
    levels = [(one[1], int(one[2]) if one[2] else None) for one in found if one]
    if len(levels) < len(found):
        raise FileError(
            f"cannot be read by key = {key!r}: an example is bearing.gs or Y(7).Data"
        )
    return list(levels)


def _index(size: int, number: int | None, name: str) -> int:
    """From 0, of the one entry of an array of structs or cells that a key means."""
    if number is None and size != 1:
        raise FileError(
            f"has {size} entries in {name!r}: the key must say which, {name}(1)"
        )
    if (number or 1) > size:
        raise FileError(f"has {size} entries in {name!r}, entry {number} is wanted")
    return (number or 1) - 1


# -- version 5 to 7 -------------------------------------------------------------------------------


def _of_v7(path: Path, key: str | None) -> NDArray[Any]:
    item, number, name = _reached_v7(path, key)
    item, number = _of_cell(item, number, name)
    _index(1, number, name)
    return item.numbers(name)


def _names_v7(path: Path, above: str) -> list[str]:
    """Of variables, or of a struct's fields."""
    return _of_cell(*_reached_v7(path, above))[0].fields if above else list(variables(path))


def _reached_v7(path: Path, key: str | None) -> tuple[Matrix, int | None, str]:
    """What a key leads to, the number of the entry that is meant, and its name."""
    found = variables(path)
    # MATLAB allows no dot in a variable's name, other programs write it.
    levels = [(key, None)] if key in found else _levels(key)
    name = pick([name for name in found if name], levels[0][0])
    item, number = variable(path, found[name]), levels[0][1]
    for level, next_number in levels[1:]:
        item, number = _of_cell(item, number, name)
        if not item.fields:
            raise FileError(f"has no struct under {name!r}, so no field {level!r}")
        at = _index(item.size, number, name)
        name, number = pick(item.fields, level), next_number
        item = item.entry(at, name)
    return item, number, name


def _of_cell(item: Matrix, number: int | None, name: str) -> tuple[Matrix, int | None]:
    """The entry of a cell array that the number means; anything else and its number as they are."""
    if item.kind != CELL:
        return item, number
    return item.entry(_index(item.size, number, name)), None


# -- version 7.3 ----------------------------------------------------------------------------------


def _of_v73(file: Any, key: str | None) -> NDArray[Any]:
    item, number, name = _reached_v73(file, key)
    if "MATLAB_empty" in item.attrs:
        raise FileError("holds no values")
    return numbers(_referred(file, item, number, name), name).T  # MATLAB writes by columns


def _names_v73(file: Any, above: str) -> list[str]:
    item = _reached_v73(file, above)[0] if above else file
    return list(item) if is_group(item) else []


def _reached_v73(file: Any, key: str | None) -> tuple[Any, int | None, str]:
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
    return item, number, name


def _referred(file: Any, item: Any, number: int | None, name: str) -> Any:
    """What the one reference that is meant leads to; anything but references as it is."""
    if not is_references(item):
        _index(1, number, name)
        return item
    check_size(8 * item.size, f"{name!r} would be")
    return file[item[()].ravel()[_index(item.size, number, name)]]
