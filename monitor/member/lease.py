"""A child process lives as long as its member is heard: over a pipe, a byte a second.

A member that was stopped for longer than the group waits has lost its
partitions without knowing it. Its children end before that time is over, so
that no partition has two owners.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import threading

from monitor.exit_codes import EXIT_SUPERSEDED
from monitor.thread_name import name_thread

BEAT = b"."
BEAT_S = 1.0
SHARE = 0.6  # of the session's timeout

log = logging.getLogger(__name__)


def keep_lease(pipe: int, lease_s: float) -> None:
    """Watch the pipe in a thread of its own. Its end: stop in order. Silence for lease_s: leave at
    once, as after a kill -9.
    """
    threading.Thread(target=_watch, args=(pipe, lease_s), name="lease", daemon=True).start()


def _watch(pipe: int, lease_s: float) -> None:
    name_thread("lease")
    while True:
        ready, _, _ = select.select([pipe], [], [], lease_s)
        if not ready:
            log.error("The member was not heard for %.0f s: this process ends.", lease_s)
            logging.shutdown()
            os._exit(EXIT_SUPERSEDED)
        if not os.read(pipe, 4096):
            os.kill(os.getpid(), signal.SIGTERM)
            return
