"""What cannot be used is seen: in the log, by status, in the journal for the page."""

from __future__ import annotations

import numpy as np

from monitor.records.verdict import Status
from tests.integration.conftest import MakeService
from tests.servers.recording import TOPIC, Publisher, Recording

RECORDING = Recording(n_sensors=1, duration_s=5.0)
BOTH = [
    {"topic": TOPIC, "payload": {"format": "raw", "dtype": "int16"}},
    {"topic": "json/{machine}", "payload": {"format": "json", "point": "where"}},
]
RULE = {"sample_rate_hz": 2000, "window_s": 0.5, "unit": "counts", "scale": 0.01}
RULE["expected_period_s"] = 3600  # the sensors end, and are not to be silent for it


def test_it_is_seen_wherever_a_person_looks(
    make_service: MakeService, publisher: Publisher
) -> None:
    """Swapped bytes, messages that are refused, and refused ones that name no sensor. 20,000 of
    these left 188 bytes of log, and stood in no command and on no page.
    """
    service = make_service(RECORDING, subscriptions=BOTH, sensors=[RULE])
    service.start()
    swapped = np.rint(300 * RECORDING.samples[0][:1000]).astype(">i2").tobytes()
    for n in range(300):
        publisher.publish("vibration/pump-1/de/waveform", swapped, {"sequence": str(n)})
        publisher.publish("vibration/pump-2/de/waveform", b"odd", {})
        publisher.publish("json/pump-3", b"\x1f\x8b\x08\x00 no gzip", {})
    publisher.flush()

    def reasons() -> dict[str, tuple[Status, str]]:
        latest = service.reader().latest()
        return {
            name: (row.verdict.status, row.verdict.reason) for name, row in latest.items()
        }

    expected = {
        "pump-1/de": (Status.BAD_DATA, "implausible_format"),
        "pump-2/de": (Status.BAD_DATA, "not_understood"),
    }
    service.wait(lambda: reasons() == expected)
    service.wait(lambda: [one.n for one in service.reader().refusals()] == [300, 300])
    nameless = {one.topic: one.sensor for one in service.reader().refusals()}
    assert nameless == {"vibration/pump-2/de/waveform": "pump-2/de", "json/pump-3": ""}

    said = service.log()
    assert said.count("A message is refused: 3 bytes are not a whole number") == 1
    assert said.count("topic json/pump-3") == 1
    assert said.count("pump-1/de format_wrong") == 1
    assert "set payload.byte_order: big" in said
    shown = service.command("status").stdout
    assert "now implausible_format" in shown
    assert "now not_understood" in shown
    assert "300 on json/pump-3, the last at" in shown
    assert "(3 bytes, the first 'odd')" in shown
    assert service.check_books().counters["bad_payloads.bad_length"] == 300
    assert service.stop()[0] == 0
