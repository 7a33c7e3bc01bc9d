"""camshaft export: what the journal holds comes out whole, or nothing does."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from monitor.cli import main
from monitor.config_file import load_config
from monitor.journal import columns, trend_columns
from monitor.journal.columns import (
    Columns,
    Selection,
    read_kept_windows,
    read_maps,
    read_verdicts,
)
from monitor.journal.trend_columns import TrendSelection, read_trend
from monitor.journal.writer import Journal
from monitor.records.batch import Batch, KeptWindow
from monitor.records.verdict import Status
from tests.page_stage import write_config
from tests.paths import ROOT
from tests.verdicts import SECOND_NS, make_verdict

POINT = "press 7/bearing"
FROM = ("--from", "2023-11-14", "--to", "2023-11-16", "--tz", "UTC")
RNG = np.random.default_rng(2)
SAMPLES = RNG.normal(size=(3, 2000)).astype(np.float32)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    config = write_config(tmp_path)
    verdicts = [make_verdict(index) for index in range(5)]
    bad = make_verdict(5, evidence=(), status=Status.BAD_DATA, band=None, spectrum_db=None)
    verdicts.append(replace(bad, grid=None))
    verdicts.append(make_verdict(0, sensor="=cmd/point"))
    kept = [KeptWindow(POINT, 1, 2000 * n, 2000.5, SAMPLES + n, "ng") for n in (1, 3)]
    journal = Journal(load_config(config).journal.path)
    journal.commit(Batch(verdicts=verdicts, kept_windows=kept))
    journal.close()
    return config


def export(config: Path, form: str, out: Path, *more: str, point: str = POINT) -> int:
    words = ["--point", point, *(more or FROM), "--as", form, "--out", str(out)]
    return main(["export", "-c", str(config), *words])


def table_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_csv_has_a_row_a_window(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert export(config, "csv", out) == 0
    rows = table_of(out)
    assert len(rows) == 6
    first, bad = rows[0], rows[-1]
    expected = make_verdict(0)
    assert first["start"] == "2023-11-14T22:13:20.000000000Z"
    assert float(first["network_score"]) == expected.evidence[0].score
    assert float(first["network_probability"]) == expected.probability
    assert float(first["rms_ms2"]) == 1.5
    assert (bad["status"], bad["network_score"], bad["band_low_hz"]) == ("BAD_DATA", "", "")


@pytest.mark.parametrize("rows", ["ten_minutes", "hours", "days"])
def test_csv_of_trends_has_a_row_a_span(config: Path, tmp_path: Path, rows: str) -> None:
    """All five windows are of one."""
    out = tmp_path / "out.csv"
    assert export(config, "csv", out, *FROM, "--rows", rows) == 0
    (row,) = table_of(out)
    assert (row["windows_ng"], row["windows_bad_data"], row["worst_row"]) == ("5", "1", "2")
    scores = [make_verdict(index).evidence[0].score for index in range(5)]
    assert float(row["network_mean"]) == pytest.approx(np.mean(scores))
    assert row["rms_ms2_threshold"] == ""


def test_trends_are_written_some_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fits at once, the table is that of read_trend; a quantity that begins late too."""
    config = write_config(tmp_path)
    journal = Journal(load_config(config).journal.path)
    for day in range(7):
        at = make_verdict(day * 86400 // 2)
        named = {"rms_ms2": 1.0 + day} | ({"kurtosis": 3.5} if day > 4 else {})
        journal.commit(Batch(verdicts=[replace(at, indicators=named)]))
    journal.close()
    whole = read_trend(load_config(config).journal.path, POINT, "ten_minutes")
    assert len(whole["start"]) == 7
    written = set()
    for n in (1, 2, 3, 100):
        monkeypatch.setattr(trend_columns, "N_ROWS", n)
        out = tmp_path / f"{n}.csv"
        span = ("--from", "2023-11-14", "--to", "2023-12-16", "--tz", "UTC")
        assert export(config, "csv", out, *span, "--rows", "ten_minutes") == 0
        written.add(out.read_text())
    (text,) = written
    rows = list(csv.DictReader(text.splitlines()))
    assert list(rows[0]) == list(whole)
    means = [float(row["kurtosis_mean"] or "nan") for row in rows]
    np.testing.assert_array_equal(means, whole["kurtosis_mean"])


def test_an_interrupted_export_of_trends_leaves_nothing(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_selection: TrendSelection) -> Iterator[Columns]:
        yield next(whole(_selection))
        raise KeyboardInterrupt

    whole = TrendSelection.blocks
    monkeypatch.setattr(TrendSelection, "blocks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(config, "csv", tmp_path / "out.csv", *FROM, "--rows", "days")
    assert not [path for path in tmp_path.iterdir() if "out.csv" in path.name]


def test_a_long_export_of_trends_says_how_far_it_is(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No clock: the state that `spoken` would print is asked for once a row is written."""
    states: list[str] = []

    @contextmanager
    def heard(state: Callable[[], str]) -> Iterator[None]:
        yield
        states.append(state())

    monkeypatch.setattr("monitor.commands.export.spoken", heard)
    assert export(config, "csv", tmp_path / "out.csv", *FROM, "--rows", "days") == 0
    assert states == ["rows of days written: 1 of 1 after 0 s"]


def test_trends_are_refused_in_other_forms(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.npz"
    assert export(config, "npz", out, *FROM, "--rows", "days") == 2
    assert "trends are written --as csv alone" in capsys.readouterr().err
    assert not out.exists()


def test_wav_is_what_was_kept(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "windows"
    assert export(config, "wav", out) == 0
    rows = table_of(out / "windows.csv")
    assert [row["sample_rate_hz"] for row in rows] == ["2000.5", "2000.5"]
    for row, n in zip(rows, (1, 3), strict=True):
        rate, samples = wavfile.read(out / row["path"])
        assert rate == 2000
        np.testing.assert_array_equal(samples.T, SAMPLES + np.float32(n))
    assert {file.name for file in out.iterdir()} == {
        "windows.csv",
        *(r["path"] for r in rows),
    }


def test_npz_has_both_and_needs_no_pickle(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "N_AT_ONCE", 2)
    out = tmp_path / "out.npz"
    assert export(config, "npz", out) == 0
    with np.load(out, allow_pickle=False) as found:
        table = read_verdicts(load_config(config).journal.path, POINT)
        for name, column in table.items():
            np.testing.assert_array_equal(found[name], column)
        assert found["kept_row_id"].tolist() == [2, 4]
        np.testing.assert_array_equal(found["window_2"], SAMPLES + np.float32(1))


def test_a_name_that_a_spreadsheet_would_work_out_does_no_harm(
    config: Path, tmp_path: Path
) -> None:
    assert export(config, "csv", tmp_path / "out.csv", point="=cmd/point") == 0
    assert "'=cmd/point" in (tmp_path / "out.csv").read_text()


def test_an_interrupted_export_leaves_nothing(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out.csv").write_text("of yesterday")

    def interrupted(_selection: Selection) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Selection, "kept_windows", interrupted)
    before = set(tmp_path.iterdir())
    for form, name in (("wav", "windows"), ("npz", "out.csv")):
        with pytest.raises(KeyboardInterrupt):
            export(config, form, tmp_path / name)
    assert {p for p in tmp_path.iterdir() if "journal" not in p.name} == {
        p for p in before if "journal" not in p.name
    }
    assert (tmp_path / "out.csv").read_text() == "of yesterday"


@pytest.mark.parametrize(
    ("point", "span", "code", "said"),
    [
        ("press 7/bering", FROM, 2, "has no such point; it has press 7/bearing."),
        (POINT, ("--from", "2020-01-01", "--to", "2020-01-02"), 1, "no windows of 2020"),
        (POINT, ("--from", "tomorow"), 2, "must be a time"),
    ],
)
def test_what_is_not_there_is_said(
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    point: str,
    span: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    assert export(config, "csv", tmp_path / "out.csv", *span, point=point) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_the_reader_gives_columns_of_any_span(config: Path) -> None:
    path = load_config(config).journal.path
    first = make_verdict(0)
    table = read_verdicts(path, POINT, first.end_ns, first.end_ns + SECOND_NS)
    assert table["status"].tolist() == ["NG", "NG"]
    assert set(read_verdicts(path)["point"].tolist()) == {POINT, "=cmd/point"}
    assert len(read_verdicts(path, "nowhere")["row_id"]) == 0
    (maps,) = read_maps(path, POINT)
    assert maps["cells"].shape == (5, 4, 4)
    sums = maps["cells"].sum(axis=(1, 2), dtype=np.float64)
    np.testing.assert_allclose(
        sums + table["network_bias"][0],
        read_verdicts(path, POINT)["network_score"][:5],
        atol=1e-5,
    )
    (spectra,) = read_maps(path, POINT, "spectrum")
    assert spectra["cells"].shape == (5, 3, 4, 4)
    assert read_maps(path, POINT, "unheard of") == []
    assert [window["row_id"] for window in read_kept_windows(path, POINT)] == [2, 4]


def test_the_documents_example_runs(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    code = (
        text.partition("```python\n")[2]
        .partition("```")[0]
        .replace("pump-1/bearing", POINT)
    )
    monkeypatch.chdir(config.parent)
    exec(compile(code, "docs/export.md", "exec"), {})
    said = capsys.readouterr().out
    assert "5 of 6 windows are NG" in said
    assert "most evidence at" in said
    assert "2023-11-14: mean P(NG) 0." in said
    assert "(1, 4) mean spectrum by day and band, dB" in said
    assert "2023-11-14T22:13:21.000000000 ng" in said
