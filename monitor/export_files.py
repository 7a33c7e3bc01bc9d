"""What command line and page export, each file written in constant memory however long the span."""

from __future__ import annotations

import csv
import io
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from monitor.journal.columns import Columns, KeptSamples, Selection
from monitor.records.signal import Float32

TABLE = "windows.csv"  # of a folder of WAV files
TABLE_COLUMNS = ("path", "row_id", "point", "start", "status", "why", "sample_rate_hz")
FLOAT_SAMPLES = 3  # of WAV's formats
N_CHARACTERS = 512  # of a text in an npz file; compressed, what is empty takes nothing
Told = Callable[[int], None]  # how many more rows or windows are written

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would work out such a text


def write_csv(
    file: IO[bytes], names: Sequence[str], blocks: Iterable[Columns], told: Told
) -> None:
    """A row a window, or a span of trends. Times are ISO 8601, UTC; what a row lacks is empty."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    table = csv.writer(text)
    table.writerow(names)
    for block in blocks:
        table.writerows(zip(*map(_texts, block.values()), strict=True))
        told(len(block[names[0]]))
    text.detach()


def write_wav(folder: Path, selection: Selection, told: Told) -> None:
    """A file a kept window, float32 in m/s², and their table."""
    folder.mkdir()
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(TABLE_COLUMNS)
        for window in selection.kept_windows():
            name = f"{window['row_id']}.wav"
            (folder / name).write_bytes(_wav(window["samples"], window["sample_rate_hz"]))
            table.writerow(_table_row(name, window))
            told(1)


def write_wav_zip(file: IO[bytes], selection: Selection, told: Told) -> None:
    """As write_wav, in one file."""
    lines = io.StringIO(newline="")
    table = csv.writer(lines)
    table.writerow(TABLE_COLUMNS)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for window in selection.kept_windows():
            name = f"{window['row_id']}.wav"
            archive.writestr(name, _wav(window["samples"], window["sample_rate_hz"]))
            table.writerow(_table_row(name, window))
            told(1)
        archive.writestr(TABLE, lines.getvalue())


def _table_row(name: str, window: KeptSamples) -> tuple[object, ...]:
    point, rate_hz = _harmless(window["point"]), window["sample_rate_hz"]
    fields = (_time(window["start"]), window["status"], window["why"])
    return name, window["row_id"], point, *fields, rate_hz


def write_npz(file: IO[bytes], selection: Selection, told: Told) -> None:
    """Each column of the verdicts; of each kept window window_<row_id>, float32 (n_channels, n)."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        _write_columns(archive, selection, told)
        row_ids, rates_hz = [], []
        for window in selection.kept_windows():
            _write_array(archive, f"window_{window['row_id']}", window["samples"])
            row_ids.append(window["row_id"])
            rates_hz.append(window["sample_rate_hz"])
        _write_array(archive, "kept_row_id", np.array(row_ids, np.int64))
        _write_array(archive, "kept_sample_rate_hz", np.array(rates_hz, np.float64))


def _write_columns(archive: zipfile.ZipFile, selection: Selection, told: Told) -> None:
    """An array's length stands before it, so columns are gathered on the disk, one file each."""
    names, dtypes = selection.layout.names, dict[str, np.dtype[Any]]()
    with ExitStack() as stack:
        files = {name: stack.enter_context(tempfile.TemporaryFile()) for name in names}
        for block in selection.verdicts():
            for name, column in block.items():
                written = _as_written(column)
                dtypes[name] = written.dtype
                files[name].write(written.tobytes())
            told(len(block["row_id"]))
        for name, file in files.items():
            _write_gathered(archive, name, file, dtypes[name])


def _write_gathered(
    archive: zipfile.ZipFile, name: str, file: IO[bytes], dtype: np.dtype[Any]
) -> None:
    size = file.tell() // dtype.itemsize
    file.seek(0)
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        member.write(_header(dtype, (size,)))
        while piece := file.read(1 << 20):
            member.write(piece)


def _as_written(column: NDArray[Any]) -> NDArray[Any]:
    """Texts are of one length. Raises OSError for a longer one, which would be cut."""
    if column.dtype.kind != "U":
        return column
    if column.dtype.itemsize > 4 * N_CHARACTERS:
        raise OSError(0, f"a text is longer than {N_CHARACTERS} characters")
    return column.astype(f"<U{N_CHARACTERS}")


def _write_array(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        member.write(_header(array.dtype, array.shape))
        member.write(np.ascontiguousarray(array).tobytes())


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Of NumPy's format 1.0."""
    description = np.lib.format.dtype_to_descr(dtype)
    buffer = io.BytesIO()
    header = {"descr": description, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def _wav(samples: Float32, rate_hz: float) -> bytes:
    """WAV knows whole rates only: the table has the exact one."""
    n_channels, n = samples.shape
    rate, frame = round(rate_hz), 4 * n_channels
    data = samples.T.astype("<f4").tobytes()
    form = struct.pack(
        "<HHIIHHH", FLOAT_SAMPLES, n_channels, rate, rate * frame, frame, 32, 0
    )
    chunks = (
        (b"fmt ", form),
        (b"fact", struct.pack("<I", n)),
        (b"data", data),
    )
    body = b"WAVE" + b"".join(
        name + struct.pack("<I", len(part)) + part for name, part in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _texts(column: NDArray[Any]) -> list[str]:
    if column.dtype.kind == "M":
        return [_time(value) for value in column]
    if column.dtype.kind == "f":
        return ["" if np.isnan(value) else repr(value) for value in column.tolist()]
    if column.dtype.kind == "U":
        return [_harmless(text) for text in column.tolist()]
    return [str(value) for value in column.tolist()]


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _time(value: np.datetime64) -> str:
    return f"{np.datetime_as_string(value, unit='ns')}Z"
