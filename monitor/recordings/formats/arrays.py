"""NumPy's own files, npy and npz, and Parquet."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
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
from monitor.recordings.formats.text_layout import name_and_unit
from monitor.recordings.formats.text_times import NO_TIMES, is_time_name, tell_of_numbers

if TYPE_CHECKING:
    from monitor.recordings.file_settings import FileSettings, Key


def npy(path: Path, _settings: FileSettings, _key: Key) -> Stored:
    return Stored(np.asarray(np.load(path, allow_pickle=False)))


def npz(path: Path, settings: FileSettings, key: Key) -> Stored:
    with zipfile.ZipFile(path) as archive:
        n_bytes = {member.filename: member.file_size for member in archive.infolist()}
    with np.load(path, allow_pickle=False) as members:

        def member(name: str | None) -> NDArray[Any]:
            found = pick(members.files, name)
            check_size(n_bytes.get(f"{found}.npy", 0), f"{found!r} would be")
            return np.asarray(members[found])

        beside = [(name, member(name)) for name in members.files if is_rate_name(name)]
        rate = rate_beside(beside, settings.sample_rate_hz)
        if isinstance(key, tuple):
            return Stored(stack([(name, member(name)) for name in key]), rate)
        return Stored(member(key), rate)


def parquet(path: Path, settings: FileSettings, key: Key) -> Stored:
    import pyarrow.parquet

    header = pyarrow.parquet.read_schema(path).names
    time = _time_column(header, settings)
    if key is None:
        wanted = [name for name in header if name != time]
    else:
        wanted = [key] if isinstance(key, str) else list(key)
    for name in wanted:
        if header.count(name) != 1:
            raise FileError(
                f"has {header.count(name)} columns {name!r}, one is needed, found"
                f" {header[:N_SHOWN]}"
            )
    check_size(8 * pyarrow.parquet.read_metadata(path).num_rows * len(wanted))
    table = pyarrow.parquet.read_table(path, columns=wanted)
    array = np.column_stack([column.to_numpy() for column in table.columns])
    units = tuple(name_and_unit(name)[1] for name in wanted)
    units = units if any(units) else ()
    if time is None or time in wanted:
        return Stored(array, units=units)
    times = pyarrow.parquet.read_table(path, columns=[time])[0].to_numpy()
    rate, breaks = tell_of_numbers(time, times, settings.sample_rate_hz)
    return Stored(array, rate, units, breaks=breaks)


def _time_column(header: Sequence[str], settings: FileSettings) -> str | None:
    """The one that the settings name, or the first that is called so. Raises FileError."""
    if settings.time_key == NO_TIMES:
        return None
    if settings.time_key is not None:
        return pick(header, settings.time_key)
    return next((name for name in header if is_time_name(name)), None)
