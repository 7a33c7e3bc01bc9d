"""What the C library does with memory that is freed."""

from __future__ import annotations

import ctypes

# mallopt's numbers for two of its settings, and the largest values that help. Source: mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 64 << 20
LARGEST_BLOCK_BYTES = 32 << 20


def keep_freed_memory() -> None:
    """Let the process use a turn's memory again in the next turn, up to KEPT_BYTES.

    glibc gives large blocks back at once, and the kernel then maps and clears
    the same pages anew, at every turn: a tenth of the service's processor time
    and more. Other C libraries do as they like.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
