"""However a program writes a table of numbers, they are read as what they are, or refused because
they could be others too. Never read as others.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monitor.recordings.manifest import load_manifest
from monitor.recordings.recording import RecordingError, read
from monitor.records.signal import Float32
from tests.recordings.writers import write_manifest

PREAMBLES: tuple[list[str], ...] = (
    [],
    ["Device;DL-9"],
    ["Rate,2000", "Channels,3", ""],
    ["# a comment, or two"],
)


@st.composite
def styles(draw: st.DrawFn) -> dict[str, object]:
    return {
        "delimiter": draw(st.sampled_from([",", ";", "\t", "|", " "])),
        "decimal": draw(st.sampled_from([".", ","])),
        "n_decimals": draw(st.integers(0, 4)),
        "thousands": draw(st.booleans()),
        "header": draw(st.booleans()),
        "preamble": draw(st.sampled_from(PREAMBLES)),
        "quoted": draw(st.booleans()),
        "end": draw(st.sampled_from(["\n", "\r\n"])),
        "closing": draw(st.booleans()),
        "encoding": draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])),
    }


def written(values: list[list[float]], style: dict[str, object]) -> bytes:
    """The table as a program of that style writes it."""
    delimiter, decimal = str(style["delimiter"]), str(style["decimal"])
    grouped = "," if style["thousands"] else ""

    def cell(value: float) -> str:
        text = f"{value:{grouped}.{style['n_decimals']}f}"
        if decimal == ",":
            text = text.translate(str.maketrans(",.", ".,"))
        return f'"{text}"' if style["quoted"] else text

    rows = [[cell(value) for value in row] for row in values]
    if style["header"]:
        rows.insert(0, [f"ch{at}" for at in range(len(values[0]))])
    lines = [delimiter.join(row) + delimiter * bool(style["closing"]) for row in rows]
    before = style["preamble"]
    assert isinstance(before, list)
    end = str(style["end"])
    return "".join(line + end for line in [*before, *lines]).encode(str(style["encoding"]))


@settings(max_examples=60, deadline=None)
@given(
    values=st.integers(1, 3).flatmap(
        lambda n: st.lists(
            st.lists(st.floats(-3000, 3000), min_size=n, max_size=n), min_size=2, max_size=8
        )
    ),
    style=styles(),
)
def test_a_table_in_any_style(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[list[float]],
    style: dict[str, object],
) -> None:
    # Unquoted, such thousands are further cells: no reader can tell.
    assume(style["quoted"] or not (style["thousands"] and style["delimiter"] == ","))
    folder = tmp_path_factory.mktemp("style")
    (folder / "one.csv").write_bytes(written(values, style))
    right = np.array(
        [[float(f"{value:.{style['n_decimals']}f}") for value in row] for row in values],
        np.float32,
    ).T
    with suppress(RecordingError):  # what could be other numbers too is refused
        np.testing.assert_allclose(found(folder, len(right), ""), right, rtol=1e-6)
    if style["delimiter"] != style["decimal"]:
        np.testing.assert_allclose(found(folder, len(right), told(style)), right, rtol=1e-6)


def told(style: dict[str, object]) -> str:
    """What a person would set."""
    words = {" ": "blank", "\t": "tab"}
    delimiter = words.get(str(style["delimiter"]), str(style["delimiter"]))
    before = style["preamble"]
    assert isinstance(before, list)
    return (
        f", delimiter: '{delimiter}', decimal: '{style['decimal']}',"
        f" header: {str(style['header']).lower()}, skip_lines: {len(before)}"
    )


def found(folder: Path, n_channels: int, files: str) -> Float32:
    channels = ", ".join("xyz"[:n_channels])
    files = f"format: csv, channels: [{channels}]{files}"
    return read(
        load_manifest(write_manifest(folder, ["one.csv,ok,a"], files)).recordings[0]
    )
