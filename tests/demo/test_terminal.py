"""The demo's live view: maps keep their sums, sign and place, and text from outside stays text."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rich.console import Console, RenderableType

from monitor.demo.terminal import (
    FOR_NG,
    FOR_OK,
    NOTHING,
    SensorView,
    band_text,
    colour,
    fold_columns,
    hz_text,
    map_panel,
    screen,
)
from monitor.records.evidence import Grid
from monitor.records.signal import Float32
from monitor.records.verdict import Band, Status, Verdict
from tests.verdicts import network

GRID = Grid((0.0, 100.0, 200.0, 400.0, 800.0), (0.0, 0.25, 0.5, 0.75, 1.0))


def verdict(
    status: Status = Status.OK, contribution: Float32 | None = None, sensor: str = "m/p"
) -> Verdict:
    evidence = () if contribution is None else (network(contribution, bias=-1.0),)
    return Verdict(sensor, 0, 0, 100, 0, 10**9, status, evidence=evidence, grid=GRID)


def drawn(what: RenderableType, width: int = 122) -> Console:
    console = Console(
        record=True,
        width=width,
        force_terminal=True,
        color_system="truecolor",
        file=StringIO(),
    )
    console.print(what)
    return console


@given(
    cells=arrays(
        np.float32,
        st.tuples(st.integers(1, 6), st.integers(1, 40)),
        elements=st.floats(-9, 9, width=32),
    ),
    n=st.integers(1, 12),
)
def test_folding_keeps_every_row_sum(cells: Float32, n: int) -> None:
    folded = fold_columns(cells, n)
    assert folded.shape == (cells.shape[0], min(n, cells.shape[1]))
    np.testing.assert_allclose(
        folded.sum(axis=1), cells.sum(axis=1, dtype=np.float64), atol=1e-4
    )


@given(st.floats(-3, 3))
def test_colour_keeps_the_sign_and_stays_between_its_ends(share: float) -> None:
    end = FOR_NG if share > 0 else FOR_OK
    for part, zero, full in zip(colour(share), NOTHING, end, strict=True):
        assert min(zero, full) <= part <= max(zero, full)


def test_no_evidence_is_dark_and_the_ends_are_full() -> None:
    assert (colour(0.0), colour(1.0), colour(-1.0), colour(7.0)) == (
        NOTHING,
        FOR_NG,
        FOR_OK,
        FOR_NG,
    )


def test_evidence_is_drawn_at_its_band_and_time() -> None:
    contribution = np.zeros((4, 4), np.float32)
    contribution[3, 3] = 1.0  # 400 to 800 Hz, the window's last quarter
    contribution[0, 0] = -1.0  # 0 to 100 Hz, its first
    lines = (
        drawn(map_panel(SensorView("m/p", "", [verdict(contribution=contribution)])))
        .export_text(styles=True)
        .split("\n")
    )
    top, bottom = lines[1], lines[2]
    red, blue = ";".join(map(str, FOR_NG)), ";".join(map(str, FOR_OK))
    assert f"\x1b[38;2;{red};" in top  # the upper half of the upper line
    assert red not in bottom
    assert f"48;2;{blue}m" in bottom  # the lower half of the lower line
    assert top.index(red) > bottom.index(blue)


@pytest.mark.parametrize(
    ("hz", "text"),
    [
        (0, "0"),
        (12.5, "12.5"),
        (950, "950"),
        (1000, "1k"),
        (2440, "2.44k"),
        (12_800, "12.8k"),
    ],
)
def test_frequencies_are_short(hz: float, text: str) -> None:
    assert hz_text(hz) == text


def test_a_band_is_named_in_one_unit() -> None:
    assert band_text(Band(2440.0, 2930.0, 0.614)) == "2.44-2.93 kHz, 61%"
    assert band_text(Band(87.5, 112.0, 0.1)) == "87.5-112 Hz, 10%"
    assert band_text(None) == ""


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("width", [40, 80, 122, 200])
def test_every_status_is_shown_at_every_width(status: Status, width: int) -> None:
    views = [
        SensorView(f"machine-{n}/point", "healthy", [verdict(status)] * n) for n in range(4)
    ]
    text = drawn(screen("title", "figures", views, width), width).export_text()
    assert max(map(len, text.split("\n"))) <= width
    if width >= 122:
        assert status.value in text
        assert "waiting" in text  # of the sensor that has said nothing yet


@given(st.text(min_size=1, max_size=30))
def test_text_from_outside_stays_text(name: str) -> None:
    view = SensorView(f"[bold red]{name}\x1b[2J", name, [verdict(sensor=name)])
    written = drawn(screen("title", "figures", [view], 122)).export_text()
    assert "[bold red]" in written
    assert "\x1b" not in written
