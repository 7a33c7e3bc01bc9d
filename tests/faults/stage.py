"""Broker, database, service and player of one scenario, and what came of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.journal.reader import JournalReader
from monitor.journal.schema import JournalError
from monitor.records.books import Books
from monitor.records.verdict import Status, Verdict
from tests.faults.trend_sums import check_trend_sums
from tests.servers.influx import InfluxDatabase, InfluxServer
from tests.servers.influx_standin import InfluxStandIn
from tests.servers.mosquitto import Mosquitto
from tests.servers.recording import Cut, Publisher, Recording
from tests.servers.service import RowKey, Service, configuration, influx_part
from tests.servers.tcp_proxy import TcpProxy

UNLIMITED = "max_queued_messages 0\nmax_inflight_messages 1000\n"
MEASUREMENTS = ("vibration_verdict", "vibration_novelty")
POLL_S = 0.02
PLAY_S, QUICK_S = 4.0, 1.5
# Ten minutes and an hour of trends end amid a recording of 30 s.
ACROSS_THE_HOUR_NS = 1_700_002_785_123_600_417

DatabaseKey = tuple[str, str, int]  # measurement, sensor, time in ns
Action = Callable[[], Any]


@dataclass(frozen=True)
class Outcome:
    """What one run left behind."""

    rows: dict[RowKey, Verdict]
    database: dict[DatabaseKey, dict[str, Any]]
    books: Books
    outage_s: float
    requests_per_row: float = 0.0  # to InfluxDB


@dataclass
class Options:
    """What a scenario needs around the service."""

    persistence: bool = False
    proxy: bool = False
    recording: Recording = field(
        default_factory=lambda: Recording(
            n_sensors=4, duration_s=30.0, t0_ns=ACROSS_THE_HOUR_NS
        )
    )
    message_s: float = 0.05
    standin: type[InfluxStandIn] = InfluxStandIn


class Stage:
    """Use it as a context manager; start() the service, play() to it with faults in between, then
    end().
    """

    def __init__(
        self, folder: Path, influx: InfluxServer, options: Options, quick: bool = False
    ) -> None:
        self.folder, self.options, self.quick = folder, options, quick
        self.recording = options.recording
        self.cuts: list[Cut] = list(self.recording.cut(options.message_s))
        self._influx = influx
        self._stack = ExitStack()

    def __enter__(self) -> Stage:
        enter = self._stack.enter_context
        self.database: InfluxDatabase = self._influx.create_database()
        self._stack.callback(self._influx.drop_database, self.database)
        self.standin = self.open_database()
        self.broker = enter(
            Mosquitto(
                self.folder / "broker",
                persistence=self.options.persistence,
                extra=UNLIMITED,
            )
        )
        self.publisher = enter(Publisher(self.broker.port))
        self.proxy = enter(TcpProxy(self.broker.port)) if self.options.proxy else None
        self._watch = _OutageWatch()
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.stop()
        self._stack.close()
        self.standin.close()

    def open_database(self, port: int = 0) -> InfluxStandIn:
        """InfluxDB 2's interface in front of the real database."""
        return self.options.standin(forward=self.database.write, port=port)

    @property
    def port(self) -> int:
        """Where the service finds the broker."""
        return self.proxy.port if self.proxy else self.broker.port

    # -- acting -----------------------------------------------------------------------------------

    def prepare(
        self,
        folder: Path | None = None,
        prefix: Iterable[str] = (),
        environment: Mapping[str, str] | None = None,
        **changes: Any,
    ) -> Service:
        """A configured service whose sensors are commissioned, not yet started."""
        influx = influx_part(self.standin.url, self.folder)
        config = configuration(self.port, self.recording, **{"influx": influx, **changes})
        service = Service(
            folder or self.folder / "service", config, list(prefix), dict(environment or {})
        )
        self.service = self._stack.enter_context(service)
        self.service.log_path = self.folder / "service.log"
        self.service.commission(self.recording.commissioned())
        self._watch.start(lambda: service.journal_path)
        return self.service

    def start(self, **changes: Any) -> Service:
        """prepare(), and run it until it is connected and subscribed."""
        service = self.prepare(**changes)
        service.start()
        return service

    def play(
        self,
        seconds: float | None = None,
        faults: Mapping[float, Action] | None = None,
        cuts: list[Cut] | None = None,
        confirm: bool = True,
    ) -> None:
        """Publish all messages evenly over these seconds (4, or 1.5 if quick); act at the given
        fractions of them.
        """
        seconds = seconds if seconds is not None else QUICK_S if self.quick else PLAY_S
        cuts = self.cuts if cuts is None else cuts
        due = sorted((faults or {}).items())
        begin_s = time.monotonic()
        for n, cut in enumerate(cuts):
            while due and n >= due[0][0] * len(cuts):
                due.pop(0)[1]()
            early_s = begin_s + n / len(cuts) * seconds - time.monotonic()
            if early_s > 0.002:
                time.sleep(early_s)
            self.publisher.send(cut)
        for _, action in due:
            action()
        if confirm:
            self.publisher.flush()

    def stop_watching(self) -> None:
        """Let go of the journal; the outage ends here."""
        self._watch.stop()

    def end(self, n_samples: int | None = None, timeout_s: float = 120.0) -> Outcome:
        """Wait until all is taken, judged and delivered; check the books; gather what came out.

        n_samples : unique samples of all sensors that the service can have got;
            None: all of the recording
        """
        service, total = self.service, self.recording.n_samples * self.recording.n_sensors
        wanted = total if n_samples is None else n_samples
        taken = f"{wanted:,} samples are taken"
        service.wait_count(self.n_taken, wanted, taken, timeout_s)
        service.wait_delivered(timeout_s)
        outage_s = self._watch.stop()
        books = service.check_books()
        check_trend_sums(service.journal_path)
        own = set(self.recording.sensors)
        rows = {key: verdict for key, verdict in service.rows().items() if key[0] in own}
        database = {key: fields for key, fields in self._stored().items() if key[1] in own}
        settled = books.rows(["influx"]).values()
        n_settled = sum(counts.accepted + counts.rejected for counts in settled)
        return Outcome(
            rows, database, books, outage_s, self.standin.n_requests / max(1, n_settled)
        )

    def n_taken(self) -> int:
        """Samples of the recording's sensors, received for the first time."""
        return n_taken(self.service.reader().books(), self.recording.sensors)

    def _stored(self) -> dict[DatabaseKey, dict[str, Any]]:
        found: dict[DatabaseKey, dict[str, Any]] = {}
        for measurement in MEASUREMENTS:
            for series in self.database.query(
                f"SELECT * FROM {measurement} GROUP BY machine, point"
            ):
                sensor = f"{series.tags['machine']}/{series.tags['point']}"
                for time_ns, *values in series.values:
                    fields = dict(zip(series.columns[1:], values, strict=True))
                    if fields.get("status") != Status.NO_DATA.value:
                        found[measurement, sensor, time_ns] = {
                            k: v for k, v in fields.items() if v is not None
                        }
        return found


def n_taken(books: Books, sensors: Iterable[str]) -> int:
    """Samples of these sensors, received for the first time."""
    n = 0
    for sensor in sensors:
        for (fate, why), n_samples in books.samples.get(sensor, {}).items():
            n += n_samples * ((fate == "received") - (why == "duplicate"))
    return n


class _OutageWatch:
    """Looks at the journal all the time: the longest span in which no verdict came, between the
    first and the last.
    """

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._longest_s = 0.0

    def start(self, path: Callable[[], Path]) -> None:
        """path: where the journal is now; it may move."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, args=(path,), daemon=True)
            self._thread.start()

    def stop(self) -> float:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        return self._longest_s

    def _watch(self, path: Callable[[], Path]) -> None:
        last_row, changed_s, reader, opened = 0, 0.0, None, Path()
        while not self._stopping.wait(POLL_S):
            with contextlib.suppress(JournalError):
                if opened != path():
                    reader, opened = JournalReader(path()), path()
                assert reader is not None
                row, now_s = reader.last_row_id(), time.monotonic()
                if row > last_row:
                    self._longest_s = max(
                        self._longest_s, now_s - changed_s if last_row else 0.0
                    )
                    last_row, changed_s = row, now_s
        if reader is not None:
            reader.close()
