"""The dashboards and alert rules: every query runs on a real InfluxDB that the service's own rows
filled.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import numpy as np
import pytest
import yaml

from deploy.grafana import alerts, generate
from monitor.config_page import PageSettings
from monitor.journal.cursors import Cursor
from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.outputs.influx.line_protocol import band_names, whole_cells
from monitor.outputs.influx.rows import lines_for
from monitor.outputs.influx.sender import InfluxOutput
from monitor.outputs.runner import Runner
from monitor.records.batch import Batch, Event
from monitor.records.evidence import Grid
from monitor.records.verdict import Status, Verdict
from tests.grafana_rules import (
    Json,
    View,
    choices,
    firing,
    frames,
    heatmap_rows,
    newest_values,
    transformed,
)
from tests.servers.influx import InfluxDatabase, InfluxServer
from tests.servers.influx_standin import InfluxStandIn
from tests.verdicts import GRID, bias_of, make_verdict, map_of, score_of

SCHEMA = generate.FOLDER / "schema" / "dashboard.schema.json"
DASHBOARDS = {one["uid"]: one for one in generate.all_dashboards()}
PANELS = [(one, panel) for one in DASHBOARDS.values() for panel in one["panels"]]
RULES = alerts.rule_groups()["groups"][0]["rules"]
ANNOTATIONS = [
    (one, mark) for one in DASHBOARDS.values() for mark in one["annotations"]["list"]
]
VARIABLES = [
    (one, v)
    for one in DASHBOARDS.values()
    for v in one["templating"]["list"]
    if v["type"] == "query"
]

N_WINDOWS = 240  # of one second
BEGIN_MS = 1_700_000_000_000
END_MS = BEGIN_MS + N_WINDOWS * 1000
SECOND_NS = 10**9
# Another model: other bands, other columns.
OTHER_GRID = Grid((0.0, 50.0, 75.5, 1000.0), (0.0, 0.5, 1.0))
FAULTY, HOSTILE, SILENT = "press 7 (north)/bearing+1", "a'b\"=, $x|^\\/d[0]*", "mill/motor"
BAD, YOUNG, STOPPED = "mill/spindle", "new/one", "lathe/tail"
# Their alarms stand too, but their clocks are two days behind and an hour ahead.
BEHIND, AHEAD = "slow/clock", "fast/clock"
# Its windows are hours old: of the others no ten minutes are over.
OLD = "old/pump"
OLD_MS = BEGIN_MS - BEGIN_MS % 3_600_000 - 9 * 3_600_000
UNJUDGED: dict[str, Any] = {
    "reason": "",
    "evidence": (),
    "band": None,
    "grid": None,
    "spectrum_db": None,
}


def panel_id(case: tuple[Json, Json]) -> str:
    dashboard = case[0]["uid"].removeprefix("camshaft-")
    return f"{dashboard}: {case[1].get('title') or case[1].get('name')}"


def windows(sensor: str, status: Status) -> list[Verdict]:
    verdicts = [make_verdict(index, sensor, status=status) for index in range(N_WINDOWS)]
    return (
        verdicts
        if status in (Status.OK, Status.NG)
        else [replace(verdict, **UNJUDGED) for verdict in verdicts]
    )


def moved(verdicts: list[Verdict], by_s: int) -> list[Verdict]:
    by_ns = by_s * SECOND_NS
    return [
        replace(v, alarm="raised", start_ns=v.start_ns + by_ns, end_ns=v.end_ns + by_ns)
        for v in verdicts
    ]


def hours_ago() -> tuple[list[Verdict], list[Event]]:
    """Of OLD: six hours with one to four windows every ten minutes, one in three NG."""
    times_ns = [
        (OLD_MS + slot * 600_000 + n * 1000) * 10**6
        for slot in range(1, 37)
        for n in range(1 + slot % 4)
    ]
    verdicts = [
        replace(
            make_verdict(index, OLD, status=Status.OK if index % 3 else Status.NG),
            start_ns=end_ns - SECOND_NS,
            end_ns=end_ns,
        )
        for index, end_ns in enumerate(times_ns)
    ]
    kinds = ("alarm_raised", "label", "model_changed")
    return verdicts, [Event(times_ns[9], OLD, kind, f"{kind}, hours ago") for kind in kinds]


def plant() -> Batch:
    """Four minutes of a plant that shows every state; one point's model is replaced half-way."""
    batch, (old_windows, old_events) = Batch(), hours_ago()
    half = N_WINDOWS // 2
    faulty = windows(FAULTY, Status.NG)
    faulty[half:] = [
        make_verdict(index, FAULTY, OTHER_GRID, model_id="second", alarm="raised")
        for index in range(half, N_WINDOWS)
    ]
    end_ns = faulty[-1].end_ns
    silence: dict[str, Any] = {
        "status": Status.NO_DATA,
        "n_samples": 0,
        "quality": {},
        "start_ns": end_ns,
        "end_ns": end_ns,
    }
    batch.verdicts = [
        *faulty,
        *windows(HOSTILE, Status.OK),
        *windows(SILENT, Status.OK)[:half],
        replace(make_verdict(N_WINDOWS, SILENT), **UNJUDGED, **silence),
        *windows(BAD, Status.BAD_DATA),
        *windows(YOUNG, Status.LEARNING),
        *windows(STOPPED, Status.IDLE),
        *moved(windows(BEHIND, Status.NG), -2 * 86_400),
        *moved(windows(AHEAD, Status.NG), 3600),
        *old_windows,
    ]
    at_ns = faulty[half].end_ns
    batch.events = [
        Event(
            at_ns, FAULTY, "alarm_raised", "network, strongest band 100 to 250 Hz", "second"
        ),
        Event(at_ns, FAULTY, "model_changed", "0123abcd to second", "second"),
        Event(at_ns + SECOND_NS, FAULTY, "label", "NG confirmed, by x: <b>bearing</b>"),
        *old_events,
    ]
    return batch


POINTS = {
    FAULTY: ("NG", True),
    HOSTILE: ("OK", False),
    SILENT: ("NO_DATA", False),
    BAD: ("BAD_DATA", False),
    YOUNG: ("LEARNING", False),
    STOPPED: ("IDLE", False),
    BEHIND: ("NG", True),
    AHEAD: ("NG", True),
}


def health(journal: Journal) -> None:
    """One row every ten seconds; the service was started anew half-way."""
    for second in range(0, N_WINDOWS, 10):
        fields: Json = {
            f"{fate}_samples": second * 2000
            for fate in ("received", "analysed", "judged_bad")
        }
        fields |= {
            "dropped_samples": 0,
            "waiting_samples": 1,
            "unbalanced_sensors": 0,
            "bad_payloads": 3,
        }
        fields |= {
            "backlog_rows": second,
            "oldest_row_age_s": second * 3.0,
            "rejected_rows": int(second > N_WINDOWS // 2),
            "rss_bytes": 10**8,
        }
        fields |= {
            "latency_p50_ms": 3.0,
            "latency_p95_ms": 5.0,
            "latency_p99_ms": 9.0,
            "windows_per_s": 6.0,
        }
        fields |= {
            "journal_bytes": 10**6,
            "broker_connects": 1,
            "broker_dropped_messages": 0,
            "accepted_rows": 5,
        }
        fields |= {"uptime_s": float(second % (N_WINDOWS // 2))}
        journal.store_health((BEGIN_MS + second * 1000) * 1_000_000, fields, POINTS)


@pytest.fixture(scope="module")
def journal_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "camshaft.journal"
    journal = Journal(path)
    journal.commit(plant())
    health(journal)
    journal.close()
    return path


@pytest.fixture(scope="module")
def filled(influx_server: InfluxServer, journal_path: Path) -> Iterator[InfluxDatabase]:
    """A real database, fed from the journal through the service's own sender."""
    database = influx_server.create_database()
    standin = InfluxStandIn(forward=database.write)
    outbox = Cursor(journal_path, "influx", InfluxOutput.kinds)
    sender = InfluxOutput(
        standin.settings(journal_path.parent), lines_for("plant-1", "all"), "plant-1"
    )
    runner = Runner(sender, outbox)
    while outbox.pending(1):
        # By the clock: where the server was too busy to answer, the next try comes a while later.
        runner.step(time.monotonic(), 0)
    assert set(standin.statuses) == {204}
    yield database
    sender.close()
    outbox.close()
    standin.close()
    influx_server.drop_database(database)


def view_of(
    dashboard: Json,
    influxdb: InfluxDatabase,
    interval_ms: int = 1000,
    from_ms: int = BEGIN_MS,
    **chosen: str,
) -> View:
    """The dashboard as opened on the whole range: variables filled from first to last, each by its
    own query.
    """
    listed = dashboard["templating"]["list"]
    view = View(
        from_ms,
        END_MS,
        interval_ms,
        {},
        {one["name"]: one.get("allValue", "") for one in listed},
    )
    for one in listed:
        value = chosen.get(one["name"], one["current"]["value"])
        if one["type"] == "query" and value == "":
            value = choices(one, view, influxdb)[0]
        view = replace(view, variables={**view.variables, one["name"]: value})
    return view


def on_the_faulty_point(
    dashboard: Json, influxdb: InfluxDatabase, interval_ms: int = 1000, **chosen: str
) -> View:
    machine, _, point = FAULTY.partition("/")
    named = {"machine": machine, "point": point} | chosen
    return view_of(dashboard, influxdb, interval_ms, BEGIN_MS, **named)


def on_the_old_point(
    dashboard: Json, influxdb: InfluxDatabase, interval_ms: int, span: str = "hour"
) -> View:
    machine, _, point = OLD.partition("/")
    return view_of(
        dashboard, influxdb, interval_ms, OLD_MS, machine=machine, point=point, span=span
    )


def view_for(dashboard: Json, influxdb: InfluxDatabase, interval_ms: int = 1000) -> View:
    if dashboard["uid"] == "camshaft-point":
        return on_the_faulty_point(dashboard, influxdb, interval_ms)
    if dashboard["uid"] == "camshaft-trend":
        return on_the_old_point(dashboard, influxdb, interval_ms)
    return view_of(dashboard, influxdb, interval_ms)


# -- the files ------------------------------------------------------------------------------------


def test_the_files_are_up_to_date() -> None:
    for name, text in generate.files().items():
        found = (generate.FOLDER / name).read_text(encoding="utf-8")
        assert found == text, (
            f"{name} is not what `python -m deploy.grafana.generate` writes"
        )


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_dashboards_fit_grafanas_schema(uid: str) -> None:
    checker = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text()))
    assert [error.message for error in checker.iter_errors(DASHBOARDS[uid])] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schemaVersion",), "39"),
        (("panels", 3, "options", "showValue"), "sometimes"),
        (("panels", 3, "options", "nonsense"), 1),
        (("panels", 1, "fieldConfig", "defaults", "custom", "lineWidth"), "thick"),
        (("panels", 0, "type"), "graph"),
        (("templating", "list", 0, "refresh"), 9),
    ],
)
def test_the_schema_refuses_what_grafana_has_not(
    path: Sequence[Any], value: object
) -> None:
    broken = json.loads(json.dumps(DASHBOARDS["camshaft-point"]))
    part = broken
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    assert not jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).is_valid(broken)


def test_ids_and_places_are_unique() -> None:
    for dashboard in DASHBOARDS.values():
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(set(ids)) == len(ids)
        cells = [
            (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
            for panel in dashboard["panels"]
            for x in range(panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["h"])
        ]
        assert len(set(cells)) == len(cells)


def test_links_lead_to_dashboards_that_exist() -> None:
    text = json.dumps(list(DASHBOARDS.values()))
    for part in text.split("/d/")[1:]:
        assert part.startswith(tuple(DASHBOARDS))


def test_links_to_the_live_page_use_its_default_address() -> None:
    page = PageSettings()
    for dashboard in DASHBOARDS.values():
        (variable,) = (
            one for one in dashboard["templating"]["list"] if one["name"] == "live_page"
        )
        assert variable["query"] == f"http://{page.host}:{page.port}"
        assert any(link["url"].startswith("${live_page}") for link in dashboard["links"])


def test_no_secret_is_written_down() -> None:
    source = yaml.safe_load(
        (generate.FOLDER / "provisioning/datasources/camshaft.yaml").read_text()
    )
    (found,) = source["datasources"]
    assert found["secureJsonData"] == {"httpHeaderValue1": "Token $CAMSHAFT_INFLUX_TOKEN"}


# -- the queries ----------------------------------------------------------------------------------


@pytest.mark.parametrize("interval_ms", [1000, 20_000])
@pytest.mark.parametrize("case", PANELS, ids=panel_id)
def test_every_panel_query_returns_rows_of_the_right_shape(
    case: tuple[Json, Json], interval_ms: int, filled: InfluxDatabase
) -> None:
    dashboard, panel = case
    view = view_for(dashboard, filled, interval_ms)
    for target in panel["targets"]:
        influxql = view.fill_in(target["query"])
        assert "$" not in influxql.replace("$/", "").replace(r"\$", ""), (
            f"a variable is left over: {influxql}"
        )
        series = filled.query(influxql)
        assert series, f"nothing found: {influxql}"
        CHECKS[panel["type"]](panel, target, view, series)


def check_heatmap(panel: Json, target: Json, view: View, series: Any) -> None:
    rows = heatmap_rows(transformed(panel, frames(target, series)))
    assert len({row.name for row in rows}) == len(rows) >= 3
    times = rows[0].times_ms
    assert all(row.times_ms == times for row in rows), "rows on different times"
    assert set(np.diff(times)) == {view.interval_ms}, "not a regular grid of time"
    assert any(value is not None for row in rows for value in row.values)


def check_lines(panel: Json, target: Json, view: View, series: Any) -> None:
    for frame in frames(target, series):
        assert not {"$col", "$tag_machine", "$tag_point"} & set(frame.name.split()), (
            "an alias was not filled in"
        )
        assert all(isinstance(value, int | float) for value in frame.values)


def check_states(panel: Json, target: Json, view: View, series: Any) -> None:
    found = frames(target, series)
    known = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    assert {str(value) for frame in found for value in frame.values} <= set(known)
    assert len({frame.name for frame in found}) == len(found)


def check_number(panel: Json, target: Json, view: View, series: Any) -> None:
    (frame,) = frames(target, series)
    assert len(frame.values) == 1
    assert isinstance(frame.values[0], int | float)


def check_table(panel: Json, target: Json, view: View, series: Any) -> None:
    assert target["resultFormat"] == "table"
    assert sum(len(one.values) for one in series) >= 1
    for override in panel["fieldConfig"]["overrides"]:
        name = override["matcher"]["options"]
        assert name in series[0].columns or name == "status", f"no column {name}"


CHECKS = {
    "heatmap": check_heatmap,
    "timeseries": check_lines,
    "state-timeline": check_states,
    "stat": check_number,
    "table": check_table,
}


@pytest.mark.parametrize("case", VARIABLES, ids=panel_id)
def test_every_variable_offers_something(
    case: tuple[Json, Json], filled: InfluxDatabase
) -> None:
    dashboard, variable = case
    found = choices(variable, view_for(dashboard, filled), filled)
    assert found
    if variable["name"].startswith(("model_", "column_")):
        assert all(value.isdecimal() for value in found)


@pytest.mark.parametrize("case", ANNOTATIONS, ids=panel_id)
def test_every_annotation_has_time_text_and_kind(
    case: tuple[Json, Json], filled: InfluxDatabase
) -> None:
    dashboard, mark = case
    (series,) = filled.query(view_for(dashboard, filled).fill_in(mark["target"]["query"]))
    assert series.columns == [
        "time",
        mark["target"]["textColumn"],
        mark["target"]["tagsColumn"],
    ]
    assert all(series.column("text"))


def test_the_map_query_gives_the_journals_map_back(
    filled: InfluxDatabase, journal_path: Path
) -> None:
    """Each cell of the heatmap, at the finest grid of time and within one model, is a cell of the
    journal's map.
    """
    panel = next(panel for _, panel in PANELS if panel["title"].startswith("Why"))
    (target,) = panel["targets"]
    for model, grid in (("0123abcd", GRID), ("second", OTHER_GRID)):
        view = on_the_faulty_point(DASHBOARDS["camshaft-point"], filled, model=model)
        interval = view.fill_in(panel["interval"])
        assert interval == f"0{round(grid.t_edges_s[1] * 1000)}ms"
        view = replace(view, interval_ms=int(interval.removesuffix("ms")))
        rows = heatmap_rows(
            transformed(panel, frames(target, filled.query(view.fill_in(target["query"]))))
        )
        shown = {
            (row.name, time_ms): value
            for row in rows
            for time_ms, value in zip(row.times_ms, row.values, strict=True)
            if value is not None
        }
        expected: dict[tuple[float, int], int] = {}
        for verdict in (row.verdict for row in JournalReader(journal_path).rows(FAULTY)):
            if verdict.model_id == model:
                expected |= expected_cells(verdict)
        names = {f"{float(name):g}" for name in band_names(grid.f_edges_hz)}
        assert {f"{float(row.name):g}" for row in rows} == names
        assert {
            (float(name), time_ms): value for (name, time_ms), value in shown.items()
        } == expected


def expected_cells(verdict: Verdict) -> dict[tuple[float, int], int]:
    """The journal's map as the database should hold it: band, end of column in ms, 1/10,000 of a
    logit.
    """
    assert verdict.grid is not None
    assert map_of(verdict) is not None
    cells = whole_cells(map_of(verdict), (score_of(verdict) or 0) - (bias_of(verdict) or 0))
    assert cells is not None
    return {
        (float(name), verdict.start_ns // 10**6 + round(end_s * 1000)): int(cells[f, t])
        for f, name in enumerate(band_names(verdict.grid.f_edges_hz))
        for t, end_s in enumerate(verdict.grid.t_edges_s[1:])
    }


@pytest.mark.parametrize("span", ["ten_minutes", "hour"])
def test_the_trend_query_gives_the_mean_of_all_windows(
    span: str, filled: InfluxDatabase, journal_path: Path
) -> None:
    """Over the whole range, whichever rows are asked: a row that holds more windows counts more."""
    dashboard = DASHBOARDS["camshaft-trend"]
    panel = next(one for one in dashboard["panels"] if one["title"] == "P(NG)")
    target = next(one for one in panel["targets"] if one.get("alias") == "mean")
    view = on_the_old_point(dashboard, filled, END_MS, span=span)
    (series,) = filled.query(view.fill_in(target["query"]))
    rows = JournalReader(journal_path).rows(OLD)
    expected = np.mean([row.verdict.probability or 0.0 for row in rows])
    (mean,) = series.values[0][1:]
    assert mean == pytest.approx(expected, rel=1e-5)


def test_a_point_shows_its_own_models_bands_alone(filled: InfluxDatabase) -> None:
    """Other models write other fields into the same measurement;
    their bands would be empty rows.
    """
    panel = next(panel for _, panel in PANELS if panel["title"].startswith("Why"))
    (target,) = panel["targets"]
    for model, grid in (("$__all", OTHER_GRID), ("0123abcd", GRID), ("second", OTHER_GRID)):
        view = on_the_faulty_point(DASHBOARDS["camshaft-point"], filled, model=model)
        rows = transformed(
            panel, frames(target, filled.query(view.fill_in(target["query"])))
        )
        assert {row.name for row in rows} == {
            name.lstrip("0") for name in band_names(grid.f_edges_hz)
        }


def test_an_empty_range_breaks_no_query(filled: InfluxDatabase) -> None:
    """Before the first window there is nothing to show, and no error either."""
    dashboard = DASHBOARDS["camshaft-point"]
    empty = {name: "" for name in ("model_from", "model_until", "column_ms", "bands")}
    view = View(
        0,
        1000,
        100,
        {"machine": "no", "point": "such", "model": "", "live_page": "", **empty},
        {},
    )
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            assert filled.query(view.fill_in(target["query"])) == []


@pytest.mark.parametrize(
    ("uid", "fires"),
    [
        ("alarm-raised", {FAULTY, BEHIND, AHEAD}),
        ("ng-share", {FAULTY}),
        ("sensor-silent", {SILENT}),
        ("bad-data", {BAD}),
        ("heartbeat-stale", set()),
        ("backlog-growing", {"plant-1"}),
        ("alarm-not-shown", {BEHIND, AHEAD}),
        ("windows-missing", {BEHIND, AHEAD}),
        ("rows-rejected", {"plant-1"}),
    ],
)
def test_alerts_fire_where_they_should(
    uid: str, fires: set[str], filled: InfluxDatabase
) -> None:
    rule = next(rule for rule in RULES if rule["uid"] == f"camshaft-{uid}")
    reduced = newest_values(rule, filled, END_MS)
    assert all(reduced.values()), "a query of this rule finds nothing"
    assert {"/".join(key) for key in firing(rule, reduced)} == fires


@pytest.mark.parametrize(
    ("uid", "fires"),
    [
        ("alarm-raised", {FAULTY, BEHIND, AHEAD}),
        ("sensor-silent", {SILENT}),
        ("alarm-not-shown", {FAULTY, BEHIND, AHEAD}),
        ("windows-missing", set(POINTS)),
        ("rows-rejected", {"plant-1"}),
    ],
)
def test_alerts_fire_where_every_verdict_was_refused(
    uid: str, fires: set[str], journal_path: Path, influxdb: InfluxDatabase
) -> None:
    """All six rules were green: no data of a point was taken for OK."""
    cursor = Cursor(journal_path, "no verdicts", ("health",))
    rows = cursor.pending(10_000)
    cursor.close()
    lines = [line for row in rows for line in lines_for("plant-1", "all")(row)]
    assert influxdb.write("\n".join(lines).encode()) == (204, "")
    rule = next(rule for rule in RULES if rule["uid"] == f"camshaft-{uid}")
    reduced = newest_values(rule, influxdb, END_MS)
    assert {unquote("/".join(key)) for key in firing(rule, reduced)} == fires


def test_no_point_at_all_is_an_alert_of_its_own() -> None:
    about_points = [rule for rule in RULES if "monitor_point" in json.dumps(rule)]
    assert len(about_points) == 4
    assert {rule["noDataState"] for rule in about_points} == {"NoData"}


def test_a_stopped_service_is_noticed(filled: InfluxDatabase) -> None:
    rule = next(rule for rule in RULES if rule["uid"] == "camshaft-heartbeat-stale")
    assert firing(rule, newest_values(rule, filled, END_MS + 150_000)) == {("plant-1",)}
    assert rule["noDataState"] == "Alerting"


def test_every_query_was_run(
    filled: InfluxDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counts what the tests above run: nothing that queries is left out."""
    n_panel = sum(len(panel["targets"]) for _, panel in PANELS)
    n_alert = sum(
        step["datasourceUid"] != "__expr__" for rule in RULES for step in rule["data"]
    )
    total = n_panel + len(VARIABLES) + len(ANNOTATIONS) + n_alert
    text = json.dumps(list(DASHBOARDS.values())) + json.dumps(RULES)
    assert text.count('"query": "S') == total
    with capsys.disabled():
        print(
            f"\nGrafana: {total} queries on a real InfluxDB ({n_panel} of panels, {len(VARIABLES)}"
            " of variables,",
            end="",
        )
        print(f" {len(ANNOTATIONS)} of annotations, {n_alert} of alert rules)")
