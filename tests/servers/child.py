"""Programs that tests start: they end with the process that started them, even where that was
killed and could end nothing itself.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.servers.prepared import Prepared, is_prepared


def start_child(
    command: Sequence[str | Path],
    log: IO[bytes] | int,
    environment: Mapping[str, str] | None = None,
    *,
    has_children: bool = False,
) -> subprocess.Popen[bytes]:
    """All it says goes to the log. Start it from a thread that lasts: with it the child ends.

    has_children : it is a member of a group, whose own processes are prepared ones too
    """
    if is_prepared(command, environment):
        return Prepared(
            command,
            has_children,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    return subprocess.Popen(
        [*dying_with_us(), *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )


def run_child(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
    *,
    fresh: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Its exit code and what it said. Raises subprocess.TimeoutExpired."""
    kind: type[subprocess.Popen[bytes]] = Prepared
    if fresh or not is_prepared(command, environment):
        kind = subprocess.Popen
    with kind(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            said = process.communicate(timeout=timeout_s)
        except BaseException:
            process.kill()
            raise
    out, error = (text.decode() for text in said)
    return subprocess.CompletedProcess(command, process.returncode, out, error)


def dying_with_us() -> list[str]:
    """The kernel kills what follows when we end. Nothing where util-linux is not there."""
    setpriv = shutil.which("setpriv")
    return [] if setpriv is None else [setpriv, "--pdeathsig", "KILL", "--"]
