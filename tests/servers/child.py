"""Programs that tests start: they end with the process that started them, even where that was
killed and could end nothing itself.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO


def start_child(
    command: Sequence[str | Path],
    log: IO[bytes] | int,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """All it says goes to the log. Start it from a thread that lasts: with it the child ends."""
    return subprocess.Popen(
        [*_dying_with_us(), *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )


def _dying_with_us() -> list[str]:
    """The kernel kills what follows when we end. Nothing where util-linux is not there."""
    setpriv = shutil.which("setpriv")
    return [] if setpriv is None else [setpriv, "--pdeathsig", "KILL", "--"]
