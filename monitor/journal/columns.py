"""The journal as columns, for notebooks: NumPy arrays that pandas and polars take as they are.

    import pandas
    from monitor.journal.columns import read_verdicts

    table = pandas.DataFrame(read_verdicts("camshaft.journal", "pump-1/bearing"))

Reads beside a running service. docs/export.md has examples and what each column
is.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from monitor.journal.reader import VERDICT_COLUMNS, read_row, unpack_names
from monitor.journal.samples import unpack_samples
from monitor.journal.schema import END_NS, JournalError, connect_read_only
from monitor.records.evidence import LOGIT, Grid
from monitor.records.signal import Float32
from monitor.records.verdict import Verdict

N_AT_ONCE = 1000  # rows

Columns = dict[str, NDArray[Any]]

NUMBERS_OF_KIND = ("score", "threshold", "bias", "residual")

WITHIN = " WHERE (? IS NULL OR v.sensor = ?) AND v.end_ns BETWEEN ? AND ?"
VERDICTS = f"SELECT row_id, {', '.join('v.' + name for name in VERDICT_COLUMNS)}"
NO_MAP = ", NULL, NULL, NULL, NULL, 0 FROM verdict v"
MAPS = (
    ", g.f_edges_hz, g.t_edges_s, m.cells, m.spectrum, 0"
    " FROM verdict v JOIN map m USING (row_id) JOIN grid g USING (grid_id)"
)
KEPT = (
    "SELECT row_id, v.sensor, v.start_ns, v.end_ns, v.status, k.why, k.sample_rate_hz, k.samples"
    " FROM verdict v JOIN kept_window k USING (row_id)"
)
ORDER = " ORDER BY v.end_ns"
END_COLUMN = 1 + VERDICT_COLUMNS.index("end_ns")  # of VERDICTS


class KeptSamples(TypedDict):
    """One kept window. samples : float32, (n_channels, n), m/s². why : ng, change, sample"""

    row_id: int
    point: str
    start: np.datetime64
    status: str
    why: str
    sample_rate_hz: float
    samples: Float32


class Maps(TypedDict):
    """Maps of one grid. cells : float32, (n, n_f, n_t); of a spectrum (n, n_channels, n_f, n_t)"""

    row_id: NDArray[np.int64]
    end: NDArray[np.datetime64]
    cells: Float32
    f_edges_hz: NDArray[np.float64]
    t_edges_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Span:
    """Whose windows: of one point ("machine/point"), or of all; that ended in from_ns..to_ns.

    former : names that the point had before, whose windows are its own
    """

    point: str | None = None
    from_ns: int = 0
    to_ns: int = END_NS
    former: tuple[str, ...] = ()

    @property
    def of_each_name(self) -> list[Span]:
        names = (*self.former, self.point)
        return [Span(name, self.from_ns, self.to_ns) for name in names]

    @property
    def values(self) -> tuple[object, ...]:
        return self.point, self.point, self.from_ns, self.to_ns


def read_verdicts(
    path: str | Path, point: str | None = None, from_ns: int = 0, to_ns: int = END_NS
) -> Columns:
    """All verdicts of a span of time, by column. A number that a window lacks is NaN.

    Raises JournalError where the journal cannot be read.
    """
    span = Span(point, from_ns, to_ns)
    with closing(connect_read_only(Path(path))) as link:
        layout = Layout.of(link, span)
        blocks = list(verdict_blocks(link, span, layout)) or [layout.columns([])]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def read_maps(
    path: str | Path,
    point: str,
    kind: str = "network",
    from_ns: int = 0,
    to_ns: int = END_NS,
) -> list[Maps]:
    """The maps of one kind of evidence, or kind="spectrum", dB; one entry a grid, oldest first.

    Raises JournalError.
    """
    found: dict[tuple[Grid, tuple[int, ...]], list[tuple[int, int, Float32]]] = {}
    query = VERDICTS + MAPS + WITHIN + ORDER
    with closing(connect_read_only(Path(path))) as link:
        for raw in _rows(link, query, Span(point, from_ns, to_ns)):
            row = read_row(raw)
            cells = _cells(row.verdict, kind)
            if cells is not None and row.verdict.grid is not None:
                key = (row.verdict.grid, cells.shape)
                found.setdefault(key, []).append((row.row_id, row.verdict.end_ns, cells))
    return [_maps(grid, rows) for (grid, _), rows in found.items()]


def read_kept_windows(
    path: str | Path, point: str | None = None, from_ns: int = 0, to_ns: int = END_NS
) -> Iterator[KeptSamples]:
    """Raw windows that were kept, one by one: together they may be larger than the memory.

    Raises JournalError.
    """
    with closing(connect_read_only(Path(path))) as link:
        yield from kept_windows(link, Span(point, from_ns, to_ns))


def kept_windows(link: sqlite3.Connection, span: Span) -> Iterator[KeptSamples]:
    found = _in_time(link, KEPT + WITHIN + ORDER, span, 3)
    for row_id, sensor, start_ns, _, status, why, rate_hz, blob in found:
        start = np.datetime64(start_ns, "ns")
        samples = unpack_samples(blob)
        yield KeptSamples(
            row_id=row_id,
            point=sensor,
            start=start,
            status=status,
            why=why,
            sample_rate_hz=rate_hz,
            samples=samples,
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns there are. kinds : of evidence, with their units. quality : names of figures"""

    kinds: tuple[tuple[str, str], ...]
    quality: tuple[str, ...]

    @classmethod
    def of(cls, link: sqlite3.Connection, span: Span) -> Layout:
        query = f"SELECT DISTINCT v.kinds, v.quality_names FROM verdict v{WITHIN}"
        kinds: dict[tuple[str, str], None] = {}
        quality: dict[str, None] = {}
        found = (row for one in span.of_each_name for row in _rows(link, query, one))
        for kinds_text, names_text in found:
            kinds |= {(kind, unit): None for kind, unit, _ in unpack_names(kinds_text)}
            quality |= dict.fromkeys(unpack_names(names_text))
        return cls(tuple(kinds), tuple(quality))

    @property
    def names(self) -> list[str]:
        """In their order."""
        return list(self.columns([]))

    def columns(self, rows: Sequence[tuple[int, Verdict]]) -> Columns:
        verdicts = [verdict for _, verdict in rows]
        columns: Columns = {
            "row_id": np.array([row_id for row_id, _ in rows], np.int64),
            "point": _texts([v.sensor for v in verdicts]),
            "start": np.array([v.start_ns for v in verdicts], "datetime64[ns]"),
            "end": np.array([v.end_ns for v in verdicts], "datetime64[ns]"),
            "status": _texts([v.status.value for v in verdicts]),
            "reason": _texts([v.reason for v in verdicts]),
            "alarm": _texts([v.alarm for v in verdicts]),
            "running": _numbers([v.running for v in verdicts]),
        }
        for kind, unit in self.kinds:
            found = [verdict.of_kind(kind) for verdict in verdicts]
            for name in NUMBERS_OF_KIND:
                columns[f"{kind}_{name}"] = _numbers(
                    [getattr(one, name, None) for one in found]
                )
            if unit == LOGIT:
                known = [getattr(one, "probability", None) for one in found]
                columns[f"{kind}_probability"] = _numbers(known)
        for name in ("low_hz", "high_hz", "share"):
            columns[f"band_{name}"] = _numbers(
                [getattr(v.band, name, None) for v in verdicts]
            )
        for name in self.quality:
            columns[name] = _numbers([v.quality.get(name) for v in verdicts])
        columns["model_id"] = _texts([v.model_id for v in verdicts])
        columns["geometry_id"] = _texts([v.geometry_id for v in verdicts])
        return columns


def verdict_blocks(
    link: sqlite3.Connection, span: Span, layout: Layout
) -> Iterator[Columns]:
    """N_AT_ONCE rows at a time, in order of time."""
    block = []
    for raw in _in_time(link, VERDICTS + NO_MAP + WITHIN + ORDER, span, END_COLUMN):
        row = read_row(raw)
        block.append((row.row_id, row.verdict))
        if len(block) == N_AT_ONCE:
            yield layout.columns(block)
            block = []
    if block:
        yield layout.columns(block)


class Selection:
    """A span of the journal at one moment, to be read row by row. Raises JournalError."""

    def __init__(self, path: Path, span: Span) -> None:
        self._link = connect_read_only(path)
        self._span = span
        self._link.execute("BEGIN")  # what the service writes meanwhile does not count
        self.layout = Layout.of(self._link, span)
        windows = f"SELECT count(*), 0 FROM verdict v{WITHIN}"
        kept = (
            "SELECT count(*), coalesce(sum(k.n_bytes), 0)"
            f" FROM verdict v JOIN kept_window k USING (row_id){WITHIN}"
        )
        self.n_windows, _ = self._sums(windows)
        self.n_kept, self.n_kept_bytes = self._sums(kept)

    def _sums(self, query: str) -> tuple[int, int]:
        """Over all names of the point."""
        found = [next(_rows(self._link, query, one)) for one in self._span.of_each_name]
        return sum(first for first, _ in found), sum(second for _, second in found)

    def close(self) -> None:
        self._link.close()

    def verdicts(self) -> Iterator[Columns]:
        return verdict_blocks(self._link, self._span, self.layout)

    def kept_windows(self) -> Iterator[KeptSamples]:
        return kept_windows(self._link, self._span)


def _in_time(
    link: sqlite3.Connection, query: str, span: Span, column: int
) -> Iterator[tuple[Any, ...]]:
    """Rows of all names of the point, by the time in a column."""
    found = [_rows(link, query, one) for one in span.of_each_name]
    return found[0] if len(found) == 1 else heapq.merge(*found, key=itemgetter(column))


def _rows(link: sqlite3.Connection, query: str, span: Span) -> Iterator[tuple[Any, ...]]:
    if span.point is not None:  # so that its index is used
        query = query.replace(
            "(? IS NULL OR v.sensor = ?)", "(? = v.sensor AND ? = v.sensor)"
        )
    try:
        yield from link.execute(query, span.values)
    except (sqlite3.Error, ValueError) as error:
        raise JournalError(f"the journal cannot be read: {error}.") from error


def _cells(verdict: Verdict, kind: str) -> Float32 | None:
    if kind == "spectrum":
        return verdict.spectrum_db
    found = verdict.of_kind(kind)
    return None if found is None else found.cells


def _maps(grid: Grid, rows: Sequence[tuple[int, int, Float32]]) -> Maps:
    return Maps(
        row_id=np.array([row_id for row_id, _, _ in rows], np.int64),
        end=np.array([end_ns for _, end_ns, _ in rows], "datetime64[ns]"),
        cells=np.stack([cells for *_, cells in rows]),
        f_edges_hz=np.array(grid.f_edges_hz),
        t_edges_s=np.array(grid.t_edges_s),
    )


def _numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _texts(values: Sequence[str]) -> NDArray[np.str_]:
    return np.array(values, np.str_)
