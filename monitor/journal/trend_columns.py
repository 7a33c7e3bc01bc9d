"""Trends as columns, for notebooks: NumPy arrays that pandas and polars take as they are.

    import pandas
    from monitor.journal.trend_columns import read_trend

    days = pandas.DataFrame(read_trend("camshaft.journal", "pump-1/bearing", "days"))

Reads beside a running service. docs/export.md says what each column is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from monitor.journal.columns import Columns
from monitor.journal.schema import END_NS
from monitor.journal.trend_reader import TrendReader
from monitor.journal.trends import NAMES
from monitor.records.renamed import NONE, Formerly
from monitor.records.trend import BandSums, FEdges, Spread, TrendRow
from monitor.records.verdict import Status

TIERS = {name: tier_s for tier_s, name in NAMES.items()}
SPECTRUM = "spectrum"
N_ROWS = 240  # at once: each has its sketches and bands

Found = list[tuple[str, TrendRow]]  # each with its point


class Bands(TypedDict):
    """Rows of one set of bands. start, n_windows : (n,). values : (n, n_f)"""

    start: NDArray[np.datetime64]
    n_windows: NDArray[np.int64]
    values: NDArray[np.float64]
    f_edges_hz: NDArray[np.float64]


def read_trend(
    path: str | Path,
    point: str | None = None,
    tier: str = "hours",
    from_ns: int = 0,
    to_ns: int = END_NS,
) -> Columns:
    """The rows of a tier that begin in from_ns <= t < to_ns, by column, point by point. What a row
    lacks is NaN.

    point : "machine/point"; None: all. tier : a name of TIERS. Raises JournalError, KeyError for
    another tier.
    """
    rows = list(_rows(Path(path), point, TIERS[tier], from_ns, to_ns))
    return _columns(rows, _quantities(rows))


class TrendSelection:
    """A tier's rows of a point that begin in from_ns <= t < to_ns, at one moment, to be read some
    at a time. Raises JournalError.

    formerly : as of TrendReader
    """

    def __init__(
        self,
        path: Path,
        point: str,
        tier_s: int,
        from_ns: int,
        to_ns: int,
        formerly: Formerly = NONE,
    ) -> None:
        self._point = point
        self._place = point, tier_s, from_ns, to_ns
        self._reader = TrendReader(path, formerly)
        self._reader.stay()
        self.n_rows, quantities = 0, dict[str, None]()
        for rows in self._reader.pages(*self._place, N_ROWS):
            self.n_rows += len(rows)
            quantities |= _quantities(_of(point, rows))
        self._quantities = tuple(quantities)

    def close(self) -> None:
        self._reader.close()

    @property
    def names(self) -> list[str]:
        """Of the columns, in their order."""
        return list(_columns([], self._quantities))

    def blocks(self) -> Iterator[Columns]:
        """In order of time."""
        for rows in self._reader.pages(*self._place, N_ROWS):
            yield _columns(_of(self._point, rows), self._quantities)


def read_trend_bands(
    path: str | Path,
    point: str,
    tier: str = "hours",
    kind: str = SPECTRUM,
    from_ns: int = 0,
    to_ns: int = END_NS,
) -> list[Bands]:
    """The mean spectrum by band, dB re 1 (m/s²)²/Hz, or of a kind of evidence a band's mean share
    of the score; one entry a set of bands. Raises as read_trend.
    """
    found: dict[FEdges, list[tuple[TrendRow, BandSums]]] = {}
    for _, row in _rows(Path(path), point, TIERS[tier], from_ns, to_ns):
        for f_edges, bands in row.bands.items():
            if kind == SPECTRUM or kind in bands.cells:
                found.setdefault(f_edges, []).append((row, bands))
    return [_bands(f_edges, rows, kind) for f_edges, rows in found.items()]


def _rows(
    path: Path, point: str | None, tier_s: int, from_ns: int, to_ns: int
) -> Iterator[tuple[str, TrendRow]]:
    with closing(TrendReader(path)) as reader:
        for one in reader.points() if point is None else [point]:
            for row in reader.rows(one, tier_s, from_ns, to_ns):
                yield one, row


def _own_columns(rows: Found) -> Columns:
    columns: Columns = {
        "point": np.array([point for point, _ in rows], np.str_),
        "start": np.array([row.start_ns for _, row in rows], "datetime64[ns]"),
        "end": np.array([row.end_ns for _, row in rows], "datetime64[ns]"),
    }
    for status in Status:
        name, word = status.lower(), status.value
        windows = [row.windows.get(word, 0) for _, row in rows]
        seconds = [row.span_ns.get(word, 0) / 1e9 for _, row in rows]
        columns[f"windows_{name}"] = np.array(windows, np.int64)
        columns[f"seconds_{name}"] = np.array(seconds, np.float64)
    columns["worst_row"] = np.array([row.worst_row or 0 for _, row in rows], np.int64)
    return columns


def _of(point: str, rows: Sequence[TrendRow]) -> Found:
    return [(point, row) for row in rows]


def _columns(rows: Found, quantities: Iterable[str]) -> Columns:
    return _own_columns(rows) | _quantity_columns([row for _, row in rows], quantities)


def _quantities(rows: Found) -> dict[str, None]:
    """Names, in the order in which they come."""
    return dict.fromkeys(name for _, row in rows for name in row.spreads)


def _quantity_columns(rows: Sequence[TrendRow], names: Iterable[str]) -> Columns:
    columns: Columns = {}
    for name in names:
        told = [_told(row.spreads.get(name)) for row in rows]
        for what in _told(None):
            columns[f"{name}_{what}"] = np.array([one[what] for one in told], np.float64)
    return columns


def _told(spread: Spread | None) -> dict[str, float]:
    if spread is None:
        return dict.fromkeys(
            ("n", "mean", "min", "max", "median", "p95", "threshold"), np.nan
        ) | {"n": 0}
    return {
        "n": spread.n,
        "mean": spread.mean,
        "min": spread.low,
        "max": spread.high,
        "median": spread.quantile(0.5),
        "p95": spread.quantile(0.95),
        "threshold": np.nan if spread.threshold is None else spread.threshold,
    }


def _bands(f_edges: FEdges, rows: Sequence[tuple[TrendRow, BandSums]], kind: str) -> Bands:
    values = [
        bands.spectrum_db if kind == SPECTRUM else bands.mean_map(kind) for _, bands in rows
    ]
    return Bands(
        start=np.array([row.start_ns for row, _ in rows], "datetime64[ns]"),
        n_windows=np.array([bands.n for _, bands in rows], np.int64),
        values=np.stack(values),
        f_edges_hz=np.array(f_edges),
    )
