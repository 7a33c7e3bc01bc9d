"""Whether a rule and its model fit, and what geometry they make."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.config_sensors import SensorSettings
from monitor.evidence.geometry import geometry_of, spectrum_settings
from monitor.evidence.model_folder import find_model, load_model_manifest
from monitor.settings import ConfigError
from tests.signals import configure

MODEL = load_model_manifest(find_model("cnc-milling"))


def rule(**changes: Any) -> SensorSettings:
    known = {"model": "cnc-milling", "channels": ["x", "y", "z"], "sample_rate_hz": 2000}
    return configure(sensor={**known, **changes}).sensors[0]


def test_a_model_brings_its_own_spectrum() -> None:
    fits = rule(sample_rate_hz=2001.9)
    settings, grid = spectrum_settings(fits, MODEL)
    assert (settings, grid) == (MODEL.settings, MODEL.map_grid)
    geometry = geometry_of(fits, settings, grid)
    assert (geometry.channels, geometry.f_edges_hz) == (fits.channels, grid.f_edges_hz)


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({"channels": ["x", "z"]}, r"\['x', 'z'\]: model 'cnc-milling' needs 3 channels\."),
        ({"sample_rate_hz": 2003}, "was trained at 2000.0 Hz and takes that rate to 0.1 %"),
    ],
)
def test_a_rule_that_does_not_fit_its_model_is_refused(
    changes: dict[str, Any], needs: str
) -> None:
    with pytest.raises(ConfigError, match=needs):
        spectrum_settings(rule(**changes), MODEL)


def test_without_a_model_the_window_makes_the_spectrum() -> None:
    settings, grid = spectrum_settings(configure().sensors[0], None)
    assert (settings.n_window, settings.sample_rate_hz) == (1000, 2000)
    assert grid.f_edges_hz == settings.band_edges_hz


def test_a_window_too_short_for_a_spectrum_is_refused_by_its_key() -> None:
    short = configure(sensor={"sample_rate_hz": 100, "window_s": 0.15}).sensors[0]
    with pytest.raises(ConfigError, match=r"window_s = 0.15 s .* at least 16\."):
        spectrum_settings(short, None)
