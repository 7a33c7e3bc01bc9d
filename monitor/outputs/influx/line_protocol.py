"""From verdicts, health figures and events to rows of InfluxDB's line protocol.

Times are written in nanoseconds: a verdict row keeps the exact end of its
window, its identity beside the series. Rows of maps carry whole milliseconds,
which InfluxDB packs into next to nothing. Format:
https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from monitor.records.context import Context
from monitor.records.evidence import LOGIT, Evidence, Grid, probability
from monitor.records.verdict import Status, Verdict

CELLS_PER_UNIT = 10_000  # maps: integer cells a unit of logit, or of novelty score
CELLS_PER_DB = 10
MAX_CELL_SUM = 2**53  # beyond it floats skip integers
MAX_BAND_DECIMALS = 9
NS_PER_MS = 1_000_000

# How much a status asks for a look: the largest in a span of time is the one to show.
SEVERITY = {
    Status.OK: 0,
    Status.IDLE: 1,
    Status.LEARNING: 2,
    Status.BAD_DATA: 3,
    Status.NO_DATA: 4,
    Status.NG: 5,
}

NETWORK = "network"

# Measurements of which a field says something without the others; all others are maps.
FIELDS_STAND_ALONE = frozenset(
    {
        *(
            "vibration_verdict",
            "vibration_quality",
            "vibration_condition",
            "vibration_context",
            "vibration_event",
            "vibration_trend",
        ),
        *("monitor_health", "monitor_point", "monitor_probe"),
    }
)


class Names(NamedTuple):
    """What one kind of evidence is called in InfluxDB: the measurement of its map, and fields."""

    measurement: str
    score: str
    threshold: str
    bias: str

    @classmethod
    def of(cls, kind: str) -> Names:
        if kind == NETWORK:
            return NETWORK_NAMES
        return cls(f"vibration_{kind}", kind, f"{kind}_threshold", f"{kind}_bias")


# Older than the rule, and kept: dashboards rest on them.
NETWORK_NAMES = Names("vibration_cam", "logit", "threshold", "bias")

FieldValue = bool | int | float | str | None

_UNSAFE_IN_TAG = re.compile(r"[\x00-\x1f\x7f-\x9f\\]|%(?=[0-9A-Fa-f]{2})")
_TAG_ESCAPES = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_STRING_ESCAPES = str.maketrans({'"': r"\"", "\\": r"\\"})


def verdict_lines(verdict: Verdict, maps: bool) -> list[str]:
    """One verdict row, one row each of quality, condition and context where there are any, and
    with `maps` one row a column of each map.

    With overlapping windows only those a whole number of window lengths from
    their segment's start send maps: the maps of two windows over the same time
    would overwrite each other.
    """
    tags = sensor_tags(verdict.machine, verdict.point)
    times_ns = _column_times_ns(verdict) if maps and _sends_maps(verdict) else []
    fields = _verdict_fields(verdict) | _map_border(times_ns)
    lines = [f"vibration_verdict{tags} {field_list(fields)} {verdict.end_ns}"]
    if figures := field_list(
        {name: float(value) for name, value in verdict.quality.items()}
    ):
        lines.append(f"vibration_quality{tags} {figures} {verdict.end_ns}")
    if found := field_list(
        {name: float(value) for name, value in verdict.indicators.items()}
    ):
        lines.append(f"vibration_condition{tags} {found} {verdict.end_ns}")
    if told := field_list(_context_fields(verdict.context)):
        lines.append(f"vibration_context{tags} {told} {verdict.end_ns}")
    if times_ns:
        for measurement, cells in _maps(verdict):
            lines += _map_lines(measurement + tags, cells, verdict.grid, times_ns)
    return lines


def health_line(instance: str, fields: Mapping[str, FieldValue], at_ns: int) -> str:
    """One row of monitor_health. A name must keep its type for ever: InfluxDB refuses a float where
    an int was.
    """
    return f"monitor_health,instance={_tag(instance)} {field_list(fields)} {at_ns}"


def probe_line(instance: str, at_ns: int) -> str:
    """One row of monitor_probe, written to see whether a database takes rows at all."""
    return f"monitor_probe,instance={_tag(instance)} ok=1i {at_ns}"


def point_line(sensor: str, status: str, alarm: bool, at_ns: int) -> str:
    """One row of monitor_point: a point's state by the host's clock. status : '' while unknown"""
    machine, _, point = sensor.rpartition("/")
    severity = SEVERITY[Status(status)] if status else None
    fields = field_list({"alarm": int(alarm), "severity": severity})
    return f"monitor_point{sensor_tags(machine, point)} {fields} {at_ns}"


def event_line(
    sensor: str, kind: str, at_ns: int, text: str, model_id: str = "", author: str = ""
) -> str:
    """One row of vibration_event, for annotations: an alarm raised or cleared, a new model, a
    person's label.

    kind is a tag: an alarm and a new model at the end of one window must not
    overwrite each other.
    """
    machine, _, point = sensor.rpartition("/")
    fields = field_list({"text": text, "model_id": model_id, "author": author})
    return (
        f"vibration_event,kind={_tag(kind)}{sensor_tags(machine, point)} {fields} {at_ns}"
    )


@lru_cache(maxsize=64)
def band_names(f_edges_hz: tuple[float, ...]) -> tuple[str, ...]:
    """Field names of the bands: the centre in Hz, zero-padded, with as many decimals as tell the
    bands apart.
    """
    centres = [(low + high) / 2 for low, high in pairwise(f_edges_hz)]
    for decimals in range(MAX_BAND_DECIMALS + 1):
        names = [f"{centre:.{decimals}f}" for centre in centres]
        if len(set(names)) == len(names):
            width = max(map(len, names))
            return tuple(name.zfill(width) for name in names)
    raise ValueError(
        f"bands {f_edges_hz} Hz: two centres are the same to {MAX_BAND_DECIMALS} decimals."
    )


def whole_cells(cells: NDArray[np.floating], total: float) -> NDArray[np.int64] | None:
    """A map in whole 1/CELLS_PER_UNIT that sums to round(CELLS_PER_UNIT * total).

    cells : shape (n_f, n_t), adds up to total but for rounding; what rounding
        leaves goes to the largest cells.

    Returns None where a number is not finite, or too large to be exact.
    """
    scaled = cells.astype(np.float64) * CELLS_PER_UNIT
    size = np.abs(scaled).sum()
    if not (
        math.isfinite(total)
        and size < MAX_CELL_SUM
        and abs(total) * CELLS_PER_UNIT < MAX_CELL_SUM
    ):
        return None
    whole = np.rint(scaled).astype(np.int64)
    remainder = round(CELLS_PER_UNIT * total) - int(whole.sum())
    each, left = divmod(abs(remainder), whole.size)
    share = np.full(whole.size, each)
    share[np.argsort(-np.abs(scaled), axis=None, kind="stable")[:left]] += 1
    whole += share.reshape(whole.shape) if remainder > 0 else -share.reshape(whole.shape)
    return whole


def _verdict_fields(verdict: Verdict) -> dict[str, FieldValue]:
    band = verdict.band
    judged = verdict.status in (Status.OK, Status.NG)
    fields: dict[str, FieldValue] = {
        "status": str(verdict.status),
        "reason": verdict.reason,
        # Its mean is the share of NG among the windows that were judged.
        "ng": int(verdict.status is Status.NG) if judged else None,
        "severity": SEVERITY[verdict.status],
        "alarm_state": verdict.alarm,
        "alarm": int(verdict.alarm == "raised"),
        "running": verdict.running,
        "model_id": verdict.model_id,
        "continuity": verdict.continuity,
        "start_ms": _nearest_ms(verdict.start_ns),
        "end_ms": _nearest_ms(verdict.end_ns),
        "column_ms": _column_ms(verdict.grid) if verdict.grid else None,
        # A pattern for queries.
        "bands": "|".join(band_names(verdict.grid.f_edges_hz)) if verdict.grid else None,
        "residual": verdict.residual,
        "band_low_hz": band.low_hz if band else None,
        "band_high_hz": band.high_hz if band else None,
        "band_share": band.share if band else None,
    }
    for evidence in verdict.evidence:
        fields |= _evidence_fields(evidence)
    return fields


def _context_fields(context: Context) -> dict[str, FieldValue]:
    """A number by its name, a word as NAME.word: a name may bring both, and a field has one type.

    Names are those of the configuration, and few. One that is InfluxDB's own is
    told apart as well.
    """
    fields: dict[str, FieldValue] = {}
    for name, value in context.items():
        if isinstance(value, str):
            fields[f"{name}.word"] = value
        else:
            fields[f"{name}.number" if name == "time" else name] = float(value)
    return fields


def _evidence_fields(evidence: Evidence) -> dict[str, FieldValue]:
    """The network's fields have names of their own; another kind k has k, k_threshold, k_bias."""
    names = Names.of(evidence.kind)
    fields: dict[str, FieldValue] = {
        names.score: float(evidence.score),
        names.threshold: None if evidence.threshold is None else float(evidence.threshold),
    }
    if evidence.bias or evidence.unit == LOGIT:
        fields[names.bias] = float(evidence.bias)
    if evidence.unit == LOGIT:
        fields |= _probability_fields(evidence)
    return fields


def _probability_fields(evidence: Evidence) -> dict[str, FieldValue]:
    if evidence.kind != NETWORK:
        return {f"{evidence.kind}_probability": evidence.probability}
    threshold = evidence.threshold
    return {
        "probability": evidence.probability,
        "probability_threshold": None if threshold is None else probability(threshold),
    }


def _column_ms(grid: Grid) -> int:
    """How far the rows of a map are apart, rounded up: the finest grid of time that leaves no gap
    in a heatmap.
    """
    return math.ceil(
        max(end - start for start, end in pairwise(grid.t_edges_s)) * 1000 - 1e-6
    )


def _maps(verdict: Verdict) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Each map the verdict holds, in whole numbers, shape (n_f, n_t)."""
    for evidence in verdict.evidence:
        cells = whole_cells(evidence.cells, evidence.score - evidence.bias)
        if cells is not None:
            yield Names.of(evidence.kind).measurement, cells
    if verdict.spectrum_db is not None and np.isfinite(verdict.spectrum_db).all():
        # The mean of the channels.
        power = np.mean(10.0 ** (verdict.spectrum_db.astype(np.float64) / 10), axis=0)
        yield (
            "vibration_spectrum",
            np.rint(CELLS_PER_DB * 10 * np.log10(power)).astype(np.int64),
        )


def _map_lines(
    series: str, cells: NDArray[np.int64], grid: Grid | None, times_ns: Sequence[int]
) -> list[str]:
    """One row a column, at the column's time."""
    assert grid is not None
    names = band_names(grid.f_edges_hz)
    row = ",".join(f"{name}=%di" for name in names)
    columns = cells.T.tolist()
    return [
        f"{series} {row % tuple(column)} {time_ns}"
        for column, time_ns in zip(columns, times_ns, strict=True)
    ]


def _sends_maps(verdict: Verdict) -> bool:
    return verdict.grid is not None and verdict.first_sample % verdict.n_samples == 0


def _column_times_ns(verdict: Verdict) -> list[int]:
    """Each column's end, after start_ms and up to end_ms as the verdict row has them.

    In whole milliseconds; columns so short that they could overwrite each other
    are spread evenly between the borders.
    """
    assert verdict.grid is not None
    first_ns = _nearest_ms(verdict.start_ns) * NS_PER_MS
    last_ns = _nearest_ms(verdict.end_ns) * NS_PER_MS
    lengths_ns = [round(end_s * 1e9) for end_s in verdict.grid.t_edges_s]
    shortest_ns = min(end - start for start, end in pairwise(lengths_ns))
    if shortest_ns < 2 * NS_PER_MS:
        whole_ns = max(lengths_ns[-1], verdict.end_ns - verdict.start_ns)
        return [
            first_ns + length * (last_ns - first_ns) // whole_ns
            for length in lengths_ns[1:]
        ]
    ends_ns = (verdict.start_ns + length for length in lengths_ns[1:])
    return [min(_nearest_ms(end_ns) * NS_PER_MS, last_ns) for end_ns in ends_ns]


def _map_border(times_ns: Sequence[int]) -> dict[str, FieldValue]:
    """All rows of the window's maps come after it, and none of the window before.

    start_ms is no such border where the sensor is faster than it says, or its
    times jitter: a window begins at its message's time, and may do so before
    the one before it has ended.
    """
    return {"map_start_ms": (times_ns[0] - 1) // NS_PER_MS if times_ns else None}


def _nearest_ms(time_ns: int) -> int:
    """Half a millisecond always goes up: two times a millisecond apart never become one."""
    return (time_ns + NS_PER_MS // 2) // NS_PER_MS


def sensor_tags(machine: str, point: str) -> str:
    """An empty tag is left out: InfluxDB knows no other way to say it,
    and reads it back as empty.
    """
    return "".join(
        f",{key}={_tag(text)}"
        for key, text in (("machine", machine), ("point", point))
        if text
    )


@lru_cache(maxsize=4096)
def _tag(text: str) -> str:
    """A tag's value. What the format cannot carry (control characters, backslashes) is
    percent-encoded.

    urllib.parse.unquote gives the text back, whatever it was; half of a
    surrogate pair, no text at all, becomes '?'.
    """
    text = text.encode("utf-8", "replace").decode()
    return _UNSAFE_IN_TAG.sub(lambda found: quote(found[0], safe=""), text).translate(
        _TAG_ESCAPES
    )


def field_list(fields: Mapping[str, FieldValue]) -> str:
    """key=value,key=value. What is None or no finite number is left out."""
    parts = ((_tag(key), _field_value(value)) for key, value in fields.items())
    return ",".join(f"{key}={value}" for key, value in parts if value)


def _field_value(value: FieldValue) -> str:
    if isinstance(value, str):
        return (
            '"' + value.encode("utf-8", "replace").decode().translate(_STRING_ESCAPES) + '"'
        )
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return f"{value}i"
    if value is None or not math.isfinite(value):
        return ""
    return repr(float(value))
