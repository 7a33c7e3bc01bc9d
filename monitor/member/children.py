"""A process for each partition: started, started again when it died, stopped. No Kafka."""

from __future__ import annotations

import contextlib
import logging
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from monitor.exit_codes import EXIT_OK, EXIT_REFUSED, EXIT_SUPERSEDED
from monitor.member.lease import BEAT, BEAT_S

BACKOFF_S = (1.0, 30.0)
STEADY_S = 60.0  # a process that lived so long dies for the first time again
STOP_S = 15.0  # the service itself leaves within 10 s
POLL_S = 0.05

log = logging.getLogger(__name__)

# Start the process of a partition: its generation of the journal is the second.
Start = Callable[[int, int], "subprocess.Popen[bytes]"]


@dataclass(slots=True)
class Child:
    """process is None while it is not to run, or until start_s."""

    generation: int
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    start_s: float = 0.0
    pause_s: float = BACKOFF_S[0]
    is_superseded: bool = False


class Children:
    """Used by one thread.

    take_over : a new generation of the partition's journal
    """

    def __init__(self, start: Start, take_over: Callable[[int], int]) -> None:
        self._start, self._take_over = start, take_over
        self._children: dict[int, Child] = {}
        self._beat_s = 0.0
        self.is_refused = False  # one could not start, and would not the next time

    @property
    def partitions(self) -> list[int]:
        return sorted(self._children)

    def pids(self) -> dict[int, int]:
        return {
            partition: child.process.pid
            for partition, child in self._children.items()
            if child.process is not None
        }

    def add(self, partitions: Iterable[int]) -> None:
        """Raises JournalError."""
        for partition in partitions:
            child = Child(self._take_over(partition))
            self._children[partition] = child
            self._run(partition, child)

    def step(self) -> None:
        """Look after all; call it a few times a second."""
        now_s = time.monotonic()
        for partition, child in self._children.items():
            if child.process is not None and child.process.poll() is not None:
                self._note_end(partition, child, now_s)
            is_due = child.process is None and now_s >= child.start_s
            if is_due and not child.is_superseded and not self.is_refused:
                self._run(partition, child)
        self._beat(now_s)

    def signal(self, number: int) -> None:
        for child in self._children.values():
            if child.process is not None:
                child.process.send_signal(number)

    def stop(self, partitions: Iterable[int]) -> None:
        """Each finishes its transaction first. The others are looked after meanwhile."""
        leaving = {p: self._children.pop(p) for p in partitions if p in self._children}
        running = {p: c.process for p, c in leaving.items() if c.process is not None}
        for process in running.values():
            process.terminate()
        deadline_s = time.monotonic() + STOP_S
        while any(process.poll() is None for process in running.values()):
            if time.monotonic() >= deadline_s:
                log.error("Processes did not stop within %.0f s and are killed.", STOP_S)
                break
            self.step()
            time.sleep(POLL_S)
        for partition, process in running.items():
            _end(process)
            log.info("Partition %d is released.", partition)

    def kill(self, partitions: Iterable[int]) -> None:
        """They are another's already."""
        for partition in partitions:
            child = self._children.pop(partition, None)
            if child is not None and child.process is not None:
                _end(child.process)
                log.warning("Partition %d is lost: its process is killed.", partition)

    def _run(self, partition: int, child: Child) -> None:
        child.process = self._start(partition, child.generation)
        child.started_s = time.monotonic()
        log.info(
            "Partition %d is served by process %d, generation %d of its journal.",
            partition,
            child.process.pid,
            child.generation,
        )

    def _note_end(self, partition: int, child: Child, now_s: float) -> None:
        assert child.process is not None
        code = child.process.returncode
        _end(child.process)
        child.process = None
        if code == EXIT_SUPERSEDED:
            child.is_superseded = True
            log.warning("Partition %d was taken over by another process.", partition)
            return
        if code == EXIT_REFUSED:
            self.is_refused = True
            log.error("Partition %d: its process refused to start, see above.", partition)
            return
        if now_s - child.started_s >= STEADY_S:
            child.pause_s = BACKOFF_S[0]
        child.start_s = now_s + child.pause_s
        how = "stopped" if code == EXIT_OK else f"ended with {code}"
        log.warning(
            "Partition %d: its process %s, and is started again in %.0f s.",
            partition,
            how,
            child.pause_s,
        )
        child.pause_s = min(child.pause_s * 2, BACKOFF_S[1])

    def _beat(self, now_s: float) -> None:
        if now_s - self._beat_s < BEAT_S:
            return
        self._beat_s = now_s
        for child in self._children.values():
            if child.process is not None and child.process.stdin is not None:
                with contextlib.suppress(OSError):  # it has just died, or its pipe is full
                    child.process.stdin.write(BEAT)
                    child.process.stdin.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Killed if it still runs, reaped, its pipe closed."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
