"""Files of a span from the page: what the command line writes, within limits, or one sentence."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

from monitor.cli import main
from monitor.page import export
from tests.browser import chromium
from tests.page.asking import Answer, Asking
from tests.page_stage import SECOND_NS, fill, serve, write_config

POINT = "mill-2/spindle"
START_NS = 1_700_000_000 * SECOND_NS
N_WINDOWS = 12
SPAN = {"from_ms": 1_700_000_000_000, "to_ms": 1_700_000_020_000, "tier": "ten_minutes"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    fill(folder / "camshaft.journal", N_WINDOWS, START_NS)
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Asking:
    return Asking(folder)


def ask(page: Asking, path: str = "", **values: Any) -> Answer:
    query = urlencode({"sensor": POINT, **SPAN, **values})
    cookie = {"Cookie": page.ask("GET", "/").cookie}
    return page.ask("GET", f"/api/export{path}?{query}", headers=cookie)


@pytest.mark.parametrize(
    ("form", "words", "name"),
    [
        ("verdicts", ["csv"], "mill-2_spindle-verdicts.csv"),
        ("trends", ["csv", "--rows", "ten_minutes"], "mill-2_spindle-ten_minutes.csv"),
        ("npz", ["npz"], "mill-2_spindle-npz.npz"),
    ],
)
def test_a_file_is_what_the_command_line_writes(
    form: str, words: list[str], name: str, page: Asking, folder: Path, tmp_path: Path
) -> None:
    """Of a span that begins within a row of trends, which the page shows."""
    out = tmp_path / "out"
    span = ["--from", "2023-11-14T22:10", "--to", "2023-11-14T22:13:40", "--tz", "UTC"]
    place = ["--point", POINT, "-c", str(write_config(folder)), "--out", str(out)]
    assert main(["export", *place, *span, "--as", *words]) == 0
    answer = ask(page, **{"as": form})
    assert answer.status == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert int(answer.headers["content-length"]) == len(answer.body)
    if form != "npz":
        assert answer.body == out.read_bytes()
        return
    with np.load(io.BytesIO(answer.body)) as found, np.load(out) as expected:
        assert found.files == expected.files
        for array in found.files:
            np.testing.assert_array_equal(found[array], expected[array])


def test_kept_windows_are_the_wav_files_of_the_command_line(
    page: Asking, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    span = ["--from", "2023-11-14", "--to", "2023-11-15", "--tz", "UTC"]
    place = ["--point", POINT, "-c", str(write_config(folder)), "--out", str(out)]
    assert main(["export", *place, *span, "--as", "wav"]) == 0
    with zipfile.ZipFile(io.BytesIO(ask(page, **{"as": "wav"}).body)) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {file.name: file.read_bytes() for file in out.iterdir()}
    assert len(found) > 2


def test_sizes_say_beforehand_what_each_file_holds(page: Asking) -> None:
    sizes = ask(page, "/sizes").tree
    kept = N_WINDOWS // 3  # the faulty ones; the one that every point has is of them
    assert {name: one["n"] for name, one in sizes.items()} == {
        "verdicts": N_WINDOWS,
        "trends": 1,
        "npz": kept,
        "wav": kept,
    }
    assert not any(one["refused"] for one in sizes.values())


def test_an_empty_span_is_told(page: Asking) -> None:
    place: dict[str, Any] = {"from_ms": 1000, "to_ms": 2000}
    for form, one in ask(page, "/sizes", **place).tree.items():
        assert one["refused"] == f"There are no {one['rows']} in this span."
        answer = ask(page, **place, **{"as": form})
        assert (answer.status, answer.tree["error"]) == (404, one["refused"])


@pytest.mark.parametrize(
    ("limit", "most", "form", "said"),
    [
        ("MAX_ROWS", N_WINDOWS - 1, "verdicts", "More than 11 windows: choose a shorter"),
        ("MAX_NPZ_ROWS", N_WINDOWS - 1, "npz", "More than 11 windows: choose a shorter"),
        ("MAX_KEPT_BYTES", 1 << 10, "wav", "More than 0 MiB of kept windows: choose"),
        ("MAX_ROWS", 1, "trends", "More than 1 rows of trends: choose a shorter span"),
    ],
)
def test_what_is_too_large_is_refused_before_it_is_written(
    limit: str,
    most: int,
    form: str,
    said: str,
    page: Asking,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export, limit, most)
    answer = ask(page, **{"as": form})
    assert answer.status == 413
    assert answer.tree["error"].startswith(said)
    assert ask(page, "/sizes").tree[form]["refused"] == answer.tree["error"]


def test_only_some_files_are_taken_at_once_and_each_gives_its_place_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MAX_AT_ONCE", 1)
    page = Asking(folder)
    answers: list[Answer] = []

    def meanwhile(*_: object) -> None:
        answers.append(ask(page, **{"as": "verdicts"}))

    for _ in range(3):
        assert ask(page, **{"as": "verdicts"}).status == 200
    with monkeypatch.context() as patch:
        patch.setattr(export, "write_npz", meanwhile)
        assert ask(page, **{"as": "npz"}).status == 200
    assert [answer.status for answer in answers] == [503]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(export, "write_npz", full)
        answer = ask(page, **{"as": "npz"})
    assert (answer.status, answer.tree["error"]) == (
        507,
        "The page's host cannot write the file: No space left on device.",
    )
    assert ask(page, **{"as": "wav"}).status == 200


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"as": "xlsx"}, "as = 'xlsx': must be verdicts, trends, npz, wav."),
        (
            {"as": "npz", "tier": "weeks"},
            "tier = 'weeks': must be ten_minutes, hours, days.",
        ),
        ({"as": "npz", "to_ms": 1}, "to_ms = 1: must not be before from_ms = 17000"),
        (
            {"as": "npz", "from_ms": "-1"},
            "from_ms = '-1': must be milliseconds since 1970.",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(
    values: dict[str, Any], said: str, page: Asking
) -> None:
    answer = ask(page, **values)
    assert answer.status == 400
    assert answer.tree["error"].startswith(said)


def test_a_browser_takes_the_span_that_it_shows(tmp_path: Path) -> None:
    fill(tmp_path / "camshaft.journal", n_windows=30)
    with chromium() as browser, serve(tmp_path) as served:
        window = browser.new_page(accept_downloads=True)
        for place, sign in (("point", "#sum"), ("trend", ".trend-caption")):
            window.goto(f"{served.address}/#/{place}/mill-2%2Fspindle")
            window.wait_for_selector(f"{sign}:not(:empty)")
            window.click("summary:has-text('Export')")
            link = window.locator("a:has-text('Verdicts, CSV')")
            link.wait_for()
            assert "30 windows" in link.locator("..").inner_text()
            with window.expect_download() as waiting:
                link.click()
            lines = Path(waiting.value.path()).read_text().splitlines()
            assert len(lines) == 31
            with window.expect_download() as waiting:
                window.click("a:has-text('NumPy')")
            with np.load(waiting.value.path()) as found:
                assert len(found["kept_row_id"]) == 11  # one of them OK
