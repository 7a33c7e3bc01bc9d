"""What one file of recordings holds, whatever its format. Formats are found by their name here."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from monitor.recordings.file_settings import FileFormat, FileSettings, Key
from monitor.recordings.formats.arrays import npy, npz, parquet
from monitor.recordings.formats.base import MAX_FILE_BYTES, FileError, Stored
from monitor.recordings.formats.hdf5 import hdf5
from monitor.recordings.formats.labview import lvm
from monitor.recordings.formats.matlab import mat
from monitor.recordings.formats.sound import sound
from monitor.recordings.formats.tdms import tdms
from monitor.recordings.formats.text_columns import csv
from monitor.recordings.formats.uff import uff
from monitor.text import printable

READERS: dict[FileFormat, Callable[[Path, FileSettings, Key], Stored]] = {
    "hdf5": hdf5,
    "npy": npy,
    "npz": npz,
    "mat": mat,
    "csv": csv,
    "lvm": lvm,
    "parquet": parquet,
    "wav": sound,
    "flac": sound,
    "tdms": tdms,
    "uff": uff,
}


def read_file(
    path: Path, settings: FileSettings, key: Key, sample_rate_hz: float
) -> Stored:
    """The numbers a file holds, in the file's own number type and axes, read-only.

    key : data set, variable or member (a pattern such as "*_DE_time" may stand
        for exactly one), or the columns of a table; None where the file holds
        one thing only.
    sample_rate_hz : as declared for this file

    Raises FileError. The last few files stay in memory, as a file may hold
    thousands of recordings.
    """
    status = path.stat()
    if status.st_size > MAX_FILE_BYTES:
        raise FileError(
            f"has {status.st_size} bytes, at most {MAX_FILE_BYTES} bytes are read"
        )
    own = settings.model_copy(update={"sample_rate_hz": sample_rate_hz})
    return _read(path, own, key, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _read(path: Path, settings: FileSettings, key: Key, _mtime_ns: int) -> Stored:
    try:
        stored = READERS[settings.format](path, settings, key)
    except (FileError, ImportError):
        raise
    except MemoryError as error:
        raise FileError("needs more memory than there is") from error
    except Exception as error:  # whatever a dozen foreign readers make of a stranger's file
        raise FileError(
            f"cannot be read as a {settings.format} file: {why(error)}"
        ) from error
    if not stored.array.size:
        raise FileError("holds no values")
    if stored.array.dtype.kind not in "iuf":
        raise FileError(
            f"holds values of type {stored.array.dtype}, real numbers are needed"
        )
    if stored.array.flags.owndata:
        stored.array.flags.writeable = False
    return stored


def why(error: Exception) -> str:
    """A reader's words on one line, without a number of the operating system's."""
    if "pickle" in str(error):  # numpy's advice to trust the file helps nobody
        return "it is none, or holds Python objects"
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(" ".join(words.split())) or type(error).__name__
