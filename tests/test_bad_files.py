"""Whatever file or folder a command is given, a person gets sentences and never a traceback; and
what is refused is refused before the work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml

import monitor.cli
import training.cli
from monitor.evidence.model_folder import BUNDLED_MODELS
from monitor.recordings.file_settings import FileFormat
from tests.paths import ROOT
from tests.training.conftest import write_plant

PROGRAMS: dict[str, Any] = {"camshaft": monitor.cli, "camshaft-train": training.cli}

CONFIG = (
    "subscriptions: [{topic: 'v/{machine}', payload: {format: raw}}]\n"
    "sensors: [{sample_rate_hz: 1000}]\n"
    "mqtt: {port: 1}\n"
)


def run(program: str, *words: object) -> int:
    try:
        return int(PROGRAMS[program].main([str(word) for word in words]))
    except SystemExit as left:  # argparse
        return int(left.code or 0)


# -- bad files ------------------------------------------------------------------------------------

MAKE: dict[str, Callable[[Path], object]] = {
    "absent": lambda path: None,
    "empty": lambda path: path.write_bytes(b""),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 8),
    "zeros": lambda path: path.write_bytes(bytes(4096)),
    "folder": lambda path: path.mkdir(),
    "below a file": lambda path: path.parent.joinpath("file").write_text("x"),
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "a circle": lambda path: path.symlink_to(path.name),
    "text": lambda path: path.write_text("nothing of the kind\n"),
    "a list": lambda path: path.write_text("- 1\n- 2\n"),
    "wrong types": lambda path: path.write_text(
        "name: 1\nfiles: x\nmqtt: 7\nsensors: {a: 1}\nsubscriptions: no\njournal: []\nid: []\n"
    ),
    "magic of npy": lambda path: path.write_bytes(b"\x93NUMPY\x01\x00" + b"\xff" * 40),
    "magic of SQLite": lambda path: path.write_bytes(b"SQLite format 3\x00" + bytes(4080)),
}


@pytest.fixture(params=MAKE)
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "bad"
    folder.mkdir()
    path = folder / "thing"
    MAKE[request.param](path)
    return folder / "file" / "thing" if request.param == "below a file" else path


def journal_of(bad: Path) -> Path:
    """A good configuration whose journal is the bad thing."""
    path = (
        bad.parents[1] / "journal.yaml"
        if bad.parents[1].is_dir()
        else bad.parents[2] / "j.yaml"
    )
    path.write_text(f"{CONFIG}journal: {{path: '{bad}'}}\n")
    return path


WITH_CONFIG: dict[str, list[str]] = {
    "check-config": [],
    "status": [],
    "commission": ["m/p"],
    "page": [],
    "label": ["1", "unclear", "--author", "Ann"],
    "report": ["--point", "m/p", "--from", "2026-01-01", "--to", "2026-01-02"],
    "record": ["m/main", "--hours", "0.001"],
    "run": [],
    "doctor": ["--wait", "0.01"],
}
TAKES_OUT = {"report": "out.html", "record": "out"}


@pytest.mark.parametrize("command", WITH_CONFIG)
def test_camshaft_with_a_bad_configuration(
    command: str, bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", tmp_path / TAKES_OUT[command]] if command in TAKES_OUT else []
    code = run("camshaft", command, *WITH_CONFIG[command], *out, "-c", bad)
    refused(code, capsys)


@pytest.mark.parametrize("command", ["status", "commission", "label", "report"])
def test_camshaft_with_a_bad_journal(
    command: str, bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", tmp_path / TAKES_OUT[command]] if command in TAKES_OUT else []
    code = run("camshaft", command, *WITH_CONFIG[command], *out, "-c", journal_of(bad))
    refused(code, capsys)


def refused(code: int, capsys: pytest.CaptureFixture[str], *, by: str = "") -> None:
    said = capsys.readouterr()
    words = said.err or said.out  # doctor prints findings
    assert code == 2, words
    assert words.strip()
    assert "Traceback" not in words
    assert "Errno" not in words
    assert by in words
    for line in words.splitlines():
        assert len(line) < 600
        assert line.isprintable()


MACHINES = ROOT / "training" / "manifests" / "machines.yaml"
TRAIN: dict[str, Callable[[Path, Path], list[object]]] = {
    "inspect": lambda bad, out: ["inspect", bad],
    "fit": lambda bad, out: ["fit", bad, "--out", out],
    "evaluate": lambda bad, out: ["evaluate", "simulator", bad, "--out", out],
    "evaluate a model": lambda bad, out: ["evaluate", bad, "simulator", "--out", out],
    "calibrate": lambda bad, out: ["calibrate", "simulator", bad],
    "calibrate a model": lambda bad, out: ["calibrate", bad, "m.yaml"],
    "score": lambda bad, out: [
        *("score", bad, "--model", "simulator", "--jobs", "1", "--out", out)
    ],
    "score by a model": lambda bad, out: ["score", PLANT[0], "--model", bad, "--out", out],
    "diagnose": lambda bad, out: ["diagnose", bad, "--machines", MACHINES, "--out", out],
    "diagnose by machines": lambda bad, out: [
        *("diagnose", PLANT[0], "--machines", bad, "--out", out)
    ],
    "reproduce": lambda bad, out: ["reproduce", bad],
    "import-journal": lambda bad, out: ["import-journal", bad, "--out", out],
    "retrain": lambda bad, out: ["retrain", "-c", bad],
    "promote": lambda bad, out: ["promote", bad, "--report", "r", "--models-folder", out],
    "promote by a report": lambda bad, out: [
        *("promote", BUNDLED_MODELS / "simulator", "--report", bad, "--models-folder", out)
    ],
    "rollback": lambda bad, out: ["rollback", "simulator", "--models-folder", bad],
    "play": lambda bad, out: ["play", bad, "--broker", "mqtt://127.0.0.1:1"],
    "demo": lambda bad, out: ["demo", "--recordings", bad],
}
PLANT: list[Path] = []


@pytest.fixture(scope="module", autouse=True)
def _plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    PLANT.append(
        write_plant(tmp_path_factory.mktemp("plant"), n_machines=2, n_runs=1, windows=1)
    )
    yield
    PLANT.clear()


@pytest.mark.parametrize("how", TRAIN)
def test_recordings_models_and_reports_that_are_none(
    how: str, bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = "camshaft" if how in ("play", "demo") else "camshaft-train"
    code = run(program, *TRAIN[how](bad, tmp_path / "out"))
    refused(code, capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["report.json", "manifest.yaml"])
def test_a_folder_whose_main_file_is_none(
    place: str, bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not bad.parent.is_dir():
        pytest.skip("the same as a missing folder")
    if bad.is_symlink() or bad.exists():
        bad.rename(bad.with_name(place))
    ways = (
        ["promote by a report"]
        if place == "report.json"
        else ["evaluate a model", "promote"]
    )
    for how in ways:
        code = run("camshaft-train", *TRAIN[how](bad.parent, tmp_path / "out"))
        refused(code, capsys, by=place)


@pytest.mark.parametrize(
    "tree", [{"model": 3}, {"model": {}}, {"model": {"id": 7}}, [], {}]
)
def test_a_report_that_says_nothing(
    tree: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.json").write_text(yaml.safe_dump(tree, default_flow_style=True))
    code = run("camshaft-train", *TRAIN["promote by a report"](tmp_path, tmp_path / "out"))
    refused(code, capsys)


# -- bad recordings -------------------------------------------------------------------------------

FORMATS = get_args(FileFormat)


def by_mill(word: object) -> object:
    return "cnc-milling" if word == "simulator" else word


def odd_arrays(folder: Path, n_channels: int) -> Iterator[Path]:
    """Files that are whole, and hold nothing that could be vibration."""
    for name, array in {
        "text": np.array(["a", "b"]),
        "complex": np.ones(4000, complex),
        "truth": np.ones(4000, bool),
        "scalar": np.array(3.0),
        "none": np.zeros(0),
        "cube": np.zeros((2, 2, 4000, 2)),
        "nan": np.full((n_channels, 4000), np.nan),
        "infinite": np.full((n_channels, 4000), np.inf),
        "channels": np.zeros((5, 4000)),
        "short": np.zeros((n_channels, 3)),
    }.items():
        np.save(folder / f"{name}.npy", array)
        yield folder / f"{name}.npy"
    np.save(folder / "object.npy", np.array([{}], object), allow_pickle=True)
    yield folder / "object.npy"
    whole = (folder / "short.npy").read_bytes()
    (folder / "cut.npy").write_bytes(whole[:-9])
    yield folder / "cut.npy"


@pytest.mark.parametrize("command", ["inspect", "fit", "score"])
def test_a_recording_that_is_none_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """inspect ended in a traceback for every file that it refused."""
    n_channels = 3 if command == "score" else 2  # as the bundled model has
    for path in odd_arrays(tmp_path, n_channels):
        manifest = plant_of(tmp_path, path.name, "npy", n_channels)
        words = TRAIN[command](manifest, tmp_path / "out")
        code = run("camshaft-train", *[by_mill(word) for word in words])
        if path.stem != "short":
            refused(code, capsys, by=path.name)
        elif command == "inspect":  # too short for a window, and fine to look at
            assert code == 0
            capsys.readouterr()
        else:
            refused(code, capsys)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("content", ["empty", "binary", "text", "zeros", "magic of npy"])
def test_a_file_of_another_format_is_named(
    file_format: str, content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    MAKE[content](tmp_path / "thing")
    manifest = plant_of(tmp_path, "thing", file_format)
    refused(run("camshaft-train", "inspect", manifest), capsys, by="thing")


def plant_of(folder: Path, name: str, file_format: str, n_channels: int = 2) -> Path:
    (folder / "recordings.csv").write_text(f"path,label,machine\n{name},ok,M\n")
    axes = ", axes: [channel, time]" if file_format in ("npy", "npz", "hdf5", "mat") else ""
    path = folder / "m.yaml"
    path.write_text(
        f"name: m\nfiles: {{format: {file_format}, sample_rate_hz: 2000,"
        f" channels: {list('xyz'[:n_channels])}{axes}}}\n"
    )
    return path


@pytest.mark.parametrize(
    "table",
    [
        b"",
        b"\n",
        b"\xff\xfe",
        b"a,b\n1,2\n",
        b"path\n",
        b"path,label\nthing,maybe\n",
        b"path,start\nthing,yesterday\n",
        b"path,first_sample\nthing,x\n",
        b"path,n_samples\nthing,-5\n",
        b"path,first_sample,n_samples\nthing,-5,3\n",
        b"path,first_sample\nthing,1.5\n",
        b"path,sample_rate_hz\nthing,x\n",
        b"path,sample_rate_hz\nthing,nan\n",
        b"path,offset_s\nthing,nan\n",
        b"path,start\nthing,99999999999999999999\n",
        b"path,start\nthing,9999-12-31T23:59:59\n",
        b"path\n../thing\n",
        b"path\n/etc/passwd\n",
        b"path\n\x00\n",
        b'path\n"' + b"x" * 5000 + b'"\n',
        b"path,label\nthing,ok,more\n",
        b'path\n"thing\n',
    ],
)
def test_a_table_that_is_none_is_refused(
    table: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = plant_of(tmp_path, "thing", "npy")
    np.save(tmp_path / "thing.npy", np.random.default_rng(1).normal(size=(2, 4000)))
    (tmp_path / "thing.npy").rename(tmp_path / "thing")
    (tmp_path / "recordings.csv").write_bytes(table)
    for command in ("inspect", "score"):
        code = run("camshaft-train", *TRAIN[command](manifest, tmp_path / "out"))
        if b"99999" in table or b"9999-" in table:
            capsys.readouterr()
            assert code in (0, 2)
            (tmp_path / "out").unlink(missing_ok=True)
        else:
            refused(code, capsys)


NUMBERS = {
    "fit": (["--window-s", "--seed", "--members", "--epochs", "--jobs"], ["--out", "new"]),
    "evaluate": (["--members", "--windows", "--rate", "--jobs"], ["--out", "new"]),
    "calibrate": (["--windows", "--rate"], []),
    "score": (["--threshold", "--commission", "--jobs"], ["--out", "new"]),
    "diagnose": (["--rate"], ["--out", "new"]),
}


@pytest.mark.parametrize("command", NUMBERS)
def test_numbers_that_make_no_sense_are_refused(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    options, others = NUMBERS[command]
    numbers = {
        action.option_strings[0]
        for action in actions_of(command)
        if action.type is not None
        and action.option_strings
        and "number" in str(action.type)
    }
    assert numbers == set(options)
    before = [
        word for word in TRAIN[command](PLANT[0], Path("new")) if word not in ("--out",)
    ]
    words = [word for word in before if word != Path("new")]
    for option in options:
        for value in ("nan", "inf", "-1", "0", "x", "99999999999999999999"):
            if (option, value) in GOOD:
                continue
            code = run("camshaft-train", *words, *others, f"{option}={value}")
            refused(code, capsys, by=f"argument {option}: '{value}': must be a ")


GOOD = {
    ("--seed", "0"),
    ("--threshold", "-1"),
    ("--threshold", "0"),
    ("--threshold", "99999999999999999999"),
}


# -- refusals before the work ---------------------------------------------------------------------

OUT_OPTIONS = {
    "fit": ["absent.yaml"],
    "evaluate": ["absent", "absent.yaml"],
    "reproduce": ["absent"],
    "import-journal": ["absent.journal"],
    "inspect": ["absent.yaml"],
    "calibrate": ["absent", "absent.yaml"],
    "score": ["absent.yaml", "--model", "absent"],
    "diagnose": ["absent.yaml", "--machines", "absent.yaml"],
}
NEW_FOLDERS = {"diagnose", "fit", "evaluate", "reproduce", "import-journal", "join"}


def test_every_command_with_an_output_is_here() -> None:
    with_out = {
        command
        for command in training.cli.HELP_OF_COMMAND
        if any(action.dest == "out" for action in actions_of(command))
    }
    assert with_out == set(OUT_OPTIONS)


def actions_of(command: str) -> list[Any]:
    parser: Any = training.cli._parser([command])
    return list(parser._subparsers._group_actions[0].choices[command]._actions)


@pytest.mark.parametrize("command", OUT_OPTIONS)
def test_an_output_that_cannot_be_written_is_refused_before_anything_else(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """fit found out after the whole training."""
    (tmp_path / "file").write_text("x")
    wrong = {tmp_path / "file" / "out": "is no folder."}
    if command in NEW_FOLDERS:
        wrong |= {
            tmp_path: "exists already; name a new folder.",
            tmp_path / "file": "exists already; name a new folder.",
        }
    else:
        wrong |= {
            tmp_path: "is a folder; name a file.",
            tmp_path / "a" / "b": f"there is no folder {tmp_path / 'a'}.",
            tmp_path / "file" / "out": f"there is no folder {tmp_path / 'file'}.",
        }
    for out, rule in wrong.items():
        code = run("camshaft-train", command, *OUT_OPTIONS[command], "--out", out)
        refused(code, capsys, by=f"--out = '{out}': ")
        assert code == 2
        del rule


def test_a_folder_that_may_not_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tests may run as root, whom no mode keeps out: the kernel's answer is made up."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    code = run("camshaft-train", "fit", "absent.yaml", "--out", tmp_path / "a" / "b")
    refused(code, capsys, by=f"{tmp_path} cannot be written to.")


def test_fit_of_recordings_without_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ended in a ZeroDivisionError."""
    path = write_plant(tmp_path, n_machines=1, n_runs=1, windows=1)
    table = (tmp_path / "recordings.csv").read_text()
    (tmp_path / "recordings.csv").write_text(
        table.replace(",ok,", ",unlabelled,").replace(",ng,", ",unlabelled,")
    )
    code = run("camshaft-train", "fit", path, "--out", tmp_path / "model")
    refused(code, capsys, by="label = 'ok': no window of this class to train with")
