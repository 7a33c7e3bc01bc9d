"""The pictures of docs/diagnose.md are made by the command that stands there."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from monitor.simulator.known import PARTS
from tests.paths import ROOT
from training.family_pictures import picture

DOCS = ROOT / "docs"


@pytest.mark.parametrize("part", PARTS[1:])
def test_each_family_has_its_picture_in_the_document(part: str) -> None:
    name = f"families/{part.replace(' ', '-')}.svg"
    drawn = ET.fromstring((DOCS / name).read_text(encoding="utf-8"))
    assert drawn.findtext("{*}title") == part
    assert f"]({name})" in (DOCS / "diagnose.md").read_text(encoding="utf-8")


def test_a_picture_shows_the_machine_before_and_after_and_the_part_s_lines() -> None:
    drawn = ET.fromstring(picture("cage"))
    assert drawn.findtext("{*}title") == "cage"
    assert len(drawn.findall("{*}polyline")) == 2
    assert len(drawn.findall("{*}line")) == 4
    texts = {one.text for one in drawn.findall("{*}text")}
    assert {"1×FTF", "2×FTF", "3×FTF", "4×FTF"} <= texts
