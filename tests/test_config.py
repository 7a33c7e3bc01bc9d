"""A wrong configuration is refused in one sentence that names key, value, rule and unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor.cli import main
from monitor.config import Config
from monitor.config_connections import Secret
from monitor.config_file import changed_keys, load_config, parse_config
from monitor.settings import ConfigError

TOPIC = "vibration/{machine}/{point}/waveform"


def tree(**changes: Any) -> dict[str, Any]:
    sensor = {"sample_rate_hz": 25600, **changes.pop("sensor", {})}
    return {
        "subscriptions": [{"topic": TOPIC, "payload": {"format": "raw"}}],
        "sensors": [sensor],
        **changes,
    }


def parse(**changes: Any) -> Config:
    return parse_config(tree(**changes), Path("/etc/camshaft"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"speed": 1}, "speed: there is no such key."),
        (
            {"page": {"formerly": {"a/b": ["x/y"], "c/d": ["x/y"]}}},
            r"page.formerly.*'x/y' is claimed by 'a/b' and by 'c/d': a former name belongs to one",
        ),
        (
            {"page": {"formerly": {"a/b": ["x/y", "x/y"]}}},
            r"page.formerly.*'x/y' is claimed by 'a/b' and by 'a/b': .* to one point, once",
        ),
        (
            {"page": {"formerly": {"a/b": ["x/y"], "x/y": ["z/z"]}}},
            r"page.formerly.*'x/y' is a former name of 'a/b' and has former names itself",
        ),
        (
            {"page": {"formerly": {"a/b": ["a/b"]}}},
            r"page.formerly.*'a/b' is a former name of 'a/b' and has former names itself",
        ),
        ({"page": {"formerly": {"pump": ["x/y"]}}}, r"page.formerly.*pump"),
        (  # Case d26-share-subscription
            {
                "subscriptions": [
                    {"topic": f"$share/camshaft/{TOPIC}", "payload": {"format": "raw"}}
                ]
            },
            r"subscriptions\[0\]: topic = '\$share/camshaft/.*' begins with \$share/: a shared",
        ),
        (
            {"sensor": {"sample_rate_hz": "25.6 kHz"}},
            r"sensors\[0\].sample_rate_hz = '25.6 kHz': .*\(unit: hertz\)",
        ),
        (
            {"sensor": {"sample_rate_hz": -1}},
            r"sensors\[0\].sample_rate_hz = -1: must be greater than 0 \(unit: hertz\)",
        ),
        (
            {"sensor": {"unit": "mph"}},
            r"sensors\[0\].unit = 'mph': must be 'm/s2', 'mm/s2', 'g', 'mg', .* or 'counts'",
        ),
        ({"sensor": {"scale": 0}}, r"sensors\[0\].scale.* = 0: must not be 0"),
        (
            {"sensor": {"scale": [1, 2]}},
            r"sensors\[0\]: scale has 2 numbers for 1 channels",
        ),
        (
            {"subscriptions": [{"topic": "plant/all", "payload": {"format": "json"}}]},
            r"subscriptions\[0\]: topic = 'plant/all' must name {machine} once",
        ),
        (
            {"sensor": {"unit": "counts"}},
            r"sensors\[0\]: unit = counts needs a scale in m/s² per count",
        ),
        (
            {"sensor": {"model": "m", "window_s": 2}},
            "window_s = 2.0 s cannot be set with a model",
        ),
        (
            {"sensor": {"unit": "µm"}},
            r"sensors\[0\].unit = 'µm': is a displacement: differentiated twice",
        ),
        (
            {"sensor": {"unit": "mm/s", "full_scale_ms2": 80}},
            r"sensors\[0\]: full_scale_ms2 says nothing of a velocity, unit = mm/s",
        ),
        ({"sensor": {"threshold": 1}}, r"threshold = 1.0 \(logit units\) needs a model"),
        (
            {"sensor": {"alarm": {"n": 3, "m": 2}}},
            "clear < n <= m must hold, found clear = 0, n = 3, m = 2",
        ),
        ({"sensor": {"running": {}}}, "must have exactly one of limit_rms_ms2, topic"),
        (
            {"mqtt": {"port": 70000}},
            "mqtt.port = 70000: must be less than or equal to 65535",
        ),
        ({"mqtt": {"password": {"env": "X"}}}, "password is given without a username"),
        (
            {"mqtt": {"tls": {"key_file": "k"}}},
            "mqtt.tls: certificate_file and key_file belong together",
        ),
        (
            {"influx": {"url": "localhost:8086", "bucket": "b"}},
            "influx.url = 'localhost:8086': must be a URL",
        ),
        (
            {"influx": {"url": "http://h", "bucket": "b", "token": {}}},
            "must name exactly one of file, env, credential",
        ),
        # InfluxDB 2 answers 400 to every row of it.
        ({"influx": {"url": "http://h", "bucket": "b", "org": " "}}, "influx.org = ' ': "),
        ({"instance": "a b"}, "instance = 'a b'"),
        (
            {"prometheus": {"port": 0}},
            "prometheus.port = 0: must be greater than or equal to 1",
        ),
        ({"prometheus": {"host": ""}}, "prometheus.host = ''"),
        ({"subscriptions": []}, "subscriptions"),
        (
            {"sensors": [{"sample_rate_hz": 1}, {"match": "x/y", "sample_rate_hz": 1}]},
            r"sensors\[1\].match = 'x/y': is never reached, for sensors\[0\].match = '\*'",
        ),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse(**changes)


def test_each_mistake_is_one_line() -> None:
    with pytest.raises(ConfigError) as error:
        parse(speed=1, sensor={"sample_rate_hz": 0}, mqtt={"port": "x"})
    assert len(str(error.value).splitlines()) == 3


def test_the_first_rule_that_fits_holds() -> None:
    config = parse(
        sensors=[
            {"match": "press-*/gear", "sample_rate_hz": 1000},
            {"match": "press-*", "sample_rate_hz": 2000},
        ]
    )
    names = ("press-1/gear", "press-1/motor", "pump-1/motor")
    found = [config.sensor(name) for name in names]
    assert [rule.sample_rate_hz if rule else None for rule in found] == [1000, 2000, None]


@pytest.mark.parametrize(
    ("sensor", "ms2"),
    [
        ({}, 1.0),
        ({"unit": "m/s²"}, 1.0),
        ({"unit": "g"}, 9.80665),
        ({"unit": "mg", "scale": 2}, 0.0196133),
        ({"unit": "counts", "scale": 0.01}, 0.01),
        ({"unit": "in/s²", "scale": -3}, -0.0762),
        ({"unit": "ips"}, 0.0254),
        ({"unit": "mm/s", "channels": ["x", "y"], "scale": [1, -2]}, (1e-3, -2e-3)),
        ({"unit": "G", "channels": ["x", "y"], "scale": [0.5, -2]}, (4.903325, -19.6133)),
    ],
)
def test_units(sensor: dict[str, Any], ms2: float | tuple[float, ...]) -> None:
    """Case d34-units: other units of acceleration, a scale for each axis, a turned axis."""
    assert parse(sensor=sensor).sensors[0].ms2_per_number == pytest.approx(ms2)


def test_relative_paths_are_of_the_file(tmp_path: Path) -> None:
    assert parse(journal={"path": "a.journal"}).journal.path == Path(
        "/etc/camshaft/a.journal"
    )


def test_secrets_come_from_files_environment_and_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("from a file\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("TOKEN", "from the environment")
    assert Secret(file=tmp_path / "token").read() == "from a file"
    assert Secret(credential="token").read() == "from a file"
    assert Secret(env="TOKEN").read() == "from the environment"
    with pytest.raises(ConfigError, match="'NONE': this environment variable is not set"):
        Secret(env="NONE").read()
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        Secret(file=tmp_path / "absent").read()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "is not YAML"),
        ("- 1", "must hold keys and values"),
        ("\x00", "is not YAML"),
        ("!!python/none x", "YAML"),
    ],
)
def test_what_is_no_configuration(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        load_config(path)


def test_check_config_says_good_or_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("sensors: [{sample_rate_hz: 1}]\n")
    assert main(["check-config", str(path)]) == 2
    assert capsys.readouterr().err == "subscriptions is missing: it has no default.\n"
    path.write_text(
        "subscriptions: [{topic: 'v/{machine}', payload: {format: raw}}]\nsensors:"
        " [{sample_rate_hz: 1000}]\n"
    )
    assert main(["check-config", str(path)]) == 0
    assert main(["check-config", str(tmp_path / "absent")]) == 2
    assert "cannot be read: No such file or directory" in capsys.readouterr().err


def test_the_key_of_0_1_for_kept_windows_is_still_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree = {
        "subscriptions": [{"topic": "v/{machine}", "payload": {"format": "raw"}}],
        "sensors": [{"sample_rate_hz": 1000}],
        "journal": {"evidence": {"ok_every": 7}},
    }
    assert parse_config(tree, tmp_path).journal.kept_windows.ok_every == 7
    assert "journal.evidence is now journal.kept_windows" in caplog.text
    # the caller's tree stays as it was
    assert tree["journal"] == {"evidence": {"ok_every": 7}}
    tree["journal"]["kept_windows"] = {"ok_every": 8}
    with pytest.raises(ConfigError, match=r"journal\.evidence: there is no such key\."):
        parse_config(tree, tmp_path)


def test_a_reload_names_what_needs_a_restart_and_what_is_in_use() -> None:
    """It named the section alone."""
    running = {
        "url": "http://old:8086/x",
        "bucket": "b",
        "timeout_s": 3.5,
        "tls": {"ca_file": "a.pem"},
    }
    wanted = running | {
        "url": "http://new:8086",
        "timeout_s": 7.25,
        "tls": {"ca_file": "b.pem"},
    }
    one, other = parse(influx=running), parse(influx=wanted)
    assert changed_keys("influx", one.influx, other.influx) == [
        "influx.url (http://old:8086/x is in use)",
        "influx.tls.ca_file (a.pem is in use)",
        "influx.timeout_s (3.5 is in use)",
    ]
    assert changed_keys("influx", one.influx, one.influx) == []
    hook = {"name": "chat", "url": "https://chat.example/hooks/a-secret"}
    notified = parse(notifications={"webhooks": [hook]}).notifications
    moved = parse(notifications={"webhooks": [hook | {"url": "https://b"}]}).notifications
    assert changed_keys("notifications", notified, moved) == ["notifications.webhooks.url"]
    assert changed_keys("influx", one.influx, ()) == ["influx"]
    assert changed_keys("influx", (), ()) == []
    two = parse(influx=[running | {"name": name} for name in ("a", "b")])
    more = parse(influx=[running | {"name": name} for name in ("a", "c")])
    assert changed_keys("influx", two.influx, more.influx) == [
        "influx[1].name (b is in use)"
    ]


def test_an_ipv6_address_may_stand_in_brackets() -> None:
    """Case s10-ipv6: the same in service and doctor."""
    assert parse(mqtt={"host": "[::1]"}).mqtt.host == parse(mqtt={"host": "::1"}).mqtt.host
