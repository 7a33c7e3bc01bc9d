"""What a process may do instead of its work. Apart, since each process imports it."""

from __future__ import annotations

import os
import signal

from training.scored_windows import Part, Scoring, scored_part

LAST = "M2-7"  # group of the small plant's last run


def is_last(part: Part) -> bool:
    return part[0][0].group == LAST


def killed_at_the_last(scoring: Scoring, part: Part) -> bytes:
    if is_last(part):
        os.kill(os.getpid(), signal.SIGKILL)
    return scored_part(scoring, part)


def stuck_at_the_last(scoring: Scoring, part: Part) -> bytes:
    while is_last(part):
        signal.pause()
    return scored_part(scoring, part)
