"""One broken outer race from MQTT to everyone who is told of it: the same name, and a sum that adds
up, in the journal, InfluxDB, the retained topic, the webhook, the report,
status and the page.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from monitor.cli import main
from monitor.journal.views import JournalViews
from tests.browser import chromium
from tests.integration.test_labels_and_alarms import Panel
from tests.page_stage import serve
from tests.pipeline.test_diagnosing import broken, config, rpm
from tests.servers.influx import InfluxDatabase
from tests.servers.influx_standin import InfluxStandIn
from tests.servers.mosquitto import Mosquitto, wait_until
from tests.servers.service import NEVER_S, Service, influx_part

NAME = "outer race, drive end"
SENTENCE = "outer race, drive end: BPFO at 202"


@contextmanager
def ear() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A receiver of webhooks: its address and what it was sent."""
    heard: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", heard
    finally:
        server.shutdown()
        server.server_close()


def settings(broker: Mosquitto, influx: dict[str, Any], hook: str) -> dict[str, Any]:
    known = config(rpm=rpm(), tolerance=0.01)
    machines = [one.model_dump(mode="json", exclude_unset=True) for one in known.machines]
    return {
        "instance": "plant-1",
        "mqtt": {"port": broker.port, "keep_alive_s": 5},
        "subscriptions": [
            {
                "topic": "v/{machine}/{point}",
                "payload": {"format": "raw", "dtype": "float32"},
            }
        ],
        "sensors": [
            {"sample_rate_hz": 25_600, "model": "simulator", "expected_period_s": NEVER_S}
        ],
        "machines": machines,
        "influx": influx,
        "notifications": {"webhooks": [{"name": "h", "url": hook}]},
        "journal": {"path": "camshaft.journal"},
    }


def send(port: int) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for samples in np.split(broken()[1], 40, axis=1):
        client.publish("v/m/p", samples.tobytes(), 1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def adds_up(short: dict[str, Any]) -> None:
    assert short["named"] == NAME
    total = sum(part["points"] for part in short["parts"])
    assert total == pytest.approx(short["score"], rel=1e-9)


def test_a_named_fault_reaches_everyone(
    broker: Mosquitto,
    influx_standin: InfluxStandIn,
    influxdb: InfluxDatabase,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "service"
    with ear() as (address, heard):
        tree = settings(broker, influx_part(influx_standin.url, tmp_path), address)
        with Service(folder, tree) as service:
            service.start()
            panel = Panel(broker.port)
            send(broker.port)
            wait_until(lambda: heard, 20, "the webhook is told")
            wait_until(lambda: panel.alarms, 10, "the alarm is published")
            events = "SELECT text, kind FROM vibration_event WHERE kind = 'alarm_raised'"
            wait_until(lambda: influxdb.query(events), 20, "InfluxDB has the alarm")
            panel.close()
            assert service.stop()[0] == 0
    adds_up(heard[0]["diagnosis"])
    assert SENTENCE in heard[0]["text"]
    adds_up(panel.alarms["camshaft/plant-1/alarm/m/p"]["diagnosis"])
    (text,) = influxdb.query(events)[0].column("text")
    assert SENTENCE in text
    (series,) = influxdb.query("SELECT crest, kurtosis FROM vibration_condition")
    views = JournalViews(service.journal_path)
    stored = views.indicators(range(1, 5))
    assert series.column("kurtosis") == [stored[row]["kurtosis"] for row in sorted(stored)]
    found = views.diagnosis("m/p")
    assert found is not None
    adds_up(found.short)
    check_report_and_status(service, tmp_path / "report.html", capsys)
    check_page(service)


def check_report_and_status(
    service: Service, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    span = ["--from", "2020-01-01T00:00", "--to", "2100-01-01T00:00"]
    written = [
        "report",
        "--point",
        "m/p",
        *span,
        "--out",
        str(out),
        "-c",
        str(service.config_path),
    ]
    assert main(written) == 0
    report = out.read_text(encoding="utf-8")
    assert SENTENCE in report
    section = report[report.index("What is broken") :]
    table = section[: section.index("</table>")]
    adds = [float(one) for one in re.findall(r'class="number">(-?[\d.]+)</td></tr>', table)]
    assert sum(adds[:-1]) == pytest.approx(adds[-1], abs=0.01 * len(adds))
    capsys.readouterr()
    main(["status", "--json", "-c", str(service.config_path)])
    adds_up(json.loads(capsys.readouterr().out)["sensors"]["m/p"]["diagnosis"])


def check_page(service: Service) -> None:
    with serve(service.folder, config=service.config_path) as served, chromium() as browser:
        page = browser.new_page()
        page.goto(f"{served.address}/#/point/m%2Fp?tab=diagnosis")
        page.wait_for_selector(".diagnosis canvas", timeout=20_000)
        assert SENTENCE in page.locator(".diagnosis").inner_text()
