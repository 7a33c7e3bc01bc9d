"""What a plant does first: judge a model on recordings that have nothing to do with its training,
few as they may be. The report says what it could not judge; nothing ends in a
traceback.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import training.evaluate
from monitor.recordings.manifest import RecordingSet
from tests.training.conftest import write_plant
from training.cli import main
from training.peers import TRAINED

Row = dict[str, str]


def elsewhere(folder: Path, keep: Callable[[Row], bool], **changes: str) -> Path:
    """A plant of other machines, of which some recordings are there."""
    path = write_plant(folder, n_machines=2, n_runs=3, windows=3, seed=7)
    header, *lines = (folder / "recordings.csv").read_text().splitlines()
    names = header.split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines]
    for row in rows:
        row["machine"], row["group"] = f"X{row['machine']}", f"X{row['group']}"
    kept = [row | changes for row in rows if keep(row)]
    table = [header, *(",".join(row.values()) for row in kept)]
    (folder / "recordings.csv").write_text("\n".join(table) + "\n")
    return path


@pytest.fixture(autouse=True)
def quick(
    unwritten: None, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """The leaky figure trains three networks, and is the same whatever else there is."""
    if "leaky" not in request.node.name:
        monkeypatch.setattr(training.evaluate, "leaky_figures", lambda *_: None)


def evaluate(
    model: Path, manifest: Path, out: Path, *words: object
) -> tuple[int, dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        code = main(
            ["evaluate", str(model), str(manifest), "--out", str(out), "--windows", "6"]
            + [str(word) for word in words]
        )
    report = out / "report.json"
    return code, json.loads(report.read_text()) if report.exists() else {}


SIMPLE = {"raw RMS", "crest factor", "kurtosis", "band distance"}
NO_PEERS = "No peers were trained"
NO_FAULT = "There are no faulty windows"
NO_HEALTH = "There are no healthy windows"
NO_NOVELTY = "No sensor has the healthy windows that it takes to judge by novelty."
ALL_COMMISSION = "All healthy windows are of runs that commission their sensor"


@pytest.mark.parametrize(
    ("keep", "lacks", "judged"),
    [
        (lambda row: True, {NO_PEERS}, True),
        (lambda row: row["label"] == "ok", {NO_PEERS, NO_FAULT}, False),
        (lambda row: row["label"] == "ng", {NO_PEERS, NO_HEALTH, NO_NOVELTY}, False),
        (lambda row: row["path"] == "m0-0-0.npy", {NO_PEERS, NO_FAULT, NO_NOVELTY}, False),
        (lambda row: row["path"] == "m0-3-0.npy", {NO_PEERS, NO_HEALTH, NO_NOVELTY}, False),
        (
            lambda row: row["path"] in ("m0-0-0.npy", "m0-3-0.npy"),
            {NO_PEERS, NO_NOVELTY},
            True,
        ),
        (
            lambda row: row["group"] in ("XM0-0", "XM0-1", "XM0-3"),
            {NO_PEERS},
            True,
        ),
    ],
    ids=[
        "two machines",
        "healthy alone",
        "faulty alone",
        "one window",
        "one faulty window",
        "two windows",
        "one machine, runs of one label",
    ],
)
def test_recordings_that_share_nothing_with_the_training(
    keep: Callable[[Row], bool],
    lacks: set[str],
    judged: bool,
    model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It ended in the mean of an empty slice, then in linear_sum_assignment of NaN."""
    path = elsewhere(tmp_path, keep)
    code, report = evaluate(model_folder, path, tmp_path / "report")
    assert code == 0
    sentences = (NO_PEERS, NO_FAULT, NO_HEALTH, NO_NOVELTY, ALL_COMMISSION)
    assert {one for one in sentences if one in report["kind"]} == lacks
    assert report["kind"] in capsys.readouterr().out
    assert report["kind"] in (tmp_path / "report" / "report.html").read_text()
    assert set(report["against_peers"]) == SIMPLE  # these need no training
    figure = report["evidence_on_all_windows"]["network"]["auc"]["value"]
    assert (figure is not None) == judged, figure


def test_the_only_healthy_run_commissions(model_folder: Path, tmp_path: Path) -> None:
    """Dashes and a RuntimeWarning were all that it said."""
    path = elsewhere(tmp_path, lambda row: row["group"] in ("XM0-0", "XM0-1", "XM0-3"))
    table = tmp_path / "recordings.csv"  # two healthy runs become one of six windows
    later = {f"m0-1-{part}.npy": str(3 + part) for part in range(3)}
    lines = []
    for line in table.read_text().replace("XM0-1", "XM0-0").splitlines():
        name, *rest = line.split(",")
        lines.append(",".join([name, *rest[:-1], later.get(name, rest[-1])]))
    table.write_text("\n".join(lines) + "\n")
    code, report = evaluate(model_folder, path, tmp_path / "report")
    assert code == 0
    assert ALL_COMMISSION in report["kind"]
    assert report["evidence"]["network"]["auc"]["value"] is None
    assert report["evidence_on_all_windows"]["network"]["auc"]["value"] > 0.9
    assert report["windows"]["ok"] == 0


def test_peers_are_trained_where_it_is_said_on_what(
    plant: RecordingSet, model_folder: Path, tmp_path: Path
) -> None:
    path = elsewhere(tmp_path, lambda row: True)
    code, report = evaluate(model_folder, path, tmp_path / "report", "--train", plant.path)
    assert code == 0
    assert NO_PEERS not in report["kind"]
    assert report["evidence"]["random forest"]["auc"]["value"] > 0.9
    assert set(report["against_peers"]) == {*TRAINED, *SIMPLE}


def test_peers_are_not_trained_on_what_is_judged(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = elsewhere(tmp_path, lambda row: True)
    code, report = evaluate(model_folder, path, tmp_path / "report", "--train", path)
    assert (code, report) == (2, {})
    assert "stands in training and test: such figures flatter" in capsys.readouterr().err


@pytest.mark.parametrize("n", [1, 2])
def test_a_leaky_figure_needs_both_classes_in_each_fold(
    n: int, model_folder: Path, tmp_path: Path
) -> None:
    names = ("m0-0-0.npy", "m0-3-0.npy")[:n]
    path = elsewhere(tmp_path, lambda row: row["path"] in names)
    code, report = evaluate(model_folder, path, tmp_path / "report")
    assert (code, report["leaky"]) == (0, None)


def test_what_is_unlabelled_cannot_be_judged(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = elsewhere(tmp_path, lambda row: True, label="unlabelled")
    code, report = evaluate(model_folder, path, tmp_path / "report")
    assert (code, report) == (2, {})
    assert "none of these recordings is labelled" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["m.yaml", "--leave-out", "machine"], ["simulator"]])
def test_peers_to_train_go_with_new_recordings_alone(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "evaluate",
        "simulator",
        *words,
        "--train",
        "t.yaml",
        "--out",
        str(tmp_path / "r"),
    ]
    assert main(command) == 2
    assert "--train = t.yaml: goes neither with --leave-out nor" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("leave", "only"),
    [
        ("machine", "XM0"),
        ("label", "XM0"),
        ("machine", "ok"),
        ("group", "ok"),
        ("label", "ok"),
    ],
)
def test_too_little_to_leave_out_is_one_sentence(
    leave: str,
    only: str,
    model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = elsewhere(tmp_path, lambda row: only in (row["machine"], row["label"]))
    code, report = evaluate(model_folder, path, tmp_path / "report", "--leave-out", leave)
    assert (code, report) == (2, {})
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("2000", "2500"), "sampled at 2500 Hz, model plant was trained at 2000 Hz"),
        (("[x, y]", "[x, y, z]"), "has 3 channels, model plant needs 2"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [("evaluate", "{model}"), ("calibrate", "{model}"), ("score", "--model", "{model}")],
)
def test_recordings_that_are_not_the_models_kind_are_refused(
    command: tuple[str, ...],
    change: tuple[str, str],
    said: str,
    model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Another rate was taken for the model's."""
    path = elsewhere(tmp_path, lambda row: True)
    path.write_text(path.read_text().replace(*change))
    words = [word.format(model=model_folder) for word in command]
    assert main([*words, str(path), "--out", str(tmp_path / "new")]) == 2
    assert said in capsys.readouterr().err
