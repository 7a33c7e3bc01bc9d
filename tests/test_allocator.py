"""A turn's memory is used again, and not mapped and cleared anew."""

from __future__ import annotations

import subprocess
import sys

import pytest

TURNS = """
import resource
from monitor.allocator import keep_freed_memory
keep_freed_memory()
for turn in range(51):
    if turn == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = bytearray(8 << 20)
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_freed_blocks_are_used_again_without_page_faults() -> None:
    found = subprocess.run(
        [sys.executable, "-c", TURNS],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    n_pages_of_all_turns = 50 * (8 << 20) // 4096
    assert int(found.stdout) < n_pages_of_all_turns / 20
