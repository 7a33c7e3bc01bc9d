"""One array out of one file of recordings, whatever its format. Heavy readers are imported where a
file needs them.

Nothing here unpickles: object arrays are refused. Files above MAX_FILE_BYTES are refused before
they are opened.
"""

from __future__ import annotations

import csv
import fnmatch
import warnings
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

MAX_FILE_BYTES = 2 << 30
RATE_TOLERANCE = 1e-3

FileFormat = Literal["hdf5", "npy", "npz", "csv", "parquet", "wav", "flac", "mat"]
Key = str | tuple[str, ...] | None


class FileError(Exception):
    """The file holds nothing we can use; str() says why, without the file's name."""


def read_array(
    path: Path, file_format: FileFormat, key: Key, sample_rate_hz: float
) -> NDArray[Any]:
    """The numbers a file holds, in the file's own number type and axes, read-only.

    key : data set, variable or member (a pattern such as "*_DE_time" may stand for exactly one), or
        the columns of a
        CSV or Parquet table; None where the file holds one thing only.
    sample_rate_hz : checked against the file's own, where it has one (WAV, FLAC).

    Raises FileError. The last few files stay in memory, as a file may hold thousands of recordings.
    """
    status = path.stat()
    if status.st_size > MAX_FILE_BYTES:
        raise FileError(f"has {status.st_size} bytes, at most {MAX_FILE_BYTES} bytes are read")
    return _read(path, file_format, key, sample_rate_hz, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _read(
    path: Path, file_format: FileFormat, key: Key, sample_rate_hz: float, _mtime_ns: int
) -> NDArray[Any]:
    try:
        if file_format in ("wav", "flac"):
            array = _sound(path, sample_rate_hz)
        elif file_format in ("csv", "parquet"):
            array = _csv(path, key) if file_format == "csv" else _parquet(path, key)
        else:
            array = {"hdf5": _hdf5, "npy": _npy, "npz": _npz, "mat": _mat}[file_format](path, key)
    except (FileError, ImportError, MemoryError):
        raise
    except Exception as error:  # whatever eight foreign readers make of a stranger's file
        raise FileError(f"cannot be read as a {file_format} file: {why(error)}") from error
    if not array.size:
        raise FileError("holds no values")
    if array.dtype.kind not in "iuf":
        raise FileError(f"holds values of type {array.dtype}, real numbers are needed")
    if array.flags.owndata:
        array.flags.writeable = False
    return array


def why(error: Exception) -> str:
    """A reader's words on one line, without a number of the operating system's."""
    if "pickle" in str(error):  # numpy's advice to trust the file helps nobody
        return "it is none, or holds Python objects"
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(words.split())


def _pick(names: Iterable[str], key: Key) -> str:
    """The one name that key means."""
    found = sorted(names)
    matching = (
        found if key is None else [name for name in found if fnmatch.fnmatchcase(name, str(key))]
    )
    if len(matching) != 1:
        raise FileError(
            f"must hold exactly one array for key = {key!r}, found {len(matching)} among"
            f" {found[:8]}"
        )
    return matching[0]


def _hdf5(path: Path, key: Key) -> NDArray[Any]:
    import h5py

    with h5py.File(path, "r") as file:
        name = key if isinstance(key, str) and key in file else _pick(file.keys(), key)
        return np.asarray(file[name][()])


def _npy(path: Path, _key: Key) -> NDArray[Any]:
    return np.asarray(np.load(path, allow_pickle=False))


def _npz(path: Path, key: Key) -> NDArray[Any]:
    with np.load(path, allow_pickle=False) as members:
        return np.asarray(members[_pick(members.files, key)])


def _mat(path: Path, key: Key) -> NDArray[Any]:
    import scipy.io

    names = [name for name, _, _ in scipy.io.whosmat(path)]
    name = _pick(names, key)
    return np.asarray(scipy.io.loadmat(path, variable_names=[name])[name])


def _sound(path: Path, sample_rate_hz: float) -> NDArray[Any]:
    """Full scale is 1.0: the manifest's scale says what that is worth."""
    import soundfile

    samples, file_rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    if abs(file_rate_hz - sample_rate_hz) > RATE_TOLERANCE * sample_rate_hz:
        raise FileError(f"is sampled at {file_rate_hz} Hz, the manifest says {sample_rate_hz:g} Hz")
    return np.asarray(samples)


def _csv(path: Path, key: Key) -> NDArray[Any]:
    with path.open(newline="", encoding="utf-8") as file:
        header = next(csv.reader(file), [])
    columns = [header.index(name) for name in _columns(header, key)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a table without rows, which is refused
        return np.loadtxt(
            path, delimiter=",", skiprows=1, usecols=columns, ndmin=2, encoding="utf-8"
        )


def _parquet(path: Path, key: Key) -> NDArray[Any]:
    import pyarrow.parquet

    header = pyarrow.parquet.read_schema(path).names
    table = pyarrow.parquet.read_table(path, columns=_columns(header, key))
    return np.column_stack([column.to_numpy() for column in table.columns])


def _columns(header: list[str], key: Key) -> list[str]:
    wanted = header if key is None else [key] if isinstance(key, str) else list(key)
    missing = [name for name in wanted if name not in header]
    if missing:
        raise FileError(f"has no column {missing[0]!r}, found {header[:8]}")
    return wanted
