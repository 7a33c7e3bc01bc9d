"""The configuration that is written: YAML that says the same again, with
strangers' words apart from its own.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitor.config_sensors import SensorSettings
from monitor.discovery.notes import Reason
from monitor.discovery.proposed import Proposal, Rule
from monitor.discovery.writing import configuration, escaped, shown

VALUES = st.one_of(
    st.text(max_size=20),
    st.integers(-(2**40), 2**40),
    st.floats(1e-9, 1e9),
    st.booleans(),
    st.none(),
    st.lists(st.text(max_size=8), max_size=3),
)


@given(VALUES)
def test_a_value_comes_back_from_yaml(value: Any) -> None:
    (found,) = yaml.safe_load(f"key: {shown(value)}").values()
    if isinstance(value, float):
        assert math.isclose(found, value, rel_tol=1e-7)
    else:
        assert found == value


@pytest.mark.parametrize(
    "word", ["y", "no", "null", "1e3", "12", "on", "a: b", "#x", "{a}", ""]
)
def test_words_that_yaml_takes_for_something_else_stay_words(word: str) -> None:
    assert yaml.safe_load(f"key: {shown(word)}") == {"key": word}


def test_a_name_with_signs_of_a_pattern_fits_itself_alone() -> None:
    rule = SensorSettings(match=escaped("mill[1]*/a?"), sample_rate_hz=1000)
    assert rule.fits("mill[1]*/a?")
    assert not rule.fits("mill1/ab")


def test_strangers_words_stay_in_comments() -> None:
    proposal = Proposal(1, ["a\nmqtt: {host: evil}/b"], 3, "v/{machine}", {"format": "raw"})
    proposal.reasons = [Reason("samples", "x\ninstance: evil " + "long " * 60)]
    proposal.rules = [Rule(("m/main",), {"sample_rate_hz": 1000.0, "unit": "g"})]
    tree = yaml.safe_load(configuration({"host": "broker"}, [proposal]))
    assert tree == {
        "mqtt": {"host": "broker"},
        "subscriptions": [{"topic": "v/{machine}", "payload": {"format": "raw"}}],
        "sensors": [{"sample_rate_hz": 1000, "unit": "g"}],
    }
