"""One recording: a stretch of signal without a gap in a file, and its samples in m/s²."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from monitor.recordings.file_settings import FileSettings, Key
from monitor.recordings.files import read_file, why
from monitor.recordings.formats.base import RATE_TOLERANCE, FileError, Stored
from monitor.records.signal import Float32
from monitor.signal.payload.units import MS2_PER_UNIT, spelled

MAX_FACTOR = 10_000  # between two rates

Label = Literal["ok", "ng", "unlabelled"]
LABELS: tuple[Label, ...] = get_args(Label)


class RecordingError(Exception):
    """A manifest or a recording cannot be used; str() is one sentence that names the file and its
    row.
    """


@dataclass(frozen=True, slots=True)
class Recording:
    """One stretch of signal without a gap. Recordings that share a group are not independent (one
    run).

    channel : number of the file's channel that alone is read; None: all of them
    """

    path: Path
    row: int  # line of the table, the header is line 1
    label: Label
    machine: str
    point: str
    group: str
    start_ns: int | None  # UTC
    offset_s: float  # from the start of its run
    snapshot: int | None  # index along the file's snapshot axis
    first_sample: int
    n_samples: int | None  # None: to the end
    sample_rate_hz: float  # as stored
    key: Key
    channel: int | None
    files: FileSettings = field(repr=False)
    extra: Mapping[str, str] = field(repr=False)  # the table's further columns

    @property
    def sensor(self) -> str:
        return f"{self.machine}/{self.point}"

    @property
    def name(self) -> str:
        return self.path.name + ("" if self.snapshot is None else f"[{self.snapshot}]")

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of what read() returns."""
        names = self.files.channels
        return names if self.channel is None else (names[self.channel],)

    def value(self, column: str) -> str:
        """Of one of our columns or of a further one. Raises RecordingError where there is no such
        column.
        """
        if column in ("label", "machine", "point", "group"):
            return str(getattr(self, column))
        if column not in self.extra:
            raise RecordingError(
                f"{self.path.name}: the table has no column {column!r}, found {sorted(self.extra)}."
            )
        return self.extra[column]

    @property
    def stored(self) -> Stored:
        """What its file holds. Raises FileError, OSError."""
        return read_file(self.path, self.files, self.key, self.sample_rate_hz)


def read(recording: Recording) -> Float32:
    """The signal of one recording.

    Returns float32, shape (n_channels, n), m/s², at recording.files.rate_hz.
    Raises RecordingError: unreadable file, wrong shape, too short, NaN or
    infinite values, another rate or unit than declared, samples missing in
    between.
    """
    settings = recording.files
    try:
        stored = recording.stored
        _check(stored, recording)
        signal = _select(stored, recording)
    except (FileError, OSError) as error:
        raise RecordingError(
            f"row {recording.row}: {recording.name} {why(error)}."
        ) from error
    factor = np.atleast_1d(np.asarray(settings.scale)) * MS2_PER_UNIT.get(
        settings.unit, 1.0
    )
    # what no float32 holds is infinite, and refused as such
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(signal, dtype=np.float32)
        samples = single * factor.astype(np.float32)[:, None]
    if recording.channel is not None:
        samples = samples[[recording.channel]]
    if not np.isfinite(samples).all():
        where = int(np.flatnonzero(~np.isfinite(samples).all(axis=0))[0])
        raise RecordingError(
            f"row {recording.row}: {recording.name} has a NaN or infinite value at sample {where}."
        )
    if recording.sample_rate_hz == settings.rate_hz:
        return samples
    return _resampled(samples, recording)


def _resampled(samples: Float32, recording: Recording) -> Float32:
    wanted = recording.files.rate_hz / recording.sample_rate_hz
    ratio = Fraction(wanted).limit_denominator(MAX_FACTOR)
    if abs(ratio / wanted - 1) > RATE_TOLERANCE:
        raise RecordingError(
            f"row {recording.row}: {recording.name} has {recording.sample_rate_hz:g} Hz, too far"
            f" from resample_hz = {recording.files.rate_hz:g} Hz."
        )
    return np.asarray(
        resample_poly(samples, ratio.numerator, ratio.denominator, axis=1), dtype=np.float32
    )


def _check(stored: Stored, recording: Recording) -> None:
    """What the file says of itself against what is declared. Raises FileError."""
    declared_hz, rate = recording.sample_rate_hz, stored.rate
    if rate is not None and abs(rate.hz / declared_hz - 1) > rate.tolerance:
        raise FileError(
            f"is sampled at {rate.hz:.6g} Hz{rate.source}, the manifest says {declared_hz:g} Hz"
        )
    settings = recording.files
    is_converted = settings.unit == "counts" or settings.scale != 1.0
    for unit in stored.units:
        if unit and spelled(unit) != settings.unit and not is_converted:
            raise FileError(
                f"states the unit {unit!r}, the manifest says {settings.unit}: set files.unit, or"
                " files.unit: counts with files.scale (m/s² per stored number)"
            )
    if stored.n_stated is not None and recording.n_samples is None:
        raise FileError(
            f"is cut short: it holds {stored.array.shape[0]} of the {stored.n_stated} samples that"
            " its header states; n_samples in its row takes what is there"
        )


def _which(files: FileSettings) -> str:
    """What can be done where a file has other channels than are named."""
    if files.format in ("wav", "flac"):
        return ": name all of them; a column channel in the table says which one a row is"
    if files.is_table and files.key is None:
        return ": files.key says which of its columns they are"
    return ""


def _select(stored: Stored, recording: Recording) -> NDArray[np.generic]:
    """(n_channels, n) of this recording, in stored numbers."""
    array, files = stored.array, recording.files
    axes, n_channels = files.array_axes, len(files.channels)
    if array.ndim != len(axes):
        raise FileError(
            f"has shape {array.shape}, axes = {list(axes)} needs {len(axes)} axes"
        )
    order = [axes.index(axis) for axis in ("snapshot", "channel", "time") if axis in axes]
    array = array.transpose(order)
    if recording.snapshot is not None:
        array = array[recording.snapshot]
    array = np.atleast_2d(array)
    if len(array) != n_channels:
        raise FileError(
            f"has {len(array)} channels, the manifest names {n_channels}{_which(files)}"
        )
    first, count = recording.first_sample, recording.n_samples
    last = array.shape[1] if count is None else first + count
    if not first < last <= array.shape[1]:
        raise FileError(
            f"has {array.shape[1]} samples, samples {first} to {last} are wanted"
        )
    missing = [at for at in stored.breaks if first < at < last]
    if missing:
        source = stored.rate.source if stored.rate else " by its times"
        raise FileError(
            f"has a break before sample {missing[0]}{source}: a recording is one stretch,"
            " first_sample and n_samples in its row say which"
        )
    return array[:, first:last]
