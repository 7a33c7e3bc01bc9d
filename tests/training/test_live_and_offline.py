"""Offline verdicts are the live ones; labels given to live windows come back into training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from monitor.config_file import parse_config
from monitor.evidence.model_folder import load_model_manifest
from monitor.evidence.network import Classifier
from monitor.journal.labels import LabelStore
from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.pipeline.pipeline import Pipeline
from monitor.recordings.manifest import RecordingSet, runs
from monitor.recordings.recording import read
from monitor.records.batch import Batch
from monitor.records.labels import Label, LabelRequest
from monitor.records.signal import Float32
from monitor.settings import ConfigError
from tests.signals import START_NS, messages, rules
from tests.training.conftest import N_WINDOW
from tests.training.networks import each, untrained
from tests.training.retraining import put_in_service, write_retrain
from tests.training.scored import scored
from tests.verdicts import map_of, score_of
from training.cli import main
from training.dataset import NG, OK
from training.labelled_windows import labelled_dataset
from training.registry import in_service


def live(
    model_folder: Path,
    samples: Float32,
    lengths: list[int],
    threshold: float | None = None,
    of: str = "M2/spindle",
) -> Batch:
    """The service's pipeline, fed messages of these lengths."""
    sensor = {
        "sample_rate_hz": 2000,
        "channels": ["x", "y"],
        "model": "given",
        "threshold": threshold,
    }
    raw = {"format": "raw", "dtype": "float32"}
    topic = {"topic": "vibration/{machine}/{point}/waveform", "payload": raw}
    config = parse_config({"subscriptions": [topic], "sensors": [sensor]}, Path("/"))
    pipeline = Pipeline(rules(config, Classifier(model_folder)), {}, {}, 0.0)
    pipeline.process(messages(samples, lengths, of), START_NS, 0.0)
    return pipeline.take_batch(True)


def test_a_recording_gets_the_same_verdicts_live_and_offline(
    plant: RecordingSet, model_folder: Path, tmp_path: Path
) -> None:
    run = next(run for run in runs(plant) if run[0].group == "M2-6")
    samples = np.concatenate([read(one) for one in run], axis=1)
    lengths = [700] * (samples.shape[1] // 700) + [samples.shape[1] % 700]
    verdicts = live(model_folder, samples, lengths).verdicts
    offline = [row for row in scored(plant, model_folder, tmp_path) if row.group == "M2-6"]
    assert len(verdicts) == len(offline) == 3
    for verdict, row in zip(verdicts, offline, strict=True):
        assert (verdict.first_sample, verdict.n_samples) == (
            row.first_sample,
            row.n_samples,
        )
        assert (str(verdict.status), verdict.reason) == (row.status, row.reason)
        assert score_of(verdict) == pytest.approx(row.logit, abs=1e-5)
        assert map_of(verdict) is not None
        assert row.contribution is not None
        np.testing.assert_allclose(map_of(verdict).ravel(), row.contribution, atol=1e-6)
        assert verdict.band is not None
        assert verdict.band.low_hz == row.band_low_hz


@pytest.fixture
def journal(model_folder: Path, tmp_path: Path) -> Path:
    """24 healthy windows that a threshold far too low called NG: 20 labelled false alarms and one
    unclear.
    """
    path = tmp_path / "live.journal"
    samples = np.random.default_rng(9).normal(size=(2, 24 * N_WINDOW)).astype(np.float32)
    store = Journal(path)
    store.commit(live(model_folder, samples, [N_WINDOW] * 24, -1000.0, "M7/spindle"))
    store.close()
    labels = LabelStore(path)
    for row_id in range(1, 21):
        labels.add(
            LabelRequest(
                Label("NG confirmed" if row_id == 20 else "false alarm"), START_NS, row_id
            )
        )
    labels.add(LabelRequest(Label("false alarm"), START_NS, 20))  # the last word holds
    labels.add(LabelRequest(Label("unclear"), START_NS, 21))
    labels.close()
    return path


def test_labelled_windows_become_training_data(journal: Path, model_folder: Path) -> None:
    settings = load_model_manifest(model_folder).settings
    taken = labelled_dataset(journal, settings, 2)
    assert taken.dataset is not None
    assert list(taken.dataset.label) == [OK] * 20
    assert set(taken.dataset.sensor) == {"M7/spindle"}
    assert taken.left_out == {"unclear": 1}
    reader = JournalReader(journal)
    stored = reader.row(1)
    reader.close()
    assert stored is not None
    assert score_of(stored.verdict) == pytest.approx(
        Classifier(model_folder).predict(taken.dataset.psd_db)[0][0], abs=1e-5
    )
    assert labelled_dataset(journal, settings, 3).left_out == {
        "unclear": 1,
        "not the model's window, rate or channels": 20,
    }
    assert NG not in taken.dataset.label


@pytest.mark.usefixtures("unwritten")
def test_retrain_refuses_a_worse_candidate_and_says_why(
    plant: RecordingSet,
    model_folder: Path,
    journal: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    models, old = put_in_service(model_folder, tmp_path)
    monkeypatch.setattr("training.fit.fit_each", each(untrained))
    path = write_retrain(tmp_path, plant, journal, seed=8)
    assert main(["retrain", "-c", str(path)]) == 1
    said = capsys.readouterr().out
    assert "FAILED" in said
    assert "refused; report:" in said
    assert in_service(models, "plant") == old
    (page,) = (models / "plant" / "reports").glob("*/report.html")
    told = "20 labelled windows from the journal; left out: 1 unclear."
    assert told in page.read_text()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"holdout": ["M2"]}, "holdout: 'M2' is not COLUMN=VALUE"),
        ({"holdout": []}, "holdout"),
        ({"jurnal": "x"}, "jurnal: there is no such key"),
    ],
)
def test_a_bad_retrain_file_is_one_sentence(
    change: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    from training.retrain import load_settings

    tree = {
        "name": "plant",
        "manifest": "m.yaml",
        "models_folder": "models",
        "holdout": ["machine=M2"],
        **change,
    }
    (tmp_path / "retrain.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(ConfigError, match=sentence):
        load_settings(tmp_path / "retrain.yaml")
