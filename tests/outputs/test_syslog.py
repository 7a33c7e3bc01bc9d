"""Events as lines of syslog, read as RFC 5424 has them, over each way there is."""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config_outputs import SyslogSettings
from monitor.journal.views import StoredEvent
from monitor.outputs.syslog import MAX_BYTES, Syslog, line
from tests.outputs.alarm_plant import AlarmPlant
from tests.servers.certificates import TestAuthority
from tests.servers.mqtt_clients import beside

# RFC 5424, section 6, with the fields that we write.
GRAMMAR = re.compile(
    rb"<(?P<priority>\d{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"
    rb" (?P<host>[!-~]{1,255}) camshaft (?P<process>\d{1,128}) (?P<kind>[!-~]{1,32}) -"
    rb" \xef\xbb\xbf(?P<text>.*)",
    re.DOTALL,
)


def parsed(message: bytes) -> dict[str, Any]:
    found = GRAMMAR.fullmatch(message)
    assert found is not None, message
    return found.groupdict()


def plant_of(folder: Path, address: str, **more: Any) -> AlarmPlant:
    settings = SyslogSettings.model_validate({"name": "siem", "address": address, **more})
    return AlarmPlant(folder / "journal", "syslog.siem", lambda _cursor: Syslog(settings))


@given(
    st.text(max_size=3000),
    st.text(max_size=200),
    st.sampled_from(["alarm_raised", "overload"]),
)
def test_any_text_is_one_line_of_the_grammar(text: str, sensor: str, kind: str) -> None:
    message = line(StoredEvent(1, 10**18, sensor, kind, text, ""), "local0")
    assert len(message) <= MAX_BYTES
    found = parsed(message)
    said = found["text"].decode()  # whole characters
    assert said.isprintable()
    assert found["time"] == b"2001-09-09T01:46:40.000Z"


@pytest.mark.parametrize(
    ("kind", "facility", "priority"),
    [
        ("alarm_raised", "local0", 131),
        ("alarm_cleared", "local7", 189),
        ("rate_wrong", "daemon", 28),
        ("alarm_acknowledged", "user", 13),
    ],
)
def test_facility_and_severity(kind: str, facility: str, priority: int) -> None:
    message = line(StoredEvent(1, 0, "m/p", kind, "x", ""), facility)
    assert int(parsed(message)["priority"]) == priority


def test_datagrams(tmp_path: Path) -> None:
    with closing(socket.socket(type=socket.SOCK_DGRAM)) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        plant = plant_of(tmp_path, f"udp://127.0.0.1:{server.getsockname()[1]}")
        plant.happen("alarm_raised", "silent", text="a\nb")
        plant.run()
        texts = [parsed(server.recv(4096))["text"].decode() for _ in range(2)]
        assert texts == [
            "mill 2/spindle alarm_raised: a\\x0ab",
            "mill 2/spindle silent: a\\x0ab",
        ]
        assert plant.cursor.counts() == (2, 0)
        plant.close()


def test_a_socket_of_this_machine_that_comes_later(tmp_path: Path) -> None:
    plant = plant_of(tmp_path, f"unix://{tmp_path / 'log'}")
    plant.happen("alarm_raised")
    plant.run()
    assert (
        "Syslog siem cannot be reached: No such file or directory" in plant.runner.trouble
    )
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as server:
        server.bind(str(tmp_path / "log"))
        plant.run(5.0)
        assert parsed(server.recv(4096))["kind"] == b"alarm_raised"
    assert plant.cursor.counts() == (1, 0)
    plant.close()


def frames(data: bytes) -> list[bytes]:
    """Octet counting: RFC 6587, 3.4.1."""
    found = []
    while data:
        length, _, rest = data.partition(b" ")
        found.append(rest[: int(length)])
        data = rest[int(length) :]
    return found


def test_a_stream_goes_on_after_its_server_was_restarted(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        port = server.getsockname()[1]
        plant = plant_of(tmp_path, f"tcp://127.0.0.1:{port}")
        plant.happen("alarm_raised", "alarm_cleared")
        plant.run()
        link, _ = server.accept()
        kinds = [parsed(one)["kind"] for one in frames(link.recv(4096))]
        assert kinds == [b"alarm_raised", b"alarm_cleared"]
        link.close()
        plant.happen("label")
        plant.run(5.0)
        link, _ = server.accept()
        assert [parsed(one)["kind"] for one in frames(link.recv(4096))] == [b"label"]
        link.close()
    plant.happen("silent")
    plant.run(5.0)
    assert "cannot be reached: nothing listens there" in plant.runner.trouble
    assert plant.cursor.counts() == (3, 0)
    plant.close()


def test_an_encrypted_stream(tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path / "authority")
    issued = authority.issue("syslog")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tls://127.0.0.1:{server.getsockname()[1]}"

        def take(_stop: object) -> None:
            link, _ = server.accept()
            with context.wrap_socket(link, server_side=True) as encrypted:
                got.append(encrypted.recv(4096))

        plant = plant_of(tmp_path, address, tls={"ca_file": authority.ca_file})
        plant.happen("alarm_raised")
        with beside(take):
            plant.run()
        plant.close()
    assert [parsed(one)["kind"] for one in frames(got[0])] == [b"alarm_raised"]


@pytest.mark.parametrize(
    "address", ["10.0.0.5", "http://x", "udp://", "unix://log", "tcp://x:99999"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"must be udp://HOST|Port out of range"):
        SyslogSettings(name="a", address=address)
