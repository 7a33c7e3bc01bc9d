"""The whole path on a machine the network never saw: trained on M01, M02 replayed through broker,
service and InfluxDB.

The training is short and of two operations (this is not about accuracy); what counts is that
live, offline and evaluation say the same.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from monitor.commands.play import play
from monitor.config import MqttSettings
from monitor.evidence.model_folder import load_model_manifest
from monitor.recordings.manifest import RecordingSet, load_manifest
from monitor.recordings.replay import PlayOptions
from monitor.records.verdict import Verdict
from tests.integration.conftest import MakeService
from tests.servers.influx import InfluxDatabase
from tests.servers.influx_standin import InfluxStandIn
from tests.servers.mosquitto import Mosquitto
from tests.servers.recording import Recording
from tests.servers.service import RowKey, influx_part
from tests.verdicts import score_of

if TYPE_CHECKING:
    from training.scored_windows import ScoredWindow

pytest.importorskip("tensorflow", reason="training needs TensorFlow (extra: training)")

UNSEEN = "M02/spindle"
OPERATIONS, N_UNSEEN = ("OP01", "OP07"), 69
QUICK = {"n_members": 1, "n_epochs": 2, "n_maps": (4, 6, 6, 8), "mixings": ("mixup",)}
# Keras 3.15 on numpy 2.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)


@pytest.fixture
def recordings(
    datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> RecordingSet:
    monkeypatch.setenv("CAMSHAFT_DATASETS", str(datasets))
    folder, path = datasets / "bosch-cnc", tmp_path / "some.yaml"
    with (folder / "recordings.csv").open(encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    operation = head.index("operation")
    with (tmp_path / "some.csv").open("w", encoding="utf-8") as file:
        some = [row for row in rows if row[operation] in OPERATIONS]
        csv.writer(file).writerows([head, *some])
    tree = yaml.safe_load(Path("training/manifests/bosch-cnc.yaml").read_text("utf-8"))
    path.write_text(yaml.safe_dump({**tree, "table": "some.csv", "root": str(folder)}))
    return load_manifest(path)


@pytest.fixture
def model(recordings: RecordingSet, tmp_path: Path) -> Path:
    """A network that knows M01 only."""
    from training.fit import fit_model, prepare

    train, plan = prepare(str(recordings.path), "m01-only", (("machine", "M02"),), QUICK)
    fit_model(train, plan, tmp_path / "m01-only")
    return tmp_path / "m01-only"


def evaluated_logits(recordings: RecordingSet, model: Path) -> list[float]:
    """What `camshaft-train evaluate` judges by, of M02 in order of its runs and windows."""
    from training.dataset import load_dataset
    from training.evaluate import Job, judge_with_model
    from training.judged_runs import Settings
    from training.provenance import read_provenance

    manifest = load_model_manifest(model)
    recipe = read_provenance(manifest).recipe
    job = Job("", "", manifest, model, recipe, recordings.settings.groups, recordings)
    (judged,) = judge_with_model(
        job, load_dataset(recordings, manifest.settings), Settings()
    )
    data = judged.data
    assert set(data.column("machine")) == {"M02"}
    found = zip(data.run, data.segment, data.first_sample, judged.logit, strict=True)
    return [float(logit) for *_, logit in sorted(found, key=lambda one: one[:3])]


def offline_rows(
    recordings: RecordingSet, model: Path, folder: Path
) -> dict[RowKey, ScoredWindow]:
    """What `camshaft-train score` says of the unseen machine."""
    from tests.training.scored import scored

    return {
        (UNSEEN, row.segment, row.first_sample, row.n_samples): row
        for row in scored(recordings, model, folder)
        if f"{row.machine}/{row.point}" == UNSEEN
    }


def check_influx(influxdb: InfluxDatabase, verdicts: Iterable[Verdict]) -> None:
    (series,) = influxdb.query(
        'SELECT "logit", "status" FROM "vibration_verdict" WHERE "machine" = \'M02\''
    )
    in_order = sorted(verdicts, key=lambda one: one.end_ns)
    assert series.values == [[v.end_ns, score_of(v), str(v.status)] for v in in_order]


def test_live_offline_and_evaluation_say_the_same(
    recordings: RecordingSet,
    model: Path,
    broker: Mosquitto,
    make_service: MakeService,
    influx_standin: InfluxStandIn,
    influxdb: InfluxDatabase,
    tmp_path: Path,
) -> None:
    files = recordings.settings.files
    rule = {
        "sample_rate_hz": files.sample_rate_hz,
        "channels": list(files.channels),
        "model": str(model),
    }
    service = make_service(
        Recording(n_sensors=1, duration_s=1.0),
        commissioned=False,
        sensors=[rule | {"expected_period_s": 3600}],
        influx=influx_part(influx_standin.url, tmp_path),
    )
    service.start()
    report = play(
        recordings, MqttSettings(port=broker.port), PlayOptions(match=UNSEEN, speed=0)
    )
    service.wait(
        lambda: service.reader().books().total("received") == report.n_samples,
        120,
        "everything is taken",
    )
    service.wait_delivered()

    live, offline = service.rows(), offline_rows(recordings, model, tmp_path)
    assert len(live) == N_UNSEEN
    assert live.keys() == offline.keys()
    for key, verdict in live.items():
        assert (verdict.status, verdict.reason) == (
            offline[key].status,
            offline[key].reason,
        )
        assert score_of(verdict) == pytest.approx(offline[key].logit, abs=1e-5)

    evaluated = evaluated_logits(recordings, model)
    by_run = sorted(
        (row.group, *key[1:3], score_of(live[key])) for key, row in offline.items()
    )
    assert [logit for *_, logit in by_run] == pytest.approx(evaluated, abs=1e-5)

    check_influx(influxdb, live.values())
    books = service.check_books()
    assert books.total("dropped") == 0
    assert report.n_messages == books.counters["messages_received"]
