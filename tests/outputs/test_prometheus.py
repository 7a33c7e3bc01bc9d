"""The endpoint for Prometheus says what the journal's books say, whatever happens to either."""

from __future__ import annotations

import socket
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from monitor.config_outputs import PrometheusSettings
from monitor.health import book_fields
from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.outputs.prometheus import JournalCollector, serve
from monitor.records.batch import Batch
from monitor.records.books import Books
from tests.servers.influx_standin import InfluxStandIn
from tests.servers.mosquitto import Mosquitto, free_port, needs_mosquitto, wait_until
from tests.servers.recording import Publisher, Recording, make_cut
from tests.servers.service import Service, configuration, influx_part

RECORDING = Recording(n_sensors=2, duration_s=5.0)
UNLIMITED = "max_queued_messages 0\nmax_inflight_messages 1000\n"
NO_BROKER = 1  # a port that nobody listens on
HOSTILE = [
    '"',
    "\\",
    "\n",
    '"} 1\ncamshaft_samples_total{fate="received"} 0',
    "\r",
    "\u2028",
    "\\n",
    "# HELP",
    "é\x00",
]
REASONS = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
)

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Figures:
    """Each sample by its name and labels. Fails where one stands twice."""
    samples = [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    figures = {
        (sample.name, frozenset(sample.labels.items())): sample.value for sample in samples
    }
    assert len(figures) == len(samples)
    return figures


def scrape(port: int) -> Figures:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return parse(answer.read().decode("utf-8"))


def value(figures: Figures, metric: str, /, **labels: str) -> float:
    return figures[metric, frozenset(labels.items())]


def by_label(figures: Figures, name: str, label: str) -> dict[str, float]:
    return {
        dict(labels)[label]: n for (found, labels), n in figures.items() if found == name
    }


def counted(books: Books, prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): n
        for name, n in books.counters.items()
        if name.startswith(prefix)
    }


def assert_says(figures: Figures, books: Books) -> None:
    """The endpoint's figures are the books'."""
    fields = book_fields(books, ["influx"])
    fates = by_label(figures, "camshaft_samples_total", "fate")
    assert fates == {
        fate: fields[f"{fate}_samples"]
        for fate in ("received", "analysed", "judged_bad", "dropped")
    }
    assert value(figures, "camshaft_waiting_samples") == fields["waiting_samples"]
    assert value(figures, "camshaft_unbalanced_sensors") == fields["unbalanced_sensors"]
    assert value(figures, "camshaft_messages_received_total") == fields["received_messages"]
    dropped: Counter[str] = Counter()
    for book in books.samples.values():
        dropped.update(
            {reason: n for (fate, reason), n in book.items() if fate == "dropped"}
        )
    assert by_label(figures, "camshaft_dropped_samples_total", "reason") == dropped
    assert by_label(figures, "camshaft_windows_total", "status") == counted(
        books, "windows."
    )
    assert by_label(figures, "camshaft_bad_payloads_total", "reason") == counted(
        books, "bad_payloads."
    )
    assert by_label(figures, "camshaft_stream_breaks_total", "reason") == counted(
        books, "breaks."
    )


def assert_says_rows(figures: Figures, books: Books) -> None:
    for kind, (accepted, rejected, waiting) in books.rows(["influx"]).items():
        assert value(figures, "camshaft_rows_total", kind=kind, fate="accepted") == accepted
        assert value(figures, "camshaft_rows_total", kind=kind, fate="rejected") == rejected
        assert value(figures, "camshaft_waiting_rows", kind=kind) == waiting


def listening(pid: int) -> set[tuple[str, int]]:
    """Addresses (hexadecimal, as the kernel has them) and ports on which a process listens for TCP
    (Linux).
    """
    ours = {
        link.readlink().name
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink()
    }
    found = set()
    for table in ("tcp", "tcp6"):
        for line in (
            Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        ):
            (
                _,
                local,
                _,
                state,
                *_,
            ) = parts = line.split()
            if state == "0A" and f"socket:[{parts[9]}]" in ours:
                address, _, port = local.partition(":")
                found.add((address, int(port, 16)))
    return found


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker", extra=UNLIMITED) as mosquitto:
        yield mosquitto


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "camshaft.journal")
    yield journal
    journal.close()


@pytest.fixture
def port(journal: Journal) -> Iterator[int]:
    """Of an endpoint for that journal, without InfluxDB."""
    port = free_port()
    stop = serve(PrometheusSettings(port=port), journal.path, "plant-1", databases=[])
    yield port
    stop()


def scrape_at_rest(service: Service, port: int) -> Figures:
    """Once latencies are reported: a scrape during which the books stood still."""
    found: Figures = {}

    def quiet() -> bool:
        before = service.reader().books()
        found.update(scrape(port))
        return before == service.reader().books()

    service.wait(
        lambda: "latency_p50_ms" in (service.reader().health() or (0, {}))[1],
        why="latencies are reported",
    )
    wait_until(quiet, why="the books stand still for a scrape")
    return found


def assert_says_process(found: Figures) -> None:
    latency_s = by_label(found, "camshaft_window_latency_seconds", "quantile")
    assert 0 < latency_s["0.5"] <= latency_s["0.95"] <= latency_s["0.99"] < 30
    assert value(found, "camshaft_broker_connected") == 1
    assert value(found, "process_resident_memory_bytes") > 10e6


@needs_mosquitto
def test_after_a_real_run_it_says_what_the_books_say(
    tmp_path: Path, broker: Mosquitto, influx_standin_alone: InfluxStandIn
) -> None:
    port = free_port()
    part = influx_part(influx_standin_alone.url, tmp_path)
    config = configuration(
        broker.port, RECORDING, influx=part, prometheus={"port": port}, instance="plant-1"
    )
    with (
        Service(tmp_path / "service", config) as service,
        Publisher(broker.port) as publisher,
    ):
        service.commission(RECORDING.commissioned())
        service.start()
        assert service.process is not None
        assert listening(service.process.pid) == {("0100007F", port)}
        cuts = list(RECORDING.cut(0.1))
        publisher.play(cuts[:50])
        publisher.play(cuts[40:50])  # once more
        publisher.publish(cuts[0].topic, b"\x00" * 399)
        publisher.play(cuts[50:])
        # Of a window that stays open.
        late = make_cut(RECORDING.sensors[0], RECORDING.samples[0, :150], 10_000)
        publisher.send(late)
        service.wait_taken(RECORDING)

        found = scrape_at_rest(service, port)
        books = service.check_books()
        assert_says(found, books)
        assert_says_rows(found, books)
        assert by_label(found, "camshaft_bad_payloads_total", "reason") == {"bad_length": 1}
        assert by_label(found, "camshaft_dropped_samples_total", "reason")[
            "duplicate"
        ] == sum(cut.n_samples for cut in cuts[40:50])
        assert_says_process(found)
        service.configure(config | {"prometheus": {"port": port + 1}})
        service.reload()
        assert "A restart is needed for prometheus" in service.log()
        assert service.stop()[0] == 0
        assert "Traceback" not in service.log()


@needs_mosquitto
def test_without_the_key_nothing_listens(tmp_path: Path, broker: Mosquitto) -> None:
    with Service(tmp_path / "service", configuration(broker.port, RECORDING)) as service:
        service.start()
        assert service.process is not None
        assert listening(service.process.pid) == set()


def test_without_its_library_it_says_what_to_install(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    missing.mkdir()
    text = (
        "raise ModuleNotFoundError(\"No module named 'prometheus_client'\","
        " name='prometheus_client')\n"
    )
    (missing / "prometheus_client.py").write_text(text, encoding="utf-8")
    config = configuration(NO_BROKER, RECORDING, prometheus={})
    with Service(
        tmp_path / "service", config, environment={"PYTHONPATH": str(missing)}
    ) as service:
        code, said = service.run_to_end()
    assert code == 2
    assert (
        said == "prometheus: the endpoint needs the package prometheus-client: install"
        " constraints/page.txt in place of daemon.txt, or the extra camshaft[prometheus], or"
        " take this key out.\n"
    )


def test_a_port_in_use_is_one_clear_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = configuration(NO_BROKER, RECORDING, prometheus={"port": port})
        with Service(tmp_path / "service", config) as service:
            code, said = service.run_to_end()
    assert code == 2
    assert (
        said
        == f"prometheus.host = '127.0.0.1', prometheus.port = {port}: cannot listen there: Address"
        " already in use.\n"
    )


def test_a_journal_that_is_gone_ends_nothing(journal: Journal, port: int) -> None:
    assert value(scrape(port), "camshaft_journal_readable") == 1
    aside = journal.path.rename(journal.path.with_name("aside"))
    figures = scrape(port)
    assert value(figures, "camshaft_journal_readable") == 0
    assert value(figures, "camshaft_info", version=version("camshaft"), name="plant-1") == 1
    assert not by_label(figures, "camshaft_samples_total", "fate")
    aside.rename(journal.path)
    assert value(scrape(port), "camshaft_journal_readable") == 1


def test_scrapes_at_once_do_not_disturb_each_other(journal: Journal, port: int) -> None:
    journal.commit(Batch(books=Counter({("m/p", "received", ""): 7})))
    with ThreadPoolExecutor(8) as prometheuses:
        for figures in prometheuses.map(scrape, [port] * 40):
            assert value(figures, "camshaft_samples_total", fate="received") == 7


def test_a_damaged_journal_is_said_once_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "damaged").write_bytes(b"no database " * 1000)
    collector = JournalCollector(tmp_path / "damaged", "plant-1", databases=[])
    for _ in range(3):
        # Info, and not readable.
        assert [family.samples[0].value for family in collector.collect()] == [
            1,
            0,
        ]
    assert [
        record.getMessage().endswith("file is not a database.") for record in caplog.records
    ] == [True]


def test_without_influxdb_no_row_waits_for_it(journal: Journal, port: int) -> None:
    assert journal.path.exists()
    assert not [name for name, _ in scrape(port) if "row" in name]


@settings(deadline=None, max_examples=60)
@given(reasons=st.dictionaries(REASONS, st.integers(1, 2**40), max_size=5))
def test_hostile_text_stays_a_label(
    reasons: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("hostile") / "camshaft.journal"
    journal = Journal(path)
    books = Counter({("m/p", "dropped", reason): n for reason, n in reasons.items()})
    books["m/p", "received", ""] = sum(reasons.values())
    counters = Counter(
        {
            f"{kind}.{reason}": n
            for kind in ("bad_payloads", "breaks")
            for reason, n in reasons.items()
        }
    )
    journal.commit(Batch(books=books, counters=counters))
    registry = CollectorRegistry()
    registry.register(JournalCollector(path, "plant-1", databases=[]))
    reader = JournalReader(path)
    figures = parse(generate_latest(registry).decode("utf-8"))
    assert_says(figures, reader.books())
    assert by_label(figures, "camshaft_dropped_samples_total", "reason") == reasons
    reader.close()
    journal.close()
