"""HDF5: data sets by their name or path. The one home of h5py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.recordings.formats.base import (
    N_SHOWN,
    FileError,
    Stored,
    check_size,
    pick,
    stack,
)
from monitor.recordings.formats.stated import is_rate_name, rate_beside

if TYPE_CHECKING:
    from monitor.recordings.file_settings import FileSettings, Key


def hdf5(path: Path, settings: FileSettings, key: Key) -> Stored:
    with opened(path) as file:
        names = key if isinstance(key, tuple) else (key,)
        paths = [_path(file, name) for name in names]
        arrays = [numbers(_item(file, name), name) for name in paths]
        named = list(zip(names, arrays, strict=True))
        return Stored(
            stack([(str(name), one) for name, one in named])
            if isinstance(key, tuple)
            else arrays[0],
            rate_beside(_beside(file, paths[0]), settings.sample_rate_hz),
            _units(file, paths),
        )


def opened(path: Path) -> Any:
    import h5py

    return h5py.File(path, "r")


def is_group(item: Any) -> bool:
    import h5py

    return isinstance(item, h5py.Group)


def is_references(item: Any) -> bool:
    import h5py

    return isinstance(item, h5py.Dataset) and h5py.check_ref_dtype(item.dtype) is not None


def _path(file: Any, key: str | None) -> str:
    return key.strip("/") if key is not None and key in file else pick(file.keys(), key)


def _item(file: Any, path: str) -> Any:
    item = file
    for level in path.split("/") if path else ():
        item = member(item, level)
    return item


def _beside(file: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Names and values of the attributes of a data set, and of what its groups have and hold."""
    yield from _item(file, path).attrs.items()
    while path:
        path = path.rpartition("/")[0]
        group = _item(file, path)
        yield from group.attrs.items()
        yield from numbers_of(group)


def numbers_of(group: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of the numbers that a group holds under a usual name of a rate."""
    for name in group:
        if is_rate_name(name) and not is_group(item := member(group, name)):
            is_here = item.external is None and not item.is_virtual
            yield name, item[()] if is_here and item.size == 1 else None


def _units(file: Any, paths: Sequence[str]) -> tuple[str, ...]:
    """By an attribute of each data set, which may have one for each channel."""
    found: list[str] = []
    for path in paths:
        attributes = _item(file, path).attrs
        named = [attributes[name] for name in ("unit", "units") if name in attributes]
        found += [_text(one) for one in np.ravel(named[0])] if named else [""]
    return tuple(found) if any(found) else ()


def _text(value: Any) -> str:
    """ "" for what is none."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return str(text) if isinstance(text, str) else ""


def member(group: Any, name: str) -> Any:
    """Of a group. A link into another file would leave the folder of the recordings."""
    import h5py

    if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
        raise FileError(f"links {name!r} to another file, which is not followed")
    return group[name]


def numbers(item: Any, name: str) -> NDArray[Any]:
    """All that a data set holds, where it holds it itself."""
    import h5py

    if not isinstance(item, h5py.Dataset):
        raise FileError(
            f"has a group under {name!r}, with the members {list(item)[:N_SHOWN]}"
        )
    if item.external is not None or item.is_virtual:
        raise FileError(f"keeps {name!r} in other files, which are not read")
    check_size(item.size * item.dtype.itemsize if item.size else 0, f"{name!r} would be")
    return np.asarray(item[()])
