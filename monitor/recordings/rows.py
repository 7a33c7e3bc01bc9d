"""A row of the table, to the recordings that it names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from monitor.recordings.files import read_file, why
from monitor.recordings.formats.base import FileError
from monitor.recordings.manifest_settings import ManifestFile
from monitor.recordings.recording import Recording, RecordingError
from monitor.recordings.table import (
    Table,
    label_of,
    number_of,
    start_ns_of,
    starts_with_day,
    whole_of,
)

DAY_S = 86400.0


def recordings_of(settings: ManifestFile, root: Path, table: Table) -> list[Recording]:
    """What the rows of the table name: one recording each, or as many as a file has snapshots.

    Raises RecordingError, naming the row.
    """
    day_first = starts_with_day(table, settings.names["start"])
    found = []
    for line, row in table.rows:
        ours = {
            name: row.get(theirs, "") or settings.constants.get(name, "")
            for name, theirs in settings.names.items()
        }
        try:
            start_ns = start_ns_of(ours["start"], day_first, settings.time_zone)
            one = _recording(settings, root, table, line, ours)
            one = replace(one, start_ns=start_ns, extra=row)
            found += (
                _snapshots(settings, one) if "snapshot" in one.files.array_axes else [one]
            )
        except (FileError, ValueError, OverflowError, OSError) as error:
            raise RecordingError(f"{table.name} row {line}: {why(error)}.") from error
    return found


def _recording(
    settings: ManifestFile, root: Path, table: Table, line: int, ours: Mapping[str, str]
) -> Recording:
    """Without its start and further columns."""
    path, files = _path(root, ours["path"]), settings.files

    def number(column: str, default: float, least: float) -> float:
        return number_of(column, ours[column], default, least, table.delimiter)

    rate_hz = number("sample_rate_hz", files.sample_rate_hz, 1e-6)
    if rate_hz != files.sample_rate_hz and files.resample_hz is None:
        raise ValueError(
            f"sample_rate_hz = {rate_hz:g} differs from the manifest's {files.sample_rate_hz:g} Hz:"
            " mixed rates need files.resample_hz"
        )
    first = whole_of("first_sample", ours["first_sample"], 0)
    return Recording(
        path=path,
        row=line,
        label=label_of(ours["label"]),
        machine=ours["machine"] or settings.name,
        point=ours["point"] or "main",
        group=ours["group"] or path.stem,
        start_ns=None,
        offset_s=number("offset_s", first / rate_hz, -math.inf),
        snapshot=None,
        first_sample=first,
        n_samples=whole_of("n_samples", ours["n_samples"], 1)
        if ours["n_samples"]
        else None,
        sample_rate_hz=rate_hz,
        key=ours["key"] or files.key,
        channel=_channel(files.channels, ours["channel"]),
        files=files,
        extra={},
    )


def _channel(names: tuple[str, ...], text: str) -> int | None:
    """Raises ValueError."""
    if text and text not in names:
        raise ValueError(f"channel = {text!r} must be one of {', '.join(names)}")
    return names.index(text) if text else None


def _path(root: Path, text: str) -> Path:
    """A file inside root. Raises ValueError."""
    path = root / text
    if not text or not path.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"path = {text!r} leaves the folder of the recordings, {root}")
    if not path.is_file():
        raise ValueError(f"path = {text!r} does not exist in {root}")
    return path


def _snapshots(settings: ManifestFile, whole: Recording) -> list[Recording]:
    """One recording for each snapshot of a file, labelled by the life rule if there is one."""
    files = settings.files
    if files.time_key is None:
        array = whole.stored.array
        if array.ndim != len(files.array_axes):
            raise FileError(
                f"has shape {array.shape}, axes = {list(files.array_axes)} are said"
            )
        offsets = np.zeros(array.shape[files.array_axes.index("snapshot")])
    else:
        times = read_file(whole.path, files, files.time_key, whole.sample_rate_hz).array
        clock = np.asarray(times, dtype=np.float64).ravel()
        offsets = np.unwrap(clock, period=DAY_S) - clock[0]
    count = len(offsets)
    label = [
        whole.label if settings.labels is None else settings.labels.label(i, count)
        for i in range(count)
    ]
    return [
        replace(whole, snapshot=i, offset_s=float(offsets[i]), label=label[i])
        for i in range(count)
    ]
