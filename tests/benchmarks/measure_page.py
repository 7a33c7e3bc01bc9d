# ruff: noqa: F811  (fixtures are names that tests take as arguments)
"""How fast is the live page, what does it cost the service? Measured in a real browser; no time is asserted.

.venv/bin/python -m pytest -s tests/benchmarks/measure_page.py
"""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from monitor.batch import Batch
from monitor.journal import Journal
from monitor.journal_views import JournalViews
from monitor.pipeline import Pipeline
from tests.page_stage import Served, serve, verdict
from tests.signals import configure, messages, noise, rules
from tests.test_page import browser, served, until, window  # noqa: F401  (fixtures)


def test_first_paint(window: Any, served: Served) -> None:
    """The best of three: other tests may have the processor."""
    painted_ms = []
    for _ in range(3):
        window.goto("about:blank")
        window.goto(served.address)
        window.wait_for_selector(".tile")
        painted_ms.append(window.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    print(f"first paint after {min(painted_ms):.0f} ms")


def test_update_lag_with_200_sensors(window: Any, tmp_path: Path) -> None:
    """A window a second each, for some seconds; the lag is measured in the browser's own page."""
    sensors = [f"machine-{i:03}/bearing" for i in range(200)]
    journal = Journal(tmp_path / "camshaft.journal")
    start_ns = time.time_ns()
    journal.commit(Batch(verdicts=[verdict(sensor, 0, start_ns, False) for sensor in sensors]))
    watched = "machine-117/bearing"
    with serve(tmp_path) as served:
        window.goto(served.address)
        until(lambda: window.locator(".tile").count() == 200)
        lags_s = []
        for index in range(1, 5):
            status = index % 2 == 1  # the watched machine turns NG, then OK again
            rows = [verdict(sensor, index, start_ns, status and sensor == watched) for sensor in sensors]
            began_s = time.monotonic()
            journal.commit(Batch(verdicts=rows))
            window.wait_for_selector(f".tile.{'NG' if status else 'OK'}:has-text('machine-117')", timeout=5000)
            lags_s.append(time.monotonic() - began_s)
            time.sleep(max(0.0, 1.0 - lags_s[-1]))
        journal.close()
    print(f"200 sensors: update lag at most {max(lags_s) * 1000:.0f} ms")


def test_speed_of_the_service_with_an_open_page(window: Any, tmp_path: Path) -> None:
    """200 sensors through pipeline and journal, in turns with the page watching and with the page held still.

    Judged by the process's own time, which a busy machine does not falsify; the clock's figure is printed beside it.
    """
    pipeline, journal = Pipeline(rules(configure()), {}, {}, 0.0), Journal(tmp_path / "camshaft.journal")
    (message,) = messages(noise(1000), [1000])
    sent = [replace(message, topic=f"vibration/m{i:03}/p/waveform", properties={}) for i in range(200)]
    speeds: dict[str, list[tuple[float, float]]] = {"open": [], "held": []}
    with serve(tmp_path) as served:
        window.goto(served.address)
        for turn in range(16):
            state = "open" if turn % 2 else "held"
            served.process.send_signal(signal.SIGCONT if turn % 2 else signal.SIGSTOP)
            began_s, began_cpu_s = time.monotonic(), time.process_time()
            for _ in range(2):
                pipeline.process(sent, time.time_ns(), 0.0)
                journal.commit(pipeline.take_batch(False))
            speeds[state].append((400 / (time.process_time() - began_cpu_s), 400 / (time.monotonic() - began_s)))
        served.process.send_signal(signal.SIGCONT)
    journal.close()
    assert JournalViews(tmp_path / "camshaft.journal").last_row_id() == 16 * 400
    ratios = [median(one[k] for one in speeds["open"]) / median(one[k] for one in speeds["held"]) for k in (0, 1)]
    print(f"with an open page: {ratios[0]:.1%} of the speed by the process's time, {ratios[1]:.1%} by the clock")
