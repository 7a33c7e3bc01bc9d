"""A signal that comes at any moment is heard, and nobody waits for himself."""

from __future__ import annotations

import signal
import threading
import time

from monitor.os_signals import Signals

APART_S = 20e-6  # some steps of the interpreter
N_HEARD = 3000


def test_a_handler_may_run_between_any_two_steps_of_who_waits() -> None:
    """An Event in its place stood still for ever within some hundred signals: once a service that
    was ended just as it said READY.
    """
    signals = Signals()
    before = signal.signal(signal.SIGALRM, signals.note)
    signal.setitimer(signal.ITIMER_REAL, APART_S, APART_S)
    try:
        for _ in range(N_HEARD):
            assert signals.next(60.0) == signal.SIGALRM
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def test_all_come_in_order_and_a_thread_may_wake_who_waits() -> None:
    signals = Signals()
    for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
        signals.note(number)
    found = [signals.next(0.0) for _ in range(4)]
    assert found == [signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, None]
    threading.Timer(0.05, signals.wake).start()
    begun_s = time.monotonic()
    assert signals.next(60.0) is None
    assert time.monotonic() - begun_s < 30.0
