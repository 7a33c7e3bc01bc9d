"""An engineer asks the running service for a diagnosis now: of a point that is in no alarm, of one
that nobody commissioned, of one that no machine is described for.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from monitor.journal.asks import AskStore
from monitor.records.diagnosis import ASKED
from monitor.simulator.known import KnownMachine, Part
from tests.pipeline.test_diagnosing import RATE_HZ, config, rpm
from tests.servers.mosquitto import Mosquitto
from tests.servers.service import NEVER_S, Service

SECONDS = 120  # more than are sent until the answer is there


def settings(broker: Mosquitto) -> dict[str, Any]:
    known = config(rpm=rpm(), tolerance=0.01)
    raw = {"format": "raw", "dtype": "float32"}
    return {
        "mqtt": {"port": broker.port, "keep_alive_s": 5},
        "subscriptions": [{"topic": "v/{machine}/{point}", "payload": raw}],
        "sensors": [{"sample_rate_hz": RATE_HZ, "expected_period_s": NEVER_S}],
        "machines": [
            one.model_dump(mode="json", exclude_unset=True) for one in known.machines
        ],
        "journal": {"path": "camshaft.journal"},
    }


@pytest.mark.parametrize(
    ("part", "name", "said"),
    [
        ("outer race", "m/p", "m/p: outer race, drive end: BPFO at 20"),
        ("healthy", "m/p", "m/p: nothing stands out: nearest is "),
        ("healthy", "n/p", "n/p: no entry of machines fits this point"),
    ],
)
def test_the_answer_is_printed_and_an_event(
    part: Part, name: str, said: str, broker: Mosquitto, tmp_path: Path
) -> None:
    machine = KnownMachine(part, 2)
    coming = (machine.block(RATE_HZ).astype("<f4") for _ in range(SECONDS))
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()

    def send(second: Any) -> None:
        client.publish(f"v/{name}", second.tobytes(), 1).wait_for_publish(10)

    with Service(tmp_path / "service", settings(broker)) as service:
        service.start()
        send(next(coming))
        service.wait(lambda: len(service.rows()) == 1, 30, "the journal knows the point")
        with (
            ThreadPoolExecutor() as pool,
            closing(AskStore(service.journal_path)) as store,
        ):
            asking = pool.submit(service.command, "diagnose", name, "--author", "Ann")
            service.wait(lambda: store.open() or asking.done(), 30, "it is asked")

            def sent() -> bool:
                """The service looks once a second whether somebody asks."""
                if not asking.done():
                    send(next(coming))
                return asking.done()

            service.wait(sent, 60, "it is answered")
            answered = asking.result()
        assert answered.returncode == 0, answered.stderr
        assert answered.stdout.startswith(said)
        assert ASKED in service.event_kinds()
        nameless = service.command("diagnose", name)
        assert (nameless.returncode, "whoever wants" in nameless.stderr) == (2, True)
        assert service.stop()[0] == 0
    client.disconnect()
    client.loop_stop()
    late = service.command("diagnose", name, "--author", "Ann", "--wait", "0.5")
    assert (late.returncode, "no answer within 0.5 s" in late.stderr) == (1, True)
