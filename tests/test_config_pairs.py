"""Settings that are each right and cannot work together: refused, or a warning, in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.cli import main
from monitor.config_file import parse_config
from monitor.config_pairs import doubts
from monitor.settings import ConfigError

RATE = {"sample_rate_hz": 2000}
RAW = {"format": "raw"}
INFLUX = {"name": "a", "url": "http://h:1", "bucket": "b"}


def tree(**changes: Any) -> dict[str, Any]:
    return {
        "subscriptions": [{"topic": "v/{machine}/{point}", "payload": RAW}],
        "sensors": [RATE],
        **changes,
    }


def sensors(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"sensors": [{**RATE, **rule} for rule in rules]}


def topics(*names: str) -> dict[str, Any]:
    return {"subscriptions": [{"topic": name, "payload": RAW} for name in names]}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            sensors({"match": "pump-*"}, {"match": "pump-1/*"}),
            "sensors[1].match = 'pump-1/*': is never reached, for sensors[0].match = 'pump-*' takes"
            " all that it fits.",
        ),
        (
            sensors({"match": "pump-1/*"}, {"match": "fan/*"}, {"match": "pump-1/*"}),
            "sensors[2].match = 'pump-1/*': is never reached, for sensors[0].match = 'pump-1/*'"
            " takes all that it fits.",
        ),
        (
            sensors({"match": "pump-1"}, {}),
            "sensors[0].match = 'pump-1': fits no sensor, for their names are machine/point;"
            " 'pump-1/*' fits all points of this machine.",
        ),
        (
            sensors({"acquisition": "snapshot", "window_s": 3, "expected_period_s": 2.5}),
            "sensors[0].window_s = 3 s: a snapshot cannot be longer than the time between two,"
            " expected_period_s = 2.5 s.",
        ),
        (
            topics("v/{machine}/{point}", "v/{machine}/x"),
            "subscriptions[1].topic = 'v/{machine}/x': is never reached, for"
            " subscriptions[0].topic = 'v/{machine}/{point}' takes all its messages.",
        ),
        (
            sensors({"running": {"topic": "v/{machine}/running"}}),
            "sensors[0].running.topic = 'v/{machine}/running': is never read, for the subscription"
            " 'v/{machine}/{point}' takes its messages as samples.",
        ),
        (
            sensors({"running": {"context": "speed", "at_least": 1}}),
            "sensors[0].running.context = 'speed': is no name under context.",
        ),
        (
            {"context": [{"name": "speed", "topic": "v/{machine}/speed"}]},
            "context[0].topic = 'v/{machine}/speed': is not read, for the subscription"
            " 'v/{machine}/{point}' takes its messages as samples.",
        ),
    ],
)
def test_what_can_never_work_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config(tree(**changes), Path("/etc"))
    assert str(error.value) == sentence


PAGE_AND_PROMETHEUS = {"page": {"port": 9000}, "prometheus": {"port": 9000}}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            sensors({"acquisition": "snapshot"}),
            "sensors[0].acquisition = snapshot: without expected_period_s a snapshot is expected"
            " every 1 s, and the sensor is NO_DATA between two that are further apart.",
        ),
        (
            topics("v/{machine}/x", "v/y/{machine}"),
            "subscriptions: 'v/{machine}/x' and 'v/y/{machine}' fit some of the same topics; a"
            " message of both is read by the first.",
        ),
        (
            topics("{machine}/{point}"),
            "subscriptions: '{machine}/{point}' also fits Camshaft's own topics below camshaft/,"
            " whose messages are no samples.",
        ),
        (
            {"instance": "i", **topics("camshaft/i/+/{machine}/{point}")},
            "subscriptions: 'camshaft/i/+/{machine}/{point}' also fits Camshaft's own topics below"
            " camshaft/, whose messages are no samples.",
        ),
        (
            {"mqtt": {"port": 8883}},
            "mqtt.port = 8883: is for TLS by custom, and mqtt.tls is not there.",
        ),
        (
            {"mqtt": {"tls": {}}},
            "mqtt.port = 1883: is without TLS by custom, and mqtt.tls is there.",
        ),
        (
            {"mqtt": {"protocol": "3.1.1", "session_expiry_s": 90}},
            "mqtt.session_expiry_s = 90 s: does nothing with protocol 3.1.1, where the broker"
            " decides how long it keeps messages.",
        ),
        (
            {"journal": {"max_bytes": 1 << 30}},
            "journal.kept_windows.max_bytes = 2147483648: leaves no room for verdicts in"
            " journal.max_bytes = 1073741824; whole rows go before raw windows do.",
        ),
        (
            {"journal": {"maps": "ng"}, "influx": INFLUX},
            "journal.maps = ng: a gets the maps that the journal keeps and no others, though its"
            " maps = all.",
        ),
        (
            {"influx": [INFLUX, {**INFLUX, "name": "c"}]},
            "influx: 'a' and 'c' are the same bucket, written twice.",
        ),
        (
            PAGE_AND_PROMETHEUS,
            "page.port and prometheus.port = 9000: on one machine only one of the two can listen"
            " there.",
        ),
        (
            {"page": {"host": "10.0.0.7"}},
            "page.host = '10.0.0.7': camshaft page refuses it without page.password,"
            " page.users or page.proxy.",
        ),
        (
            {
                "page": {
                    "behind_https_proxy": True,
                    "tls": {"certificate_file": "c", "key_file": "k"},
                }
            },
            "page.behind_https_proxy = true together with page.tls: one of the two speaks HTTPS.",
        ),
    ],
)
def test_what_is_hardly_meant_is_a_warning(
    changes: dict[str, Any],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(tree(**changes)))
    assert main(["check-config", str(path)]) == 0
    assert capsys.readouterr().out == f"warning: {sentence}\n{path}: good.\n"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        sensors({"match": "pump-1/*"}, {"match": "pump-*"}),
        sensors({"match": "pump-?/a"}, {"match": "pump-*/a"}),
        sensors({"match": "pump-[12]/*"}, {"match": "pump-*/*"}),
        sensors({"match": "pump-1?x"}),
        sensors({"acquisition": "snapshot", "window_s": 2.5, "expected_period_s": 2.5}),
        sensors({"acquisition": "snapshot", "model": "m", "expected_period_s": 0.3}),
        topics("v/{machine}/x", "v/{machine}/{point}"),
        topics("v/{machine}/x", "v/{machine}/y", "w/{machine}"),
        topics("v/{machine}/x/+", "v/y/{machine}"),
        topics("v/{machine=a}", "v/{machine}"),
        {"mqtt": {"port": 8883, "tls": {}}},
        {"mqtt": {"session_expiry_s": 90}},
        {"journal": {"maps": "changes"}, "influx": {**INFLUX, "maps": "ng"}},
        {"influx": [INFLUX, {**INFLUX, "name": "c", "bucket": "d"}]},
        {"page": {"port": 9000}, "prometheus": {"port": 9000, "host": "127.0.0.2"}},
        {"page": {"host": "10.0.0.7", "password": {"env": "P"}}},
    ],
)
def test_what_works_together_is_good(changes: dict[str, Any]) -> None:
    assert not [
        doubt
        for doubt in doubts(parse_config(tree(**changes), Path("/etc")))
        if "read by the first" not in doubt
    ]
