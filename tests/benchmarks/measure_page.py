# ruff: noqa: F811  (fixtures are names that tests take as arguments)
"""How fast is the live page, what does it cost the service? Measured in a real browser; no time is
asserted.

.venv/bin/python -m pytest -s tests/benchmarks/measure_page.py
"""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.pipeline.pipeline import Pipeline
from monitor.records.batch import Batch
from tests.page.test_page import served, until, window  # noqa: F401  (fixtures)
from tests.page_stage import Served, serve, verdict
from tests.signals import configure, messages, noise, rules

PAIRS = 40


def test_first_paint(window: Any, served: Served) -> None:
    """The best of three: other tests may have the processor."""
    painted_ms = []
    for _ in range(3):
        window.goto("about:blank")
        window.goto(served.address)
        window.wait_for_selector(".tile")
        painted_ms.append(
            window.evaluate(
                "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            )
        )
    print(f"first paint after {min(painted_ms):.0f} ms")


def test_update_lag_with_200_sensors(window: Any, tmp_path: Path) -> None:
    """A window a second each, for some seconds; the lag is measured in the browser's own page."""
    sensors = [f"machine-{i:03}/bearing" for i in range(200)]
    journal = Journal(tmp_path / "camshaft.journal")
    start_ns = time.time_ns()
    journal.commit(
        Batch(verdicts=[verdict(sensor, 0, start_ns, False) for sensor in sensors])
    )
    watched = "machine-117/bearing"
    with serve(tmp_path) as served:
        window.goto(served.address)
        until(lambda: window.locator(".tile").count() == 200)
        lags_s = []
        for index in range(1, 5):
            status = index % 2 == 1  # the watched machine turns NG, then OK again
            rows = [
                verdict(sensor, index, start_ns, status and sensor == watched)
                for sensor in sensors
            ]
            began_s = time.monotonic()
            journal.commit(Batch(verdicts=rows))
            window.wait_for_selector(
                f".tile.{'NG' if status else 'OK'}:has-text('machine-117')", timeout=5000
            )
            lags_s.append(time.monotonic() - began_s)
            time.sleep(max(0.0, 1.0 - lags_s[-1]))
        journal.close()
    print(f"200 sensors: update lag at most {max(lags_s) * 1000:.0f} ms")


def test_speed_of_the_service_with_an_open_page(window: Any, tmp_path: Path) -> None:
    """200 sensors through pipeline and journal, in turns with the page watching and with the page
    held still.

    By the clock, and by the process's own time, which a busy machine does not
    falsify: medians of PAIRS neighbouring turns, with the 95 % interval of
    their bootstrap.
    """
    pipeline, journal = (
        Pipeline(rules(configure()), {}, {}, 0.0),
        Journal(tmp_path / "camshaft.journal"),
    )
    (message,) = messages(noise(1000), [1000])
    sent = [
        replace(message, topic=f"vibration/m{i:03}/p/waveform", properties={})
        for i in range(200)
    ]
    spent_s = np.empty((PAIRS, 2, 2))  # pair; held, open; clock, process
    with serve(tmp_path) as served:
        window.goto(served.address)
        for turn in range(2 * PAIRS):
            is_open = turn % 2
            served.process.send_signal(signal.SIGCONT if is_open else signal.SIGSTOP)
            began_s = time.monotonic(), time.process_time()
            for _ in range(2):
                pipeline.process(sent, time.time_ns(), 0.0)
                journal.commit(pipeline.take_batch(False))
            spent_s[turn // 2, is_open] = (
                time.monotonic() - began_s[0],
                time.process_time() - began_s[1],
            )
        served.process.send_signal(signal.SIGCONT)
    journal.close()
    assert JournalViews(tmp_path / "camshaft.journal").last_row_id() == PAIRS * 2 * 400
    for name, ratio in zip(
        ("clock", "process's time"), (spent_s[:, 0] / spent_s[:, 1]).T, strict=True
    ):
        drawn = np.median(np.random.default_rng(0).choice(ratio, (1000, PAIRS)), axis=1)
        low, high = np.percentile(drawn, [2.5, 97.5])
        print(
            f"speed with an open page, by the {name}: {np.median(ratio):.1%} ({low:.1%} to"
            f" {high:.1%})"
        )
