"""The service: the only file with threads.

    the source's thread     messages into the inbox
    pipeline thread         inbox -> verdicts -> journal -> acknowledgements
    judging threads         windows -> verdicts, while the pipeline waits: config.workers less one
    a thread an output      journal -> an InfluxDB, a webhook, the alarm topics
    metrics threads         journal -> Prometheus, where it is asked for (prometheus_client's own)
    main thread             signals, watchdog

A thread that ends unexpectedly ends the process: systemd starts it again, and
the journal knows where to go on.
"""

from __future__ import annotations

import logging
import secrets
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from monitor import systemd
from monitor.commissioner import Commissioner
from monitor.config import Config
from monitor.config_file import changed_keys, load_config
from monitor.config_pairs import doubts
from monitor.evidence.model_folder import ModelError
from monitor.exit_codes import EXIT_FAULT, EXIT_OK, EXIT_REFUSED, EXIT_SUPERSEDED
from monitor.health import PointStates
from monitor.health_report import HealthReport
from monitor.journal.asks import AskStore
from monitor.journal.in_use import InUseStore
from monitor.journal.positions import SupersededError
from monitor.journal.reader import JournalReader
from monitor.journal.schema import JournalError, claim
from monitor.journal.subscriptions import SubscriptionStore
from monitor.journal.writer import Journal
from monitor.log_limiter import LogLimiter
from monitor.log_lines import set_up
from monitor.os_signals import Signals
from monitor.outputs.base import OutputEndedError
from monitor.outputs.configured import Broker, RunningOutput, configured_outputs
from monitor.outputs.runner import delivery_fields
from monitor.pipeline.configured import configured_rules
from monitor.pipeline.inbox import Inbox
from monitor.pipeline.listening import ListeningClock
from monitor.pipeline.pacing import Due, Gathering, Pacer
from monitor.pipeline.pipeline import Pipeline
from monitor.pipeline.router import Rules
from monitor.pipeline.workers import Workers, workers_here
from monitor.records.batch import TROUBLES, BadPayload, Batch
from monitor.records.signal import Message
from monitor.records.stream import StoredStream
from monitor.repair_check import RepairCheck
from monitor.settings import ConfigError
from monitor.settings_in_use import NEEDS_RESTART, in_use
from monitor.sources.base import (
    Callbacks,
    News,
    Numbered,
    Publisher,
    Source,
    SourceEndedError,
)
from monitor.sources.configured import MakeSource, configured_source, topic_filters
from monitor.text import first_bytes, printable
from monitor.thinner import Thinner
from monitor.thread_name import name_thread

if TYPE_CHECKING:
    from monitor.kafka.state_topic import StateTopic  # its client is an extra

TURN_S = 0.05  # an idle turn of the pipeline
GATHER_STEP_S = 0.01  # once none has come for so long, waiting ends
MESSAGES_PER_TURN = 64  # a turn's windows are in memory at once
MIN_INBOX = 500  # messages: of QoS 0, none waits at the broker
INBOX_BYTES = 256 << 20
SALT_BYTES = 16  # of the settings' fingerprints
TICK_S = 1.0
HEALTH_S = 10.0
JOURNAL_RETRY_S = 1.0
LOG_PERIOD_S = 60.0
REFUSAL_PERIOD_S = 600.0
STUCK_S = 20.0  # without a turn of the pipeline: no more answers to the watchdog
DRAIN_S = 6.0
LEAVE_S = 1.5
FENCED_S = 5.0

WHY_UNUSED = {
    "too_large": "The message is larger than mqtt.max_payload_bytes.",
    "inbox_full": "A QoS 0 message found the inbox full.",
    "no_topic": "A record of Kafka has neither a header `topic` nor a key.",
}

SOURCE_ENDED = (
    "The thread that messages come from has ended, and Camshaft with it. What is not acknowledged"
    " is delivered again to the next start."
)
SAID = (ConfigError, SupersededError, OutputEndedError, SourceEndedError)  # in one sentence

log = logging.getLogger(__name__)


def _claim(path: Path, is_fenced: bool) -> IO[str] | None:
    """Raises JournalError where another service holds the journal. One that is fenced off stores
    nothing more and leaves; it is not waited for longer, as it may be stopped.
    """
    deadline_s = time.monotonic() + FENCED_S
    while True:
        try:
            return claim(path)
        except JournalError:
            if not is_fenced:
                raise
            if time.monotonic() >= deadline_s:
                log.warning(
                    "Another process still has the journal open, and is fenced off."
                )
                return None
            time.sleep(TURN_S)


def database_names(config: Config) -> list[str]:
    """The outputs that take verdicts: thinning waits for them."""
    names = [database.name for database in config.influx]
    if config.kafka_output is not None:
        names.append(config.kafka_output.cursor_name)
    return names


def _serve_metrics(config: Config) -> Callable[[], None]:
    """Returns what ends it. Raises ConfigError where it cannot listen,
    or its library is missing.
    """
    if config.prometheus is None:
        return lambda: None
    from monitor.outputs.prometheus import serve  # an extra

    return serve(
        config.prometheus, config.journal.path, config.instance, database_names(config)
    )


def refusal_line(bad: BadPayload) -> str:
    whose = f"{bad.sensor}, " if bad.sensor else ""
    text = f"A message is refused: {bad.detail} ({whose}topic {bad.topic}, {bad.n_bytes:,} bytes"
    return printable(f"{text}, the first {first_bytes(bad.head)})", 600)


def broker_of(source: Source) -> Broker | None:
    """Alarms go to the broker that the messages come from, if they come from one."""
    if not isinstance(source, Publisher):
        return None
    return Broker(source.publish, lambda: source.connection.number)


class Service:
    """One run of the service. Raises ConfigError,
    ModelError or JournalError where it cannot start.
    """

    def __init__(
        self,
        path: Path,
        config: Config,
        make_source: MakeSource = configured_source,
        generation: int | None = None,
        load: Callable[[Path], Config] = load_config,
        state: StateTopic | None = None,
    ) -> None:
        """generation : of the journal, where a member of a group has taken it over for us
        load : the configuration again, at SIGHUP
        state : where a partition's next owner finds what it needs
        """
        self._path, self._config, self._load = path, config, load
        # Messages that cannot be taken, with the reason.
        self._unused: deque[tuple[Message, str]] = deque()
        self._news: deque[News] = deque()
        rules = configured_rules(config)
        self._lock_file = _claim(config.journal.path, is_fenced=generation is not None)
        self._journal = Journal(config.journal.path, systemd.starting_slowly, generation)
        self._reader = JournalReader(config.journal.path)
        self._workers = Workers(workers_here(config.workers))
        streams = self._journal.streams()
        self._pipeline = self._resumed(rules, streams, notes_records=state is not None)
        self._commissioner = Commissioner(config.journal.path, self._pipeline.geometry)
        self._points = PointStates(
            {name: stored.alarm_raised for name, stored in streams.items()}
        )
        self._inbox = Inbox(max(config.mqtt.receive_maximum, MIN_INBOX), INBOX_BYTES)
        self._subscriptions = SubscriptionStore(config.journal.path)
        callbacks = Callbacks(self._deliver, self._refuse, self._fail, self._news.append)
        self._source = make_source(config, callbacks, self._subscriptions.filters)
        if isinstance(self._source, Numbered):
            self._source.resume(self._journal.resumed())
        self._outputs = configured_outputs(config, broker_of(self._source), state)

        self._log_limiter = LogLimiter(log, LOG_PERIOD_S)  # of the pipeline thread
        self._refusal_limiter = LogLimiter(log, REFUSAL_PERIOD_S)  # likewise
        databases = database_names(config)
        self._health = HealthReport(
            config.journal.path, self._reader, databases, time.monotonic()
        )
        self._thinner = Thinner(self._journal, config.journal, databases)
        self._repair_check = RepairCheck(config.journal.path)
        self._orders = InUseStore(config.journal.path)  # of the pipeline thread
        self._asks = AskStore(config.journal.path)  # likewise
        self._stopping = threading.Event()
        self._signals = Signals()
        self._fault: BaseException | None = None
        self._next_rules: Rules | None = None
        self._turn_s = time.monotonic()  # of the pipeline's last turn
        self._listening = ListeningClock(self._turn_s)
        self._n_connects = 0
        self._pacer = Pacer(config.mqtt.receive_maximum)
        self._gathering = Gathering()
        self._ticked_s = self._health_s = 0.0

    def _resumed(
        self, rules: Rules, streams: Mapping[str, StoredStream], notes_records: bool
    ) -> Pipeline:
        """Where an earlier process stopped, as the journal holds it.

        notes_records : a partition's next owner asks for them
        """
        journal = self._journal
        digests, remembered = journal.digests(), journal.remembered()
        first = journal.resumed().first if notes_records else None
        if not notes_records:
            journal.forget_records()
        return Pipeline(
            rules,
            streams,
            digests,
            0.0,
            remembered,
            journal.healthy,
            self._workers.judge,
            first,
        )

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT. Returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._signals.note)
        threads = [self._thread("pipeline", self._run_pipeline)]
        threads += [
            self._thread(running.output.name, partial(self._run_output, running))
            for running in self._outputs
        ]
        stop_metrics = _serve_metrics(self._config)
        for thread in threads:
            thread.start()
        self._source.start()
        self._tell_settings()
        systemd.notify("READY=1", "STATUS=Running.")
        log.info("Camshaft runs: journal %s.", self._config.journal.path)
        self._serve()
        systemd.notify("STOPPING=1")
        self._stop(threads)
        stop_metrics()
        return self._exit_code()

    def _exit_code(self) -> int:
        fault = self._fault
        if fault is None:
            return EXIT_OK
        if isinstance(fault, SAID):
            log.error("%s", fault)
        else:
            log.critical(
                "Camshaft ends after an unexpected fault, %s. What is not acknowledged is"
                " delivered again to the next start.",
                printable(repr(fault), 200),
            )
        if isinstance(fault, ConfigError):
            return EXIT_REFUSED
        return EXIT_SUPERSEDED if isinstance(fault, SupersededError) else EXIT_FAULT

    # -- main thread ------------------------------------------------------------------------------

    def _serve(self) -> None:
        while self._fault is None:
            number = self._signals.next(TICK_S)
            if number == signal.SIGHUP:
                self._reload()
            elif number is not None:
                return
            if not self._source.is_alive:
                self._fail(SourceEndedError(SOURCE_ENDED))
            elif time.monotonic() - self._turn_s < STUCK_S:
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
        self._workers.close()
        self._journal.close()
        log.info("Camshaft stopped.")

    def _reload(self) -> None:
        """SIGHUP: read the configuration and its models again. What cannot be used is refused; the
        old stays.
        """
        systemd.reloading()
        try:
            config = self._load(self._path)
            changed = [
                change
                for name in NEEDS_RESTART
                for change in changed_keys(
                    name, getattr(self._config, name), getattr(config, name)
                )
            ]
            if changed:
                log.warning("A restart is needed for %s.", "; ".join(changed))
            config = config.model_copy(
                update={name: getattr(self._config, name) for name in NEEDS_RESTART}
            )
            self._next_rules = configured_rules(config)
            self._source.listen(topic_filters(config))
            self._source.renew()
            self._config = config
            rest = "All else of the configuration" if changed else "Configuration"
            for doubt in doubts(config):
                log.warning("%s", doubt)
            log.info("%s and models reloaded.", rest)
            set_up(config.logging.level, config.logging.levels, config.logging.format)
            self._tell_settings()
        except (ConfigError, ModelError) as error:
            log.error("Reload refused, the old configuration stays: %s", error)
            self._tell_settings(str(error))
        systemd.notify("READY=1")

    def _tell_settings(self, refused: str = "") -> None:
        """For the page: what is in use, or why it did not change."""
        try:
            with closing(InUseStore(self._config.journal.path)) as store:
                if refused:
                    store.refuse(refused)
                else:
                    salt = secrets.token_bytes(SALT_BYTES)
                    store.tell(in_use(self._config, time.time_ns(), salt))
        except JournalError as error:
            log.warning("%s The page does not know which settings are in use.", error)

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            name_thread(name)
            try:
                work()
            except SAID as error:
                self._fail(error)
            except BaseException as error:
                log.exception("The %s thread failed.", name)
                self._fail(error)

        return threading.Thread(target=guarded, name=name, daemon=True)

    def _fail(self, error: BaseException) -> None:
        if self._fault is None:  # the first says most
            self._fault = error
        self._signals.wake()

    # -- the source's thread -----------------------------------------------------------------------

    def _deliver(self, message: Message) -> None:
        dropped = self._inbox.put(message)
        if dropped is not None:
            self._unused.append((dropped, "inbox_full"))

    def _refuse(self, message: Message, reason: str) -> None:
        self._unused.append((message, reason))
        self._inbox.note_loss(message.topic)

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
        began_s = time.monotonic()
        messages = self._gathered(timeout_s)
        now_s = time.monotonic()
        listened_s = self._listening.look(now_s, self._source.is_connected)
        self._note_connection()
        self._adopt_rules()
        while self._unused:
            message, reason = self._unused.popleft()
            self._pipeline.refuse(message, reason, WHY_UNUSED[reason])
        while self._news:
            news = self._news.popleft()
            self._pipeline.note(news.kind, news.text, news.n, time.time_ns())
        self._workers.are_needed = self._gathering.needs_help
        if messages or self._pipeline.is_occluding:
            self._pipeline.process(messages, time.time_ns(), listened_s)
        if now_s - self._ticked_s >= TICK_S:
            self._tick(now_s)
        self._commit_if_due(len(messages))
        self._turn_s = time.monotonic()
        self._gathering.note(self._turn_s - now_s, now_s - began_s)

    def _gathered(self, timeout_s: float) -> list[Message]:
        """What has come; of a busy pipeline also what comes within the next moments."""
        messages = self._inbox.take(MESSAGES_PER_TURN, timeout_s)
        until_s = time.monotonic() + self._gathering.wait_s
        n_seen = -1
        while len(self._inbox) > n_seen and time.monotonic() < until_s:
            n_seen = len(self._inbox)
            if not messages or len(messages) + n_seen >= MESSAGES_PER_TURN:
                break
            self._stopping.wait(GATHER_STEP_S)
        return messages + self._inbox.take(MESSAGES_PER_TURN - len(messages), 0.0)

    def _note_connection(self) -> None:
        connection = self._source.connection
        if connection.number != self._n_connects:
            self._n_connects = connection.number
            self._pipeline.connected(connection.is_resumed)

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
            self._pipeline.ask(self._asks.open(), time.time_ns())
            if self._orders.take():
                self._signals.note(signal.SIGHUP)
        except JournalError as error:
            self._log_limiter.note(
                logging.ERROR, f"{error} Subscriptions and commissioning wait.", now_s
            )
        if self._thinner.is_busy or now_s - self._health_s >= HEALTH_S:
            self._thinner.step(time.time_ns())
        if now_s - self._health_s >= HEALTH_S:
            self._health_s = now_s
            self._repair_check.step(time.time_ns())
            self._report_health(now_s)

    def _commission(self) -> None:
        commissioned = self._commissioner.step(time.time_ns())
        self._pipeline.keep_all_maps_of(self._commissioner.waiting)
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
        tokens = [delivery.token for delivery in batch.settled]
        if isinstance(self._source, Numbered) and tokens:
            batch.position = self._source.position(tokens)
        self._store(batch)
        if batch.position is not None:
            self._pipeline.forget_before(batch.position.offset)
        self._health.latencies.add(batch.window_received_ns, time.time_ns())
        self._points.note(batch.verdicts)
        self._log_refusals(batch)
        for event in batch.events:
            level = logging.WARNING if event.kind in TROUBLES else logging.INFO
            log.log(
                level,
                "%s %s: %s",
                printable(event.sensor),
                event.kind,
                printable(event.text),
            )
        if tokens:
            self._source.settle(tokens)
        if isinstance(self._source, Publisher):
            for command in batch.commands:
                self._source.publish(command.topic, command.payload, qos=0)

    def _log_refusals(self, batch: Batch) -> None:
        """A line a sensor and reason, however many messages."""
        now_s = time.monotonic()
        for bad in batch.bad_payloads:
            text = refusal_line(bad)
            trouble = f"{bad.sensor or bad.topic}: {bad.reason}"
            self._refusal_limiter.note(logging.WARNING, text, now_s, trouble)

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

    def _report_health(self, now_s: float) -> None:
        try:
            outputs = delivery_fields([running.runner for running in self._outputs])
            others = {**self._source.health(), **outputs}
            fields = self._health.fields(now_s, len(self._pipeline.sensors), others)
            self._journal.store_health(time.time_ns(), fields, self._points.report(now_s))
        except JournalError as error:
            log.error("%s", error)

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
