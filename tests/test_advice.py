"""Each failure mode and each named part has its advice, and the configuration's goes first."""

from __future__ import annotations

import pytest

from monitor.advice import UNKNOWN, advice_book
from monitor.config import AdviceSettings
from monitor.config_page import PageSettings
from tests.paths import ROOT

BOOK = advice_book({})


def test_each_failure_mode_has_advice_with_a_source() -> None:
    for mode in PageSettings().failure_modes:
        advice = BOOK.of(mode)
        assert advice is not None, mode
        assert advice.do
        assert advice.source


def test_each_part_that_may_be_named_has_advice() -> None:
    text = (ROOT / "monitor" / "diagnosis" / "families.py").read_text(encoding="utf-8")
    for part in (
        "outer race",
        "inner race",
        "rolling element",
        "cage",
        "gear tooth",
        "blades",
    ):
        assert f'"{part}"' in text
        assert BOOK.of(part) is not None, part
    for part in ("belt", "electrical", "imbalance", "misalignment", "looseness"):
        assert f'"{part}"' in text
        assert BOOK.of(part) is not None, part


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("network, 3090 to 4910 Hz hold 87% of the evidence for NG", UNKNOWN),
        ("outer race, drive end: 4 lines at BPFO", "outer race"),
        ("lines at BPFI with sidebands", "inner race"),
        ("misalignment", "misalignment"),
        ("bearings", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_a_text_names_its_advice(text: str, name: str) -> None:
    assert BOOK.of_text(text).name == name


def test_the_first_text_that_names_one_holds() -> None:
    assert BOOK.of_text("", "gear", "bearing").name == "gear"


def test_the_configuration_replaces_and_adds() -> None:
    own = AdviceSettings(do=("Call extension 4711.",))
    book = advice_book({"bearing": own, "cavitation": own})
    bearing, added = book.of("bearing"), book.of("cavitation")
    assert bearing is not None
    assert (bearing.title, bearing.check, bearing.do) == ("Rolling bearing", (), own.do)
    assert added is not None
    assert added.title == "Cavitation"
