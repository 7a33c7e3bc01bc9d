"""How InfluxDB is reached: addresses, certificates, tokens, and what is said where it fails."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.config_connections import TlsSettings
from monitor.config_outputs import InfluxSettings
from monitor.outputs.influx.sender import InfluxOutput
from monitor.settings import ConfigError
from tests.outputs.influx_sending import InfluxSender, MemoryOutbox, drain, good
from tests.servers.certificates import TestAuthority
from tests.servers.influx import InfluxServer
from tests.servers.influx_standin import Fault, InfluxStandIn


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secure(authority: TestAuthority) -> Iterator[InfluxStandIn]:
    """It speaks HTTPS, and asks for a client's certificate."""
    server = authority.issue("influx")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    context.load_verify_locations(authority.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    standin = InfluxStandIn(tls=context)
    yield standin
    standin.close()


def probe(settings: InfluxSettings) -> str:
    output = InfluxOutput(settings, lambda row: (), "test")
    said = output.probe(1_000_000_000)
    output.close()
    return said


def test_a_private_authority_and_a_clients_certificate(
    secure: InfluxStandIn, authority: TestAuthority, tmp_path: Path
) -> None:
    client = authority.issue("camshaft")
    tls = TlsSettings(
        ca_file=authority.ca_file, certificate_file=client.certificate, key_file=client.key
    )
    assert probe(secure.settings(tmp_path, tls=tls)) == ""
    assert len(secure.rows("monitor_probe")) == 1
    stranger = TestAuthority(tmp_path / "stranger", "a stranger")
    for settings, said in (
        (None, "comes from an authority that tls.ca_file does not hold"),
        (
            TlsSettings(ca_file=stranger.ca_file),
            "an authority that tls.ca_file does not hold",
        ),
        (TlsSettings(ca_file=authority.ca_file), "a client certificate needed?"),
    ):
        found = probe(secure.settings(tmp_path, tls=settings))
        assert found.startswith("gave no answer: ")
        assert said in found
        assert "pool" not in found.lower()


def test_a_certificate_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path) -> None:
    tls = TlsSettings(ca_file=tmp_path / "absent.pem")
    with pytest.raises(ConfigError, match=r"influx\.tls\.ca_file = .*absent\.pem"):
        probe(InfluxSettings(url="https://127.0.0.1:1", bucket="b", tls=tls))


def test_a_corrected_token_is_taken_without_a_restart(
    influx_standin_alone: InfluxStandIn, tmp_path: Path
) -> None:
    settings = influx_standin_alone.settings(tmp_path)
    token = tmp_path / "influx-token"
    good_token = token.read_text()
    token.write_text("an old one\n")
    sender = InfluxSender(settings, jitter=lambda: 1.0)
    outbox = MemoryOutbox([good(1)])
    assert sender.step(outbox, 0.0) == 1.0
    token.write_text(good_token)
    drain(sender, outbox, 1.0)
    token.unlink()
    drain(sender, MemoryOutbox([good(2)]), 2.0)  # the last one that could be read
    influx_standin_alone.token = "changed"
    sender.step(MemoryOutbox([good(3)]), 3.0)
    assert "answered 401 unauthorized access; secret file" in sender.trouble
    assert sender.trouble.endswith("Rows wait in the journal.")


def test_an_influxdb_older_than_1_8_is_named(influx_server: InfluxServer) -> None:
    """Case i01-debian-influxdb: Debian 12 has 1.6.7, without /api/v2/write."""
    said = probe(InfluxSettings(url=influx_server.url, bucket="b"))
    assert said.startswith("answered 404 page not found (this InfluxDB is 1.")
    assert said.endswith(", older than 1.8, and has no /api/v2/write)")
    assert r"\x0a" not in said


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_path_before_the_api(
    slash: str, influx_standin_alone: InfluxStandIn, tmp_path: Path
) -> None:
    """Case i03-url-prefix."""
    influx_standin_alone.prefix = "/influx"
    url = f"{influx_standin_alone.url}/influx{slash}"
    assert probe(influx_standin_alone.settings(tmp_path, url=url)) == ""
    assert len(influx_standin_alone.rows("monitor_probe")) == 1
    wrong = probe(influx_standin_alone.settings(tmp_path))
    assert wrong == (
        "answered 404 path not found (nothing answers to /api/v2/write below influx.url: the path"
        " is wrong, or this InfluxDB is older than 1.8)"
    )


def test_proxies_of_the_environment_are_not_used(
    influx_standin_alone: InfluxStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case i04-proxy-variables."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert probe(influx_standin_alone.settings(tmp_path)) == ""


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            Fault("answer", 200, body=b""),
            "answered 200 OK (an InfluxDB that has stored rows answers 204: something else"
            " answers)",
        ),
        (
            Fault("answer", 404, body=b"404 page not found\r\n"),
            "answered 404 page not found (nothing answers to /api/v2/write below influx.url: the"
            " path is wrong, or this InfluxDB is older than 1.8)",
        ),
        (
            Fault(
                "answer", 503, body=b"<html>\r\n<title>503\r\nGateway</title>\r\n</html>"
            ),
            "answered 503 Gateway",
        ),
    ],
)
def test_strangers_answers_read_as_sentences(
    fault: Fault, said: str, influx_standin_alone: InfluxStandIn, tmp_path: Path
) -> None:
    influx_standin_alone.faults.append(fault)
    assert probe(influx_standin_alone.settings(tmp_path)) == said


def test_what_does_not_exist_is_named(
    influx_standin_alone: InfluxStandIn, tmp_path: Path
) -> None:
    absent = influx_standin_alone.settings(tmp_path, bucket="absent")
    assert probe(absent) == (
        'answered 404 bucket "absent" not found (influx.bucket names none that this InfluxDB has)'
    )
    assert "influx.org names none" in probe(
        influx_standin_alone.settings(tmp_path, org="absent")
    )
