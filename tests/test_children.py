"""What tests start does not outlive them: killed runs left an influxd each, for days."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.page_stage import fill, write_config
from tests.servers.child import run_child, start_child
from tests.servers.mosquitto import free_port, wait_until
from tests.servers.prepared import is_prepared

TESTS = Path(__file__).parent
STARTS = """
import subprocess, sys, time
from tests.servers.child import start_child
child = start_child(sys.argv[1:], subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(600)
"""


# prepared.py's process ends with its connection to the run.
HAVE_THEIR_OWN = ("child.py", "prepared.py", "test_children.py")
CAMSHAFT = [sys.executable, "-m", "monitor.cli"]


def words(name: str, folder: Path) -> list[str]:
    """A command of Camshaft's over a small journal."""
    fill(folder / "camshaft.journal", n_windows=2)
    return [*CAMSHAFT, name, "-c", str(write_config(folder))]


@pytest.mark.parametrize("is_camshaft", [False, True])
def test_a_child_ends_with_the_run_that_was_killed(
    is_camshaft: bool, tmp_path: Path
) -> None:
    page = [*words("page", tmp_path), "--port", str(free_port())]
    child = page if is_camshaft else ["sleep", "600"]
    assert is_prepared(child, None) is is_camshaft
    if not is_camshaft and shutil.which("setpriv") is None:
        pytest.skip("needs setpriv (util-linux)")
    command = [sys.executable, "-c", STARTS, *child]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        place = Path("/proc", run.stdout.readline().strip())
        shown = "\0".join(child).encode()
        wait_until(lambda: (place / "cmdline").read_bytes().rstrip(b"\0") == shown)
        run.send_signal(signal.SIGKILL)
    wait_until(lambda: not _is_alive(place), why="the child has ended")


@pytest.mark.parametrize("name", ["check-config", "no-such-command"])
def test_a_prepared_process_does_what_a_fresh_one_does(name: str, tmp_path: Path) -> None:
    command = words(name, tmp_path)
    assert is_prepared(command, None)
    prepared, fresh = (run_child(command, fresh=fresh) for fresh in (False, True))
    assert (prepared.stdout, prepared.stderr) == (fresh.stdout, fresh.stderr)
    assert prepared.returncode == fresh.returncode
    assert fresh.stdout or fresh.stderr


def test_a_prepared_process_is_our_child_with_its_own_environment_and_signals(
    tmp_path: Path,
) -> None:
    command = [*words("page", tmp_path), "--port", str(free_port())]
    environment = {**os.environ, "ONE_MORE": "1"}
    child = start_child(command, subprocess.DEVNULL, environment)
    place = Path("/proc", str(child.pid))
    assert f"\nPPid:\t{os.getpid()}\n" in (place / "status").read_text()
    assert child.poll() is None
    child.send_signal(signal.SIGSTOP)
    wait_until(lambda: "\nState:\tT" in (place / "status").read_text())
    child.kill()
    assert child.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        ([*CAMSHAFT, "run"], {"PYTHONPATH": "elsewhere"}),
        ([*CAMSHAFT, "run"], {"LD_PRELOAD": "faketime.so"}),
        ([*CAMSHAFT, "run"], {"OMP_NUM_THREADS": "2"}),
        (["bwrap", *CAMSHAFT, "run"], {}),
        ([sys.executable, "-O", "-m", "monitor.cli"], {}),
        ([sys.executable, "-m", "training.cli"], {}),
        ([sys.executable, "-c", "import monitor"], {}),
    ],
)
def test_what_a_fork_could_not_do_is_a_fresh_process(
    command: list[str], environment: dict[str, str]
) -> None:
    assert is_prepared([*CAMSHAFT, "run"], os.environ)
    assert not is_prepared(command, {**os.environ, **environment})


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
        if path.name not in HAVE_THEIR_OWN
        and "subprocess.Popen(" in (text := path.read_text(encoding="utf-8"))
        and "dying_with_us()" not in text
    ]
    assert not alone
