"""The demo on real recordings: labels find their windows, and all of M02 goes through a real broker
and service.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from monitor.cli import main
from monitor.demo.recorded import choose_model, window_labels
from monitor.demo.stage import DemoError, camshaft
from monitor.recordings.manifest import load_manifest
from monitor.recordings.recording import Label
from monitor.records.verdict import Status, Verdict
from tests.paths import ROOT

BOSCH = ROOT / "training" / "manifests" / "bosch-cnc.yaml"
PLAYED: list[tuple[int, Label]] = [
    (0, "ok"),
    (10, "ok"),
    (20, "ng"),
    (30, "unlabelled"),
    (40, "ng"),
]


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "label"),
    [
        (0, 10, "ok"),
        (5, 20, "ok"),
        (0, 21, "unlabelled"),
        (20, 30, "ng"),
        (25, 31, "unlabelled"),
        (41, 90, "ng"),
    ],
)
def test_a_window_has_the_label_of_all_its_messages(
    start_ns: int, end_ns: int, label: Label
) -> None:
    window = Verdict("m/p", 0, 0, 10, start_ns, end_ns, Status.OK)
    assert window_labels([window], PLAYED) == [label]


def test_recordings_that_no_bundled_model_fits_ask_for_one(tmp_path: Path) -> None:
    (tmp_path / "a.npy").touch()
    manifest = tmp_path / "odd.yaml"
    (tmp_path / "recordings.csv").write_text("path,label,machine,point\na.npy,ok,m,p\n")
    manifest.write_text("name: odd\nfiles: {format: npy, sample_rate_hz: 123}\n")
    with pytest.raises(
        DemoError,
        match=r"No bundled model is made for 123 Hz and 1 channels as odd has: name one",
    ):
        choose_model(load_manifest(manifest), None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--recordings", "x.yaml", "--seconds", "30"],
            "--seconds = 30: goes with simulated machines only",
        ),
        (["--model", "x"], "--model = x: goes with --recordings only."),
        (["--match", "a/*"], "--match = a/*: goes with --recordings only."),
        (["--recordings", "/nowhere/x.yaml"], "/nowhere/x.yaml"),
    ],
)
def test_impossible_arguments_are_refused_in_one_sentence(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1


def test_recordings_are_judged_to_their_end(datasets: Path) -> None:
    """Every window of M02 has a verdict, nothing is dropped, and the maps add up."""
    windows = [r for r in load_manifest(BOSCH).recordings if r.machine == "M02"]
    command = camshaft("demo", "--recordings", BOSCH, "--match", "M02/*", "--json")
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = json.loads(ran.stdout.splitlines()[-1])
    assert figures["windows"] == figures["ok"] + figures["ng"] == len(windows)
    assert figures["bad_data"] == figures["dropped"] == 0
    assert figures["max_residual"] < 1e-3
    assert sum(figures["by_label"].values()) == len(windows)
    # so the accuracy beside it is no test
    assert figures["machines_in_training"] == ["M02"]
