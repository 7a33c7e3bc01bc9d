"""From rows of trends to rows of vibration_trend: a row each, at the beginning of its span."""

from __future__ import annotations

import math
from collections.abc import Iterator

from monitor.outputs.influx.line_protocol import (
    CELLS_PER_DB,
    CELLS_PER_UNIT,
    MAX_CELL_SUM,
    NETWORK,
    NETWORK_NAMES,
    FieldValue,
    Names,
    band_names,
    field_list,
    sensor_tags,
)
from monitor.records.trend import (
    HOUR_S,
    TEN_MINUTES_S,
    BandSums,
    ChangedTrends,
    FEdges,
    Spread,
    TrendRow,
)
from monitor.records.verdict import Status

SPANS = {TEN_MINUTES_S: "ten_minutes", HOUR_S: "hour"}


def trend_lines(changed: ChangedTrends) -> list[str]:
    """A row that is sent again overwrites the one before: it never has fewer fields than that."""
    machine, _, point = changed.sensor.rpartition("/")
    tags = sensor_tags(machine, point)
    return [
        f"vibration_trend{tags},span={SPANS[row.tier_s]} {field_list(_fields(row))} {row.start_ns}"
        for row in changed.rows
    ]


def _fields(row: TrendRow) -> dict[str, FieldValue]:
    fields: dict[str, FieldValue] = {"column_ms": row.tier_s * 1000}
    for status in Status:
        name = status.lower()
        fields[f"windows_{name}"] = row.windows.get(status.value, 0)
        fields[f"seconds_{name}"] = row.span_ns.get(status.value, 0) / 1e9
    for name, spread in row.spreads.items():
        fields |= _spread_fields(_score_name(name), spread)
    fields |= {"worst_row": row.worst_row, "worst_excess": row.worst_excess}
    # Where bands of two geometries have one name, those of more windows stay.
    for f_edges, bands in sorted(row.bands.items(), key=lambda one: one[1].n):
        fields |= dict(_band_fields(f_edges, bands))
    return fields


def _score_name(name: str) -> str:
    """As in vibration_verdict."""
    return NETWORK_NAMES.score if name == NETWORK else name


def _spread_fields(name: str, spread: Spread) -> dict[str, FieldValue]:
    return {
        f"{name}_n": spread.n,
        f"{name}_sum": spread.total,
        f"{name}_min": spread.low,
        f"{name}_max": spread.high,
        f"{name}_median": spread.quantile(0.5),
        f"{name}_p95": spread.quantile(0.95),
        f"{name}_threshold": spread.threshold,
    }


def _band_fields(f_edges: FEdges, bands: BandSums) -> Iterator[tuple[str, FieldValue]]:
    """Whole numbers, in the steps of vibration_spectrum and of the maps."""
    columns = {"spectrum": CELLS_PER_DB * bands.spectrum_db}
    for kind in bands.cells:
        short = Names.of(kind).measurement.removeprefix("vibration_")
        columns[short] = CELLS_PER_UNIT * bands.mean_map(kind)
    names = band_names(f_edges)
    yield "bands", "|".join(names)
    yield "bands_n", bands.n
    for short, values in columns.items():
        for band, value in zip(names, values.tolist(), strict=True):
            if math.isfinite(value) and abs(value) < MAX_CELL_SUM:
                yield f"{short}_{band}", round(value)
