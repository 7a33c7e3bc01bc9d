"""What Grafana does around a query: variables in, named frames out. Only as far as our dashboards
use it.

After grafana/grafana: pkg/tsdb/influxdb (macros, aliases),
public/app/features/templating (variables),
public/app/plugins/panel/heatmap/fields.ts (rows sorted by number, joined on
time).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.servers.influx import InfluxDatabase, QuerySeries

NS_PER_MS = 1_000_000
REGEX_SPECIALS = re.compile(r"[\\^$.*+?()[\]{}|/]")

Json = dict[str, Any]


@dataclass(frozen=True)
class View:
    """What a dashboard is looked at with. variables: values by name; "$__all" is All."""

    from_ms: int
    to_ms: int
    interval_ms: int
    variables: Mapping[str, str]
    all_values: Mapping[str, str]

    def fill_in(self, text: str) -> str:
        """Variables first, then the data source's macros. A variable that is not known stays, as in
        Grafana.
        """
        text = re.sub(r"\$\{(\w+)(?::(\w+))?\}", self._value, text)
        text = text.replace(
            "$timeFilter", f"time >= {self.from_ms}ms and time <= {self.to_ms}ms"
        )
        return text.replace("$__interval", f"{self.interval_ms}ms")

    def _value(self, found: re.Match[str]) -> str:
        name, how = found[1], found[2]
        if name not in self.variables:
            return found[0]
        value = self.variables[name]
        if value == "$__all":
            return self.all_values[name]  # as it stands, whatever the format
        return REGEX_SPECIALS.sub(r"\\\g<0>", value) if how == "regex" else value


@dataclass(frozen=True)
class Frame:
    """One named series of a panel. Times in ms."""

    name: str
    labels: Mapping[str, str]
    times_ms: tuple[int, ...]
    values: tuple[Any, ...]


def frames(target: Json, series: Sequence[QuerySeries]) -> list[Frame]:
    """A time-series target's answer: one frame a column."""
    return [
        Frame(
            _name(target.get("alias", ""), one, column),
            one.tags,
            tuple(time_ns // NS_PER_MS for time_ns in one.column("time")),
            tuple(one.column(column)),
        )
        for one in series
        for column in one.columns
        if column != "time"
    ]


def transformed(panel: Json, found: Sequence[Frame]) -> list[Frame]:
    """renameByRegex, the one transformation in use."""
    for step in panel.get("transformations", []):
        assert step["id"] == "renameByRegex"
        pattern = re.compile(step["options"]["regex"])
        replacement = re.sub(r"\$(\d)", r"\\\1", step["options"]["renamePattern"])
        found = [
            Frame(pattern.sub(replacement, f.name), f.labels, f.times_ms, f.values)
            for f in found
        ]
    return list(found)


def heatmap_rows(found: Sequence[Frame]) -> list[Frame]:
    """Rows from bottom to top. Grafana sorts them by frequency only if every name is a number."""
    for frame in found:
        float(frame.name)
    return sorted(found, key=lambda frame: float(frame.name))


def choices(variable: Json, view: View, influxdb: InfluxDatabase) -> list[str]:
    """What a query variable offers: the first text column of the answer, else the first that is no
    time.
    """
    values: list[str] = []
    for one in influxdb.query(view.fill_in(variable["query"])):
        column = (
            "value"
            if "value" in one.columns
            else next(name for name in one.columns if name != "time")
        )
        values += [str(value) for value in one.column(column)]
    return list(dict.fromkeys(_captured(values, variable.get("regex", ""))))


def _captured(values: Sequence[str], regex: str) -> list[str]:
    """What a variable's regex leaves of these: its first group."""
    if not regex:
        return list(values)
    pattern = re.compile(regex.removeprefix("/").removesuffix("/"))
    return [found[1] for value in values if (found := pattern.search(value))]


def newest_values(
    rule: Json, influxdb: InfluxDatabase, now_ms: int
) -> dict[str, dict[tuple[str, ...], float]]:
    """An alert rule's queries and reduce steps: the newest value by query and by series."""
    reduced: dict[str, dict[tuple[str, ...], float]] = {}
    for step in rule["data"]:
        if step["datasourceUid"] != "__expr__":
            from_ms = now_ms - step["relativeTimeRange"]["from"] * 1000
            view = View(from_ms, now_ms, step["model"]["intervalMs"], {}, {})
            found = frames(
                step["model"], influxdb.query(view.fill_in(step["model"]["query"]))
            )
            reduced[step["refId"]] = {
                tuple(frame.labels.values()): frame.values[-1] for frame in found
            }
        elif step["model"]["type"] == "reduce":
            assert step["model"]["reducer"] == "last"
            reduced[step["refId"]] = reduced[step["model"]["expression"]]
    return reduced


def firing(
    rule: Json, reduced: Mapping[str, Mapping[tuple[str, ...], float]]
) -> set[tuple[str, ...]]:
    """The series for which a rule's condition holds."""
    values = dict(reduced)
    condition = rule["data"][-1]
    assert condition["refId"] == rule["condition"]
    for step in rule["data"]:
        if step["model"].get("type") == "math":
            assert step["model"]["expression"] == "$RA / $RB"
            values["M"] = {
                key: values["RA"][key] / values["RB"][key]
                for key in values["RA"]
                if key in values["RB"]
            }
    (check,) = condition["model"]["conditions"]
    kind, limits = check["evaluator"]["type"], check["evaluator"]["params"]
    return {
        key
        for key, value in values[condition["model"]["expression"]].items()
        if _holds(kind, limits, value)
    }


def _holds(kind: str, limits: Sequence[float], value: float) -> bool:
    if kind == "within_range":
        return limits[0] < value < limits[1]
    return value > limits[0] if kind == "gt" else value < limits[0]


def _name(alias: str, series: QuerySeries, column: str) -> str:
    if not alias:
        return f"{series.name}.{column}"
    named = {"col": column, "m": series.name} | {
        f"tag_{key}": value for key, value in series.tags.items()
    }
    return re.sub(r"\$(\w+)", lambda found: named.get(found[1], found[0]), alias)
