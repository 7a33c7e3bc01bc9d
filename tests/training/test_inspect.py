"""`camshaft-train inspect` says how it read files of every kind, and what they say themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.recordings.writers import WRITERS, text, write_manifest
from training.cli import main

SAMPLES = np.random.default_rng(5).uniform(-0.9, 0.9, (200, 2))
SAYS_RATE = ("wav", "flac", "tdms", "uff", "csv", "lvm")
SAYS_RATE_TOO = ("mat_struct",)  # beside the numbers
SAYS_UNIT = ("tdms", "uff", "csv_german", "lvm")


def inspected(folder: Path, capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    assert main(["inspect", str(folder / "manifest.yaml")]) == code
    said = capsys.readouterr()
    return said.err if code else said.out


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_says_how_it_was_read(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = name.partition("_")[0]
    files = WRITERS[name](tmp_path / f"one.{kind}", SAMPLES)
    write_manifest(tmp_path, [f"one.{kind},ok,a"], f"{files}, channels: [x, y], unit: g")
    lines = inspected(tmp_path, capsys).splitlines()
    format_name = files.partition("format: ")[2].partition(",")[0]
    assert lines[0] == "table recordings.csv: commas between the cells, text in utf-8"
    assert lines[1].startswith(f"1 recording as {format_name}: ")
    says_rate = name.startswith(SAYS_RATE) or name in SAYS_RATE_TOO
    assert ("1000 Hz by the manifest, 1000 Hz by" in lines[2]) == says_rate
    assert ("unit g by the manifest; g by the files" in lines[3]) == name.startswith(
        SAYS_UNIT
    )


def test_what_it_understood_of_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, rate_hz in (("a", 1000), ("b", 1015)):
        rows = [
            [f"{at / rate_hz:.6f}".replace(".", ","), f"{at % 7},5"] for at in range(300)
        ]
        text(
            tmp_path / f"{name}.csv",
            [["Prüfstand 3"], ["Zeit", "x [g]"], *rows],
            ";",
            "cp1252",
        )
    write_manifest(tmp_path, ["a.csv,ok,a", "b.csv,ok,b"], "format: csv, unit: g, scale: 2")
    assert inspected(tmp_path, capsys).splitlines()[1:4] == [
        "2 recordings as csv: delimiter ';', decimal ',', header in line 2, numbers from line 3,"
        " columns Zeit, x, text in cp1252",
        "  rate 1000 Hz by the manifest, 1000 to 1015 Hz by its column 'Zeit' (in s)",
        "  unit g, times 2.0, by the manifest; g by the files",
    ]


def test_as_many_ways_as_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for at in range(20):
        text(tmp_path / f"{at}.csv", [[f"\x1b[31m{at}"], ["0.5"], ["-0.5"]], ",")
    write_manifest(tmp_path, [f"{at}.csv,ok,a" for at in range(20)], "format: csv")
    said = inspected(tmp_path, capsys)
    assert "1 recording as csv: " in said
    assert "columns \\x1b[31m0" in said
    assert "and in 8 other ways" in said


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("0,5\n0,6\n", "set files.delimiter and files.decimal"),
        (
            "t;x\n0,000;1\n0,002;2\n0,004;1\n0,006;3\n",
            "is sampled at 500 Hz by its column 't'",
        ),
        ("x [V]\n0.5\n0.6\n", "states the unit 'V', the manifest says m/s2"),
        ("x\n1\n2\nx\n", "'x' is no number: line 4"),
    ],
)
def test_ambiguity_is_refused_in_a_sentence(
    content: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.csv").write_text(content, encoding="utf-8")
    write_manifest(tmp_path, ["one.csv,ok,a"], "format: csv")
    said = inspected(tmp_path, capsys, code=2)
    assert said.startswith("camshaft-train: row 2: one.csv ")
    assert sentence in said
    assert len(said.splitlines()) == 1


def test_what_belongs_together_must_be_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for at in range(4):
        np.save(tmp_path / f"{at}.npy", np.random.default_rng(at).normal(size=4000))
    rows = [f"{at}.npy,{'ng' if at % 2 else 'ok'},{{}}" for at in range(4)]
    header = "path,label,machine,group"
    lacking = "the table names no group (group): each file is taken for a run of its own."
    alone = (
        "all are of one machine, 'test': no figure will say how a model does on another."
    )
    for column, said in (
        ("", [lacking, alone]),
        ("m{at},g{at}", []),
        ("m1,g1", ["all are of one machine, 'm1'", "all recordings are of one run"]),
        ("m{at},g1", []),  # one name, four runs
    ):
        filled = [row.format(column.format(at=at)) for at, row in enumerate(rows)]
        write_manifest(tmp_path, filled, "format: npy", header=header)
        text = inspected(tmp_path, capsys)
        assert all(one in text for one in said)
        assert ("have both labels" in text) == ("recordings are of one run:" in text)
        assert ("names no group" in text, "of one machine" in text) == (
            lacking in said,
            bool(said),
        )


@pytest.mark.parametrize(
    ("kind", "more", "is_said"),
    [
        ("PCM_16", "unit: g", True),
        ("PCM_24", "unit: g, scale: 50", False),
        ("PCM_16", "unit: counts", False),
        ("FLOAT", "unit: g", False),
    ],
)
def test_the_full_scale_of_sound_must_be_said(
    kind: str, more: str, is_said: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "a.wav", SAMPLES, 1000, subtype=kind)
    write_manifest(tmp_path, ["a.wav,ok,1"], f"format: wav, channels: [x, y], {more}")
    said = "full scale is taken for 1 g: files.scale says what it is worth."
    assert (said in inspected(tmp_path, capsys)) == is_said


def test_copies_under_other_names_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signal = np.random.default_rng(3).normal(size=(3, 4000))
    np.save(tmp_path / "a.npy", signal[0])
    np.save(tmp_path / "b.npy", signal[1])
    np.save(tmp_path / "c.npy", 9.80665 * signal[0, 700:3000])
    rows = ["a.npy,ok,1", "b.npy,ok,2", "c.npy,ng,3"]
    write_manifest(tmp_path, rows, "format: npy")
    assert (
        "warning: rows 2 (a.npy, ok) and 4 (c.npy, ng) hold the same signal, at least in part:"
        " none can be trained on while the other judges."
    ) in inspected(tmp_path, capsys)
