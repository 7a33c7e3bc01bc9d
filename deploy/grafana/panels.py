"""Building blocks of the dashboards: Grafana's panels, queries, variables and links as Python
dicts.

The shapes are those of @grafana/schema; tests hold every dashboard to the JSON schema in schema/.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Json = dict[str, Any]

DATA_SOURCE: Json = {"type": "influxdb", "uid": "camshaft-influxdb"}
SCHEMA_VERSION = 39
GRID_WIDTH = 24

GREY = "#8e8e8e"
# A status has the same colour on every panel.
STATUS_COLOURS = {
    "OK": "green",
    "IDLE": GREY,
    "LEARNING": "blue",
    "BAD_DATA": "orange",
    "NO_DATA": "purple",
    "NG": "red",
}
SENSOR = '"machine" =~ /^${machine:regex}$/ AND "point" =~ /^${point:regex}$/'


def query(
    influxql: str, alias: str = "", as_table: bool = False, ref_id: str = "A"
) -> Json:
    """One InfluxQL query of a panel. alias names the series, with $col, $tag_machine and so on."""
    found: Json = {
        "refId": ref_id,
        "datasource": DATA_SOURCE,
        "query": influxql,
        "rawQuery": True,
    }
    found["resultFormat"] = "table" if as_table else "time_series"
    return found | ({"alias": alias} if alias else {})


def lettered(queries: Iterable[Json]) -> list[Json]:
    """The queries of one panel, told apart as A, B, C."""
    return [one | {"refId": chr(ord("A") + number)} for number, one in enumerate(queries)]


def place(rows: Iterable[tuple[int, Sequence[Json]]]) -> list[Json]:
    """Panels row by row: (height, panels from left to right, each with its width in gridPos.w)."""
    placed: list[Json] = []
    y = 0
    for height, panels in rows:
        x = 0
        for panel in panels:
            width = panel["gridPos"]["w"]
            placed.append(
                panel
                | {
                    "id": len(placed) + 1,
                    "gridPos": {"h": height, "w": width, "x": x, "y": y},
                }
            )
            x += width
        assert x == GRID_WIDTH, f"a row is {x} wide"
        y += height
    return placed


def _panel(kind: str, title: str, width: int, targets: Sequence[Json], **more: Any) -> Json:
    panel: Json = {
        "type": kind,
        "title": title,
        "datasource": DATA_SOURCE,
        "gridPos": {"w": width},
    }
    return panel | {"targets": lettered(targets)} | more


def stat(
    title: str,
    width: int,
    influxql: str,
    colour: str,
    unit: str = "short",
    description: str = "",
) -> Json:
    """One number; 0 where the query finds nothing, coloured from 1 on."""
    steps = [{"color": "green", "value": None}, {"color": colour, "value": 1}]
    defaults = {
        "unit": unit,
        "noValue": "0",
        "color": {"mode": "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background",
        "graphMode": "none",
        "textMode": "value",
    }
    fields = {"defaults": defaults, "overrides": []}
    return _panel(
        "stat",
        title,
        width,
        [query(influxql)],
        description=description,
        fieldConfig=fields,
        options=options,
    )


def time_series(
    title: str,
    width: int,
    queries: Sequence[Json],
    unit: str = "short",
    low: float | None = None,
    high: float | None = None,
    description: str = "",
) -> Json:
    """Lines over time. A series whose name holds "threshold" is drawn dashed and red."""
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 10,
        "showPoints": "auto",
        "spanNulls": False,
    }
    defaults: Json = {"unit": unit, "custom": custom, "color": {"mode": "palette-classic"}}
    defaults |= {
        name: value for name, value in (("min", low), ("max", high)) if value is not None
    }
    dashed = {
        "matcher": {"id": "byRegexp", "options": "/threshold/"},
        "properties": [
            {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}},
            {"id": "custom.fillOpacity", "value": 0},
            {"id": "color", "value": {"mode": "fixed", "fixedColor": "red"}},
        ],
    }
    options = {
        "legend": {
            "showLegend": True,
            "displayMode": "list",
            "placement": "bottom",
            "calcs": [],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    fields = {"defaults": defaults, "overrides": [dashed]}
    return _panel(
        "timeseries",
        title,
        width,
        queries,
        description=description,
        fieldConfig=fields,
        options=options,
    )


def stacked_statuses(panel: Json) -> Json:
    """A panel of time_series as bars, one status upon the other, each in its colour."""
    fields = panel["fieldConfig"]
    custom = {
        "drawStyle": "bars",
        "lineWidth": 0,
        "fillOpacity": 80,
        "stacking": {"mode": "normal", "group": "A"},
    }
    coloured = [
        {
            "matcher": {"id": "byName", "options": status},
            "properties": [
                {"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}
            ],
        }
        for status, colour in STATUS_COLOURS.items()
    ]
    fields = {"defaults": fields["defaults"] | {"custom": custom}, "overrides": coloured}
    return panel | {"fieldConfig": fields}


def state_timeline(
    title: str, width: int, influxql: str, alias: str, links: Sequence[Json] = ()
) -> Json:
    """All six states over time, from the severity of monitor/outputs/influx/line_protocol.py; a
    span shows its worst.
    """
    options = {
        str(code): {"text": status, "color": colour, "index": code}
        for code, (status, colour) in enumerate(STATUS_COLOURS.items())
    }
    defaults = {
        "mappings": [{"type": "value", "options": options}],
        "custom": {"fillOpacity": 80, "lineWidth": 0},
        "color": {"mode": "fixed"},
        "links": list(links),
    }
    shown = {
        "showValue": "auto",
        "rowHeight": 0.9,
        "mergeValues": True,
        "legend": {
            "showLegend": True,
            "displayMode": "list",
            "placement": "bottom",
            "calcs": [],
        },
        "tooltip": {"mode": "single", "sort": "none"},
    }
    fields = {"defaults": defaults, "overrides": []}
    return _panel(
        "state-timeline",
        title,
        width,
        [query(influxql, alias)],
        fieldConfig=fields,
        options=shown,
    )


def table(
    title: str,
    width: int,
    influxql: str,
    units: Json | None = None,
    links: Sequence[Json] = (),
    description: str = "",
    time_from: str | None = None,
) -> Json:
    """Rows, the newest first. units: Grafana's unit of a column, by the column's name."""
    overrides: list[Json] = [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "unit", "value": unit}],
        }
        for name, unit in (units or {}).items()
    ]
    mapping = {
        status: {"color": colour, "text": status}
        for status, colour in STATUS_COLOURS.items()
    }
    coloured: list[Json] = [
        {"id": "mappings", "value": [{"type": "value", "options": mapping}]},
        {"id": "custom.cellOptions", "value": {"type": "color-text"}},
    ]
    overrides.append(
        {"matcher": {"id": "byName", "options": "status"}, "properties": coloured}
    )
    fields = {
        "defaults": {"custom": {"filterable": True}, "links": list(links)},
        "overrides": overrides,
    }
    options = {"showHeader": True, "cellHeight": "sm"}
    more = {"timeFrom": time_from} if time_from else {}
    targets = [query(influxql, as_table=True)]
    return _panel(
        "table",
        title,
        width,
        targets,
        description=description,
        fieldConfig=fields,
        options=options,
        **more,
    )


def heatmap(
    title: str,
    width: int,
    influxql: str,
    colours: Json,
    unit: str,
    description: str,
    column: str = "mean_",
) -> Json:
    """A frequency-time map, one row a band, sorted by frequency. column: what stands before the
    band in the names of the answer's columns

    Grafana sorts rows by number only when every row's name is one: hence the transformation. It
    draws all rows equally high, and a cell left of its time stamp. filterValues.le hides the cells
    at or below it; its default would hide every negative one.
    """
    options = {
        "calculate": False,
        "cellGap": 0,
        "cellValues": {"unit": unit},
        "color": (
            {
                "mode": "scheme",
                "exponent": 0.5,
                "fill": "dark-orange",
                "steps": 64,
                "scale": "linear",
            }
            | colours
        ),
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": -1e12},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": True},
        "yAxis": {"axisPlacement": "left", "unit": "hertz", "reverse": False},
    }
    custom = {
        "scaleDistribution": {"type": "linear"},
        "hideFrom": {"legend": False, "tooltip": False, "viz": False},
    }
    fields = {"defaults": {"custom": custom}, "overrides": []}
    rename = {
        "id": "renameByRegex",
        "options": {"regex": f"^{column}0*(.+)$", "renamePattern": "$1"},
    }
    panel = _panel(
        "heatmap",
        title,
        width,
        [query(influxql, "$col")],
        description=description,
        fieldConfig=fields,
    )
    return panel | {
        "options": options,
        "interval": "0${column_ms}ms",
        "transformations": [rename],
    }


def variable(
    name: str,
    label: str,
    influxql: str,
    all_of_them: bool = False,
    hidden: bool = False,
    regex: str = "",
) -> Json:
    """A variable filled by a query, anew with each time range. regex: of what the query finds, its
    group is offered
    """
    found: Json = {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATA_SOURCE,
        "query": influxql,
        "refresh": 2,
        "sort": 0 if hidden else 5,
        "hide": 2 if hidden else 0,
        "multi": False,
        "includeAll": all_of_them,
        "options": [],
        "current": {"text": "All", "value": "$__all"}
        if all_of_them
        else {"text": "", "value": ""},
    }
    if hidden:
        found["skipUrlSync"] = True
    if regex:
        found["regex"] = regex
    return found | ({"allValue": ".*"} if all_of_them else {})


def text_variable(name: str, label: str, value: str) -> Json:
    """A variable that a person types."""
    chosen = {"text": value, "value": value}
    return {
        "type": "textbox",
        "name": name,
        "label": label,
        "query": value,
        "current": chosen,
        "options": [chosen],
    }


def annotation(name: str, colour: str, influxql: str) -> Json:
    """Marks on every panel; the query's column text is shown, its column kind as a tag."""
    target: Json = {
        "refId": "Anno",
        "query": influxql,
        "rawQuery": True,
        "fromAnnotations": True,
        "name": name,
    }
    target |= {"textColumn": "text", "tagsColumn": "kind"}
    return {
        "name": name,
        "datasource": DATA_SOURCE,
        "enable": True,
        "iconColor": colour,
        "target": target,
    }


def link(title: str, url: str, new_tab: bool = False, with_variables: bool = False) -> Json:
    """A link of the dashboard, shown at its top. with_variables: as they are chosen here"""
    return {
        "type": "link",
        "title": title,
        "url": url,
        "icon": "external link",
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "includeVars": with_variables,
        "keepTime": not new_tab,
        "targetBlank": new_tab,
    }


def dashboard(
    uid: str,
    title: str,
    panels: Sequence[Json],
    variables: Sequence[Json],
    annotations: Sequence[Json] = (),
    links: Sequence[Json] = (),
    since: str = "now-6h",
    refresh: str = "10s",
) -> Json:
    return {
        "uid": uid,
        "title": title,
        "tags": ["camshaft"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": refresh,
        "timezone": "browser",
        "time": {"from": since, "to": "now"},
        "templating": {"list": list(variables)},
        "annotations": {"list": list(annotations)},
        "links": list(links),
        "panels": list(panels),
    }
