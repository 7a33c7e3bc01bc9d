"""What a Ray cluster's nodes are given to do. Apart and light, since each process imports it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from training import TrainingError


def met(item: tuple[Path, bool]) -> None:
    """Waits until two nodes are at work, then refuses or not."""
    import ray

    folder, refuses = item
    (folder / str(ray.get_runtime_context().get_node_id())).touch()
    deadline_s = time.monotonic() + 120
    while len(list(folder.iterdir())) < 2 and time.monotonic() < deadline_s:
        time.sleep(0.05)
    if refuses:
        raise TrainingError("refused")


def killed(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
