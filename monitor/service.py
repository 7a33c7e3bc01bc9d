"""The daemon: the only file with threads.

    the source's thread     messages into the inbox
    pipeline thread         inbox -> verdicts -> journal -> acknowledgements
    a thread an output      journal -> an InfluxDB, a webhook, the alarm topics
    metrics threads         journal -> Prometheus, where it is asked for (prometheus_client's own)
    main thread             signals, watchdog

A thread that ends unexpectedly ends the process: systemd starts it again, and the journal knows
where to go on.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from monitor import systemd
from monitor.commissioner import Commissioner
from monitor.config import Config, ConfigError
from monitor.config_file import load_config
from monitor.evidence.model_folder import ModelError, find_model
from monitor.evidence.network import Classifier
from monitor.exit_codes import EXIT_FAULT, EXIT_OK
from monitor.health import Latencies, book_fields, rss_bytes
from monitor.journal.reader import JournalReader
from monitor.journal.schema import JournalError, claim
from monitor.journal.subscriptions import SubscriptionStore
from monitor.journal.writer import Journal
from monitor.log_limiter import LogLimiter
from monitor.outputs.configured import Broker, RunningOutput, configured_outputs
from monitor.pipeline.analysis import Analyser
from monitor.pipeline.inbox import Inbox
from monitor.pipeline.listening import ListeningClock
from monitor.pipeline.pacing import Due, Pacer
from monitor.pipeline.pipeline import Pipeline
from monitor.pipeline.router import Rules
from monitor.records.batch import Batch
from monitor.records.signal import Message
from monitor.sources.base import Callbacks, Publisher, Source
from monitor.sources.configured import MakeSource, configured_source, topic_filters
from monitor.text import printable

TURN_S = 0.05  # an idle turn of the pipeline
MESSAGES_PER_TURN = 64  # a turn's windows are in memory at once
MIN_INBOX = 500  # messages: of QoS 0, none waits at the broker
INBOX_BYTES = 256 << 20
TICK_S = 1.0
HEALTH_S = 10.0
JOURNAL_RETRY_S = 1.0
LOG_PERIOD_S = 60.0
STUCK_S = 20.0  # without a turn of the pipeline: no more answers to the watchdog
DRAIN_S = 6.0
LEAVE_S = 1.5

WHY_UNUSED = {
    "too_large": "The message is larger than mqtt.max_payload_bytes.",
    "inbox_full": "A QoS 0 message found the inbox full.",
}

log = logging.getLogger(__name__)


def load_rules(config: Config) -> Rules:
    """Load every model that the sensors name. Raises ConfigError or ModelError, one sentence."""
    classifiers: dict[str, Classifier] = {}
    for rule in config.sensors:
        if rule.model is not None and rule.model not in classifiers:
            classifiers[rule.model] = Classifier(find_model(rule.model, config.models_folder))
    return Rules(
        subscriptions=config.subscriptions,
        analysers=tuple(
            Analyser(rule, classifiers[rule.model] if rule.model else None)
            for rule in config.sensors
        ),
        kept_windows=config.journal.kept_windows,
        max_payload_bytes=config.mqtt.max_payload_bytes,
        max_lag_s=config.max_lag_s,
        failure_modes=config.page.failure_modes,
    )


def database_names(config: Config) -> list[str]:
    """The outputs that take verdicts: thinning waits for them."""
    return [database.name for database in config.influx]


def _serve_metrics(config: Config) -> Callable[[], None]:
    """Returns what ends it. Raises ConfigError where it cannot listen,
    or its library is missing.
    """
    if config.prometheus is None:
        return lambda: None
    from monitor.outputs.prometheus import serve  # an extra

    return serve(config.prometheus, config.journal.path, config.instance, database_names(config))


def broker_of(source: Source) -> Broker | None:
    """Alarms go to the broker that the messages come from, if they come from one."""
    if not isinstance(source, Publisher):
        return None
    return Broker(source.publish, lambda: source.connection.number)


class Service:
    """One run of the daemon. Raises ConfigError,
    ModelError or JournalError where it cannot start.
    """

    def __init__(
        self, path: Path, config: Config, make_source: MakeSource = configured_source
    ) -> None:
        self._path, self._config = path, config
        # Messages that cannot be taken, with the reason.
        self._unused: deque[tuple[Message, str]] = deque()
        rules = load_rules(config)
        self._lock_file = claim(config.journal.path)
        self._journal = Journal(config.journal.path, systemd.starting_slowly)
        self._commissioner = Commissioner(config.journal.path)
        self._reader = JournalReader(config.journal.path)
        streams, digests = self._journal.streams(), self._journal.digests()
        self._pipeline = Pipeline(rules, streams, digests, 0.0)
        self._inbox = Inbox(max(config.mqtt.receive_maximum, MIN_INBOX), INBOX_BYTES)
        self._subscriptions = SubscriptionStore(config.journal.path)
        callbacks = Callbacks(self._deliver, self._refuse, self._fail)
        self._source = make_source(config, callbacks, self._subscriptions.filters)
        self._outputs = configured_outputs(config, broker_of(self._source))

        self._log_limiter = LogLimiter(log, LOG_PERIOD_S)  # of the pipeline thread
        self._latencies = Latencies()
        self._started_s = time.monotonic()
        self._stopping = threading.Event()
        self._wake = threading.Event()  # the main thread has something to do
        self._signals: deque[int] = deque()
        self._fault: BaseException | None = None
        self._next_rules: Rules | None = None
        self._turn_s = time.monotonic()  # of the pipeline's last turn
        self._listening = ListeningClock(self._turn_s)
        self._n_connects = 0
        self._is_thinning = False
        self._pacer = Pacer(config.mqtt.receive_maximum)
        self._ticked_s = self._health_s = 0.0
        self._window_rate: tuple[float, int] = (self._started_s, 0)

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT. Returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        threads = [self._thread("pipeline", self._run_pipeline)]
        threads += [
            self._thread(running.output.name, partial(self._run_output, running))
            for running in self._outputs
        ]
        stop_metrics = _serve_metrics(self._config)
        for thread in threads:
            thread.start()
        self._source.start()
        systemd.notify("READY=1", "STATUS=Running.")
        log.info("Camshaft runs: journal %s.", self._config.journal.path)
        self._serve()
        systemd.notify("STOPPING=1")
        self._stop(threads)
        stop_metrics()
        return EXIT_OK if self._fault is None else EXIT_FAULT

    # -- main thread ------------------------------------------------------------------------------

    def _serve(self) -> None:
        while self._fault is None:
            self._wake.wait(TICK_S)
            self._wake.clear()
            while self._signals:
                if self._signals.popleft() != signal.SIGHUP:
                    return
                self._reload()
            if time.monotonic() - self._turn_s < STUCK_S and self._source.is_alive:
                systemd.notify("WATCHDOG=1")

    def _stop(self, threads: list[threading.Thread]) -> None:
        """Take what is in the inbox, store tails, acknowledge, leave."""
        self._stopping.set()
        pipeline, *outputs = threads
        pipeline.join(DRAIN_S)
        self._inbox.close()
        self._source.stop(LEAVE_S)
        # A request still under way is sent again at the next start, to the same effect.
        deadline_s = time.monotonic() + LEAVE_S
        for thread in outputs:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        if pipeline.is_alive():
            log.error(
                "The pipeline did not stop within %.0f s; what it held is still with the broker.",
                DRAIN_S,
            )
            return
        self._journal.close()
        log.info("Camshaft stopped.")

    def _on_signal(self, number: int, _frame: object) -> None:
        self._signals.append(number)
        self._wake.set()

    def _reload(self) -> None:
        """SIGHUP: read the configuration and its models again. What cannot be used is refused; the
        old stays.
        """
        systemd.reloading()
        try:
            config = load_config(self._path)
            kept = {"mqtt", "journal", "influx", "instance", "notifications", "prometheus"}
            changed = [
                name
                for name in sorted(kept)
                if getattr(config, name) != getattr(self._config, name)
            ]
            if changed:
                log.warning(
                    "Changes under %s need a restart; the running values stay.", ", ".join(changed)
                )
            config = config.model_copy(update={name: getattr(self._config, name) for name in kept})
            self._next_rules = load_rules(config)
            self._source.listen(topic_filters(config))
            self._source.renew()
            self._config = config
            log.info("Configuration and models reloaded.")
        except (ConfigError, ModelError) as error:
            log.error("Reload refused, the old configuration stays: %s", error)
        systemd.notify("READY=1")

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                work()
            except BaseException as error:
                log.exception("The %s thread failed.", name)
                self._fail(error)

        return threading.Thread(target=guarded, name=name, daemon=True)

    def _fail(self, error: BaseException) -> None:
        self._fault = error
        self._wake.set()

    # -- the source's thread -----------------------------------------------------------------------

    def _deliver(self, message: Message) -> None:
        dropped = self._inbox.put(message)
        if dropped is not None:
            self._unused.append((dropped, "inbox_full"))

    def _refuse(self, message: Message, reason: str) -> None:
        self._unused.append((message, reason))

    # -- pipeline thread --------------------------------------------------------------------------

    def _run_pipeline(self) -> None:
        self._commission()  # before the first message: it may complete a window
        try:
            while not self._stopping.is_set():
                self._turn(TURN_S)
            deadline_s = time.monotonic() + DRAIN_S / 2
            while len(self._inbox) and time.monotonic() < deadline_s:
                self._turn(0.0)
            self._commit(Due.TAILS)
            self._report_health(time.monotonic())
        except JournalError as error:
            if not self._stopping.is_set():
                raise
            log.error("%s What it did not take is still with the broker.", error)

    def _turn(self, timeout_s: float) -> None:
        """One turn: take messages in, judge what is whole,
        commit and acknowledge when it is time.
        """
        messages = self._inbox.take(MESSAGES_PER_TURN, timeout_s)
        now_s = time.monotonic()
        listened_s = self._listening.look(now_s, self._source.is_connected)
        self._note_connection()
        self._adopt_rules()
        while self._unused:
            message, reason = self._unused.popleft()
            self._pipeline.refuse(message, reason, WHY_UNUSED[reason])
        if messages:
            self._pipeline.process(messages, time.time_ns(), listened_s)
        if now_s - self._ticked_s >= TICK_S:
            self._tick(now_s)
        self._commit_if_due(len(messages))
        self._turn_s = time.monotonic()

    def _note_connection(self) -> None:
        connection = self._source.connection
        if connection.number != self._n_connects:
            self._n_connects = connection.number
            if not connection.is_resumed:
                self._pipeline.forget_deliveries()

    def _adopt_rules(self) -> None:
        rules, self._next_rules = self._next_rules, None
        if rules is not None:
            self._pipeline.change_rules(rules)

    def _tick(self, now_s: float) -> None:
        self._ticked_s = now_s
        if self._source.is_connected:
            self._pipeline.tick(time.time_ns(), self._listening.listened_s)
        try:
            self._subscriptions.keep(self._source.remembered)
            self._commission()
        except JournalError as error:
            self._log_limiter.note(
                logging.ERROR, f"{error} Subscriptions and commissioning wait.", now_s
            )
        if self._is_thinning or now_s - self._health_s >= HEALTH_S:
            self._thin()
        if now_s - self._health_s >= HEALTH_S:
            self._health_s = now_s
            self._report_health(now_s)

    def _commission(self) -> None:
        events, commissioned = self._commissioner.step(time.time_ns())
        for event in events:
            self._pipeline.event(event)
        if commissioned is not None:
            self._pipeline.commission(commissioned)

    def _commit_if_due(self, n_taken: int) -> None:
        pipeline, n_inbox = self._pipeline, len(self._inbox)
        waited_s = pipeline.waited_s(self._listening.listened_s)
        now_s = time.monotonic()
        due = self._pacer.due(
            now_s, pipeline.n_pending, waited_s, n_taken, n_inbox, pipeline.has_verdicts
        )
        if due is not Due.NOTHING:
            self._commit(due)

    def _commit(self, due: Due) -> None:
        """Store the current batch; then, and only then, acknowledge what it settles."""
        batch = self._pipeline.take_batch(with_tails=due is Due.TAILS)
        self._pacer.committed(time.monotonic())
        if not batch:
            return
        self._store(batch)
        self._latencies.add(batch.window_received_ns, time.time_ns())
        for event in batch.events:
            log.info("%s %s: %s", printable(event.sensor), event.kind, printable(event.text))
        for delivery in batch.settled:
            self._source.settle(delivery.token)

    def _store(self, batch: Batch) -> None:
        """Until the journal takes it: a full disk holds everything back, down to the broker, and
        loses nothing.
        """
        while True:
            try:
                return self._journal.commit(batch)
            except JournalError as error:
                if self._stopping.is_set():
                    raise
                self._turn_s = time.monotonic()
                self._log_limiter.note(
                    logging.ERROR,
                    f"{error} The broker keeps what comes until it can.",
                    self._turn_s,
                )
                self._stopping.wait(JOURNAL_RETRY_S)

    def _thin(self) -> None:
        """Keep the journal within its limits: a bounded step,
        and one every tick while it is over.
        """
        journal = self._config.journal
        try:
            taken = self._journal.thin(
                journal.max_bytes, journal.kept_windows.max_bytes, database_names(self._config)
            )
        except JournalError as error:
            log.error("%s", error)
            return
        self._is_thinning = taken.total() > 0
        if taken["undelivered_rows"]:
            log.error(
                "The journal is full: %d rows that InfluxDB never got were thinned.",
                taken["undelivered_rows"],
            )

    def _report_health(self, now_s: float) -> None:
        try:
            self._journal.store_health(time.time_ns(), self._health_fields(now_s))
        except JournalError as error:
            log.error("%s", error)

    def _health_fields(self, now_s: float) -> dict[str, Any]:
        then_s, then_n = self._window_rate
        n_windows = self._latencies.n_windows
        self._window_rate = (now_s, n_windows)
        databases = database_names(self._config)
        fields: dict[str, Any] = book_fields(self._reader.books(), databases)
        fields |= self._source.health()
        fields |= self._latencies.percentiles()
        fields |= {
            "windows_per_s": (n_windows - then_n) / max(now_s - then_s, 1e-9),
            "journal_bytes": self._journal.path.stat().st_size,
            "oldest_row_age_s": self._reader.oldest_waiting_age_s(time.time_ns(), databases),
            "sensors": len(self._pipeline.sensors),
            "uptime_s": now_s - self._started_s,
            "rss_bytes": rss_bytes(),
        }
        return fields

    # -- a thread for each output ------------------------------------------------------------------

    def _run_output(self, running: RunningOutput) -> None:
        log_limiter = LogLimiter(log, LOG_PERIOD_S)
        while not self._stopping.is_set():
            try:
                delay_s = running.runner.step(time.monotonic(), time.time_ns())
            except JournalError as error:
                text = f"{error} {running.output.title} waits."
                log_limiter.note(logging.ERROR, text, time.monotonic())
                delay_s = JOURNAL_RETRY_S
            self._stopping.wait(delay_s)
        running.close()
