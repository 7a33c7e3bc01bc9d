"""What tells a signal by itself, under whatever name it comes: the surroundings of its peaks.

They are the same wherever a recording of it begins, in whatever unit it is
stored, and whatever constant part it has. Filtered or brought to another rate,
a signal has others.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from monitor.records.signal import Float32

REACH = 32  # samples to each side that a peak is higher than
N_BESIDE = 4  # samples to each side that are compared
STEPS = 50.0  # they are compared to this share of it, for numbers may have been rounded
FEW = 5  # peaks prove nothing
N_OF_WINDOW = 16  # marks that are kept of a window
N_OF_RUN = 64  # and of a run
NONE = 0xFFFFFFFF  # fills up where a window has fewer
REPEATED = 0.1  # of the peaks: what is so regular may be like another signal by chance
SHARE_OF_RUN = 0.2  # of the shorter run's marks; runs of one machine share none

Marks = NDArray[np.uint32]


def peaks_of(samples: Float32) -> Marks:
    """A mark of each peak of each channel's slope; samples : (n_channels, n)"""
    found = [_of_channel(channel) for channel in np.diff(samples, axis=1)]
    return np.concatenate(found) if found else np.zeros(0, np.uint32)


def marks_of(windows: Float32) -> Marks:
    """The lowest marks of each window, so that of two signals the same are kept.

    windows : (n, n_channels, n_window). Returns (n, N_OF_WINDOW), rising; NONE
        where there are no more
    """
    marks = np.full((len(windows), N_OF_WINDOW), NONE, np.uint32)
    for row, window in zip(marks, windows, strict=True):
        lowest = _tellable(peaks_of(window))[:N_OF_WINDOW]
        row[: len(lowest)] = lowest
    return marks


def no_marks(n: int) -> Marks:
    """Of n windows whose signals are not told apart."""
    return np.full((n, N_OF_WINDOW), NONE, np.uint32)


def marks_of_one(samples: Float32) -> Marks:
    """The lowest marks of a whole recording. samples : (n_channels, n)"""
    return _tellable(peaks_of(samples))[:N_OF_RUN]


def marks_of_runs(run: NDArray[np.str_], marks: Marks) -> dict[str, Marks]:
    """The lowest marks of each run. run : (n,), of each window; marks : of marks_of()"""
    found = {}
    for name in np.unique(run):
        all_of_run = np.unique(marks[run == name])
        found[str(name)] = all_of_run[all_of_run != NONE][:N_OF_RUN]
    return found


def marks_text(marks: Marks) -> str:
    """Eight hexadecimal digits each; read by marks_in()."""
    return marks.astype(">u4").tobytes().hex()


def marks_in(text: str) -> Marks:
    return np.frombuffer(bytes.fromhex(text), ">u4").astype(np.uint32)


def same_signals(
    these: Mapping[str, Marks], others: Mapping[str, Marks]
) -> list[tuple[str, str]]:
    """Runs that hold, at least in part, the signal of another: pairs of one of these and one of
    the others of another name.
    """
    holders: defaultdict[int, list[str]] = defaultdict(list)
    for name, marks in others.items():
        for mark in marks.tolist():
            holders[mark].append(name)
    found = []
    for name, marks in these.items():
        shared = Counter(one for mark in marks.tolist() for one in holders.get(mark, ()))
        found += [
            (name, other)
            for other, n in shared.items()
            if other != name and _is_same(n, marks, others[other])
        ]
    return found


def _is_same(n_shared: int, one: Marks, other: Marks) -> bool:
    """Of two runs of unlike length, marks up to the lower of both last ones can be compared."""
    last = min(
        (marks[-1] for marks in (one, other) if len(marks) == N_OF_RUN), default=NONE
    )
    n_comparable = min(int((marks <= last).sum()) for marks in (one, other))
    return n_shared >= FEW and n_shared >= SHARE_OF_RUN * n_comparable


def _tellable(peaks: Marks) -> Marks:
    """Rising, each once; none where too many repeat."""
    marks = np.unique(peaks)
    return marks if len(marks) >= (1 - REPEATED) * len(peaks) else marks[:0]


def _of_channel(slope: Float32) -> Marks:
    """The surroundings of each peak relative to it: a constant part and a scale drop out."""
    at = _places(slope)
    around = slope[at[:, None] + np.arange(-N_BESIDE, N_BESIDE + 1)] / slope[at, None]
    return _hashed(np.rint(around * STEPS).astype(np.int64).T)


def _places(slope: Float32) -> NDArray[np.intp]:
    """Where a sample is above all within REACH, far enough from both ends."""
    is_peak = (maximum_filter1d(slope, 2 * REACH + 1) == slope) & (slope > 0)
    is_peak[:REACH] = is_peak[len(slope) - REACH :] = False
    return np.flatnonzero(is_peak)


def _hashed(rows: NDArray[np.int64]) -> Marks:
    """One number for each column, by the finaliser of MurmurHash3 after each of its values."""
    shift = np.uint64(33)
    found = np.zeros(rows.shape[1], np.uint64)
    for row in rows.astype(np.uint64):
        found = (found ^ row) * np.uint64(0xFF51AFD7ED558CCD)
        found = (found ^ (found >> shift)) * np.uint64(0xC4CEB9FE1A85EC53)
        found ^= found >> shift
    return (found >> np.uint64(32)).astype(np.uint32)
