"""What tests start does not outlive them: killed runs left an influxd each, for days."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.mosquitto import wait_until

TESTS = Path(__file__).parent
STARTS = """
import subprocess, sys, time
from tests.servers.child import start_child
child = start_child(["sleep", "600"], subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv (util-linux)")
def test_a_child_ends_with_the_run_that_was_killed() -> None:
    command = [sys.executable, "-c", STARTS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        place = Path("/proc", run.stdout.readline().strip())
        wait_until(lambda: b"sleep" in (place / "cmdline").read_bytes()[:6])
        run.send_signal(signal.SIGKILL)
    wait_until(lambda: not _is_alive(place), why="the child has ended")


def _is_alive(place: Path) -> bool:
    """A child whom nobody waits for stays as a zombie."""
    try:
        return "\nState:\tZ" not in (place / "status").read_text()
    except OSError:
        return False


def test_every_server_is_started_so() -> None:
    alone = [
        path.relative_to(TESTS)
        for path in TESTS.rglob("*.py")
        if path.name not in ("child.py", "test_children.py")
        and "subprocess.Popen(" in path.read_text(encoding="utf-8")
    ]
    assert not alone
