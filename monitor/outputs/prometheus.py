"""An optional endpoint for Prometheus: the journal's books and the service's newest figures, read
at each scrape.

It says of the service what `camshaft status` does, and nothing of single
sensors. Only where the configuration has the key `prometheus` is this module
imported, or anything listened to.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

from monitor.config_outputs import PrometheusSettings
from monitor.health import book_fields
from monitor.journal.reader import JournalReader
from monitor.journal.schema import JournalError
from monitor.log_limiter import LogLimiter
from monitor.records.books import FATES, Books, RowCounts
from monitor.settings import ConfigError

try:
    from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        InfoMetricFamily,
        Metric,
    )
    from prometheus_client.registry import Collector
except ModuleNotFoundError as error:  # it is an extra: the service does without
    raise ConfigError(
        "prometheus: the endpoint needs the package prometheus-client: install constraints/page.txt"
        " in place of daemon.txt, or the extra camshaft[prometheus], or take this key out."
    ) from error

QUANTILES = {"0.5": "latency_p50_ms", "0.95": "latency_p95_ms", "0.99": "latency_p99_ms"}
LOG_PERIOD_S = 60.0

HEALTH_GAUGES = {  # figure of the newest health row: metric and what it says
    "windows_per_s": (
        "camshaft_windows_per_second",
        "Windows stored a second, over the span before the newest row",
    ),
    "sensors": ("camshaft_sensors", "Sensors known"),
    "journal_bytes": ("camshaft_journal_bytes", "Size of the journal's main file"),
    "broker_connected": (
        "camshaft_broker_connected",
        "1 while connected to the MQTT broker",
    ),
    "broker_session_contested": (
        "camshaft_broker_session_contested",
        "1 while another client uses mqtt.client_id",
    ),
}
HEALTH_COUNTERS = {  # these begin with the process, the books with the journal
    "broker_connects": ("camshaft_broker_connects", "Connections made to the MQTT broker"),
    "broker_dropped_messages": (
        "camshaft_broker_dropped_messages",
        "Messages that the broker says it dropped",
    ),
    "broker_connection_losses": (
        "camshaft_broker_connection_losses",
        "Connections to the MQTT broker that were lost",
    ),
    "broker_failed_connects": (
        "camshaft_broker_failed_connects",
        "Connections to the MQTT broker that could not be made",
    ),
    "broker_refused_connects": (
        "camshaft_broker_refused_connects",
        "Connections that the MQTT broker refused",
    ),
    "broker_refused_subscriptions": (
        "camshaft_broker_refused_subscriptions",
        "Topics that the MQTT broker refused",
    ),
    "broker_refused_publications": (
        "camshaft_broker_refused_publications",
        "Status and alarm messages that the MQTT broker refused",
    ),
    "broker_takeovers": (
        "camshaft_broker_takeovers",
        "Connections that another client with our id ended",
    ),
    "oversize_messages": ("camshaft_oversize_messages", "Messages too large to be taken"),
    "bad_topic_messages": (
        "camshaft_bad_topic_messages",
        "Messages whose topic is not UTF-8",
    ),
}

# Prefix of counters in the books: metric, label, what it says.
MESSAGE_COUNTERS = {
    "windows.": ("camshaft_windows", "status", "Windows by status"),
    "bad_payloads.": ("camshaft_bad_payloads", "reason", "Messages that could not be used"),
    "tolerated.": (
        "camshaft_tolerated",
        "what",
        "Oddities of messages that were read anyway",
    ),
    "sparkplug.": ("camshaft_sparkplug", "what", "Births, deaths and losses of edge nodes"),
    "breaks.": ("camshaft_stream_breaks", "reason", "Breaks in the sensors' streams"),
    "errors.": (
        "camshaft_errors",
        "kind",
        "Faults of the service itself, survived; 0 is right",
    ),
    "thinned.": ("camshaft_thinned", "kind", "What the journal's size limit took away"),
}

log = logging.getLogger(__name__)


class JournalCollector(Collector):
    """The metrics, from a journal that a service is writing.

    Each scrape opens the journal for itself. Scrapes may come at once, each on
    a thread of its own; and a file that is gone shows as gone, where an open
    one would go on telling of the past.

    No metric has a label for the sensor: whoever may publish could make 5000 of
    them, and times statuses and reasons that is more series than one service
    may ask of a Prometheus. InfluxDB, page and `status` tell of single sensors.
    """

    def __init__(self, journal: Path, instance: str, databases: Sequence[str]) -> None:
        """databases : the names of the configured InfluxDBs."""
        self._journal, self._databases = journal, databases
        # Prometheus puts a label `instance` of its own on all it scrapes, and would rename ours.
        self._info = {"version": version("camshaft"), "name": instance}
        self._log_limiter = LogLimiter(log, LOG_PERIOD_S)

    def collect(self) -> Iterator[Metric]:
        """Whole or, where the journal cannot be read, `camshaft_journal_readable 0` alone."""
        yield InfoMetricFamily(
            "camshaft", "The program's version, and the instance's name", self._info
        )
        try:
            with closing(JournalReader(self._journal)) as reader:
                books, health = reader.books(), reader.health()
                oldest_row_s = reader.oldest_waiting_age_s(time.time_ns(), self._databases)
        except JournalError as error:
            self._log_limiter.note(
                logging.ERROR, f"Prometheus gets no figures: {error}", time.monotonic()
            )
            yield GaugeMetricFamily(
                "camshaft_journal_readable", "1 if this scrape could read the journal", 0
            )
            return
        yield GaugeMetricFamily(
            "camshaft_journal_readable", "1 if this scrape could read the journal", 1
        )
        yield from _samples(books)
        yield from _messages(books)
        if self._databases:
            yield from _rows(books.rows(self._databases), oldest_row_s)
        if health is not None:
            yield from _health(*health)


def serve(
    settings: PrometheusSettings, journal: Path, instance: str, databases: Sequence[str]
) -> Callable[[], None]:
    """Start to answer scrapes, on threads of the library's own. Returns what ends it. Raises
    ConfigError.
    """
    registry = CollectorRegistry()
    registry.register(JournalCollector(journal, instance, databases))
    # Memory, processor, files, start of the process under their usual names.
    ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(settings.port, settings.host, registry)
    except OSError as error:
        where = f"prometheus.host = {settings.host!r}, prometheus.port = {settings.port}"
        raise ConfigError(f"{where}: cannot listen there: {error.strerror}.") from error
    log.info("Prometheus may scrape %s port %d.", settings.host, settings.port)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


def _samples(books: Books) -> Iterator[Metric]:
    fields = book_fields(books, ())
    samples = CounterMetricFamily(
        "camshaft_samples",
        "Samples by fate; received is the sum of the others and of camshaft_waiting_samples",
        labels=["fate"],
    )
    for fate in FATES:
        samples.add_metric([fate], fields[f"{fate}_samples"])
    yield samples
    dropped = CounterMetricFamily(
        "camshaft_dropped_samples",
        "Samples that were dropped, by reason",
        labels=["reason"],
    )
    for reason, n in _by_reason(books, "dropped").items():
        dropped.add_metric([reason], n)
    yield dropped
    yield GaugeMetricFamily(
        "camshaft_waiting_samples",
        "Samples of windows not yet whole",
        fields["waiting_samples"],
    )
    yield GaugeMetricFamily(
        "camshaft_unbalanced_sensors",
        "Sensors whose samples do not add up; 0 is right",
        fields["unbalanced_sensors"],
    )


def _messages(books: Books) -> Iterator[Metric]:
    n_messages = books.counters.get("messages_received", 0)
    yield CounterMetricFamily(
        "camshaft_messages_received", "MQTT messages received and settled", n_messages
    )
    for prefix, (name, label, text) in MESSAGE_COUNTERS.items():
        family = CounterMetricFamily(name, text, labels=[label])
        for counter, n in books.counters.items():
            if counter.startswith(prefix):
                family.add_metric([counter.removeprefix(prefix)], n)
        yield family


def _rows(rows: Mapping[str, RowCounts], oldest_s: float) -> Iterator[Metric]:
    settled = CounterMetricFamily(
        "camshaft_rows", "Rows that InfluxDB took or refused", labels=["kind", "fate"]
    )
    waiting = GaugeMetricFamily(
        "camshaft_waiting_rows", "Rows that InfluxDB has not got yet", labels=["kind"]
    )
    for kind, (n_accepted, n_rejected, n_waiting) in rows.items():
        settled.add_metric([kind, "accepted"], n_accepted)
        settled.add_metric([kind, "rejected"], n_rejected)
        waiting.add_metric([kind], n_waiting)
    yield settled
    yield waiting
    yield GaugeMetricFamily(
        "camshaft_oldest_waiting_row_age_seconds",
        "Age of the oldest waiting window",
        oldest_s,
    )


def _health(at_ns: int, fields: dict[str, Any]) -> Iterator[Metric]:
    """What only the running service knows; it writes this down every ten seconds."""
    yield GaugeMetricFamily(
        "camshaft_health_timestamp_seconds",
        "When the service last reported; the metrics below are as of then",
        at_ns / 1e9,
    )
    # A row of an older program, or of a source without a broker, has fewer figures.
    for field, (name, text) in HEALTH_GAUGES.items():
        if field in fields:
            yield GaugeMetricFamily(name, text, float(fields[field]))
    for field, (name, text) in HEALTH_COUNTERS.items():
        if field in fields:
            yield CounterMetricFamily(name, text, fields[field])
    latency = GaugeMetricFamily(
        "camshaft_window_latency_seconds",
        "From a window's last message to its stored verdict, of the latest 10,000",
        labels=["quantile"],
    )
    for quantile, field in QUANTILES.items():
        if field in fields:
            latency.add_metric([quantile], fields[field] / 1000)
    yield latency


def _by_reason(books: Books, fate: str) -> dict[str, int]:
    totals: dict[str, int] = {}
    for book in books.samples.values():
        for (found, reason), n in book.items():
            if found == fate:
                totals[reason] = totals.get(reason, 0) + n
    return totals
