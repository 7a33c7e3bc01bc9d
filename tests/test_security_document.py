"""docs/security.md names the test that holds each of its claims, and the unit's rating: both must
be so.
"""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.paths import ROOT

DOCUMENT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_the_tests_it_names_are_there() -> None:
    named = set(re.findall(r"`(tests/[\w/.]+)`", DOCUMENT))
    assert len(named) > 10
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="needs systemd-analyze (Debian package systemd)",
)
@pytest.mark.parametrize(
    ("unit", "said"),
    [("camshaft", r"rates it ([0-9.]+) \("), ("camshaft-retrain", r"\(([0-9.]+)\)")],
)
def test_the_ratings_it_gives_are_those_of_the_units(unit: str, said: str) -> None:
    stated = re.search(said, DOCUMENT)
    assert stated is not None
    command = [
        "systemd-analyze",
        "security",
        "--offline=yes",
        "--no-pager",
        f"{ROOT}/deploy/systemd/{unit}.service",
    ]
    found = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False
    ).stdout
    assert f": {stated[1]} " in found.splitlines()[-1]
