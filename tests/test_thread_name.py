"""The system knows our threads by name."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from monitor.thread_name import name_thread


@pytest.mark.skipif(
    sys.platform != "linux", reason="threads have names in /proc on Linux alone"
)
def test_the_calling_thread_has_the_name_cut_to_what_linux_keeps() -> None:
    found = []

    def work() -> None:
        name_thread("a-name-that-is-too-long")
        found.append(Path("/proc/thread-self/comm").read_text().strip())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == ["a-name-that-is-"]
