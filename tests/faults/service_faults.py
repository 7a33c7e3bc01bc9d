"""The service itself killed, stopped, reloaded, handed a corrupt model, held up."""

from __future__ import annotations

import random
import signal
import sqlite3
import time

import numpy as np

from monitor.signal.spectrogram import default_settings
from tests.faults.campaign import Done, scenario
from tests.faults.stage import ACROSS_THE_HOUR_NS, Stage
from tests.servers.notify_socket import NotifySocket
from tests.servers.recording import Recording
from tests.small_network import write_folder

LONG = Recording(n_sensors=4, duration_s=60.0, t0_ns=ACROSS_THE_HOUR_NS)


@scenario(
    "kill -9 of the service at random moments", "nothing lost", quick=True, recording=LONG
)
def kill_9(stage: Stage) -> Done:
    n_kills, rng, n_connected = 4 if stage.quick else 100, random.Random(9), 0
    service = stage.start()
    for part in np.array_split(np.arange(len(stage.cuts)), n_kills):
        for index in part:
            stage.publisher.send(stage.cuts[index])
        if service.process is None:
            service.start(online=False)
            if rng.random() < 0.7:
                service.wait_connected()
                n_connected += 1
        time.sleep(rng.uniform(0.0, 1.0))
        service.kill()
        service.check_books()
    service.start()
    stage.publisher.flush()
    return Done(f"{n_kills} SIGKILL, {n_connected} of them after it had connected")


@scenario("SIGTERM under load", "nothing lost", quick=True)
def sigterm(stage: Stage) -> Done:
    service, slowest_s = stage.start(), 0.0

    def stop() -> None:
        nonlocal slowest_s
        code, stop_s = service.stop()
        assert code == 0, f"exit code {code}"
        assert stop_s < 10, f"it took {stop_s:.1f} s to stop"
        slowest_s = max(slowest_s, stop_s)
        service.start()

    n = 2 if stage.quick else 10
    stage.play(faults={(k + 1) / (n + 1): stop for k in range(n)})
    return Done(f"{n} SIGTERM, each exit 0 within {slowest_s:.1f} s")


@scenario("SIGHUP under load", "nothing lost")
def sighup(stage: Stage) -> Done:
    service, n = stage.start(), 20
    stage.play(faults={(k + 1) / (n + 1): service.reload for k in range(n)})
    assert service.log().count("reloaded.") == n
    return Done(f"{n} SIGHUP")


@scenario("SIGHUP to a corrupt model, a broken configuration", "refused", quick=True)
def corrupt_reload(stage: Stage) -> Done:
    service = stage.start()
    good, rule = service.config, service.config["sensors"][0]
    model = stage.folder / "model"
    write_folder(model, default_settings(2000, 1000), 1, b"not a network", [1.0], 0.0)

    def corrupt() -> None:
        with_model = {key: value for key, value in rule.items() if key != "window_s"} | {
            "model": str(model)
        }
        service.configure({**good, "sensors": [with_model]})
        service.reload()

    def changed() -> None:
        (model / "model.tflite").write_bytes(b"not the network of the manifest")
        service.reload()

    def broken() -> None:
        service.configure({**good, "sensors": [{**rule, "window_s": -1}]})
        service.reload()

    stage.play(faults={0.2: corrupt, 0.4: changed, 0.6: broken})
    assert service.log().count("Reload refused, the old configuration stays") == 3, (
        service.log()[-1000:]
    )
    service.configure(good)
    return Done("a model that is no network, one changed on disk, a broken configuration")


@scenario("the process stands still (SIGSTOP)", "nothing lost")
def stopped_process(stage: Stage) -> Done:
    service = stage.start()
    pause_s = 12.0
    assert service.process is not None
    process = service.process
    stage.play(
        seconds=pause_s + 2,
        faults={
            0.2: lambda: process.send_signal(signal.SIGSTOP),
            0.2 + 0.7 * pause_s / (pause_s + 2): lambda: process.send_signal(
                signal.SIGCONT
            ),
        },
    )
    return Done(f"stopped for {0.7 * pause_s:.0f} s, keep-alive 5 s")


@scenario("a stage is stuck (the journal is locked)", "nothing lost")
def stuck(stage: Stage) -> Done:
    """No turn of the pipeline, no answer to the watchdog: systemd would restart it. Here it is
    freed again.
    """
    listener = NotifySocket(stage.folder / "notify")
    service = stage.start(environment={"NOTIFY_SOCKET": str(listener.path)})
    stage.play(seconds=2.0, cuts=stage.cuts[: len(stage.cuts) // 2])
    lock = sqlite3.connect(service.journal_path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    begin_s = time.monotonic()
    stage.play(seconds=2.0, cuts=stage.cuts[len(stage.cuts) // 2 :])
    service.wait(lambda: listener.silent_s() > 4.0, 60.0, "the watchdog goes unanswered")
    unanswered_s = time.monotonic() - begin_s - listener.silent_s()
    lock.execute("ROLLBACK")
    lock.close()
    service.wait(lambda: listener.silent_s() < 2.0, 60.0, "the watchdog is answered again")
    listener.close()
    return Done(f"journal locked; watchdog unanswered after {unanswered_s:.0f} s")
