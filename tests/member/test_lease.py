"""A process of a partition ends with its member, or once it was not heard for too long."""

from __future__ import annotations

import subprocess
import sys
import time

from monitor.exit_codes import EXIT_SUPERSEDED
from tests.servers.child import dying_with_us

LEASE_S = 3.0  # of a test that may itself stand still for a while
PROGRAM = """
import signal, sys, time
from monitor.member.lease import keep_lease
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
keep_lease(sys.stdin.fileno(), float(sys.argv[1]))
print("runs", flush=True)
time.sleep(60)
"""


def child(lease_s: float) -> subprocess.Popen[bytes]:
    command = [*dying_with_us(), sys.executable, "-c", PROGRAM, str(lease_s)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"runs\n"
    return process


def test_silence_ends_it_at_once() -> None:
    with child(lease_s=0.2) as process:
        assert process.wait(20) == EXIT_SUPERSEDED


def test_while_it_is_heard_it_runs_and_ends_with_the_pipe() -> None:
    with child(LEASE_S) as process:
        assert process.stdin is not None
        end_s = time.monotonic() + 1.3 * LEASE_S
        while time.monotonic() < end_s:
            process.stdin.write(b".")
            process.stdin.flush()
            time.sleep(0.1)
            assert process.poll() is None
        process.stdin.close()
        assert process.wait(20) == 0
