"""Recordings as the network sees them: windows cut and transformed by the monitor's own stages,
with their labels.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.recordings.manifest import RecordingSet, runs
from monitor.recordings.recording import Label, Recording, RecordingError, read
from monitor.records.signal import Float32
from monitor.signal.quality import assess
from monitor.signal.spectrogram import SpectrogramSettings, spectrogram
from training.signal_marks import Marks, marks_of, marks_of_runs
from training.waveform import waveform_figures

NG, OK, UNLABELLED = 1, 0, -1
LABEL_NUMBER = {"ng": NG, "ok": OK, "unlabelled": UNLABELLED}

Text = NDArray[np.str_]
LabelNumbers = NDArray[np.int8]
Tick = Callable[[], None]  # called after each recording


@dataclass(frozen=True)
class ClassCounts:
    """How many windows of each class."""

    ok: int
    ng: int


def class_counts(label: NDArray[np.int8]) -> ClassCounts:
    return ClassCounts(ok=int((label == OK).sum()), ng=int((label == NG).sum()))


@dataclass(frozen=True)
class Dataset:
    """Windows in the order of their runs.

    psd_db : float32, shape (n, n_channels, n_bands, n_frames), dB re 1
        (m/s²)²/Hz
    label : int8, shape (n,): NG, OK or UNLABELLED
    columns : for each window machine, point, group and the table's further
        columns
    segment, first_sample : as in the monitor: segments count the unbroken
        stretches of a sensor
    start_s : from the start of its run
    bad_reason : '' for a window that can be judged
    waveform : float32, shape (n, 3): RMS, crest factor and kurtosis, for
        comparison
    marks : of each window's signal, as marks_of() gives them
    """

    settings: SpectrogramSettings
    psd_db: Float32
    label: NDArray[np.int8]
    columns: Mapping[str, Text]
    segment: NDArray[np.int64]
    first_sample: NDArray[np.int64]
    start_s: NDArray[np.float64]
    bad_reason: Text
    waveform: Float32
    marks: Marks

    def __len__(self) -> int:
        return len(self.label)

    def column(self, name: str) -> Text:
        """Raises RecordingError where the table has no such column."""
        if name not in self.columns:
            raise RecordingError(
                f"the table has no column {name!r}, found {', '.join(self.columns)}."
            )
        return self.columns[name]

    @property
    def sensor(self) -> Text:
        return _join_text(self.columns["machine"], self.columns["point"])

    @property
    def band_levels_db(self) -> Float32:
        """Mean level of each channel and band, shape (n, n_channels * n_bands)."""
        return np.asarray(self.psd_db.mean(axis=3).reshape(len(self), -1), np.float32)

    @property
    def run(self) -> Text:
        """Windows of one run are not independent."""
        return _join_text(self.sensor, self.columns["group"])

    @property
    def run_marks(self) -> dict[str, Marks]:
        """What tells the signal of each run."""
        return marks_of_runs(self.run, self.marks)

    def select(self, chosen: NDArray[Any]) -> Dataset:
        """Some of the windows: a mask or indices."""
        return Dataset(
            self.settings,
            self.psd_db[chosen],
            self.label[chosen],
            {name: values[chosen] for name, values in self.columns.items()},
            self.segment[chosen],
            self.first_sample[chosen],
            self.start_s[chosen],
            self.bad_reason[chosen],
            self.waveform[chosen],
            self.marks[chosen],
        )


def concatenate(first: Dataset, second: Dataset) -> Dataset:
    """Windows of both. Columns that only the first has are empty in the second; others of the
    second are left out.
    """
    empty = np.full(len(second), "")
    return Dataset(
        first.settings,
        np.concatenate([first.psd_db, second.psd_db]),
        np.concatenate([first.label, second.label]),
        {
            name: np.concatenate([values, second.columns.get(name, empty)])
            for name, values in first.columns.items()
        },
        np.concatenate([first.segment, second.segment]),
        np.concatenate([first.first_sample, second.first_sample]),
        np.concatenate([first.start_s, second.start_s]),
        np.concatenate([first.bad_reason, second.bad_reason]),
        np.concatenate([first.waveform, second.waveform]),
        np.concatenate([first.marks, second.marks]),
    )


class Gathered:
    """What is computed from windows of signal, gathered piece by piece."""

    def __init__(self, settings: SpectrogramSettings) -> None:
        self._settings = settings
        self._psd_db: list[Float32] = []
        self._waveform: list[Float32] = []
        self._marks: list[Marks] = []

    def add(self, samples: Float32) -> None:
        """samples : float32, shape (n_windows, n_channels, n_window), m/s²"""
        self._psd_db.append(spectrogram(samples, self._settings))
        self._waveform.append(waveform_figures(samples))
        self._marks.append(marks_of(samples))

    @property
    def psd_db(self) -> Float32:
        return np.concatenate(self._psd_db)

    @property
    def waveform(self) -> Float32:
        return np.concatenate(self._waveform)

    @property
    def marks(self) -> Marks:
        return np.concatenate(self._marks)


def load_dataset(
    manifest: RecordingSet, settings: SpectrogramSettings, tick: Tick | None = None
) -> Dataset:
    """Cut every run into windows and transform them.

    Recordings of a run that follow each other without a break are one stream,
    as they would arrive live. A window over recordings of different labels is
    unlabelled. Raises RecordingError: unreadable recordings, or none as long as
    a window.
    """
    gathered = Gathered(settings)
    rows: list[_Row] = []
    for stretch in _numbered(runs(manifest)):
        if _n_windows(stretch, settings):
            gathered.add(cut(stretch, settings))
            rows.extend(_describe(stretch, settings))
        if tick is not None:
            for _ in stretch.recordings:
                tick()
    if not rows:
        window_s = settings.n_window / settings.sample_rate_hz
        raise RecordingError(
            f"{manifest.path.name}: no recording is as long as a window of {window_s:g} s."
        )
    return Dataset(
        settings,
        gathered.psd_db,
        np.array([row.label for row in rows], np.int8),
        _columns([row.recording for row in rows]),
        np.array([row.segment for row in rows]),
        np.array([row.first_sample for row in rows]),
        np.array([row.start_s for row in rows]),
        np.array([row.bad_reason for row in rows]),
        gathered.waveform,
        gathered.marks,
    )


@dataclass(frozen=True)
class Stretch:
    """Recordings of one sensor without a break between them.

    samples : float32, shape (n_channels, n), m/s². first_samples : where each
        recording begins.
    """

    segment: int
    recordings: tuple[Recording, ...]
    first_samples: tuple[int, ...]
    samples: Float32


def stretches(run: tuple[Recording, ...]) -> Iterator[Stretch]:
    """The unbroken stretches of a run, in order; segments are counted by the caller."""
    members: list[Recording] = []
    signals: list[Float32] = []
    for recording in run:
        signal = read(recording)
        if members and not _follows(members[-1], signals[-1].shape[1], recording):
            yield _join(members, signals)
            members, signals = [], []
        members.append(recording)
        signals.append(signal)
    yield _join(members, signals)


@dataclass(frozen=True)
class _Row:
    recording: Recording  # that holds the window's first sample
    label: int
    segment: int
    first_sample: int
    start_s: float
    bad_reason: str


def _numbered(every_run: list[tuple[Recording, ...]]) -> Iterator[Stretch]:
    """Segments count up within a sensor, as they do live."""
    count: Counter[str] = Counter()
    for run in every_run:
        for stretch in stretches(run):
            yield replace(stretch, segment=count[run[0].sensor])
            count[run[0].sensor] += 1


def _join(members: list[Recording], signals: list[Float32]) -> Stretch:
    first = np.cumsum([0, *(signal.shape[1] for signal in signals[:-1])])
    return Stretch(
        0,
        tuple(members),
        tuple(int(sample) for sample in first),
        np.concatenate(signals, axis=1),
    )


def _follows(before: Recording, n_samples: int, after: Recording) -> bool:
    """Whether `after` begins where `before` ends, to half a sample or a microsecond."""
    rate_hz = before.files.rate_hz
    start_s = [
        ((one.start_ns or 0) - (before.start_ns or 0)) * 1e-9 + one.offset_s
        for one in (before, after)
    ]
    return abs(start_s[1] - start_s[0] - n_samples / rate_hz) < max(0.5 / rate_hz, 1e-6)


def _n_windows(stretch: Stretch, settings: SpectrogramSettings) -> int:
    return int(stretch.samples.shape[1]) // settings.n_window


def cut(stretch: Stretch, settings: SpectrogramSettings) -> Float32:
    """Whole windows, shape (n_windows, n_channels, n_window); what is over at the end is left."""
    n_windows = _n_windows(stretch, settings)
    whole = stretch.samples[:, : n_windows * settings.n_window]
    return np.ascontiguousarray(
        whole.reshape(len(whole), n_windows, settings.n_window).swapaxes(0, 1)
    )


def label_of(stretch: Stretch, first_sample: int, n_window: int) -> Label:
    """The label that all recordings under a window share, else unlabelled."""
    labels = {recording.label for recording in _under(stretch, first_sample, n_window)}
    return labels.pop() if len(labels) == 1 else "unlabelled"


def _under(stretch: Stretch, first_sample: int, n_window: int) -> tuple[Recording, ...]:
    holds_first = bisect_right(stretch.first_samples, first_sample) - 1
    return stretch.recordings[
        holds_first : bisect_left(stretch.first_samples, first_sample + n_window)
    ]


def _describe(stretch: Stretch, settings: SpectrogramSettings) -> Iterator[_Row]:
    quality = assess(cut(stretch, settings), None)
    for i in range(_n_windows(stretch, settings)):
        first = i * settings.n_window
        yield _Row(
            _under(stretch, first, settings.n_window)[0],
            LABEL_NUMBER[label_of(stretch, first, settings.n_window)],
            stretch.segment,
            first,
            stretch.recordings[0].offset_s + first / settings.sample_rate_hz,
            quality[i].reason,
        )


def _columns(recordings: list[Recording]) -> dict[str, Text]:
    names = dict.fromkeys(("machine", "point", "group", *recordings[0].extra))
    names.pop("label", None)
    return {
        name: np.array([recording.value(name) for recording in recordings])
        for name in names
    }


def _join_text(left: Text, right: Text) -> Text:
    return np.strings.add(np.strings.add(left, "/"), right)
