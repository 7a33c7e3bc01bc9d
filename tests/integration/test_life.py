"""The service's life: killed, stopped, reloaded, and a sensor's first days."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from monitor.journal.subscriptions import SubscriptionStore
from monitor.records.verdict import Status, Verdict
from tests.integration.conftest import MakeService
from tests.servers.influx_standin import Fault, InfluxStandIn
from tests.servers.mosquitto import Mosquitto, needs_mosquitto
from tests.servers.notify_socket import NotifySocket
from tests.servers.recording import T0_NS, Publisher, Recording, make_cut
from tests.servers.service import (
    RowKey,
    Service,
    assert_same_rows,
    configuration,
    influx_part,
    taken,
)
from tests.servers.tcp_proxy import TcpProxy
from tests.verdicts import score_of

pytestmark = needs_mosquitto

RECORDING = Recording(n_sensors=3, duration_s=20.0)
STOP_S = 10.0


def _has_taken_more(service: Service, n: int) -> bool:
    return taken(service.reader().books(), RECORDING.sensors[0]) > n


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[RowKey, Verdict]:
    """What a service says that nothing happens to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with (
        Mosquitto(folder / "broker") as broker,
        Publisher(broker.port) as publisher,
        Service(folder / "service", configuration(broker.port, RECORDING)) as service,
    ):
        service.commission(RECORDING.commissioned())
        service.start()
        publisher.play(RECORDING.cut(0.05))
        service.wait_taken(RECORDING)
        assert service.stop()[0] == 0
        return service.rows()


@pytest.mark.parametrize("sequences", [True, False], ids=["sequence", "time_only"])
def test_kill_9_in_a_replay_loses_and_doubles_nothing(
    sequences: bool,
    make_service: MakeService,
    publisher: Publisher,
    undisturbed: dict[RowKey, Verdict],
) -> None:
    service = make_service(RECORDING)
    service.start()
    cuts = list(RECORDING.cut(0.05, sequences=sequences))
    n_before = 0
    for part in np.array_split(np.arange(len(cuts)), 4):
        for index in part:
            publisher.send(cuts[index])
        if service.process is None:
            service.start()
        service.wait(partial(_has_taken_more, service, n_before))
        service.kill()
        n_before = taken(service.reader().books(), RECORDING.sensors[0])
        service.check_books()
    service.start()
    publisher.flush()
    service.wait_taken(RECORDING)
    assert_same_rows(service.rows(), undisturbed)
    service.check_books()
    assert service.stop()[0] == 0


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_kill_9_with_messages_that_carry_neither_time_nor_sequence(
    protocol: str,
    make_service: MakeService,
    publisher: Publisher,
    undisturbed: dict[RowKey, Verdict],
) -> None:
    """Redelivery is told by packet id and payload alone; row times are arrival times, so borders
    and figures count.
    """
    service = make_service(RECORDING, mqtt={"client_id": "killed", "protocol": protocol})
    service.start()
    cuts = list(RECORDING.cut(0.05, sequences=False, times=False))
    for cut in cuts[:600]:
        publisher.send(cut)
    service.wait(lambda: len(service.rows()) > 10)
    service.kill()
    for cut in cuts[600:]:
        publisher.send(cut)
    publisher.flush()
    service.start()
    service.wait_taken(RECORDING)
    found = service.rows()
    assert found.keys() == undisturbed.keys()
    for key, v in found.items():
        assert (v.status, v.continuity) == (undisturbed[key].status, "unverified")
        assert score_of(v, "novelty") == pytest.approx(
            score_of(undisturbed[key], "novelty"), abs=1e-5
        )
    service.check_books()


def test_sigterm_under_load_drains_and_exits_0(
    make_service: MakeService, publisher: Publisher, undisturbed: dict[RowKey, Verdict]
) -> None:
    service = make_service(RECORDING)
    service.start()
    cuts = list(RECORDING.cut(0.05))
    for n, cut in enumerate(cuts):
        publisher.send(cut)
        if n == len(cuts) // 2:
            code, stop_s = service.stop()
            assert code == 0
            assert stop_s < STOP_S
            service.check_books()
    publisher.flush()
    service.start()
    service.wait_taken(RECORDING)
    assert_same_rows(service.rows(), undisturbed)
    service.check_books()


def test_sigterm_does_not_wait_for_an_influxdb_that_hangs(
    make_service: MakeService,
    publisher: Publisher,
    influx_standin_alone: InfluxStandIn,
    tmp_path: Path,
) -> None:
    influx_standin_alone.faults.extend([Fault("hang")] * 100)
    part = influx_part(influx_standin_alone.url, tmp_path, timeout_s=60.0)
    service = make_service(RECORDING, influx=part)
    service.start()
    publisher.play(RECORDING.cut(0.5))
    service.wait(lambda: influx_standin_alone.n_requests > 0, why="a request hangs")
    service.wait(
        lambda: len(service.rows()) == RECORDING.n_windows,
        why="verdicts do not wait for InfluxDB",
    )
    code, stop_s = service.stop()
    assert code == 0
    assert stop_s < STOP_S
    service.check_books()


def test_sighup_takes_a_good_configuration_over_and_refuses_a_broken_one(
    make_service: MakeService, publisher: Publisher, undisturbed: dict[RowKey, Verdict]
) -> None:
    """No window is lost either way; the old rules hold until the next window border."""
    service = make_service(RECORDING)
    service.start()
    cuts = list(RECORDING.cut(0.05))
    quarter = len(cuts) // 4
    good, rule = service.config, service.config["sensors"][0]

    def play(part: int) -> None:
        for cut in cuts[part * quarter : (part + 1) * quarter]:
            publisher.send(cut)

    play(0)
    service.configure({**good, "sensors": [{**rule, "wndow_s": 2}]})
    service.reload()
    assert "sensors[0].wndow_s: there is no such key." in service.log()
    play(1)
    service.configure(
        {
            **good,
            "sensors": [
                {k: v for k, v in rule.items() if k != "window_s"} | {"model": "absent"}
            ],
        }
    )
    service.reload()
    assert service.log().count("the old configuration stays") == 2
    play(2)
    service.configure({**good, "sensors": [{**rule, "alarm": {"n": 1, "m": 1}}]})
    service.reload()
    play(3)
    publisher.flush()
    service.wait_taken(RECORDING)
    found = service.rows()
    assert_same_rows(found, undisturbed)
    assert all(v.alarm == "clear" for v in undisturbed.values())
    assert any(v.alarm == "raised" for v in found.values())  # the new rule came into force
    service.check_books()


def test_a_topic_that_left_while_the_service_was_down_is_left_at_the_broker(
    make_service: MakeService, publisher: Publisher
) -> None:
    service = make_service(RECORDING)
    without = service.config
    gone = {
        "topic": "old/{machine}/{point}",
        "payload": {"format": "raw", "dtype": "float32"},
    }
    service.configure({**without, "subscriptions": [*without["subscriptions"], gone]})
    service.start()
    service.wait(
        lambda: "old/+/+" in held(service), why="the journal knows what the session holds"
    )
    assert service.stop()[0] == 0
    service.configure(without)
    service.start()
    service.wait(lambda: "old/+/+" not in held(service), why="the broker has let go of it")
    cut = next(RECORDING.cut(0.05))
    publisher.send(replace(cut, topic=cut.topic.replace("vibration/", "old/")))
    publisher.play(RECORDING.cut(0.05))
    service.wait_taken(RECORDING)
    counters = service.check_books().counters
    assert counters["messages_received"] == len(list(RECORDING.cut(0.05)))
    assert "bad_payloads.unmatched_topic" not in counters


def held(service: Service) -> frozenset[str]:
    store = SubscriptionStore(service.journal_path)
    store.close()
    return store.filters


def test_a_longer_window_at_sighup_skips_no_sample(
    make_service: MakeService, publisher: Publisher
) -> None:
    recording = Recording(n_sensors=2, duration_s=20.0)
    service = make_service(recording, commissioned=False)
    service.start()
    cuts = list(recording.cut(0.07))
    publisher.play(cuts[: len(cuts) // 2])
    rule = service.config["sensors"][0]
    service.configure({**service.config, "sensors": [{**rule, "window_s": 2.0}]})
    service.reload()
    publisher.play(cuts[len(cuts) // 2 :])
    service.wait_taken(recording)
    books = service.check_books()
    for sensor in recording.sensors:
        rows = sorted(
            (v for v in service.rows().values() if v.sensor == sensor),
            key=lambda v: v.start_ns,
        )
        assert {v.n_samples for v in rows} == {1000, 4000}
        assert all(a.end_ns == b.start_ns for a, b in pairwise(rows))
        assert rows[0].start_ns == T0_NS
        assert sum(v.n_samples for v in rows) + books.waiting[sensor] == recording.n_samples


def test_learning_then_commissioned_then_undone(
    make_service: MakeService, publisher: Publisher
) -> None:
    """A newcomer's sensor without any NG example, through the command line, with the service
    running.
    """
    recording = Recording(n_sensors=1, duration_s=60.0)
    sensor = recording.sensors[0]
    service = make_service(recording, commissioned=False)
    service.start()
    cuts = list(recording.cut(0.5))  # message n is window n, and every seventh is faulty
    publisher.play(cut for n, cut in enumerate(cuts[:70]) if n % 7 != 6)
    # Leaving messages out leaves gaps between the segments, but each message is one whole window.
    service.wait(lambda: len(service.rows()) == 60)
    assert {v.status for v in service.rows().values()} == {Status.LEARNING}

    refused = service.command("commission", sensor, "--windows", "1000")
    assert refused.returncode == 2
    assert "1000 windows are wanted, and the journal has 60" in refused.stderr
    # The fault is narrow and the machine steady: its own threshold, not that of other machines.
    steady = ("--false-alarm-rate", "0.02")
    done = service.command("commission", sensor, "--windows", "60", *steady)
    assert done.returncode == 0, done.stderr
    assert "from 60 windows" in done.stdout
    time.sleep(2)  # the service looks for it once a second
    publisher.play(cuts[70:90])
    service.wait(lambda: len(service.rows()) == 80)
    judged = sorted(service.rows().items(), key=lambda item: item[1].start_ns)[60:]
    assert [v.status for _, v in judged] == [
        Status.NG if n % 7 == 6 else Status.OK for n in range(70, 90)
    ]

    undone = service.command("commission", sensor, "--undo")
    assert undone.returncode == 0
    time.sleep(2)
    publisher.play(cuts[90:])
    service.wait(lambda: len(service.rows()) == 110)
    assert {
        v.status for v in sorted(service.rows().values(), key=lambda v: v.start_ns)[80:]
    } == {Status.LEARNING}
    assert service.command("commission", sensor, "--undo").returncode == 1
    service.check_books()


def test_a_silent_sensor_becomes_no_data_within_three_periods(
    make_service: MakeService, publisher: Publisher
) -> None:
    recording = Recording(n_sensors=2, duration_s=1.3)
    service = make_service(recording, commissioned=False, rule={"expected_period_s": 0.5})
    service.start()
    publisher.play(recording.cut(0.1))
    begin_s = time.monotonic()
    service.wait(
        lambda: (
            {row.verdict.status for row in service.reader().latest().values()}
            == {Status.NO_DATA}
        )
    )
    # The clock is looked at once a second, on a busy machine later.
    assert time.monotonic() - begin_s < 3 * 0.5 + 3
    books = service.check_books()
    assert all(book["dropped", "segment_end"] == 600 for book in books.samples.values())
    assert service.event_kinds() == ["silent", "silent"]


def test_a_dead_sensor_is_noticed_over_a_link_that_keeps_breaking(
    make_service: MakeService, broker: Mosquitto, publisher: Publisher
) -> None:
    """Case s04-silence-clock: every reconnect began its silence anew, and NO_DATA never came."""
    recording = Recording(n_sensors=1, duration_s=1.0)
    with TcpProxy(broker.port) as proxy:
        service = make_service(
            recording,
            commissioned=False,
            rule={"expected_period_s": 0.4},
            mqtt={"port": proxy.port},
        )
        service.start()
        publisher.play(recording.cut(0.1))
        service.wait_taken(recording)
        deadline_s = time.monotonic() + 40.0
        while "silent" not in service.event_kinds():
            assert time.monotonic() < deadline_s
            proxy.cut()
            n_connects = proxy.n_connections
            service.wait(lambda n=n_connects: proxy.n_connections > n)  # type: ignore[misc]
            time.sleep(0.9)  # less than the 1.2 s of three periods


def test_snapshots_of_a_bearing_are_judged_not_called_gaps(
    datasets: Path, make_service: MakeService, publisher: Publisher
) -> None:
    """0.1 s every 10 s, two channels in g, as wireless sensors send them."""
    with np.load(datasets / "pronostia" / "Bearing1_1.npz") as archive:
        snapshots = archive["acc"][:40]
    rule = {
        "acquisition": "snapshot",
        "sample_rate_hz": 25600,
        "window_s": 0.1,
        "channels": ["h", "v"],
        "unit": "g",
    }
    service = make_service(Recording(), commissioned=False, rule=rule)
    service.start()
    for n, snapshot in enumerate(snapshots):
        publisher.send(
            make_cut("rig/bearing", np.ascontiguousarray(snapshot.T), n, T0_NS + n * 10**10)
        )
    publisher.flush()
    service.wait(lambda: len(service.rows()) == len(snapshots))
    rows = list(service.rows().values())
    assert {v.status for v in rows} == {Status.LEARNING}
    assert [v.start_ns for v in rows] == [T0_NS + n * 10**10 for n in range(len(snapshots))]
    assert (
        service.check_books().samples["rig/bearing"]["analysed", "LEARNING"]
        == snapshots.shape[0] * 2560
    )


def test_a_restarted_broker_with_persistence_loses_nothing(
    make_service: MakeService, tmp_path: Path
) -> None:
    """Gateway and service both come back by themselves. (Killed, Mosquitto may lose what it has
    just confirmed.)
    """
    with (
        Mosquitto(
            tmp_path / "keeper", persistence=True, extra="max_queued_messages 0\n"
        ) as broker,
        Publisher(broker.port) as publisher,
    ):
        service = make_service(RECORDING, mqtt={"port": broker.port})
        service.start()
        cuts = list(RECORDING.cut(0.05))
        for n, cut in enumerate(cuts):
            publisher.send(cut)
            if n == len(cuts) // 2:
                broker.restart()
        publisher.flush()
        service.wait_taken(RECORDING)
        assert len(service.rows()) == RECORDING.n_windows
        service.check_books()
        assert service.stop()[0] == 0


def test_a_process_that_stood_still_does_not_call_its_sensors_silent(
    make_service: MakeService, publisher: Publisher
) -> None:
    recording = Recording(n_sensors=2, duration_s=30.0)
    service = make_service(recording, rule={"expected_period_s": 0.8})
    service.start()
    cuts = list(recording.cut(0.1))
    publisher.play(cuts[:101])
    service.wait(lambda: len(service.rows()) >= 18)
    assert service.process is not None
    service.process.send_signal(signal.SIGSTOP)
    time.sleep(3.0)
    publisher.play(cuts[101:])
    service.process.send_signal(signal.SIGCONT)
    service.wait_taken(recording)
    assert len(service.rows()) == recording.n_windows
    assert ("dropped", "segment_end") not in {
        key for book in service.check_books().samples.values() for key in book
    }


def test_systemd_hears_of_every_turn_of_life(broker: Mosquitto, tmp_path: Path) -> None:
    listener = NotifySocket(tmp_path / "notify")
    environment = {"NOTIFY_SOCKET": str(listener.path)}
    with Service(
        tmp_path / "service", configuration(broker.port, RECORDING), environment=environment
    ) as service:
        service.start()
        service.wait(
            lambda: listener.heard().count("WATCHDOG=1") >= 2,
            why="the watchdog is answered",
        )
        service.reload()
        service.wait(
            lambda: listener.heard().count("READY=1") == 2, why="ready after the reload"
        )
        assert service.stop()[0] == 0
    heard = [
        state
        for state in listener.heard()
        if state.endswith("=1") and not state.startswith(("WATCHDOG", "MONOTONIC"))
    ]
    assert heard == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    assert any(state.startswith("MONOTONIC_USEC=") for state in listener.heard())
    listener.close()
