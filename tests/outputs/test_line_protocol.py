"""Rows of line protocol: cases, and what a real InfluxDB makes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

from monitor.outputs.influx.line_protocol import (
    band_names,
    event_line,
    health_line,
    verdict_lines,
    whole_cells,
)
from monitor.records.context import Context
from monitor.records.evidence import Grid
from monitor.records.verdict import Status, Verdict
from tests.servers.influx import InfluxDatabase
from tests.servers.strict_line_protocol import ParseError, parse
from tests.verdicts import GRID, bias_of, make_verdict, score_of

HOSTILE_NAMES = [
    "press 7",
    "a,machine=b",
    "x=1 vibration_verdict,machine=y ng=1i 1",
    "line\nfeed\r\n",
    "tab\tand\x00nul\x1b[31m",
    "trailing\\",
    "\\",
    "C:\\n\\,\\ \\=",
    "'; DROP DATABASE test0; --",
    '"quoted"',
    "# comment",
    "  spaces  ",
    "100 %",
    "%0A",
    "%250A",
    "Fräse Ø 3 ☃ 🜁",
    "\x85next line",
    "=",
    ",",
    "null",
    "true",
    "1i",
    "e" * 2000,
]


def test_bands_are_named_by_their_centre_in_hz() -> None:
    assert band_names((0.0, 500.0, 25000.0)) == ("00250", "12750")
    assert band_names((10.0, 15.0, 16.0)) == ("12", "16")
    assert band_names((12.0, 12.2, 12.4)) == ("12.1", "12.3")
    assert band_names((0.0, 25.0, 25.5, 201.0)) == ("012", "025", "113")


def test_bands_of_the_same_centre_are_refused() -> None:
    with pytest.raises(ValueError, match="two centres are the same"):
        band_names((1.0, 1.0, 1.0))


def test_rounding_goes_to_the_largest_cells() -> None:
    cells = np.array([[0.00004, 0.00004], [0.00004, -0.50004]], np.float64)
    whole = whole_cells(cells, float(cells.sum()))
    assert whole is not None
    assert whole.tolist() == [[0, 0], [0, -4999]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_a_map_that_is_no_number_is_left_out(bad: float) -> None:
    contribution: Any = np.full(GRID.shape, bad, np.float64)
    whole = make_verdict()
    spoilt = replace(whole.evidence[0], cells=contribution)
    verdict = replace(whole, evidence=(spoilt, whole.evidence[1]))
    rows = parse("\n".join(verdict_lines(verdict, maps=True)))
    assert {row.measurement for row in rows} >= {
        "vibration_verdict",
        "vibration_novelty",
        "vibration_spectrum",
    }
    assert "vibration_cam" not in {row.measurement for row in rows}


def test_without_maps_there_are_four_rows() -> None:
    rows = parse("\n".join(verdict_lines(make_verdict(), maps=False)))
    names = ["verdict", "quality", "condition", "context"]
    assert [row.measurement for row in rows] == [f"vibration_{name}" for name in names]
    assert rows[2].fields == {"rms_ms2": 1.25, "crest": 3.5, "zone": 2.0}
    assert rows[3].fields == {"speed_rpm": 1480.0, "tool.word": "T4"}


def test_nothing_told_is_no_row() -> None:
    verdict = make_verdict(context={})
    rows = parse("\n".join(verdict_lines(verdict, maps=False)))
    assert "vibration_context" not in {row.measurement for row in rows}


def test_context_of_any_words_keeps_its_types_in_a_real_influxdb(
    influxdb: InfluxDatabase,
) -> None:
    """A name that brings numbers and words in turns, one that InfluxDB has itself, hostile
    words.
    """
    words = [name[:64] for name in HOSTILE_NAMES if name.isprintable()]
    told: list[Context] = [{"tool": 7.0, "time": 3.5}]
    told += [{"tool": word, "load": 0.25} for word in words]
    told += [{"tool": 8.0, "load": float("nan")}]
    verdicts = [make_verdict(k, context=one) for k, one in enumerate(told)]
    lines = [line for verdict in verdicts for line in verdict_lines(verdict, maps=False)]
    assert influxdb.write("\n".join(lines).encode()) == (204, "")
    query = 'SELECT "tool", "tool.word", "load", "time.number" FROM vibration_context'
    (found,) = influxdb.query(query)
    assert found.column("tool") == [7.0, *[None] * len(words), 8.0]
    assert found.column("tool.word") == [None, *words, None]
    assert found.column("load") == [None, *[0.25] * len(words), None]
    assert found.column("time.number")[0] == 3.5


def test_overlapping_windows_do_not_overwrite_each_others_maps() -> None:
    # windows of 2000 samples that overlap by three quarters
    starts = [0, 500, 1000, 1500, 2000]
    sends_maps = [
        len(verdict_lines(make_verdict(first_sample=start), maps=True)) > 4
        for start in starts
    ]
    assert sends_maps == [True, False, False, False, True]


def test_only_a_judged_window_says_ng_or_not() -> None:
    for status, ng in [
        (Status.OK, 0),
        (Status.NG, 1),
        (Status.BAD_DATA, None),
        (Status.IDLE, None),
    ]:
        row = parse(verdict_lines(make_verdict(status=status), maps=False)[0])[0]
        assert row.fields.get("ng") == ng


def with_threshold(threshold: float | None, **changes: Any) -> Verdict:
    verdict = make_verdict(**changes)
    by_network, by_novelty = verdict.evidence
    return replace(verdict, evidence=(replace(by_network, threshold=threshold), by_novelty))


def test_numbers_that_dashboards_need() -> None:
    verdict = with_threshold(0.0, status=Status.NG, alarm="raised")
    fields = parse(verdict_lines(verdict, maps=False)[0])[0].fields
    assert (fields["severity"], fields["alarm"], fields["probability_threshold"]) == (
        5,
        1,
        0.5,
    )
    assert (fields["start_ms"], fields["end_ms"], fields["column_ms"]) == (
        1_700_000_000_000,
        1_700_000_001_000,
        250,
    )
    uneven = Grid(GRID.f_edges_hz, (0.0, 0.0125, 0.025))
    fields = parse(verdict_lines(make_verdict(grid=uneven), maps=False)[0])[0].fields
    assert fields["column_ms"] == 13
    for threshold in (-800.0, 800.0):
        fields = parse(verdict_lines(with_threshold(threshold), maps=False)[0])[0].fields
        assert fields["probability_threshold"] == (threshold > 0)


def test_spectrum_is_the_mean_power_of_the_channels() -> None:
    grid = Grid((0.0, 10.0), (0.0, 1.0))
    # One channel carries everything.
    spectrum_db = np.array([[[-20.0]], [[-np.float32(1e9)]]], np.float32)
    rows = parse(
        "\n".join(
            verdict_lines(make_verdict(grid=grid, spectrum_db=spectrum_db), maps=True)
        )
    )
    assert rows[-1].fields == {"5": -230}  # half of it: 3 dB less


def test_a_line_feed_in_a_name_starts_no_row() -> None:
    assert "\n" not in event_line("a\nb/c\nd", "label", 1, "x").replace('"x"', "")
    assert len(parse(health_line("a\nb", {"received_samples": 1}, 1))) == 1


def test_half_a_surrogate_pair_is_no_text() -> None:
    (row,) = parse(event_line("m\ud800/p", "label", 1, "\udfff"))
    assert (row.tags["machine"], row.fields["text"]) == ("m?", "?")


@pytest.mark.parametrize(
    "body",
    [
        "m",
        "m f=1",
        "m f=1 1 2",
        "m, f=1 1",
        "m,t= f=1 1",
        "m,t=1,t=2 f=1 1",
        "m f=nan 1",
        'm f="a 1',
        "m f=1,f=2 1",
        "m f=1i1 1",
        "m,t=a\\ f=1 1",
        "m,t=a\tb f=1 1",
        "#m f=1 1",
        "m f=9223372036854775808i 1",
        "m f=1 1\n\nm f=1 1",
    ],
)
def test_the_strict_parser_is_strict(body: str) -> None:
    with pytest.raises(ParseError):
        parse(body)


def test_hostile_names_and_texts_survive_a_real_influxdb(influxdb: InfluxDatabase) -> None:
    lines = [
        event_line(f"{name}/{name}", "label", index, name)
        for index, name in enumerate(HOSTILE_NAMES)
    ]
    assert influxdb.write("\n".join(lines).encode()) == (204, "")
    (texts,) = influxdb.query("SELECT text FROM vibration_event")
    assert texts.column("text") == HOSTILE_NAMES
    series = influxdb.query("SELECT text FROM vibration_event GROUP BY machine, point")
    assert len(series) == len(HOSTILE_NAMES)
    for one in series:
        (text,) = one.column("text")
        assert unquote(one.tags["machine"]) == unquote(one.tags["point"]) == text


def test_a_real_influxdb_gives_every_row_back(influxdb: InfluxDatabase) -> None:
    verdicts = [make_verdict(index) for index in range(5)]
    lines = [line for verdict in verdicts for line in verdict_lines(verdict, maps=True)]
    assert influxdb.write("\n".join(lines).encode()) == (204, "")
    for row in parse("\n".join(lines)):
        names = ", ".join(f'"{name}"' for name in row.fields)
        (found,) = influxdb.query(
            f'SELECT {names} FROM "{row.measurement}" WHERE time = {row.time_ns}'
        )
        assert dict(zip(found.columns[1:], found.values[0][1:], strict=True)) == row.fields
    (sums,) = influxdb.query("SELECT sum(*) FROM vibration_cam")
    in_logits = (
        sum(
            value
            for name, value in zip(sums.columns, sums.values[0], strict=True)
            if name != "time"
        )
        / 1e4
    )
    assert in_logits == pytest.approx(
        sum((score_of(v) or 0) - (bias_of(v) or 0) for v in verdicts), abs=5 * 0.5e-4
    )


@pytest.mark.parametrize(
    ("border", "step_ns", "jitter_ns"),
    [
        (
            "start_ms",
            1_000_000_000,
            1,
        ),  # 224 of 263 windows of real milling data were wrong
        ("map_start_ms", 990_000_000, 3_000_000),  # 1 % faster than it says, with jitter
    ],
)
def test_a_real_influxdb_gives_maps_back_between_their_borders(
    influxdb: InfluxDatabase, border: str, step_ns: int, jitter_ns: int
) -> None:
    """A stream that begins 0.6 ms past a whole millisecond."""
    rng = np.random.default_rng(7)
    start_ns, verdicts = 1_700_000_000_123_600_417, []
    for index in range(9):
        verdicts.append(make_verdict(index, start_ns=start_ns, end_ns=start_ns + 10**9))
        start_ns += step_ns + int(rng.integers(jitter_ns)) - jitter_ns // 2
    lines = [line for verdict in verdicts for line in verdict_lines(verdict, maps=True)]
    assert influxdb.write("\n".join(lines).encode()) == (204, "")
    (borders,) = influxdb.query(f"SELECT {border}, end_ms FROM vibration_verdict")
    assert len(borders.values) == len(verdicts)
    for verdict, (_, start_ms, end_ms) in zip(verdicts, borders.values, strict=True):
        (sums,) = influxdb.query(
            "SELECT sum(*) FROM vibration_cam"
            f" WHERE time > {start_ms * 10**6} AND time <= {end_ms * 10**6}"
        )
        expected = round(10_000 * (score_of(verdict) - bias_of(verdict)))
        assert sum(sums.values[0][1:]) == expected
