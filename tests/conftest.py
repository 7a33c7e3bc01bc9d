"""What every test may use, and the header that says which real servers and recordings a run has."""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Until the tests begin hardly anything is freed, and each look for it goes through all modules:
# a third of the time it takes to collect them.
gc.disable()

# A law holds or not; how fast depends on what else the machine does.
settings.register_profile("laws", deadline=None)
settings.load_profile("laws")

# Tests start Python some hundred times: without bytecode each start compiles every module anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# before numpy: several workers share the cores
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ("tests.browser", "tests.servers.influx", "tests.servers.kafka")

SERVER_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
PROGRAMS = {  # program: how it tells its version
    "mosquitto": ("-h",),
    "influxd": ("version",),
    "chromium": ("--version",),
    "java": ("--version",),
}
# Files that take longest. They go first, so that no worker starts one when the others are done.
LONG_FILES = (
    "tests/forward/test_forward.py",
    "tests/integration/test_kafka_members.py",
    "tests/faults/test_quick.py",
    "tests/integration/test_life.py",
    "tests/integration/test_kafka_source.py",
    "tests/demo/test_demo.py",
    "tests/page/test_page.py",
    "tests/outputs/test_kafka.py",
    "tests/commands/test_doctor.py",
    "tests/integration/test_discover.py",
    "tests/training/test_examples.py",
    "tests/integration/test_delivery.py",
    "tests/training/test_from_alarm_to_model.py",
    "tests/integration/test_unseen_machine.py",
    "tests/training/test_evaluate_elsewhere.py",
    "tests/training/test_live_and_offline.py",
)
DATASETS_VARIABLE = "CAMSHAFT_DATASETS"


def server_program(name: str) -> str | None:
    """Where a server's program lies, or None. Debian keeps some outside a user's PATH."""
    return shutil.which(name, path=SERVER_PATH)


def _version(program: str, arguments: tuple[str, ...]) -> str:
    said = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=120, check=False
    ).stdout
    found = re.search(r"\d+\.\d+\.\d+", said)
    return found[0] if found else "unknown version"


def _datasets() -> Path | None:
    folder = os.environ.get(DATASETS_VARIABLE)
    return Path(folder) if folder and Path(folder).is_dir() else None


def pytest_report_header() -> list[str]:
    lines = []
    for name, arguments in PROGRAMS.items():
        program = server_program(name)
        lines.append(
            f"{name}: {_version(program, arguments)}, real"
            if program
            else f"{name}: not found, its tests skip"
        )
    folder = _datasets()
    sets = (
        ", ".join(sorted(path.name for path in folder.iterdir() if path.is_dir()))
        if folder
        else ""
    )
    lines.append(
        f"recordings: {sets or f'none ({DATASETS_VARIABLE} names no folder), their tests skip'}"
    )
    return lines


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder of real recordings; tests that need it skip without it."""
    folder = _datasets()
    if folder is None:
        pytest.skip(
            f"needs the real recordings: {DATASETS_VARIABLE} names no folder (README, Tests)"
        )
    return folder


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        file = item.nodeid.split("::")[0]
        return LONG_FILES.index(file) if file in LONG_FILES else len(LONG_FILES)

    items.sort(key=place)  # all others stay in their order
