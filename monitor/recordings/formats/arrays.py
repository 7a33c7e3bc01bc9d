"""NumPy's own files, npy and npz, and Parquet."""

from __future__ import annotations

import zipfile
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


def npy(path: Path, _settings: FileSettings, _key: Key) -> Stored:
    return Stored(np.asarray(np.load(path, allow_pickle=False)))


def npz(path: Path, _settings: FileSettings, key: Key) -> Stored:
    with zipfile.ZipFile(path) as archive:
        n_bytes = {member.filename: member.file_size for member in archive.infolist()}
    with np.load(path, allow_pickle=False) as members:

        def member(name: str | None) -> NDArray[Any]:
            found = pick(members.files, name)
            check_size(n_bytes.get(f"{found}.npy", 0), f"{found!r} would be")
            return np.asarray(members[found])

        if isinstance(key, tuple):
            return Stored(stack([(name, member(name)) for name in key]))
        return Stored(member(key))


def parquet(path: Path, _settings: FileSettings, key: Key) -> Stored:
    import pyarrow.parquet

    header = pyarrow.parquet.read_schema(path).names
    wanted = header if key is None else [key] if isinstance(key, str) else list(key)
    for name in wanted:
        if header.count(name) != 1:
            raise FileError(
                f"has {header.count(name)} columns {name!r}, one is needed, found"
                f" {header[:N_SHOWN]}"
            )
    check_size(8 * pyarrow.parquet.read_metadata(path).num_rows * len(wanted))
    table = pyarrow.parquet.read_table(path, columns=wanted)
    return Stored(np.column_stack([column.to_numpy() for column in table.columns]))
