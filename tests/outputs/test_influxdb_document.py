"""docs/influxdb.md names every measurement, tag and field that is written, and no other."""

from __future__ import annotations

import re

from deploy.grafana import dashboards
from monitor.config import MqttSettings
from monitor.health import Latencies, book_fields
from monitor.journal.commissioning import KINDS as COMMISSIONING_KINDS
from monitor.outputs.influx.line_protocol import event_line, point_line, verdict_lines
from monitor.outputs.influx.trend_lines import trend_lines
from monitor.outputs.runner import delivery_fields
from monitor.records.books import Books, RowCounts
from monitor.records.trend import ChangedTrends, TrendRow, band_sums
from monitor.sources.mqtt.client import MqttClient
from tests.paths import ROOT
from tests.servers.strict_line_protocol import Row, parse, type_name
from tests.verdicts import make_verdict

DOCUMENT = (ROOT / "docs" / "influxdb.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", DOCUMENT, re.M | re.S))


def trend_row() -> TrendRow:
    row, verdict = TrendRow(600, 0), make_verdict()
    row.add(1, verdict, band_sums(verdict))
    return row


LINES = [
    *verdict_lines(make_verdict(), maps=True),
    event_line("m/p", "label", 1, "x"),
    point_line("m/p", "NG", True, 1),
    *trend_lines(ChangedTrends("m/p", [trend_row()])),
]
PLACEHOLDERS = {"<status>": "[a-z_]+", "<quantity>": "[a-z0-9_.]+", "<band>": "[0-9.]+"}
KINDS = {
    *(
        "alarm_raised",
        "alarm_cleared",
        "alarm_acknowledged",
        "label",
        "geometry_changed",
        "drift",
        "resend",
    ),
    "novelty_changed",
    "diagnosed",
    "diagnosis_asked",
    *COMMISSIONING_KINDS,
}
ROWS = {row.measurement: row for row in parse("\n".join(LINES))}


def names(text: str) -> set[str]:
    return set(re.findall(r"`([a-z][a-z0-9_]*)`", text))


def first_columns(section: str) -> dict[str, str]:
    """name: the cell right of it, of each row of a section's table."""
    rows = re.findall(r"^\| (`.+?) \| (.+?) \|", section, re.M)
    return {name: right for left, right in rows for name in names(left)}


def test_verdict_fields_and_their_types() -> None:
    written = {
        name: type_name(value) for name, value in ROWS["vibration_verdict"].fields.items()
    }
    assert first_columns(SECTIONS["vibration_verdict"]) == written


def test_point_fields_and_their_types() -> None:
    row = ROWS["monitor_point"]
    written = {name: type_name(value) for name, value in row.fields.items()}
    assert first_columns(SECTIONS["monitor_point"]) == written
    assert set(row.tags) <= names(SECTIONS["monitor_point"])


def test_trend_tags_and_fields() -> None:
    """A field's name is documented with placeholders: each matches some field, and each field one
    of them.
    """
    section, row = SECTIONS["vibration_trend"], ROWS["vibration_trend"]
    described = set()
    for cell in re.findall(r"^\| (`.+?) \|", section, re.M):
        described |= set(re.findall(r"`([a-z0-9_<>]+)`", cell))
    patterns = {name: name for name in described}
    for name in described:
        for holder, pattern in PLACEHOLDERS.items():
            patterns[name] = patterns[name].replace(holder, pattern)
    matched = {
        field: [name for name, one in patterns.items() if re.fullmatch(one, field)]
        for field in row.fields
    }
    assert {field for field, names in matched.items() if not names} == set()
    assert {name for names in matched.values() for name in names} == described
    assert set(row.tags) <= names(section)


def test_every_measurement_is_described() -> None:
    described = set(re.findall(r"(?:vibration|monitor)_\w+", " ".join(SECTIONS)))
    assert described == {*ROWS, "monitor_health", "monitor_probe"}


def test_tags_and_fields_of_quality_and_events() -> None:
    for measurement, optional in (
        ("vibration_quality", {"rate_deviation", "map_residual"}),
        ("vibration_event", KINDS),
    ):
        row: Row = ROWS[measurement]
        assert names(SECTIONS[measurement]) - optional == {*row.tags, *row.fields}


def test_health_fields() -> None:
    documented = first_columns(SECTIONS["monitor_health"]).keys()
    books = Books(
        {},
        {},
        {"windows.OK": 1, "windows.NG": 1, "windows.BAD_DATA": 1},
        {"influx": {"verdict": RowCounts(1, 0, 0)}},
    )
    latencies = Latencies()
    latencies.add([0], 1)
    broker = MqttClient(MqttSettings(), [], lambda message: None, "plant-1").health()
    ours = {*book_fields(books, ["influx"]), *latencies.percentiles(), *delivery_fields([])}
    assert ours | {*broker} <= documented
    queries = " ".join(
        target["query"]
        for panel in dashboards.service()["panels"]
        for target in panel["targets"]
    )
    assert set(re.findall(r'\("(\w+)"\)', queries)) - {"change"} <= documented
