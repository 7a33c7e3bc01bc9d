"""A kind of evidence that one file registers is judged, stored, sent, drawn and reported.

Nothing in monitor/ knows the toy: if this test needs an edit elsewhere, the
contract is broken.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from monitor.commands.status import summary
from monitor.evidence.base import KINDS, register
from monitor.journal.cursors import Cursor
from monitor.journal.reader import JournalReader
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.outputs.influx.line_protocol import band_names
from monitor.outputs.influx.rows import lines_for
from monitor.outputs.influx.sender import InfluxOutput
from monitor.outputs.runner import Runner
from monitor.pipeline.pipeline import Pipeline
from monitor.records.evidence import Evidence, Grid
from monitor.records.verdict import Status, Verdict
from monitor.report.findings import gather
from monitor.report.html import page
from tests.page_stage import serve
from tests.servers.influx import InfluxDatabase
from tests.servers.influx_standin import InfluxStandIn
from tests.signals import START_NS, configure, messages, noise, rules
from tests.toy_evidence import Crest

SENSOR = "m/p"
N_WINDOWS = 8


@pytest.fixture
def crest() -> Iterator[None]:
    """The toy is there for one test."""
    register(Crest())
    yield
    del KINDS[Crest.name]


@pytest.fixture
def journal(crest: None, tmp_path: Path) -> Path:
    """Eight windows of a sensor without model or baseline; the last four have an impact each."""
    path = tmp_path / "camshaft.journal"
    signal = noise(1000 * N_WINDOWS)
    for window in range(4, N_WINDOWS):
        signal[0, 1000 * window + 400] = 40.0
    pipeline = Pipeline(rules(configure()), {}, {}, 0.0)
    pipeline.process(messages(signal, [1000] * N_WINDOWS, SENSOR), START_NS, 0.0)
    book = Journal(path)
    book.commit(pipeline.take_batch(True))
    book.close()
    return path


def toy(verdict: Verdict) -> Evidence:
    found = verdict.of_kind("crest")
    assert found is not None
    return found


def newest(journal: Path) -> tuple[int, Verdict, Grid]:
    row = list(JournalReader(journal).rows())[-1]
    assert row.verdict.grid is not None
    return row.row_id, row.verdict, row.verdict.grid


def test_it_is_judged_and_stored(journal: Path) -> None:
    verdicts = [row.verdict for row in JournalReader(journal).rows()]
    assert [v.status for v in verdicts] == [Status.OK] * 4 + [Status.NG] * 4
    assert {v.reason for v in verdicts[4:]} == {"crest"}
    assert verdicts[-1].alarm == "raised"
    for verdict in verdicts:
        found = toy(verdict)
        assert float(found.cells.sum(dtype=np.float64)) + found.bias == pytest.approx(
            found.score, abs=1e-5
        )
        assert found.unit == "crest factor"
    assert verdicts[-1].band is not None


def test_it_reaches_a_real_influxdb(
    journal: Path, influxdb: InfluxDatabase, influx_standin: InfluxStandIn, tmp_path: Path
) -> None:
    outbox = Cursor(journal, "influx", InfluxOutput.kinds)
    sender = InfluxOutput(
        influx_standin.settings(tmp_path), lines_for("plant-1", "all"), "plant-1"
    )
    runner = Runner(sender, outbox)
    while outbox.pending(1):
        runner.step(time.monotonic(), 0)
    sender.close()
    _, verdict, grid = newest(journal)
    (found,) = influxdb.query(
        f"SELECT crest, crest_threshold, crest_bias FROM vibration_verdict"
        f" WHERE time = {verdict.end_ns}"
    )
    score = toy(verdict).score
    assert found.values[0][1:] == [pytest.approx(score), 6.0, 1.0]
    first_ns, last_ns = verdict.start_ns, verdict.end_ns
    sums = ", ".join(f'sum("{name}")' for name in band_names(grid.f_edges_hz))
    (cells,) = influxdb.query(
        f"SELECT {sums} FROM vibration_crest WHERE time > {first_ns} AND time <= {last_ns}"
    )
    assert sum(cells.values[0][1:]) == round((score - 1.0) * 10_000)


def test_status_and_report_say_it(journal: Path) -> None:
    _row_id, verdict, _ = newest(journal)
    found = summary(JournalReader(journal), [], time.time_ns())
    assert found["sensors"][SENSOR]["evidence"]["crest"] == {
        "score": pytest.approx(toy(verdict).score),
        "threshold": 6.0,
        "unit": "crest factor",
    }
    text = page(gather(JournalViews(journal), "plant-1", SENSOR, 0, 2**62), time.time_ns())
    assert "4 of 8 windows are NG" in text
    assert "= crest factor +" in text
    assert "above its threshold 6.000" in text


def test_the_page_draws_it(journal: Path, tmp_path: Path, browser: Any) -> None:
    row_id, verdict, _ = newest(journal)
    with serve(tmp_path) as served:
        window = browser.new_page()
        window.goto(f"{served.address}/#/point/{quote(SENSOR, safe='')}/row/{row_id}")
        window.wait_for_selector("#sum")
        row = window.evaluate(
            f"fetch('/api/rows/{row_id}').then((answer) => answer.json())"
        )
        (evidence,) = row["evidence"]
        assert (evidence["kind"], evidence["threshold"]) == ("crest", 6.0)
        assert sum(evidence["bands"]) + evidence["bias"] == pytest.approx(evidence["score"])
        said = window.inner_text("#sum")
        assert "= crest factor +" in said
        assert "above its threshold 6" in said
        reached = float(window.get_attribute("#sum", "data-reached"))
        assert reached == pytest.approx(toy(verdict).score, abs=1e-5)
        assert window.locator(".map canvas").count() > 0
