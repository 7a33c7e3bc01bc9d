"""The commands as a person types them, on a small plant, from recordings to a model in service and
back.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import yaml

from monitor.evidence.model_folder import load_model_manifest
from monitor.recordings.manifest import RecordingSet
from tests.training.conftest import write_plant
from tests.training.networks import each, untrained
from training.cli import main
from training.dataset import Dataset
from training.network import keras
from training.network_fit import Tick
from training.peers import TRAINED
from training.recipe import Recipe
from training.registry import in_service

SIMPLE = {"raw RMS", "crest factor", "kurtosis", "band distance"}


@pytest.fixture(scope="module")
def report(
    plant: RecordingSet, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("report") / "report"
    arguments = [str(model_folder), str(plant.path), "--out", str(folder), "--windows", "6"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "training.evaluate.fit_each", each(untrained)
        )  # of the leaky figure, a contrast
        assert main(["evaluate", *arguments]) == 0
    return folder


def test_fit_makes_a_model_without_the_held_out_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[tuple[set[str], int, int]] = []

    def noted(train: Dataset, recipe: Recipe, tick: Tick | None) -> keras.Model:
        fitted.append((set(train.column("machine")), recipe.n_members, recipe.n_epochs))
        return untrained(train, recipe)

    monkeypatch.setattr("training.fit.fit_each", each(noted))
    manifest = write_plant(tmp_path, n_runs=2, windows=1)
    out = tmp_path / "model"
    arguments = [
        "--holdout",
        "machine=M1",
        "--members",
        "1",
        "--epochs",
        "2",
        "--name",
        "mine",
    ]
    assert main(["fit", str(manifest), "--out", str(out), *arguments]) == 0
    model = load_model_manifest(out)
    first, few, *scores, last = capsys.readouterr().out.splitlines()
    assert (
        first == "Out of fold, by networks and peers that never saw the group they judge:"
    )
    assert few.startswith("Few runs are judged, 4 healthy and 4 faulty: under 8 of a class")
    names = {line.split("  ")[0].strip() for line in scores}
    assert names == {"network", "novelty", "status", *TRAINED, *SIMPLE}
    assert all("status is better by" in line for line in scores[3:])
    assert last == f"mine {model.id} -> {out}"
    assert model.training["machines"] == ["M0", "M2"]
    assert fitted[-1] == ({"M0", "M2"}, 1, 2)
    assert all("M1" not in machines for machines, *_ in fitted)
    # Not over what is there.
    assert main(["fit", str(manifest), "--out", str(out), *arguments]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_report_judges_only_runs_that_the_model_never_saw(report: Path) -> None:
    tree = json.loads((report / "report.json").read_text())
    said = "on runs that it never saw. Few runs are judged, 4 healthy and 4 faulty:"
    assert said in tree["kind"]
    assert list(tree["by_column"]["machine"]) == ["M2"]
    # Two of four healthy runs commission the sensor.
    assert tree["windows"] == {
        "ok": 6,
        "ng": 12,
        "runs": 6,
    }
    assert tree["evidence"]["network"]["auc"]["value"] > 0.95
    assert set(tree["evidence"]) == {
        "network",
        "novelty",
        "status",
        *TRAINED,
        *SIMPLE,
    }
    assert set(tree["evidence_on_all_windows"]) == {
        "network",
        *TRAINED,
        *(SIMPLE - {"band distance"}),
    }
    assert "flatters" in tree["leaky"]["warning"]
    assert tree["runs_on_both_sides"] == []


def test_the_map_figures_of_a_report(report: Path) -> None:
    maps = json.loads((report / "report.json").read_text())["maps"]
    exact, usual = maps["figures"]["exact map"], maps["figures"]["Grad-CAM"]
    assert exact["additivity_residual"]["max"] < 1e-4 < usual["additivity_residual"]["max"]
    assert exact["deletion"]["named"][-1] > exact["deletion"]["random"][-1]
    assert exact["deletion"]["named"][0] == 0
    assert set(maps["receptive_field"]) == {"hz", "s"}


def test_the_page_stands_alone(report: Path) -> None:
    page = (report / "report.html").read_text()
    assert 'src="data:image/png;base64,' in page
    assert "http" not in page.replace("http-equiv", "")
    assert "Leaky, for contrast only" in page


def test_a_model_that_saw_everything_is_not_judged_on_it(
    plant: RecordingSet,
    model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen = tmp_path / "seen.csv"
    lines = (plant.path.parent / "recordings.csv").read_text().splitlines()
    seen.write_text("\n".join(line for line in lines if ",M2," not in line) + "\n")
    tree = yaml.safe_load(plant.path.read_text())
    (tmp_path / "seen.yaml").write_text(
        yaml.safe_dump({**tree, "table": str(seen), "root": str(plant.path.parent)})
    )
    assert (
        main(
            [
                "evaluate",
                str(model_folder),
                str(tmp_path / "seen.yaml"),
                "--out",
                str(tmp_path / "r"),
            ]
        )
        == 1
    )
    assert (
        "learned from every labelled run of these recordings: nothing unseen is left"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "r").exists()


def test_inspect_counts_and_finds_nothing_wrong(
    plant: RecordingSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(plant.path), "--out", str(tmp_path / "plant.png")]) == 0
    said = capsys.readouterr().out
    assert "M0" in said
    assert "warning" not in said
    assert (tmp_path / "plant.png").read_bytes().startswith(b"\x89PNG")


def test_calibrate_states_rate_and_assumption(
    plant: RecordingSet,
    model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["calibrate", str(model_folder), str(plant.path), "--windows", "9"]
    assert main([*arguments, "--rate", "0.3", "--out", str(tmp_path / "t.json")]) == 0
    said = capsys.readouterr().out
    assert "M2/spindle: logit threshold" in said
    assert (
        "0.3 false alarms per window, from 9 windows of 3 runs; on 3 others: network 0.300 ("
        in said
    )
    assert "Assumes that later runs of a sensor are like the commissioned ones" in said
    assert len(json.loads((tmp_path / "t.json").read_text())["sensors"]) == 3
    assert main([*arguments, "--rate", "0.1"]) == 2
    assert "3 runs can show no less than 0.25; 9 runs are needed" in capsys.readouterr().err


def test_score_writes_a_row_for_each_window(
    plant: RecordingSet,
    model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "verdicts.parquet"
    assert (
        main(["score", str(plant.path), "--model", str(model_folder), "--out", str(out)])
        == 0
    )
    assert "72 windows: " in capsys.readouterr().out
    rows = pyarrow.parquet.read_table(out).to_pylist()
    manifest = load_model_manifest(model_folder)
    for row in rows:
        assert abs(sum(row["contribution"]) + manifest.head.bias - row["logit"]) < 1e-3
        assert (row["status"] == "NG") == (row["logit"] > manifest.threshold)
    assert [row["first_sample"] for row in rows[:3]] == [0, 2000, 4000]


def promote(model: Path, report: Path, models: Path) -> int:
    places = ["--report", str(report), "--models-folder", str(models)]
    return main(["promote", str(model), *places])


def test_a_model_comes_into_service_by_its_report_and_goes_again(
    model_folder: Path, report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = tmp_path / "models"
    assert promote(model_folder, report, models) == 0
    assert in_service(models, "plant") == load_model_manifest(model_folder).id
    assert main(["rollback", "plant", "--models-folder", str(models)]) == 2
    assert "no model was in service before" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (
            {"runs_on_both_sides": ["M0/spindle/M0-1"]},
            "refused: no leak: 1 runs stand in training and test",
        ),
        ({"runs_on_both_sides": None}, "refused: no leak: the report does not say"),
        ({"maps": {}}, "refused: truth of maps: the report has no figures on its maps"),
        ({"against_peers": None}, "refused: simple peers: the report has no simple peers"),
    ],
)
def test_no_promotion_past_a_gate(
    change: dict[str, object],
    refusal: str,
    model_folder: Path,
    report: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tree = json.loads((report / "report.json").read_text())
    (tmp_path / "report.json").write_text(json.dumps({**tree, **change}))
    models = tmp_path / "models"
    assert promote(model_folder, tmp_path, models) == 1
    assert refusal in capsys.readouterr().out
    assert in_service(models, "plant") is None


def test_a_report_of_another_model_is_refused(
    model_folder: Path, report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = json.loads((report / "report.json").read_text())
    (tmp_path / "report.json").write_text(json.dumps({**tree, "model": {"id": "other"}}))
    assert promote(model_folder, tmp_path, tmp_path / "m") == 2
    assert "the report is of model other" in capsys.readouterr().err


def test_a_report_that_lacks_a_figure_is_one_sentence(
    model_folder: Path, report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = json.loads((report / "report.json").read_text())
    del tree["maps"]["figures"]["exact map"]["deletion"]["more_than_random"]["low"]
    (tmp_path / "report.json").write_text(json.dumps(tree))
    assert promote(model_folder, tmp_path, tmp_path / "m") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "maps.figures.exact map.deletion.more_than_random.low is missing" in said


@pytest.mark.parametrize(
    "command", [["fit", "absent.yaml", "--out", "x"], ["inspect", "absent.yaml"]]
)
def test_a_missing_manifest_is_one_line(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 2
    assert (
        capsys.readouterr().err
        == "camshaft-train: absent.yaml cannot be read: No such file or directory.\n"
    )


def test_inspect_warns_of_what_gives_the_label_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    rows = ["path,label,machine,group"]
    for i in range(24):
        label = "ng" if i % 2 else "ok"
        signal = (
            np.round(random.normal(size=500) * 50)
            if label == "ok"
            else random.normal(size=400) + 5.0
        )
        np.save(
            tmp_path / f"{i}.npy", signal.astype("int16" if label == "ok" else "float64")
        )
        rows.append(f"{i}.npy,{label},M,g{i // 4}")
    np.save(tmp_path / "flat.npy", np.ones(500, "int16"))
    (tmp_path / "recordings.csv").write_text(
        "\n".join([*rows, "flat.npy,unlabelled,M,g9"]) + "\n"
    )
    (tmp_path / "m.yaml").write_text(
        "name: leaky\nfiles: {format: npy, sample_rate_hz: 1000}\n"
    )
    assert main(["inspect", str(tmp_path / "m.yaml")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for warning in (
        (
            "the number type differs between the classes and may give the label away: ok has int16;"
            " ng has float64"
        ),
        "the length differs between the classes",
        "6 runs, 'M/main/g0' the first, have both labels",
        "level of a alone separates the classes",
        "1 recordings, the first in row 26 (flat.npy), is constant in a channel",
    ):
        assert warning in said
