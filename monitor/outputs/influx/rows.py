"""From rows of the journal to lines of InfluxDB's line protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from monitor.journal.cursors import HealthFigures, JournalRow
from monitor.journal.views import StoredEvent
from monitor.outputs.influx.line_protocol import (
    event_line,
    health_line,
    point_line,
    verdict_lines,
)
from monitor.outputs.influx.trend_lines import trend_lines
from monitor.records.trend import ChangedTrends
from monitor.records.verdict import Status

LinesOf = Callable[[JournalRow], Sequence[str]]


def lines_for(instance: str, maps: Literal["all", "ng"]) -> LinesOf:
    """maps : "all", or "ng" for the maps of NG windows only."""

    def lines_of(row: JournalRow) -> Sequence[str]:
        content = row.content
        if isinstance(content, HealthFigures):
            points = (
                point_line(sensor, status, alarm, content.at_ns)
                for sensor, (status, alarm) in content.points.items()
            )
            return [health_line(instance, content.fields, content.at_ns), *points]
        if isinstance(content, StoredEvent):
            e = content
            return [event_line(e.sensor, e.kind, e.at_ns, e.text, e.model_id)]
        if isinstance(content, ChangedTrends):
            return trend_lines(content)
        return verdict_lines(content, maps == "all" or content.status is Status.NG)

    return lines_of
