"""What must not be trained on, for it judges later: windows of held-out groups, and held-out
signals that came by another way, such as a recording that was played live and
labelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.recordings.recording import Recording, read
from monitor.records.signal import Float32
from training.dataset import Dataset
from training.signal_marks import FEW, peaks_of, same_signals
from training.splits import shared_runs

Pairs = Sequence[tuple[str, str]]

SHARE = 0.5  # of a window's peaks
SAME_DB = 0.05  # two windows of one signal differ by rounding alone


class HeldOut:
    """What is held out, to tell whether a window of a journal belongs to it."""

    def __init__(self, pairs: Pairs, recordings: Iterable[Recording]) -> None:
        """pairs : column and value. recordings : all; those with such a value are read"""
        self._pairs = pairs
        self._peaks: set[int] = set()
        for recording in recordings:
            if any(recording.value(column) == value for column, value in pairs):
                self._peaks.update(peaks_of(read(recording)).tolist())

    def why(self, columns: Mapping[str, str], samples: Float32) -> str:
        """Why a window must not be trained on, '' where it may be.

        columns : what is known of it, machine and point. A held-out group of
            which nothing is known may be the window's own; a run is told by its
            signal.
        samples : (n_channels, n), at any offset in its recording, in any scale
            above 0
        """
        for column, value in self._pairs:
            if column != "group" and columns.get(column, value) == value:
                word = "of the held-out" if column in columns else "perhaps of the held-out"
                return f"{word} {column} {value}"
        found = peaks_of(samples).tolist()
        n_known = sum(one in self._peaks for one in found)
        is_known = len(found) >= FEW and n_known >= SHARE * len(found)
        return "part of a held-out recording" if is_known else ""


def runs_on_both_sides(train: Dataset, test: Dataset, pairs: Pairs) -> list[str]:
    """Runs that were trained on though they stand in the test, belong to a held-out group, or hold
    a window or signal of the test.
    """
    leaked = np.zeros(len(train), bool)
    for column, value in pairs:
        leaked |= train.column(column) == value
    leaked |= _is_in(train.band_levels_db, test.band_levels_db)
    same = {name for name, _ in same_signals(train.run_marks, test.run_marks)}
    return sorted({*shared_runs(train, test), *map(str, train.run[leaked]), *same})


def _is_in(these: Float32, others: Float32) -> NDArray[np.bool_]:
    """Whether each of these has its like among the others. By the first level only few compare."""
    order = np.argsort(others[:, 0])
    sorted_others = others[order]
    first = np.searchsorted(sorted_others[:, 0], these[:, 0] - SAME_DB)
    end = np.searchsorted(sorted_others[:, 0], these[:, 0] + SAME_DB)
    return np.array(
        [
            (np.abs(sorted_others[a:b] - one).max(axis=1) < SAME_DB).any()
            for one, a, b in zip(these, first, end, strict=True)
        ]
    )
