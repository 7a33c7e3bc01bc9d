"""The whole way: an alarm, a label on the page, a recording, a new model, its name on the page, and
back again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.journal.labels import labelled
from monitor.journal.views import JournalViews
from monitor.recordings.manifest import RecordingSet, load_manifest
from monitor.records.signal import Float32
from tests.browser import chromium
from tests.page_stage import serve
from tests.servers.mosquitto import Mosquitto, needs_mosquitto
from tests.servers.recording import TOPIC, Publisher, make_cut
from tests.servers.service import NEVER_S, Service
from tests.training.conftest import N_WINDOW, RATE_HZ
from tests.training.retraining import put_in_service, write_retrain
from training.cli import main
from training.registry import in_service

SENSOR = "M7/spindle"  # of a machine that is not held out


def faulty(n_windows: int, seed: int) -> Float32:
    """As the plant's faulty runs: noise, and more of it at 300 to 420 Hz. (2, n), m/s²."""
    random = np.random.default_rng(seed)
    signal = random.normal(size=(2, n_windows * N_WINDOW))
    spectrum, hz = (
        np.fft.rfft(random.normal(size=signal.shape)),
        np.fft.rfftfreq(signal.shape[1], 1 / RATE_HZ),
    )
    signal += 2.0 * np.fft.irfft(
        np.where((hz > 300) & (hz < 420), spectrum, 0), signal.shape[1]
    )
    return signal.astype(np.float32)


def play(
    publisher: Publisher, service: Service, n_windows: int, first: int, seed: int
) -> None:
    """Publish windows, and wait until they are judged."""
    for index, window in enumerate(np.split(faulty(n_windows, seed), n_windows, axis=1)):
        publisher.send(make_cut(SENSOR, window, first + index))
    publisher.flush()
    wanted = (first + n_windows) * N_WINDOW
    service.wait(
        lambda: service.reader().books().total("analysed") >= wanted,
        why="the windows are judged",
    )


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 1200, "height": 900})
        opened.set_default_timeout(30_000)
        yield opened


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Service, Publisher]]:
    """The service under the model in tmp_path/models, and who publishes to it."""
    rule = {
        "sample_rate_hz": RATE_HZ,
        "channels": ["x", "y"],
        "model": "plant",
        "expected_period_s": NEVER_S,
        "alarm": {"n": 2, "m": 3},
    }
    topic = {"topic": TOPIC, "payload": {"format": "raw", "dtype": "float32"}}
    with Mosquitto(tmp_path / "broker") as broker, Publisher(broker.port) as publisher:
        settings = {
            "mqtt": {"port": broker.port, "keep_alive_s": 5},
            "subscriptions": [topic],
            "sensors": [rule],
            "models_folder": "models",
            "journal": {"path": "camshaft.journal"},
        }
        with Service(tmp_path, settings) as service:
            yield service, publisher


def label_the_alarm(page: Any, address: str) -> None:
    """As Ann does: from the alarm to its window, "NG confirmed", bearing."""
    page.goto(f"{address}/#/events")
    page.click("li.alarm_raised a")
    page.wait_for_selector("#sum:not(:empty)")
    page.fill("#label-form [name=author]", "Ann")
    page.select_option("#label-form [name=failure_mode]", "bearing")
    page.click("#label-form button:has-text('NG confirmed')")
    page.wait_for_selector(".labels li")


def check_import(journal: Path, folder: Path) -> None:
    """The one labelled window comes out of the journal as a recording."""
    assert len(labelled(journal)) == 1
    assert main(["import-journal", str(journal), "--out", str(folder)]) == 0
    (recording,) = load_manifest(folder / "recordings-2000hz-2ch.yaml").recordings
    assert (recording.sensor, recording.label) == (SENSOR, "ng")


@needs_mosquitto
@pytest.mark.usefixtures("unwritten")
def test_from_an_alarm_to_the_model_that_learned_from_it(
    plant: RecordingSet,
    model_folder: Path,
    tmp_path: Path,
    running: tuple[Service, Publisher],
    page: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    models, old = put_in_service(model_folder, tmp_path)
    service, publisher = running
    config = service.config_path.read_text()
    service.start()
    play(publisher, service, 4, 0, seed=11)
    assert JournalViews(service.journal_path).alarm_events()[SENSOR].kind == "alarm_raised"
    with serve(tmp_path) as served:
        service.config_path.write_text(config)  # serve wrote its own
        label_the_alarm(page, served.address)
        check_import(service.journal_path, tmp_path / "labelled")
        retrain = write_retrain(tmp_path, plant, service.journal_path)
        capsys.readouterr()
        assert main(["retrain", "-c", str(retrain)]) == 0
        said = capsys.readouterr().out
        new = in_service(models, "plant")
        assert new not in (None, old)
        assert said.count("holds") == 4
        assert f"candidate {new}: promoted" in said
        service.reload()
        play(publisher, service, 3, 4, seed=12)
        page.goto(f"{served.address}/#/point/M7%2Fspindle")
        page.wait_for_selector(f".details dd:has-text('{new}')")
    assert main(["rollback", "plant", "--models-folder", str(models)]) == 0
    assert in_service(models, "plant") == old
    service.reload()
    play(publisher, service, 3, 7, seed=13)
    rows = sorted(service.rows().values(), key=lambda verdict: verdict.first_sample)
    # None lost, none twice.
    assert [row.first_sample for row in rows] == [n * N_WINDOW for n in range(10)]
    assert [row.model_id for row in rows] == [old] * 4 + [new] * 3 + [old] * 3
    service.check_books()
    assert service.stop()[0] == 0
