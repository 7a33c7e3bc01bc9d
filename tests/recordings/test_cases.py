"""Situations that people report of recordings, each under its case's name, with the right value."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import soundfile

from monitor.recordings.manifest import RecordingSet, load_manifest
from monitor.recordings.recording import Recording, RecordingError, read
from tests.recordings.writers import RATE_HZ, write_manifest

# As a logger in Germany writes three columns: a comma is both decimal sign and delimiter.
BOTH_COMMAS = "x,y,z\n0,0567,0,0844,0,1636\n0,5277,0,5184,0,5024\n-0,2445,-0,8254,-0,5314\n"
HEADERLESS = "0,0,0\n0.0567,0.0844,0.1636\n0.5277,0.5184,0.5024\n-0.2445,-0.8254,-0.5314\n"


def recorded(folder: Path, content: str | bytes, files: str = "") -> RecordingSet:
    """One recording in a text file."""
    raw = content.encode() if isinstance(content, str) else content
    (folder / "one.csv").write_bytes(raw)
    files = f"format: csv, {files}" if files else "format: csv"
    return load_manifest(write_manifest(folder, ["one.csv,ok,a"], files))


def refusal(manifest: RecordingSet) -> str:
    with pytest.raises(RecordingError) as refused:
        read(manifest.recordings[0])
    said = str(refused.value)
    assert said.startswith("row 2: one.csv ")
    assert "\n" not in said
    return said


# -- r01-table-by-excel ---------------------------------------------------------------------------


def table(folder: Path, content: bytes, more: str = "") -> RecordingSet:
    for name in "abc":
        np.save(folder / f"{name}.npy", np.arange(3.0))
    (folder / "recordings.csv").write_bytes(content)
    files = f"{{format: npy, sample_rate_hz: {RATE_HZ}}}"
    (folder / "manifest.yaml").write_text(f"name: t\nfiles: {files}\n{more}")
    return load_manifest(folder / "manifest.yaml")


@pytest.mark.parametrize(
    "content",
    [
        "path;label;machine\r\na.npy;OK;Prüfstand\r\n;;\r\nb.npy;NG;Prüfstand\r\n".encode(
            "cp1252"
        ),
        "path;label;machine\r\na.npy;OK;Prüfstand\r\nb.npy;NG;Prüfstand\r\n".encode(
            "utf-8-sig"
        ),
        "path\tlabel\tmachine\r\na.npy\tOK\tPrüfstand\r\nb.npy\tNg\tPrüfstand\r\n".encode(
            "utf-16"
        ),
        "Path, Label, Machine\r\n\r\na.npy, ok , Prüfstand\r\nb.npy, ng, Prüfstand\r\n".encode(),
        b'sep=;\r\n"path";"label";"machine"\r\n'
        b'a.npy;OK;Pr\xfcfstand\r\nb.npy;NG;"Pr\xfcfstand"\r\n',
        "path;label;machine;;\r\na.npy;OK;Prüfstand;;\r\nb.npy;NG;Prüfstand;;\r\n".encode(),
    ],
    ids=["german", "utf-8", "unicode text", "blanks", "separator line", "empty columns"],
)
def test_r01_table_by_excel(tmp_path: Path, content: bytes) -> None:
    manifest = table(tmp_path, content)
    found = [(one.path.name, one.label, one.machine) for one in manifest.recordings]
    assert found == [("a.npy", "ok", "Prüfstand"), ("b.npy", "ng", "Prüfstand")]


def test_r01_table_by_excel_rows_are_the_files_lines(tmp_path: Path) -> None:
    manifest = table(tmp_path, b"sep=;\r\npath;label\r\n;\r\na.npy;OK\r\n\r\nb.npy;NG\r\n")
    assert [one.row for one in manifest.recordings] == [4, 6]


def test_r01_table_by_excel_says_how_it_was_read(tmp_path: Path) -> None:
    manifest = table(tmp_path, "path;machine\r\na.npy;Prüfstand\r\n".encode("cp1252"))
    assert manifest.understood == (
        "recordings.csv: semicolons between the cells, text in cp1252",
    )


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        (["24.11.2026 08:30", "5.12.26 8:30:15,5"], ["2026-11-24T08:30", "2026-12-05T08:30:15.5"]),
        (["11/24/2026 8:30 PM", "1/2/2026 8:30 AM"], ["2026-11-24T20:30", "2026-01-02T08:30"]),
        (["24/11/2026 08:30", "01/02/26 08:30"], ["2026-11-24T08:30", "2026-02-01T08:30"]),
        (["2026-11-24 08:30", "5/5/2026"], ["2026-11-24T08:30", "2026-05-05T00:00"]),
    ],
)  # fmt: skip
def test_r01_table_by_excel_local_dates(
    tmp_path: Path, starts: list[str], expected: list[str]
) -> None:
    rows = "".join(
        f"{name}.npy;{start}\r\n" for name, start in zip("ab", starts, strict=True)
    )
    manifest = table(tmp_path, f"path;start\r\n{rows}".encode())
    right = [int(np.datetime64(text, "ns").astype(np.int64)) for text in expected]
    assert [one.start_ns for one in manifest.recordings] == right


def test_r01_table_by_excel_times_of_a_zone(tmp_path: Path) -> None:
    content = (
        b"path;start\r\na.npy;24.11.2026 08:30\r\nb.npy;2026-07-01T08:30\r\nc.npy;1795\r\n"
    )
    manifest = table(tmp_path, content, "time_zone: Europe/Berlin\n")
    right = [np.datetime64(text, "ns") for text in ("2026-11-24T07:30", "2026-07-01T06:30")]
    found = [one.start_ns for one in manifest.recordings]
    assert found == [*(int(one.astype(np.int64)) for one in right), 1795 * 10**9]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"file;label\na.npy;ok\n", r"recordings.csv: the header has no column 'path', found 'file'"
         r", 'label'; columns: {path: NAME} in the manifest says which"),
        (b"path;start\na.npy;03/04/2026\n", r"row 2: start = '03/04/2026' can be day or month"
         r" first: write it as 2026-03-04 or 2026-04-03"),
        (b"path;start\na.npy;13/04/2026\nb.npy;04/13/2026\n",
         r"'13/04/2026' has the day first, '04/13/2026' the month: one form is needed"),
        (b"path;start\na.npy;31.02.2026\n", r"row 2: start = .*day"),
        (b"path;start\na.npy;soon\n", r"row 2: start = 'soon' must be an ISO 8601 time, a date"),
        (b"path;offset_s\na.npy;1.234\n", r"offset_s = '1.234' can be a thousand times as much"),
        (b"path,label,Label\na.npy,ok,ng\n", r"the header names 'label' twice"),
        (b"path;label\na.npy;ok;7\n", r"row 2: has more cells than the header has columns"),
        (b"path;label\na.npy;gut\n", r"row 2: label = 'gut' must be one of ok, ng, unlabelled"),
    ],
)  # fmt: skip
def test_r01_table_by_excel_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(RecordingError, match=sentence) as refused:
        table(tmp_path, content)
    assert "\n" not in str(refused.value)


def test_r01_table_by_excel_decimal_commas(tmp_path: Path) -> None:
    manifest = table(tmp_path, b"path;offset_s;load\r\na.npy;0,5;3,25\r\n")
    assert manifest.recordings[0].offset_s == 0.5
    assert manifest.recordings[0].value("load") == "3,25"


# -- r02-decimal-comma ----------------------------------------------------------------------------


def test_r02_decimal_comma_of_one_column(tmp_path: Path) -> None:
    found = read(recorded(tmp_path, "x\n0,1037\n0,9310\n-0,4539\n").recordings[0])
    np.testing.assert_allclose(found, [[0.1037, 0.931, -0.4539]], rtol=1e-6)


def test_r02_decimal_comma_between_commas(tmp_path: Path) -> None:
    manifest = recorded(tmp_path, BOTH_COMMAS, "key: [x, y, z], channels: [x, y, z]")
    said = refusal(manifest)
    assert "has 3 cells in line 1 and 6 in the lines of numbers below" in said
    assert "decimal commas between commas cannot be told apart" in said


def test_r02_decimal_comma_that_could_be_a_delimiter(tmp_path: Path) -> None:
    said = refusal(recorded(tmp_path, "0,1037\n0,9310\n"))
    assert "can be read in two ways" in said
    assert "set files.delimiter and files.decimal" in said
    found = recorded(tmp_path, "0,1037\n0,9310\n", "delimiter: blank, decimal: ','")
    np.testing.assert_allclose(read(found.recordings[0]), [[0.1037, 0.931]], rtol=1e-6)


# -- r04-no-header --------------------------------------------------------------------------------


def test_r04_no_header_keeps_the_first_sample(tmp_path: Path) -> None:
    found = read(recorded(tmp_path, HEADERLESS, "channels: [x, y, z]").recordings[0])
    assert found.shape == (3, 4)
    np.testing.assert_array_equal(found[:, 0], 0.0)
    np.testing.assert_allclose(found[:, 1], [0.0567, 0.0844, 0.1636], rtol=1e-6)


@pytest.mark.parametrize("sign", [",", ";", "\t", " ", "   ", "|"])
def test_r04_no_header_columns_by_number(tmp_path: Path, sign: str) -> None:
    content = HEADERLESS.replace(",", sign)
    found = read(recorded(tmp_path, content, "key: [2, 0], channels: [z, x]").recordings[0])
    np.testing.assert_allclose(found[:, 1], [0.1636, 0.0567], rtol=1e-6)


def test_r04_no_header_a_column_that_is_not_there(tmp_path: Path) -> None:
    said = refusal(recorded(tmp_path, HEADERLESS, "key: x"))
    assert "has no column 'x', found columns 0 to 2 without a header" in said


def test_r04_no_header_repeated_names_copy_nothing(tmp_path: Path) -> None:
    content = "acc,acc\n0.1,0.2\n0.3,0.4\n"
    said = refusal(recorded(tmp_path, content, "key: [acc, acc], channels: [x, y]"))
    assert "has 2 columns 'acc': name columns by their number from 0" in said
    found = read(recorded(tmp_path, content, "channels: [x, y]").recordings[0])
    np.testing.assert_allclose(found, [[0.1, 0.3], [0.2, 0.4]], rtol=1e-6)


def test_r04_no_header_and_numbers_above_the_others(tmp_path: Path) -> None:
    """They were another table, or lines that were cut: nobody but a person knows."""
    content = "1,2\n3,4\n" + HEADERLESS
    said = refusal(recorded(tmp_path, content, "channels: [x, y, z]"))
    assert "has 2 cells in line 2 and 3 in the lines of numbers below" in said
    said = refusal(recorded(tmp_path, content, "header: false, channels: [x, y, z]"))
    assert (
        "has numbers in line 1, above the lines of 3 cells: set files.skip_lines: 2" in said
    )
    files = "header: false, skip_lines: 2, channels: [x, y, z]"
    assert read(recorded(tmp_path, content, files).recordings[0]).shape == (3, 4)


def test_r04_no_header_said_to_be_one(tmp_path: Path) -> None:
    """A person knows better: these numbers are names."""
    files = "header: true, key: ['10', '20'], channels: [x, y]"
    found = read(recorded(tmp_path, "10,20\n1,2\n3,4\n", files).recordings[0])
    np.testing.assert_array_equal(found, [[1, 3], [2, 4]])


# -- r05-preamble-bom-quotes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfx,y\r\n0.1,0.2\r\n0.3,0.4\r\n",
        b"# made by a logger\n# 2026-11-24\nx,y\n0.1,0.2\n# paused, then on\n0.3,0.4\n",
        b"Device,DL-9\nSerial,4711\n\nx,y\ng,g\n0.1,0.2\n0.3,0.4\n",
        b"sep=;\r\nx;y\r\n0,1;0,2\r\n0,3;0,4\r\n",
        b'"x","y"\n"0.1","0.2"\n"0.3","0.4"\n',
        b"x, y\n 0.1, 0.2\n 0.3, 0.4\n",
        b"x,y,status,\n0.1,2E-1,ok,\n0.3,4.0e-01,\xfcber,\n",
        b"x,y\r0.1,0.2\r0.3,0.4\r",
        b"x [g]\ty [g]\n0,1\t0,2\n0,3\t0,4",
        "x;y\n0,1;0,2\n0,3;0,4\n".encode("utf-16"),
        b"# x,y\n0.1,0.2\n0.3,0.4\n",
        b"x,y\n+.1,0.20\n0.3,00.4\n",
    ],
    ids=[
        *(
            "bom",
            "comments",
            "device lines and units",
            "sep",
            "quotes",
            "blanks",
            "text beside",
        ),
        *("old Mac", "no last line end", "utf-16", "savetxt", "signs"),
    ],
)
def test_r05_preamble_bom_quotes(tmp_path: Path, content: bytes) -> None:
    manifest = recorded(tmp_path, content, "key: [x, y], channels: [x, y], unit: g")
    expected = np.array([[0.1, 0.3], [0.2, 0.4]]) * 9.80665
    np.testing.assert_allclose(read(manifest.recordings[0]), expected, rtol=1e-6)


def test_r05_preamble_bom_quotes_lines_that_a_person_skips(tmp_path: Path) -> None:
    """Before the names stand as many numbers as behind them."""
    content = "1,2\n3,4\nx,y\n0.1,0.2\n0.3,0.4\n"
    said = refusal(recorded(tmp_path, content, "channels: [x, y]"))
    assert "'x' is no number: line 3" in said
    found = read(
        recorded(tmp_path, content, "channels: [x, y], skip_lines: 2").recordings[0]
    )
    np.testing.assert_allclose(found, [[0.1, 0.3], [0.2, 0.4]], rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("x,y\n1,2\n3\n5,6\n7,8\n", "has 1 cells in line 3, 2 in the others"),
        ("x,y\n1,2\n3,4,5\n5,6\n7,8\n", "has 3 cells in line 3, 2 in the others"),
        ("x,y\n1,2\n3,\n5,6\n7,8\n", "an empty cell is no number: line 3"),
        ("x,y\n1,2\n3,off\n5,6\n7,8\n", "'off' is no number: line 3"),
        ("x,y\n1,1_000\n3,4\n5,6\n", "has a line 2 that is neither names nor numbers"),
        ("x,y\n1,2\n3,4\n5,6\n7", "has 1 cells in line 5, 2 in the others"),
        ("x,y\n1,2\n3,4\n5,6\nEnd of data\n", "has 1 cells in line 5, 2 in the others"),
        ("x;y\n1.234;5.678\n2.345;6.789\n", "can be read in two ways"),
        ("", "has no lines of numbers"),
        ("x,y\n", "has no lines of numbers"),
        ("LabVIEW Measurement\t\n1\n", "set files.format: lvm"),
        ("x,y\n\0\0,2\n", "is no text: it has NUL bytes"),
        ("9" * (1 << 20), "has a line 1 of over 1048576 characters"),
    ],
)
def test_r05_preamble_bom_quotes_refused(
    tmp_path: Path, content: str, sentence: str
) -> None:
    assert sentence in refusal(recorded(tmp_path, content, "channels: [x, y]"))


def test_r05_preamble_bom_quotes_no_thousands_by_accident(tmp_path: Path) -> None:
    """The first lines hold whole numbers, so the decimal sign is told by what follows."""
    still = "x;y\n" + "0;0\n" * 300
    said = refusal(recorded(tmp_path, still + "1,234;2,345\n", "channels: [x, y]"))
    assert "set files.decimal" in said
    files = "channels: [x, y]"
    found = read(recorded(tmp_path, f"{still}1,234;0,5\n", files).recordings[0])
    np.testing.assert_allclose(found[:, -1], [1.234, 0.5], rtol=1e-6)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("-1.234,5;0,25", [-1234.5, 0.25]),
        ("1,234.5;0.25", [1234.5, 0.25]),
        ("1’234.5;.25", [1234.5, 0.25]),
    ],
)
def test_r05_preamble_bom_quotes_thousands(
    tmp_path: Path, row: str, expected: list[float]
) -> None:
    found = read(
        recorded(tmp_path, f"x;y\n{row}\n{row}\n", "channels: [x, y]").recordings[0]
    )
    np.testing.assert_allclose(found[:, 0], expected)


# -- r07-mat-structs ------------------------------------------------------------------------------


def matlab(
    folder: Path, variables: dict[str, object], key: str, channels: str
) -> RecordingSet:
    scipy.io.savemat(folder / "one.mat", variables)
    files = f"format: mat, key: {key}, channels: {channels}"
    return load_manifest(write_manifest(folder, ["one.mat,ok,a"], files))


@pytest.mark.parametrize("key", ["bearing.gs", "'bearing.*s'", "'*.gs'", "'bearing(1).gs'"])
def test_r07_mat_structs(tmp_path: Path, key: str) -> None:
    x = np.linspace(-1, 1, 20)
    manifest = matlab(tmp_path, {"bearing": {"sr": 1000, "gs": x}}, key, "[x]")
    np.testing.assert_allclose(read(manifest.recordings[0]), [x], rtol=1e-6)


def test_r07_mat_structs_a_variable_a_channel(tmp_path: Path) -> None:
    x, y = np.linspace(-1, 1, 20), np.arange(20, dtype=np.int16)
    manifest = matlab(tmp_path, {"ax": x, "ay": y[:, None]}, "[ay, ax]", "[y, x]")
    np.testing.assert_allclose(read(manifest.recordings[0]), np.stack([y, x]), rtol=1e-6)


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("bearing", r"has a struct under 'bearing', with the fields \['gs', 'name'"),
        (
            "bearing.no",
            r"must hold exactly one array for key = 'no', found 0 among \['c', 'gs'",
        ),
        ("bearing.gs.more", "has no struct under 'gs', so no field 'more'"),
        ("'bearing(2).gs'", "has 1 entries in 'bearing', entry 2 is wanted"),
        ("'bearing.gs(3)'", "has 1 entries in 'gs', entry 3 is wanted"),
        ("bearing.c", "has 2 entries in 'c': the key must say which, c"),
        ("bearing.name", "holds text under 'name'"),
        ("bearing.z", "holds complex numbers under 'z'"),
        ("'bearing.'", "cannot be read by key = 'bearing.'"),
    ],
)
def test_r07_mat_structs_refused(tmp_path: Path, key: str, sentence: str) -> None:
    cells = np.array([np.arange(3.0), np.arange(4.0)], object)
    bearing = {"gs": np.arange(20.0), "name": "N15", "z": np.array([1j, 2]), "c": cells}
    manifest = matlab(tmp_path, {"bearing": bearing}, key, "[x]")
    with pytest.raises(RecordingError, match=sentence):
        read(manifest.recordings[0])


# -- r08-wav-kinds --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "subtype", "step"),
    [
        *(("WAV", kind, step) for kind, step in (("PCM_U8", 2**-7), ("PCM_16", 2**-15))),
        *(("WAV", kind, 2**-23) for kind in ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")),
        *((kind, "PCM_16", 2**-15) for kind in ("WAVEX", "RF64")),
        ("WAV", "ULAW", 0.05),
    ],
)
def test_r08_wav_kinds(tmp_path: Path, container: str, subtype: str, step: float) -> None:
    samples = np.random.default_rng(3).uniform(-0.9, 0.9, (4000, 2))
    soundfile.write(
        tmp_path / "one.wav", samples, RATE_HZ, subtype=subtype, format=container
    )
    found = read(sound(tmp_path))
    np.testing.assert_allclose(
        found, samples.T * [[50], [-25]] * 9.80665, atol=50 * 9.81 * step
    )


def sound(
    folder: Path, row: str = "one.wav,ok,a", header: str = "path,label,group"
) -> Recording:
    """±5 V at full scale: 100 mV/g, and 200 mV/g mounted upside down."""
    files = "format: wav, channels: [x, y], unit: g, scale: [50, -25]"
    return load_manifest(write_manifest(folder, [row], files, header=header)).recordings[0]


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64"])
def test_r08_wav_kinds_cut_short(tmp_path: Path, container: str) -> None:
    samples = np.random.default_rng(3).uniform(-0.9, 0.9, (4000, 2))
    path = tmp_path / "one.wav"
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_16", format=container)
    path.write_bytes(path.read_bytes()[: -834 * 4])
    sentence = (
        r"row 2: one.wav is cut short: it holds 3166 of the 4000 samples that its header"
    )
    with pytest.raises(RecordingError, match=sentence):
        read(sound(tmp_path))
    wanted = sound(tmp_path, "one.wav,ok,a,3166", "path,label,group,n_samples")
    assert read(wanted).shape == (2, 3166)


def test_r08_wav_kinds_a_recorder_that_never_knew_the_length(tmp_path: Path) -> None:
    path = tmp_path / "one.wav"
    soundfile.write(path, np.full((4000, 2), 0.5), RATE_HZ, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = b"\xff" * 4
    path.write_bytes(content)
    assert read(sound(tmp_path)).shape == (2, 4000)
    content[at : at + 4] = struct.pack("<I", 0)
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"row 2: one.wav holds no values"):
        read(sound(tmp_path))
