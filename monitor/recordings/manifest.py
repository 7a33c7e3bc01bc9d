"""Recordings on disk: a small YAML manifest names a table of recordings (CSV) and says how to read
their files.

    table: recordings.csv        # path,label,machine,point,group,start and any further columns; one
                                 row a recording
    root: ${CAMSHAFT_DATASETS}/bosch-cnc
    files: {format: hdf5, key: vibration_data, sample_rate_hz: 2000, channels: [x, y, z], unit: mg}

`camshaft play` replays them, training learns from them.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, field_validator, model_validator
from scipy.signal import resample_poly

from monitor.config import ConfigError
from monitor.config_file import read_yaml
from monitor.recordings.files import FileError, FileFormat, read_array, why
from monitor.records.signal import Float32
from monitor.refusals import sentences
from monitor.settings import Positive, Settings
from monitor.signal.payload.units import MS2_PER_UNIT

MAX_TABLE_BYTES = 64 << 20
TABLE_FORMATS = ("csv", "parquet", "wav", "flac")  # always (time, channel)
OUR_COLUMNS = (
    "path",
    "label",
    "machine",
    "point",
    "group",
    "start",
    "offset_s",
    "first_sample",
    "n_samples",
    "sample_rate_hz",
    "key",
)

Axis = Literal["snapshot", "time", "channel"]
Label = Literal["ok", "ng", "unlabelled"]
LABELS: tuple[Label, ...] = get_args(Label)
Share = Annotated[float, Field(ge=0, le=1)]


class RecordingError(Exception):
    """A manifest or a recording cannot be used; str() is one sentence that names the file and its
    row.
    """


class FileSettings(Settings):
    """How to read a file. axes: in the array's order; by default (time, channel), or (time) for one
    channel.
    """

    format: FileFormat
    key: str | tuple[str, ...] | None = None
    time_key: str | None = None  # npz, hdf5, mat: seconds of each snapshot; may wrap at midnight
    axes: tuple[Axis, ...] | None = None
    sample_rate_hz: Positive
    # Every recording is brought to this rate; needed where rates differ.
    resample_hz: Positive | None = None
    channels: tuple[str, ...] = Field(default=("a",), min_length=1, max_length=16)
    unit: Literal["m/s2", "g", "mg", "counts"] = "m/s2"
    scale: Positive = 1.0  # units per stored number; unit "counts": m/s² per count

    @model_validator(mode="after")
    def _possible(self) -> Self:
        axes = self.array_axes
        if (
            "time" not in axes
            or len(set(axes)) != len(axes)
            or (len(self.channels) > 1 and "channel" not in axes)
        ):
            raise ValueError(
                f"axes = {list(axes)} must name each axis once, time among them, channel if there"
                " are several"
            )
        if self.format in TABLE_FORMATS and axes != ("time", "channel"):
            raise ValueError(
                f"axes = {list(axes)} cannot be: a {self.format} file is (time, channel)"
            )
        if self.time_key is not None and "snapshot" not in axes:
            raise ValueError(f"time_key = {self.time_key!r} needs axes with snapshot")
        return self

    @property
    def array_axes(self) -> tuple[Axis, ...]:
        if self.axes is not None:
            return self.axes
        return (
            ("time",)
            if len(self.channels) == 1 and self.format not in TABLE_FORMATS
            else ("time", "channel")
        )

    @property
    def rate_hz(self) -> float:
        """Of what read() returns."""
        return self.resample_hz or self.sample_rate_hz


class LifeRule(Settings):
    """Labels of a run to failure by its share of life: ok within `ok`, ng in the last snapshots,
    else unlabelled.
    """

    rule: Literal["life"]
    ok: tuple[Share, Share] = (0.05, 0.25)
    ng_last: Share = 0.02
    ng_at_least: int = Field(default=20, ge=1)

    def label(self, index: int, count: int) -> Label:
        if index >= count - max(self.ng_at_least, round(self.ng_last * count)):
            return "ng"
        return "ok" if self.ok[0] <= index / count < self.ok[1] else "unlabelled"


class ManifestFile(Settings):
    """The YAML file as written."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    table: str = "recordings.csv"
    root: str | None = None  # folder of the recordings; None: the table's
    files: FileSettings
    # Our name: the table's, where they differ.
    columns: dict[str, str] = Field(default_factory=dict)
    # Columns that the table lacks, the same in every row.
    constants: dict[str, str] = Field(default_factory=dict)
    # May be held out; the first by default.
    groups: tuple[str, ...] = Field(default=("machine",), min_length=1)
    labels: LifeRule | None = None  # None: the label column

    @field_validator("columns", "constants")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        unknown = [name for name in value if name not in OUR_COLUMNS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} must be one of {', '.join(OUR_COLUMNS)}")
        return value


class JoinedFile(Settings):
    """A manifest that names manifests, each with a table of its own: relative to this file, or with
    $VARIABLES.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    manifests: tuple[str, ...] = Field(min_length=1, max_length=1000)
    groups: tuple[str, ...] = Field(default=("machine",), min_length=1)


@dataclass(frozen=True, slots=True)
class Recording:
    """One stretch of signal without a gap. Recordings that share a group are not independent (one
    run).
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
    key: str | tuple[str, ...] | None
    files: FileSettings = field(repr=False)
    extra: Mapping[str, str] = field(repr=False)  # the table's further columns

    @property
    def sensor(self) -> str:
        return f"{self.machine}/{self.point}"

    @property
    def name(self) -> str:
        return self.path.name + ("" if self.snapshot is None else f"[{self.snapshot}]")

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


@dataclass(frozen=True, slots=True)
class RecordingSet:
    path: Path
    settings: ManifestFile
    recordings: tuple[Recording, ...]

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def sample_rate_hz(self) -> float:
        """Of what read() returns."""
        return self.settings.files.rate_hz

    @property
    def channels(self) -> tuple[str, ...]:
        return self.settings.files.channels


def load_manifest(path: Path) -> RecordingSet:
    """Read a manifest and its table, or all that it names; no signal is read.

    Raises RecordingError: unknown keys, a missing or misspelt column, a missing file, a path that
    leaves its folder, a row that stands twice; joined manifests of other rates or channels.
    """
    try:
        tree = read_yaml(path)
        if "manifests" in tree:
            return _join(path, JoinedFile.model_validate(tree))
        return _load(path, ManifestFile.model_validate(tree))
    except ConfigError as error:
        raise RecordingError(str(error)) from error
    except ValidationError as error:
        raise RecordingError(
            "\n".join(f"{path.name}: {line}" for line in sentences(error).splitlines())
        ) from error


def _load(path: Path, settings: ManifestFile) -> RecordingSet:
    table = path.parent / _expand(settings.table, path)
    root = table.parent if settings.root is None else path.parent / _expand(settings.root, path)
    rows = _read_table(table)
    recordings = [
        one for line, row in rows for one in _recordings(settings, root, table.name, line, row)
    ]
    _refuse_twice(recordings, table.name)
    if not recordings:
        raise RecordingError(f"{table.name}: no row, at least one recording is needed.")
    for column in settings.groups:
        recordings[0].value(column)
    return RecordingSet(path, settings, tuple(recordings))


def _join(path: Path, joined: JoinedFile) -> RecordingSet:
    """The recordings of all, each read as its own manifest says."""
    parts = [_part(path, _expand(text, path)) for text in joined.manifests]
    first = parts[0]
    for part in parts[1:]:
        for what, found, wanted in (
            ("sample rate in Hz", part.sample_rate_hz, first.sample_rate_hz),
            ("channels", part.channels, first.channels),
        ):
            if found != wanted:
                raise RecordingError(
                    f"{path.name}: {part.path} has other {what} ({found}) than {first.path}"
                    f" ({wanted}): they cannot be joined."
                )
    recordings = [one for part in parts for one in part.recordings]
    _refuse_twice(recordings, path.name)
    for column in joined.groups:
        for part in parts:
            part.recordings[0].value(column)
    names = dict.fromkeys(name for one in recordings for name in one.extra)
    whole = [replace(one, extra=dict.fromkeys(names, "") | dict(one.extra)) for one in recordings]
    settings = first.settings.model_copy(update={"name": joined.name, "groups": joined.groups})
    return RecordingSet(path, settings, tuple(whole))


def _part(path: Path, text: str) -> RecordingSet:
    part = path.parent / text
    try:
        if "manifests" in read_yaml(part):
            raise RecordingError(f"{part}: names manifests itself; name those directly.")
        return load_manifest(part)
    except (ConfigError, RecordingError) as error:
        raise RecordingError(f"{path.name}: {error}") from error


def runs(manifest: RecordingSet) -> list[tuple[Recording, ...]]:
    """The recordings of each run (machine, point, group), in order of time: one stream each when
    replayed.
    """

    def run(recording: Recording) -> tuple[str, str, str]:
        return recording.machine, recording.point, recording.group

    ordered = sorted(
        manifest.recordings, key=lambda one: (*run(one), one.start_ns or 0, one.offset_s, one.row)
    )
    return [tuple(members) for _, members in groupby(ordered, key=run)]


def read(recording: Recording) -> Float32:
    """The signal of one recording.

    Returns float32, shape (n_channels, n), m/s², at recording.files.rate_hz.
    Raises RecordingError: unreadable file, wrong shape, too short, NaN or infinite values.
    """
    settings = recording.files
    try:
        array = read_array(recording.path, settings.format, recording.key, recording.sample_rate_hz)
        signal = _select(array, recording)
    except (FileError, OSError) as error:
        raise RecordingError(f"row {recording.row}: {recording.name} {why(error)}.") from error
    factor = settings.scale * MS2_PER_UNIT.get(settings.unit, 1.0)
    samples = np.ascontiguousarray(signal, dtype=np.float32) * np.float32(factor)
    if not np.isfinite(samples).all():
        where = int(np.flatnonzero(~np.isfinite(samples).all(axis=0))[0])
        raise RecordingError(
            f"row {recording.row}: {recording.name} has a NaN or infinite value at sample {where}."
        )
    if recording.sample_rate_hz == settings.rate_hz:
        return samples
    ratio = Fraction(settings.rate_hz / recording.sample_rate_hz).limit_denominator(1000)
    return np.asarray(
        resample_poly(samples, ratio.numerator, ratio.denominator, axis=1), dtype=np.float32
    )


def _select(array: NDArray[np.generic], recording: Recording) -> NDArray[np.generic]:
    """(n_channels, n) of this recording, in stored numbers."""
    axes, n_channels = recording.files.array_axes, len(recording.files.channels)
    if array.ndim != len(axes):
        raise FileError(f"has shape {array.shape}, axes = {list(axes)} needs {len(axes)} axes")
    order = [axes.index(axis) for axis in ("snapshot", "channel", "time") if axis in axes]
    array = array.transpose(order)
    if recording.snapshot is not None:
        array = array[recording.snapshot]
    array = np.atleast_2d(array)
    if len(array) != n_channels:
        raise FileError(f"has {len(array)} channels, the manifest names {n_channels}")
    first, count = recording.first_sample, recording.n_samples
    last = array.shape[1] if count is None else first + count
    if not first < last <= array.shape[1]:
        raise FileError(f"has {array.shape[1]} samples, samples {first} to {last} are wanted")
    return array[:, first:last]


def _expand(text: str, path: Path) -> str:
    expanded = os.path.expandvars(text)
    if "$" in expanded:
        raise RecordingError(
            f"{path.name}: {text!r} names an environment variable that is not set."
        )
    return expanded


def _read_table(table: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        if table.exists() and not table.is_file():
            raise RecordingError(f"{table} is no file: a CSV table is needed.")
        if table.stat().st_size > MAX_TABLE_BYTES:
            raise RecordingError(f"{table} has over {MAX_TABLE_BYTES} bytes.")
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey="", restval="")
            return [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise RecordingError(f"{table} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(f"{table} is not a CSV table: {error}.") from error


def _recordings(
    settings: ManifestFile, root: Path, table: str, line: int, row: dict[str, str]
) -> list[Recording]:
    """What one row of the table names: one recording, or as many as its file has snapshots."""
    if "" in row:
        raise RecordingError(f"{table} row {line}: has more cells than the header has columns.")
    ours = {
        name: row.get(settings.columns.get(name, name), "") or settings.constants.get(name, "")
        for name in OUR_COLUMNS
    }
    try:
        one = _recording(settings, root, line, row, ours)
        return [one] if "snapshot" not in settings.files.array_axes else _snapshots(settings, one)
    except (FileError, ValueError, OverflowError, OSError) as error:
        raise RecordingError(f"{table} row {line}: {why(error)}.") from error


def _recording(
    settings: ManifestFile, root: Path, line: int, row: dict[str, str], ours: dict[str, str]
) -> Recording:
    path, files = _path(root, ours["path"]), settings.files
    rate_hz = _number("sample_rate_hz", ours["sample_rate_hz"], files.sample_rate_hz, least=1e-6)
    if rate_hz != files.sample_rate_hz and files.resample_hz is None:
        raise ValueError(
            f"sample_rate_hz = {rate_hz:g} differs from the manifest's {files.sample_rate_hz:g} Hz:"
            " mixed rates need files.resample_hz"
        )
    first = _whole("first_sample", ours["first_sample"], 0)
    return Recording(
        path=path,
        row=line,
        label=_label(ours["label"]),
        machine=ours["machine"] or settings.name,
        point=ours["point"] or "main",
        group=ours["group"] or path.stem,
        start_ns=_start_ns(ours["start"]),
        offset_s=_number("offset_s", ours["offset_s"], first / rate_hz, least=-math.inf),
        snapshot=None,
        first_sample=first,
        n_samples=(_whole("n_samples", ours["n_samples"], 1) if ours["n_samples"] else None),
        sample_rate_hz=rate_hz,
        key=ours["key"] or files.key,
        files=files,
        extra=row,
    )


def _number(column: str, text: str, default: float, least: float) -> float:
    """Raises ValueError."""
    try:
        value = float(text) if text else default
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= least):
        rule = "" if least == -math.inf else f" of {least:g} or more"
        raise ValueError(f"{column} = {text!r} must be a finite number{rule}")
    return value


def _whole(column: str, text: str, least: int) -> int:
    """Raises ValueError."""
    if (text and not text.strip().isdecimal()) or int(text or 0) < least:
        raise ValueError(f"{column} = {text!r} must be a whole number of {least} or more")
    return int(text or 0)


def _path(root: Path, text: str) -> Path:
    """A file inside root. Raises ValueError."""
    path = root / text
    if not text or not path.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"path = {text!r} leaves the folder of the recordings, {root}")
    if not path.is_file():
        raise ValueError(f"path = {text!r} does not exist in {root}")
    return path


def _label(text: str) -> Label:
    match text.strip():
        case "ok":
            return "ok"
        case "ng":
            return "ng"
        case "unlabelled" | "":
            return "unlabelled"
    raise ValueError(f"label = {text!r} must be one of ok, ng, unlabelled")


def _start_ns(text: str) -> int | None:
    """ISO 8601 (UTC where it names no zone) or seconds since 1970."""
    if not text:
        return None
    if text.replace(".", "", 1).isdigit():
        return round(float(text) * 1e9)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"start = {text!r} must be an ISO 8601 time or seconds since 1970"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000


def _snapshots(settings: ManifestFile, whole: Recording) -> list[Recording]:
    """One recording for each snapshot of a file, labelled by the life rule if there is one."""
    files = settings.files
    if files.time_key is None:
        array = read_array(whole.path, files.format, whole.key, whole.sample_rate_hz)
        offsets = np.zeros(array.shape[files.array_axes.index("snapshot")])
    else:
        clock = np.asarray(
            read_array(whole.path, files.format, files.time_key, whole.sample_rate_hz),
            dtype=np.float64,
        )
        offsets = np.unwrap(clock, period=86400.0) - clock[0]
    count = len(offsets)
    label = [
        whole.label if settings.labels is None else settings.labels.label(i, count)
        for i in range(count)
    ]
    return [
        replace(whole, snapshot=i, offset_s=float(offsets[i]), label=label[i]) for i in range(count)
    ]


def _refuse_twice(recordings: list[Recording], table: str) -> None:
    seen: dict[tuple[Path, int | None, int, object], int] = {}
    for one in recordings:
        what = (one.path.resolve(), one.snapshot, one.first_sample, one.key)
        if what in seen:
            raise RecordingError(
                f"{table} row {one.row}: {one.name} stands in row {seen[what]} too."
            )
        seen[what] = one.row
