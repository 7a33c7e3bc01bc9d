"""Case d35-unicode-names: names in any script stand once and readable, wherever names are shown."""

from __future__ import annotations

import time
from html import escape
from pathlib import Path

import pytest

from monitor.commands.status import summary
from monitor.commands.status_text import render
from monitor.journal.reader import JournalReader
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.outputs.influx.line_protocol import verdict_lines
from monitor.pipeline.pipeline import Pipeline
from monitor.report.findings import gather
from monitor.report.html import page
from tests.browser import chromium
from tests.page_stage import serve
from tests.servers.influx import InfluxDatabase
from tests.signals import START_NS, configure, messages, noise, rules

NAMES = [
    "Förderband/Lager",
    "加工中心/主轴",
    "Мельница/подшипник",
    'Presse "7", links/Motor 1 & 2',
    "Säge?a=b&c=d/100 %",
    "مضخة/محمل",
]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Three windows of each, as they come over MQTT."""
    path = tmp_path / "camshaft.journal"
    pipeline, writer = Pipeline(rules(configure()), {}, {}, 0.0), Journal(path)
    for number, name in enumerate(NAMES):
        sent = messages(noise(3013), [1307, 1706], name, first_packet=1 + 10 * number)
        pipeline.process(sent, START_NS, 0.0)
    writer.commit(pipeline.take_batch(True))
    writer.store_health(time.time_ns(), {"windows_per_s": 1.0, "broker_connected": True})
    writer.close()
    return path


def test_status_and_report_tell_each_name_once(journal: Path) -> None:
    reader, views = JournalReader(journal), JournalViews(journal)
    assert sorted(reader.counts()) == sorted(NAMES)
    lines = render(summary(reader, [], time.time_ns())).splitlines()
    for name in NAMES:
        assert len([line for line in lines if line.startswith(name)]) == 1
        text = page(gather(views, "plant-1", name, 0, 2**62), time.time_ns())
        assert f"<h1>{escape(name.replace('/', ' · '))}</h1>" in text


def test_influxdb_gives_each_name_back(journal: Path, influxdb: InfluxDatabase) -> None:
    rows = JournalReader(journal).rows()
    lines = [line for row in rows for line in verdict_lines(row.verdict, maps=False)]
    assert influxdb.write("\n".join(lines).encode()) == (204, "")
    found = influxdb.query("SELECT severity FROM vibration_verdict GROUP BY machine, point")
    assert sorted("/".join(one.tags.values()) for one in found) == sorted(NAMES)


def test_the_page_shows_each_name_once_and_finds_its_point(journal: Path) -> None:
    with serve(journal.parent) as served, chromium() as browser:
        window = browser.new_page()
        window.goto(served.address)
        window.wait_for_selector(".tile")
        shown = window.locator(".tile").all_inner_texts()
        assert len(shown) == len(NAMES)
        for name in NAMES:
            machine, point = name.split("/")
            assert len([text for text in shown if machine in text and point in text]) == 1
            window.goto(f"{served.address}/#/")
            window.locator(".tile", has_text=machine).click()
            window.wait_for_url("**/#/point/**")
            for part in (machine, point):
                title = "name => document.querySelector('main h1').innerText.includes(name)"
                window.wait_for_function(title, arg=part)
