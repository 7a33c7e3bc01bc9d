"""What a stretch of a sensor's time comes to: the sum of its windows.

All sums are mergeable: the row of an hour is the sum of its ten minutes' rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from monitor.records.alike import places_alike
from monitor.records.evidence import LOGIT, Evidence, probability
from monitor.records.signal import Float32
from monitor.records.sketch import Buckets, bucket_of, quantile
from monitor.records.verdict import Status, Verdict

Float64 = npt.NDArray[np.float64]
FEdges = tuple[float, ...]

TEN_MINUTES_S, HOUR_S, DAY_S = 600, 3600, 86400
TIERS_S = (TEN_MINUTES_S, HOUR_S, DAY_S)
FED_TIERS_S = (TEN_MINUTES_S, HOUR_S)  # those that outputs get

PROBABILITY = "probability"  # the name of P(NG) among the quantities
# Of a window that was not judged, or of a machine that stands, no value counts.
JUDGED = (Status.OK, Status.NG, Status.LEARNING)


@dataclass(slots=True)
class Spread:
    """One quantity over many windows.

    n : windows that have the quantity
    total : the sum of its values
    threshold : of the newest window that has one
    """

    n: int = 0
    total: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    threshold: float | None = None
    buckets: Buckets = field(default_factory=dict)

    def add(self, value: float, threshold: float | None, bucket: int) -> None:
        self.n += 1
        self.total += value
        if value < self.low:
            self.low = value
        if value > self.high:
            self.high = value
        if threshold is not None:
            self.threshold = threshold
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    def merge(self, later: Spread) -> None:
        self.n += later.n
        self.total += later.total
        self.low = min(self.low, later.low)
        self.high = max(self.high, later.high)
        if later.threshold is not None:
            self.threshold = later.threshold
        for bucket, n in later.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + n

    @property
    def mean(self) -> float:
        return self.total / self.n

    def quantile(self, share: float) -> float:
        """Within sketch.RELATIVE_ERROR, and never outside what was seen."""
        return min(self.high, max(self.low, quantile(self.buckets, share)))


@dataclass(slots=True)
class BandSums:
    """Spectrum and maps by band, over the windows that had them.

    power : shape (n_f,), (m/s²)²/Hz; of each window its mean over channels and
        columns
    cells : by kind of evidence: shape (n_f,); of each window the sum over
        columns, in the unit of the score
    """

    n: int
    power: Float64
    cells: dict[str, Float64]

    def merge(self, later: BandSums) -> None:
        self.n += later.n
        self.power = self.power + later.power
        for kind, cells in later.cells.items():
            before = self.cells.get(kind)
            self.cells[kind] = cells if before is None else before + cells

    @property
    def spectrum_db(self) -> Float64:
        """The mean spectrum: decibels of the mean power."""
        return np.asarray(10 * np.log10(np.maximum(self.power / self.n, 1e-30)), np.float64)

    def mean_map(self, kind: str) -> Float64:
        """A band's mean share of the score: all bands and the bias add up to its mean."""
        return self.cells[kind] / self.n


@dataclass(slots=True)
class TrendRow:
    """The sum of a sensor's windows that ended within tier_s seconds from start_ns (UTC) on.

    A window that ends on the border belongs to the row before it.

    windows, span_ns : by status: how many, and how long they were together
    spreads : P(NG), every kind's score and every condition indicator, by name,
        over JUDGED windows
    bands : by the bands' edges in Hz: a changed model brings others
    worst_excess, worst_row : of the window that went furthest beyond a
        threshold, if any has one
    is_late : windows were added after the row was closed
    """

    tier_s: int
    start_ns: int
    windows: dict[str, int] = field(default_factory=dict)
    span_ns: dict[str, int] = field(default_factory=dict)
    spreads: dict[str, Spread] = field(default_factory=dict)
    bands: dict[FEdges, BandSums] = field(default_factory=dict)
    worst_excess: float | None = None
    worst_row: int | None = None
    is_late: bool = False

    @property
    def end_ns(self) -> int:
        return self.start_ns + self.tier_s * 10**9

    def add(self, row_id: int, verdict: Verdict, bands: BandSums | None) -> None:
        """Count a window. bands : band_sums of it"""
        status = verdict.status.value
        self.windows[status] = self.windows.get(status, 0) + 1
        span_ns = verdict.end_ns - verdict.start_ns
        self.span_ns[status] = self.span_ns.get(status, 0) + span_ns
        if verdict.status not in JUDGED:
            return
        for found in verdict.evidence:
            self._add_value(found.kind, found.score, found.threshold)
            self._note_worst(found, row_id)
        self._add_probability(verdict)
        for name, value in verdict.indicators.items():
            self._add_value(name, value, None)
        if bands is not None and verdict.grid is not None:
            self._merge_bands(verdict.grid.f_edges_hz, bands)

    def merge(self, later: TrendRow) -> None:
        """Add another row of the same time or of a part of it."""
        for status, n in later.windows.items():
            self.windows[status] = self.windows.get(status, 0) + n
            span_ns = self.span_ns.get(status, 0) + later.span_ns[status]
            self.span_ns[status] = span_ns
        for name, spread in later.spreads.items():
            self.spreads.setdefault(name, Spread()).merge(spread)
        for f_edges, bands in later.bands.items():
            self._merge_bands(f_edges, bands)
        if later.worst_excess is not None:
            self._take_worst(later.worst_excess, later.worst_row)

    def _add_probability(self, verdict: Verdict) -> None:
        logit = next((found for found in verdict.evidence if found.unit == LOGIT), None)
        if logit is None:
            return
        threshold = None if logit.threshold is None else probability(logit.threshold)
        self._add_value(PROBABILITY, probability(logit.score), threshold)

    def _add_value(self, name: str, value: float, threshold: float | None) -> None:
        if not math.isfinite(value):
            return
        spread = self.spreads.get(name)
        if spread is None:
            spread = self.spreads[name] = Spread()
        # Steps of 0.001 tell probabilities apart; smaller ones would take many buckets.
        told = round(value, 3) if name == PROBABILITY else value
        spread.add(value, threshold, bucket_of(told))

    def _merge_bands(self, f_edges: FEdges, bands: BandSums) -> None:
        before = self.bands.get(f_edges)
        if before is None:
            self.bands[f_edges] = BandSums(bands.n, bands.power, dict(bands.cells))
        else:
            before.merge(bands)

    def _note_worst(self, found: Evidence, row_id: int) -> None:
        excess = excess_of(found.unit, found.score, found.threshold)
        if excess is not None and found.decides:
            self._take_worst(excess, row_id)

    def _take_worst(self, excess: float, row_id: int | None) -> None:
        if self.worst_excess is None or excess > self.worst_excess:
            self.worst_excess, self.worst_row = excess, row_id


@dataclass(frozen=True, slots=True)
class ChangedTrends:
    """Rows of one sensor and tier that have become others since they were last sent, or are new."""

    sensor: str
    rows: Sequence[TrendRow]


def excess_of(unit: str, score: float, threshold: float | None) -> float | None:
    """How far a score goes beyond its threshold; positive is NG. Logits are logarithms."""
    if threshold is None:
        return None
    if unit == LOGIT:
        return score - threshold
    if score <= 0 or threshold <= 0:
        return None
    return math.log(score / threshold)


def slot_ns(tier_s: int, end_ns: int) -> int:
    """Where the row begins that a window with this end belongs to."""
    width_ns = tier_s * 10**9
    return (end_ns - 1) // width_ns * width_ns


def band_sums(verdict: Verdict) -> BandSums | None:
    """One window's spectrum and maps by band; None without."""
    return all_band_sums([verdict])[0]


def all_band_sums(verdicts: Sequence[Verdict]) -> list[BandSums | None]:
    """band_sums of each, many times as quickly as one by one."""
    spectra = {
        place: one.spectrum_db
        for place, one in enumerate(verdicts)
        if one.spectrum_db is not None and one.status in JUDGED
    }
    powers = _each(list(spectra.values()), _mean_power)
    sums = {
        place: BandSums(1, power, {}) for place, power in zip(spectra, powers, strict=True)
    }
    evidence = [
        (place, one) for place in sums for one in verdicts[place].evidence if one.cells.size
    ]
    cells = _each([one.cells for _, one in evidence], _sums_over_columns)
    for (place, one), by_band in zip(evidence, cells, strict=True):
        sums[place].cells[one.kind] = by_band
    return [sums.get(place) for place in range(len(verdicts))]


def _each(arrays: Sequence[Float32], work: Callable[[Float32], Float64]) -> list[Float64]:
    """work(arrays of one shape, stacked): what it gives for each."""
    found: dict[int, Float64] = {}
    for places in places_alike(array.shape for array in arrays).values():
        found.update(
            zip(places, work(np.stack([arrays[place] for place in places])), strict=True)
        )
    return [found[place] for place in range(len(arrays))]


def _mean_power(spectra_db: Float32) -> Float64:
    """(n, n_channels, n_f, n_t) to (n, n_f)."""
    power = np.exp(spectra_db * np.float32(math.log(10) / 10)).swapaxes(1, 2)
    n, n_f = power.shape[:2]
    return np.asarray(power.reshape(n, n_f, -1).mean(axis=2, dtype=np.float64))


def _sums_over_columns(cells: Float32) -> Float64:
    """(n, n_f, n_t) to (n, n_f)."""
    return np.asarray(cells.sum(axis=2, dtype=np.float64))
