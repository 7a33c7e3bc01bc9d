"""What a machine is: geometry becomes frequencies, and impossible geometry one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.bearing_table import BEARINGS
from monitor.config import Config
from monitor.config_file import parse_config
from monitor.records.machine import BearingRatios, ratios_of
from monitor.settings import ConfigError
from tests.paths import ROOT

BALLS = {"name": "b", "elements": 9, "element_mm": 7.94, "pitch_mm": 39.04}
RATIOS = {
    "name": "b",
    "elements": 9,
    "bpfo": 3.585,
    "bpfi": 5.415,
    "bsf": 2.357,
    "ftf": 0.398,
}


def parse(**entry: Any) -> Config:
    tree = {
        "subscriptions": [{"topic": "v/{machine}/{point}", "payload": {"format": "raw"}}],
        "sensors": [{"sample_rate_hz": 1000}],
        "machines": [{"match": "*", **entry}],
    }
    return parse_config(tree, ROOT)


def ratios(**bearing: Any) -> BearingRatios:
    machine = parse(bearings=[{"name": "b", **bearing}]).machine("m/p")
    assert machine is not None
    return machine.bearings[0].ratios


def test_three_ways_to_tell_one_bearing() -> None:
    known = (3.5848, 5.4152, 2.357, 0.3983)  # the bench's own figures for its drive end
    for way in (BALLS, RATIOS, {"designation": "6205"}):
        found = ratios(**way)
        assert (found.bpfo, found.bpfi, found.bsf, found.ftf) == pytest.approx(
            known, rel=1e-3
        )
        assert found.n_elements == 9


def test_published_frequencies_come_out_of_the_table() -> None:
    """BPFO in Hz as the benches' authors state it."""
    for designation, shaft_hz, bpfo_hz in [
        ("ZA-2115", 2000 / 60, 236.4),
        ("UER204", 35.0, 107.91),
        ("NICE", 25.0, 81.12),
        ("6804", 30.0, 168.3),
        ("6203", 1797 / 60, 91.44),
    ]:
        geometry = BEARINGS[designation]
        found = ratios_of(*geometry[:4]).bpfo * shaft_hz
        assert found == pytest.approx(bpfo_hz, rel=1e-3), designation
        assert geometry.source


@pytest.mark.parametrize(
    ("bearing", "rule"),
    [
        (
            {**BALLS, "element_mm": 39.04},
            "element_mm = 39.04 must be smaller than the pitch circle",
        ),
        (
            {**BALLS, "elements": 16},
            "elements = 16 of element_mm = 7.94 do not fit on a pitch",
        ),
        (
            {**RATIOS, "bpfi": 5.52},
            "bpfo + bpfi = 9.105 must be the number of elements, 9, to",
        ),
        (
            {**RATIOS, "bpfo": 5.415, "bpfi": 3.585},
            "bpfo = 5.415 must be below bpfi = 3.585",
        ),
        ({**BALLS, "bpfo": 3.6}, "must have exactly one of designation; element_mm and"),
        (
            {"name": "b", "elements": 9, "element_mm": 8},
            "must have exactly one of designation",
        ),
        (
            {"name": "b", "element_mm": 8, "pitch_mm": 40},
            "elements, the number of balls or rollers",
        ),
        ({"name": "b", "designation": "6205", "elements": 9}, "not to a designation"),
        (
            {"name": "b", "designation": "9999"},
            "designation = '9999' is not in the table (6203,",
        ),
        ({**RATIOS, "contact_deg": 10}, "contact_deg belongs to element_mm and pitch_mm"),
    ],
)
def test_an_impossible_bearing_is_one_sentence(bearing: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(bearings=[bearing])
    assert str(caught.value).count("\n") == 0
    assert str(caught.value).startswith("machines[0].bearings[0]")
    assert rule in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        ({"shaft": {}}, "must have exactly one of rpm, context, or low_rpm and high_rpm"),
        (
            {"shaft": {"rpm": 0}},
            "machines[0].shaft.rpm = 0: must be greater than 0 (unit: 1/min)",
        ),
        (
            {"shaft": {"rpm": 9, "low_rpm": 1, "high_rpm": 2}},
            "must have exactly one of rpm, context",
        ),
        (
            {"shaft": {"low_rpm": 3, "high_rpm": 2}},
            "low_rpm = 3 must be at most high_rpm = 2",
        ),
        (
            {"shaft": {"low_rpm": 1, "high_rpm": 2, "tolerance": 0.1}},
            "tolerance belongs to rpm",
        ),
        ({"gears": [{"name": "g", "teeth": 2}]}, "greater than or equal to 3"),
        (
            {"gears": [{"name": "g", "teeth": 9}], "blades": [{"name": "g", "count": 3}]},
            "of its own",
        ),
        (
            {"belts": [{"name": "t", "length_mm": 300, "pulley_mm": 100}]},
            "girth of its pulley",
        ),
    ],
)
def test_an_impossible_machine_is_one_sentence(entry: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigError, match="machines") as caught:
        parse(**entry)
    assert rule in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_a_point_hears_its_own_components() -> None:
    config = parse(
        match="pump-*",
        shaft={"rpm": 1500, "tolerance": 0.02},
        bearings=[
            {**BALLS, "at": "drive-*"},
            {**BALLS, "name": "free end", "at": "free-end"},
        ],
        gears=[{"name": "wheel", "teeth": 30, "shaft_ratio": 0.5}],
    )
    drive, other = config.machine("pump-1/drive-end"), config.machine("pump-1/foot")
    assert drive is not None
    assert other is not None
    assert [one.name for one in drive.bearings] == ["b"]
    assert (other.bearings, other.gears) == ((), drive.gears)
    assert config.machine("fan/foot") is None
    assert drive.speed is not None
    assert (drive.speed.middle_hz, drive.speed.tolerance) == pytest.approx((25.0, 0.02))


def test_an_entry_that_is_never_reached_is_refused() -> None:
    tree = {
        "subscriptions": [{"topic": "v/{machine}/{point}", "payload": {"format": "raw"}}],
        "sensors": [{"sample_rate_hz": 1000}],
        "machines": [{"match": "*"}, {"match": "pump/*"}],
    }
    with pytest.raises(
        ConfigError, match=r"machines\[1\].match = 'pump/\*': is never reached"
    ):
        parse_config(tree, ROOT)
