"""The report's pictures as SVG text: a time line, a waveform, a map, and bars that add up. Pure; no
library, no script.

The colours are the page's light ones: orange speaks for NG, blue for OK, grey
is the spectrum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from monitor.journal.views import WindowSummary
from monitor.records.evidence import Grid
from monitor.records.signal import Float32

FOR_NG, FOR_OK, NEUTRAL, SPECTRUM_LOW, SPECTRUM_HIGH = (
    "#d9480f",
    "#1c6fb5",
    "#f4f1ea",
    "#ffffff",
    "#3a4149",
)
STATE_COLOURS = {
    "OK": "#2a7f62",
    "NG": "#c8321f",
    "BAD_DATA": "#a06000",
    "IDLE": "#7a8794",
    "LEARNING": "#5a55b8",
    "NO_DATA": "#4a5560",
}
SEVERITY = {
    status: rank
    for rank, status in enumerate(("OK", "IDLE", "LEARNING", "BAD_DATA", "NO_DATA", "NG"))
}
MAX_STRIPS = 1200  # a longer time line is drawn from its worst windows
BLEND = 0.6

Points = Iterable[tuple[float, float]]


def timeline(
    rows: Sequence[WindowSummary],
    chosen: int,
    clock: Callable[[int], str],
    width: int = 980,
    height: int = 150,
) -> str:
    """P(NG), or the novelty over its limit, of each window, and a strip of states below.

    chosen : a row to mark
    clock : tells a time in ns
    """
    rows = _thinned(rows)
    by_network = any(row.probability is not None for row in rows)
    first, last = rows[0].start_ns, max(rows[-1].end_ns, rows[0].start_ns + 1)
    top = 1.0 if by_network else max(2.0, *(min(10.0, _ratio(row) or 0.0) for row in rows))
    box = _Box(46, 12, width - 12, height - 46, 0.0, (last - first) / 1e9, 0.0, top)
    title = "P(NG), threshold dashed" if by_network else f"{_ratio_of(rows)} over its limit"
    parts = [
        *(_grid_line(box, value, f"{value:g}") for value in (0.0, top / 2, top)),
        *_scores_and_limits(rows, by_network, box, first),
        *(_strip(row, box, first) for row in rows),
        *_mark(rows, chosen, box, first, height - 26),
        _text(46, 9, title, "start"),
        _text(46, height - 6, clock(first), "start"),
        _text(width - 12, height - 6, clock(last), "end"),
    ]
    return _svg(width, height, parts, "Verdicts over time")


def _scores_and_limits(
    rows: Sequence[WindowSummary], by_network: bool, box: _Box, first_ns: int
) -> list[str]:
    scores, limits = [], []
    for row in rows:
        at_s = (row.end_ns - first_ns) / 1e9
        score = row.probability if by_network else _ratio(row)
        limit = _limit(row, by_network)
        if score is not None:
            scores.append((at_s, score))
        if limit is not None:
            limits.append((at_s, limit))
    return [_path(scores, box, "#0b6aa8", 1.6), _path(limits, box, "#5a6876", 1.0, "5 4")]


def _mark(
    rows: Sequence[WindowSummary], chosen: int, box: _Box, first_ns: int, bottom: int
) -> list[str]:
    """A line at the chosen row, if it is among them."""
    marked = next((row for row in rows if row.row_id == chosen), None)
    if marked is None:
        return []
    x = box.x((marked.end_ns - first_ns) / 1e9)
    return [f'<path d="M{x:.1f} 12V{bottom}" stroke="#16202a" stroke-width="1.5"/>']


def waveform(
    samples: Float32, sample_rate_hz: float, width: int = 560, height: int = 120
) -> str:
    """samples : (n,), m/s². Lowest and highest value of each pixel column."""
    n_each = max(1, math.ceil(len(samples) / (width - 86)))
    whole = samples[: len(samples) - len(samples) % n_each].reshape(-1, n_each)
    low, high = whole.min(axis=1), whole.max(axis=1)
    top = float(max(abs(low.min()), abs(high.max()), 1e-9))
    box = _Box(
        74, 16, width - 12, height - 22, 0.0, len(samples) / sample_rate_hz, -top, top
    )
    step_s = n_each / sample_rate_hz
    line = [
        point
        for i in range(len(low))
        for point in (
            ((i + 0.5) * step_s, float(low[i])),
            ((i + 0.5) * step_s, float(high[i])),
        )
    ]
    parts = [_grid_line(box, value, f"{value:.3g}") for value in (-top, 0.0, top)]
    parts += [
        _path(line, box, "#0b6aa8", 0.8),
        _text(74, 11, "acceleration in m/s²", "start"),
    ]
    return _svg(width, height, parts, "Waveform")


def evidence_map(
    cells: Float32,
    spectrum_db: Float32 | None,
    grid: Grid,
    limit: float,
    levels: tuple[float, float],
) -> str:
    """The map over the spectrum, each band at its true edges.

    cells, spectrum_db : (n_f, n_t). limit : evidence of full colour. levels :
        dB of white and of dark grey.
    """
    width, height = 560, 330
    f, t = grid.f_edges_hz, grid.t_edges_s
    box = _Box(74, 8, width - 12, height - 40, t[0], t[-1], f[0], f[-1])
    parts = []
    for row in range(grid.shape[0]):
        for column in range(grid.shape[1]):
            level = (
                0.0
                if spectrum_db is None
                else (spectrum_db[row, column] - levels[0]) / (levels[1] - levels[0])
            )
            colour = cell_colour(float(level), float(cells[row, column]) / limit)
            x, y = box.x(t[column]), box.y(f[row + 1])
            w, h = box.x(t[column + 1]) - x, box.y(f[row]) - y
            parts.append(_rect(x, y, w + 0.4, h + 0.4, colour))
    parts += [_text(68, box.y(tick) + 4, hz(tick), "end") for tick in ticks(f[0], f[-1], 6)]
    parts += [
        _text(box.x(tick), height - 24, f"{tick:g}", "middle")
        for tick in ticks(t[0], t[-1], 5)
    ]
    parts.append(_text((74 + width) / 2, height - 6, "time in s", "middle"))
    return _svg(width, height, parts, "Map of evidence")


def bars(steps: Sequence[tuple[str, float]], total_name: str, limit: float | None) -> str:
    """Bars that each begin where the one below ended, and the sum they reach. steps : name and what
    it adds.
    """
    total = sum(value for _, value in steps)
    reached = np.concatenate([[0.0], np.cumsum([value for _, value in steps])])
    ends = [*reached.tolist(), total, limit or 0.0]
    room = 0.06 * ((max(ends) - min(ends)) or 1.0)
    width, height = 400, 20 * (len(steps) + 1) + 44
    box = _Box(
        122,
        24,
        width - 14,
        height - 20,
        min(ends) - room,
        max(ends) + room,
        0.0,
        len(steps) + 1.0,
    )
    parts = []
    for index, (name, value) in enumerate(steps):
        colour = FOR_NG if value >= 0 else FOR_OK
        parts.append(
            _bar(box, index, float(reached[index]), float(reached[index + 1]), colour, name)
        )
    parts.append(_bar(box, len(steps), 0.0, total, "#16202a", total_name))
    parts += [
        _text(box.x(tick), height - 4, f"{tick:g}".replace("-", "−"), "middle")
        for tick in ticks(box.left, box.right, 5)
    ]
    if limit is not None:
        x = box.x(limit)
        parts.append(
            f'<path d="M{x:.1f} 20V{height - 20}" stroke="#16202a" stroke-dasharray="5 4"/>'
        )
        parts.append(_text(x, 14, f"threshold {limit:.2f}".replace("-", "−"), "middle"))
    return _svg(width, height, parts, "What each band adds")


def cell_colour(level: float, share: float) -> str:
    """level : 0 to 1 of the spectrum's range. share : evidence over its limit, negative for OK."""
    spectrum = _mix(SPECTRUM_LOW, SPECTRUM_HIGH, level)
    strength = min(1.0, 2 * BLEND) * min(
        1.0, 0.12 * BLEND + math.sqrt(min(1.0, abs(share)))
    )
    return _mix(
        spectrum, _mix(NEUTRAL, FOR_NG if share >= 0 else FOR_OK, abs(share)), strength
    )


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers within a range."""
    raw = (high - low) / about
    decade = 10 ** math.floor(math.log10(raw))
    step = next(
        decade * factor for factor in (1, 2, 5, 10) if decade * factor >= raw * 0.999
    )
    first = math.ceil(low / step - 1e-9)
    return [
        round(index * step, 10)
        for index in range(first, math.floor(high / step + 1e-9) + 1)
    ]


def hz(value: float) -> str:
    return f"{value / 1000:.3g} kHz" if value >= 1000 else f"{value:.3g} Hz"


def hz_range(low: float, high: float) -> str:
    """A band in as few characters as tell it: 2.72–3.13 kHz."""
    if (low >= 1000) == (high >= 1000):
        return f"{hz(low).partition(' ')[0]}–{hz(high)}"
    return f"{hz(low)} – {hz(high)}"


class _Box:
    """A drawing area in pixels over a range of values.
    left and right are the values at its edges.
    """

    def __init__(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        left: float,
        right: float,
        bottom: float,
        top: float,
    ) -> None:
        self.x0, self.y0, self.x1, self.y1 = x0, y0, x1, y1
        self.left, self.right, self.bottom, self.top = left, right, bottom, top

    def x(self, value: float) -> float:
        return self.x0 + (value - self.left) / (self.right - self.left) * (
            self.x1 - self.x0
        )

    def y(self, value: float) -> float:
        return self.y1 - (value - self.bottom) / (self.top - self.bottom) * (
            self.y1 - self.y0
        )


def _svg(width: int, height: int, parts: Iterable[str], title: str) -> str:
    view = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg {view} role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}"'
    size = f'width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} {size} fill="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _grid_line(box: _Box, value: float, name: str) -> str:
    y = box.y(value)
    line = f'<path d="M{box.x0} {y:.1f}H{box.x1}" stroke="#d5dce3"/>'
    return line + _text(box.x0 - 6, y + 4, name.replace("-", "−"), "end")


def _path(points: Points, box: _Box, colour: str, width: float, dash: str = "") -> str:
    d = "L".join(f"{box.x(x):.1f} {box.y(min(y, box.top)):.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<path d="M{d}" fill="none" stroke="{colour}" stroke-width="{width}"{dashed}/>'
        if d
        else ""
    )


def _strip(row: WindowSummary, box: _Box, first_ns: int) -> str:
    x, end = box.x((row.start_ns - first_ns) / 1e9), box.x((row.end_ns - first_ns) / 1e9)
    colour = STATE_COLOURS[row.status]
    return _rect(x, box.y1 + 6, max(1.2, end - x), 14, colour)


def _bar(box: _Box, index: int, start: float, end: float, colour: str, name: str) -> str:
    x, y = box.x(min(start, end)), box.y(index + 1) + 3
    width = max(1.5, abs(box.x(end) - box.x(start)))
    return _rect(x, y, width, 14, colour) + _text(box.x0 - 6, y + 11, name, "end")


def _mix(start: str, end: str, share: float) -> str:
    share = min(1.0, max(0.0, share))
    a, b = (
        np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], float)
        for colour in (start, end)
    )
    mixed: NDArray[np.float64] = np.rint(a + share * (b - a))
    return "#" + "".join(f"{int(value):02x}" for value in mixed)


def _thinned(rows: Sequence[WindowSummary]) -> list[WindowSummary]:
    """At most MAX_STRIPS windows: of each few the worst, so that no NG is lost to the drawing."""
    n_each = math.ceil(len(rows) / MAX_STRIPS)
    groups = (rows[start : start + n_each] for start in range(0, len(rows), n_each))
    return [
        max(group, key=lambda row: (SEVERITY[row.status], row.excess or 0.0))
        for group in groups
    ]


def _ratio(row: WindowSummary) -> float | None:
    return None if row.over_threshold is None else row.over_threshold.ratio


def _ratio_of(rows: Sequence[WindowSummary]) -> str:
    """The kind whose ratio is drawn."""
    kinds = (row.over_threshold.kind for row in rows if row.over_threshold is not None)
    return next(kinds, "novelty")


def _limit(row: WindowSummary, by_network: bool) -> float | None:
    if by_network:
        return row.probability_threshold
    return None if row.over_threshold is None else 1.0
