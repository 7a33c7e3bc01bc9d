"""HDF5: data sets by their name or path. The one home of h5py."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from monitor.recordings.file_settings import FileSettings, Key


def hdf5(path: Path, _settings: FileSettings, key: Key) -> Stored:
    with opened(path) as file:
        if isinstance(key, tuple):
            return Stored(stack([(name, _named(file, name)) for name in key]))
        return Stored(_named(file, key))


def opened(path: Path) -> Any:
    import h5py

    return h5py.File(path, "r")


def is_group(item: Any) -> bool:
    import h5py

    return isinstance(item, h5py.Group)


def is_references(item: Any) -> bool:
    import h5py

    return isinstance(item, h5py.Dataset) and h5py.check_ref_dtype(item.dtype) is not None


def _named(file: Any, key: str | None) -> NDArray[Any]:
    path = key.strip("/") if key is not None and key in file else pick(file.keys(), key)
    item = file
    for level in path.split("/"):
        item = member(item, level)
    return numbers(item, path)


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
