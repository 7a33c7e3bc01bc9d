"""The page's scripts, as far as no browser is needed: their own tests, run by Node."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.paths import ROOT

LEAST_NODE = 18
FILES = sorted((ROOT / "tests" / "page" / "scripts").glob("*.test.js"))


def node() -> str:
    """Node's program; skips the test where there is none that can run tests."""
    program = shutil.which("node")
    if program is None:
        pytest.skip(
            "needs Node (Debian package nodejs) for the unit tests of the page's scripts"
        )
    said = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=True
    )
    found = re.match(r"v(\d+)", said.stdout)
    if found is None or int(found[1]) < LEAST_NODE:
        pytest.skip(f"needs Node {LEAST_NODE} or newer, found {said.stdout.strip()}")
    return program


def test_the_scripts_own_tests_pass() -> None:
    run = subprocess.run(
        [node(), "--test", *map(str, FILES)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    n_passed = re.search(r"pass (\d+)", run.stdout)
    assert n_passed is not None
    assert int(n_passed[1]) >= 17  # a run of nothing passes, too
