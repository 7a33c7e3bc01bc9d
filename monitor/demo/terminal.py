"""The demo's live view: verdicts and maps as rich renderables. Pure: what to show goes in, what to
draw comes out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from monitor.evidence.colour import full_colour
from monitor.records.evidence import LOGIT, Evidence
from monitor.records.signal import Float32, Float64
from monitor.records.verdict import Band, Status, Verdict
from monitor.text import printable

STATUS_STYLE = {
    Status.OK: "bold #4cc38a",
    Status.NG: "bold #ff6b4a",
    Status.BAD_DATA: "bold #e5c07b",
    Status.IDLE: "#8a8f98",
    Status.LEARNING: "#b59cff",
    Status.NO_DATA: "bold #e5c07b",
}
RGB = tuple[int, int, int]
NOTHING: RGB = (38, 40, 46)  # no evidence either way
FOR_NG: RGB = (255, 96, 56)
FOR_OK: RGB = (64, 150, 255)

MAP_WIDTH = 28  # text columns of a map; each shows one summed group of map columns
MAX_COLUMNS_PER_WINDOW = 8
LABEL_WIDTH = 7
PANEL_WIDTH = MAP_WIDTH + LABEL_WIDTH + 4
N_RECENT = 14
COLUMNS = {  # heading: least and most width
    "sensor": (15, 22),
    "the machine": (14, 26),
    "status": (9, 16),
    "P(NG)": (12, 12),
    "novelty": (7, 7),
    "driven by": (18, 20),
    "last windows": (N_RECENT, N_RECENT),
}


@dataclass(frozen=True, slots=True)
class SensorView:
    """One sensor's line, and its map when there is room.

    note : what is known of the machine from outside ("healthy", "bearing fault
        grows since 8 s")
    recent : verdicts oldest first; the last one is the current one
    """

    sensor: str
    note: str
    recent: Sequence[Verdict] = field(default=())

    @property
    def latest(self) -> Verdict | None:
        return self.recent[-1] if self.recent else None


def screen(
    title: str, figures: str, sensors: Sequence[SensorView], width: int
) -> RenderableType:
    """The whole view: sensors above, the maps that matter most below, as many as `width` holds."""
    maps = [
        map_panel(view)
        for view in _most_telling(sensors, max(1, width // (PANEL_WIDTH + 1)))
    ]
    table = Panel(
        sensor_table(sensors), title=title, subtitle=figures, border_style="#5c6370"
    )
    return Group(table, Columns(maps, padding=(0, 1)), legend())


def sensor_table(sensors: Sequence[SensorView]) -> Table:
    """A line for each sensor: what is said of it, how sure, and which band drove that."""
    table = Table(box=None, expand=True, header_style="#8a8f98", padding=(0, 1))
    for heading, (least, most) in COLUMNS.items():
        table.add_column(
            heading, no_wrap=True, overflow="ellipsis", min_width=least, max_width=most
        )
    for view in sensors:
        now = view.latest
        table.add_row(
            plain(view.sensor),
            plain(view.note, "#8a8f98"),
            _status(now),
            _probability(now),
            _novelty(now),
            Text(band_text(now.band) if now and now.status == Status.NG else "", "#abb2bf"),
            _strip(view.recent),
        )
    return table


def map_panel(view: SensorView) -> Panel:
    """The sensor's newest maps in time order: bands upwards in Hz, time to the right."""
    maps = _newest_maps(view.recent)
    now = view.latest
    if now is None or not maps:
        return Panel(
            Text("no map yet", "#8a8f98"), title=plain(view.sensor), width=PANEL_WIDTH
        )
    evidence = maps[-1].evidence[0]
    body = Group(*_map_lines(maps), Text(_sum_text(evidence), "#abb2bf"))
    title = plain(f"{view.sensor} · {evidence.kind}")
    return Panel(body, title=title, border_style=_border(now), width=PANEL_WIDTH)


def _sum_text(evidence: Evidence) -> str:
    if evidence.unit == LOGIT:
        map_sum = evidence.score - evidence.bias
        return (
            f"logit {evidence.score:+.2f} = map {map_sum:+.2f}, bias {evidence.bias:+.2f}"
        )
    return f"{evidence.unit} {evidence.score:.3g}, limit {evidence.threshold or 0:.3g}"


def legend() -> Text:
    """What the colours of the maps mean. Their limits are fixed: equal colours are equal evidence,
    at any time.
    """
    scale = Text("  evidence for OK ", "#8a8f98")
    for step in np.linspace(-1, 1, 17):
        scale.append("█", _hex(colour(float(step))))
    ends = "full colour: a cell with a tenth of the way to the threshold"
    scale.append(f" for NG · {ends}", "#8a8f98")
    return scale


def colour(share: float) -> RGB:
    """From blue (-1: for OK) through dark (0: nothing) to red (+1: for NG). Outside -1 to 1 it
    stays at the end.
    """
    end = FOR_NG if share > 0 else FOR_OK
    # lifts weak evidence off the dark without moving the ends
    weight = min(abs(share), 1.0) ** 0.7
    red, green, blue = (
        round(zero + weight * (full - zero))
        for zero, full in zip(NOTHING, end, strict=True)
    )
    return red, green, blue


def plain(text: str, style: str = "") -> Text:
    """Text from outside, shown as it is: neither rich's markup nor a terminal's control sequences
    work in it.
    """
    return Text(printable(text), style)


def plain_lines(lines: Sequence[str]) -> RenderableType:
    return Group(*(Text(line, no_wrap=True) for line in lines))


def band_text(band: Band | None) -> str:
    """A band and its share of all positive evidence: "2.4-2.9 kHz, 61 %"."""
    if band is None:
        return ""
    scale, unit = (1000.0, "kHz") if band.high_hz >= 1000 else (1.0, "Hz")
    low, high = _figure(band.low_hz / scale), _figure(band.high_hz / scale)
    return f"{low}-{high} {unit}, {band.share:.0%}"


def fold_columns(cells: Float32, n_columns: int) -> Float64:
    """Add neighbouring columns up until n_columns are left: sums stay sums. (n_f, n_t) -> (n_f,
    n_columns).
    """
    n_t = cells.shape[1]
    edges = np.linspace(0, n_t, min(n_columns, n_t) + 1).round().astype(int)
    return np.stack(
        [
            cells[:, left:right].sum(axis=1, dtype=np.float64)
            for left, right in pairwise(edges)
        ],
        axis=1,
    )


def _newest_maps(recent: Sequence[Verdict]) -> list[Verdict]:
    """The run of verdicts at the end whose first evidence is of one kind, on one grid."""
    maps: list[Verdict] = []
    for verdict in reversed(recent):
        if not verdict.evidence or verdict.grid is None:
            break
        if maps and not _alike(verdict, maps[0]):
            break
        maps.insert(0, verdict)
    return maps


def _alike(one: Verdict, other: Verdict) -> bool:
    return one.evidence[0].kind == other.evidence[0].kind and one.grid == other.grid


def _map_lines(maps: Sequence[Verdict]) -> list[Text]:
    """Two bands to a line, the upper and the lower half of a block; every other line tells its
    lower edge in Hz.
    """
    grid = maps[-1].grid
    assert grid is not None  # a map comes with its grid
    n_columns = _columns_per_window(grid.shape[1])
    n_windows = MAP_WIDTH // n_columns
    shares = np.concatenate(
        [_shares(verdict.evidence[0], n_columns) for verdict in maps[-n_windows:]], axis=1
    )
    width = n_windows * n_columns
    shares = np.pad(
        shares,
        ((0, shares.shape[0] % 2), (width - shares.shape[1], 0)),
        constant_values=np.nan,
    )
    lines = []
    for low in range(shares.shape[0] - 2, -1, -2):
        label = hz_text(grid.f_edges_hz[low]) if low % 4 == 0 else ""
        text = Text(f"{label:>{LABEL_WIDTH - 1}} ", "#8a8f98")
        for upper, lower in zip(shares[low + 1], shares[low], strict=True):
            text.append("▀", f"{_cell(upper)} on {_cell(lower)}")
        lines.append(text)
    span = f"-{n_windows * grid.t_edges_s[-1]:.3g} s"
    lines.append(Text(f"{'Hz':>{LABEL_WIDTH - 1}} {span:<{width - 3}}now", "#8a8f98"))
    return lines


def _columns_per_window(n_t: int) -> int:
    """The most columns, up to MAX_COLUMNS_PER_WINDOW, that divide a window's n_t map columns
    evenly.
    """
    return max(n for n in range(1, MAX_COLUMNS_PER_WINDOW + 1) if n_t % n == 0)


def _shares(evidence: Evidence, n_columns: int) -> Float64:
    """The map as shares of full colour. A block is the sum of its cells, so its end is theirs."""
    blocks = fold_columns(evidence.cells, n_columns)
    cells_per_block = evidence.cells.size / blocks.size
    shares: Float64 = blocks / (full_colour(evidence) * cells_per_block)
    return shares


def _most_telling(sensors: Sequence[SensorView], n: int) -> list[SensorView]:
    """Alarms first, then NG, then the rest, kept in the order of the table."""

    def rank(view: SensorView) -> tuple[bool, bool, bool]:
        now = view.latest
        has_map = bool(_newest_maps(view.recent))
        return (
            not has_map,
            now is None or now.alarm != "raised",
            now is None or now.status != Status.NG,
        )

    chosen = sorted(sensors, key=rank)[:n]
    return [view for view in sensors if view in chosen]


def _status(verdict: Verdict | None) -> Text:
    if verdict is None:
        return Text("waiting", "#5c6370")
    reason = f" {verdict.reason}" if verdict.status is Status.BAD_DATA else ""
    status = plain(verdict.status.value + reason, STATUS_STYLE[verdict.status])
    return (
        status.append(" alarm", STATUS_STYLE[Status.NG])
        if verdict.alarm == "raised"
        else status
    )


def _probability(verdict: Verdict | None) -> Text:
    if verdict is None or verdict.probability is None:
        return Text("-", "#5c6370")
    filled = round(6 * verdict.probability)
    bar = Text("█" * filled, _hex(FOR_NG)).append("░" * (6 - filled), "#5c6370")
    return bar.append(f" {verdict.probability:.3f}", "#abb2bf")


def _novelty(verdict: Verdict | None) -> Text:
    found = None if verdict is None else verdict.of_kind("novelty")
    if found is None or not found.threshold:
        return Text("-", "#5c6370")
    return Text(f"{found.score / found.threshold:.2f}", "#abb2bf")


def _strip(recent: Sequence[Verdict]) -> Text:
    strip = Text()
    for verdict in recent[-N_RECENT:]:
        strip.append("▆", STATUS_STYLE[verdict.status])
    return strip


def _border(verdict: Verdict) -> str:
    return STATUS_STYLE[verdict.status].removeprefix("bold ")


def hz_text(frequency_hz: float) -> str:
    """A frequency for an axis, at most six characters: "950", "2.4k", "12.8k"."""
    return (
        f"{_figure(frequency_hz / 1000)}k"
        if frequency_hz >= 1000
        else _figure(frequency_hz)
    )


def _figure(value: float) -> str:
    """Three figures at most, no exponent, no trailing zeros."""
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _cell(share: float) -> str:
    return _hex(NOTHING if math.isnan(share) else colour(share))


def _hex(rgb: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)
