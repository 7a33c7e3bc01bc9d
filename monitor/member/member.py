"""The process that belongs to the group. It reads no record: for each partition that the group
gives it, it runs a service, with a journal of its own.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from monitor import systemd
from monitor.config import Config
from monitor.exit_codes import EXIT_FAULT, EXIT_OK, EXIT_REFUSED
from monitor.instances import of_partition
from monitor.journal.positions import next_generation, stored_position
from monitor.journal.schema import JournalError
from monitor.kafka.client import News, client_settings
from monitor.kafka.group import GroupMember
from monitor.log_limiter import LogLimiter
from monitor.member.children import Children
from monitor.os_signals import Signals
from monitor.records.position import SourcePosition
from monitor.settings import ConfigError

POLL_S = 0.2
COMMIT_S = 5.0
LOG_PERIOD_S = 60.0

log = logging.getLogger(__name__)


class Member:
    """One run. Raises ConfigError where it cannot start."""

    def __init__(self, path: Path, config: Config) -> None:
        kafka = config.kafka
        assert kafka is not None  # Config has checked it
        if config.prometheus is not None:
            raise ConfigError(
                "prometheus: one port cannot serve the processes of several partitions; leave it"
                " out, or give each partition a configuration with kafka.partition."
            )
        self._path, self._config, self._topic = path, config, kafka.topic
        self._children = Children(self._start, self._take_over)
        self._signals = Signals()
        self._fault: JournalError | None = None
        self._news = News()
        self._limiter = LogLimiter(log, LOG_PERIOD_S)
        self._group = GroupMember(
            client_settings(kafka, "kafka", f"camshaft-{config.instance}"),
            kafka.group,
            kafka.topic,
            kafka.session_timeout_s,
            self._news,
            self._assigned,
            self._revoked,
            self._lost,
        )

    def run(self) -> int:
        """Until SIGTERM or SIGINT. Returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._signals.note)
        systemd.notify("READY=1", "STATUS=A member of the group.")
        log.info("Camshaft is a member of the group: topic %s.", self._topic)
        committed_s = time.monotonic()
        while self._goes_on():
            trouble = self._group.poll(POLL_S) or self._news.last_error
            self._news.last_error = ""
            now_s = time.monotonic()
            if trouble:
                text = f"Kafka: {trouble}."
                self._limiter.note(logging.WARNING, text, now_s, trouble)
            self._children.step()
            if now_s - committed_s >= COMMIT_S:
                committed_s = now_s
                self._commit(self._children.partitions)
            systemd.notify("WATCHDOG=1")
        systemd.notify("STOPPING=1")
        self._revoked(self._children.partitions)
        self._group.close()
        log.info("Camshaft stopped.")
        return self._exit_code()

    def _exit_code(self) -> int:
        if self._fault is not None:
            log.error("%s", self._fault)
            return EXIT_FAULT
        return EXIT_REFUSED if self._children.is_refused else EXIT_OK

    def _goes_on(self) -> bool:
        while (number := self._signals.next(0.0)) is not None:
            if number != signal.SIGHUP:
                return False
            self._children.signal(number)
        return self._fault is None and not self._children.is_refused

    def _assigned(self, partitions: list[int]) -> None:
        try:
            self._children.add(partitions)
        except JournalError as error:  # within a callback of Kafka's client
            self._fault = error

    def _revoked(self, partitions: Sequence[int]) -> None:
        self._children.stop(partitions)
        self._commit(partitions)

    def _lost(self, partitions: list[int]) -> None:
        self._children.kill(partitions)

    def _commit(self, partitions: Sequence[int]) -> None:
        self._group.commit(list(self._positions(partitions)))

    def _positions(self, partitions: Sequence[int]) -> Iterator[SourcePosition]:
        for partition in partitions:
            try:
                found = stored_position(self._journal(partition))
            except JournalError:  # not there yet
                continue
            if found is not None:
                yield found

    def _journal(self, partition: int) -> Path:
        return of_partition(self._config, partition).journal.path

    def _take_over(self, partition: int) -> int:
        return next_generation(self._journal(partition))

    def _start(self, partition: int, generation: int) -> subprocess.Popen[bytes]:
        words = ["-m", "monitor.cli", "run", "-c", str(self._path)]
        options = ["--partition", str(partition), "--generation", str(generation)]
        # Its life is the member's business, not systemd's.
        environment = {k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"}
        return subprocess.Popen(
            [sys.executable, *words, *options], stdin=subprocess.PIPE, env=environment
        )
