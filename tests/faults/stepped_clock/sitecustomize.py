"""Every look at the wall clock is as many seconds off as a file says; the monotonic clock goes on.

Python imports this by itself where its folder is on PYTHONPATH. libfaketime, which steps the clock
of a whole process, steps its sleeps and polls too: they fail with "Invalid argument", which they
do not do where a machine's clock is set.
"""

import os
import time
from pathlib import Path

_OFFSET = Path(os.environ["STEPPED_CLOCK"])
_time_ns = time.time_ns


def _stepped_ns() -> int:
    return _time_ns() + int(_OFFSET.read_text(encoding="ascii")) * 10**9


time.time_ns = _stepped_ns
time.time = lambda: _stepped_ns() / 1e9
