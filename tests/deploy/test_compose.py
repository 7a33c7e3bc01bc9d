"""The stack in containers, as far as it can be checked without running containers."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from monitor.config_file import load_config
from tests.conftest import server_program
from tests.paths import ROOT
from tests.servers.child import start_child
from tests.servers.mosquitto import free_port, wait_until
from tests.test_repository import package_name, pinned

DEPLOY = ROOT / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(TEXT)
    return found


def test_it_fits_the_compose_specification(stack: dict[str, Any]) -> None:
    schema = json.loads(
        (DEPLOY / "compose" / "compose-spec.schema.json").read_text(encoding="utf-8")
    )
    # The schema is of 2021, before `name`.
    named = {key: value for key, value in stack.items() if key != "name"}
    jsonschema.Draft201909Validator(schema).validate(named)


def test_every_port_is_this_machines_own(stack: dict[str, Any]) -> None:
    ports = [
        port for service in stack["services"].values() for port in service.get("ports", [])
    ]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_file_it_mounts_is_there(stack: dict[str, Any]) -> None:
    mounts = [
        mount.split(":")
        for service in stack["services"].values()
        for mount in service.get("volumes", [])
    ]
    files = [DEPLOY / mount[0] for mount in mounts if mount[0].startswith(".")]
    assert len(files) >= 6
    assert all(file.exists() for file in files)
    named = {mount[0] for mount in mounts if not mount[0].startswith(".")}
    assert named == set(stack["volumes"])


def test_its_secrets_are_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "compose").mkdir()
    script = shutil.copy(DEPLOY / "compose" / "secrets.sh", tmp_path / "compose")
    subprocess.run(["sh", script], check=True, capture_output=True)
    file = tmp_path / ".env"
    assert file.stat().st_mode & 0o777 == 0o600
    first = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert set(re.findall(r"\$\{(\w+):\?", TEXT)) == set(first)
    assert all(len(word) == 32 for word in first.values())
    assert len(set(first.values())) == len(first)
    assert all(re.fullmatch(r"[0-9a-f]{32}", word) for word in first.values())
    subprocess.run(["sh", script], check=True, capture_output=True)
    assert dict(line.split("=", 1) for line in file.read_text().splitlines()) == first
    ignored = subprocess.run(
        ["git", "check-ignore", "-q", "deploy/.env"], cwd=ROOT, check=False
    )
    assert ignored.returncode in (0, 128)  # 128: no git here


def test_a_password_that_looks_like_an_option_is_found(tmp_path: Path) -> None:
    """One installation in 64 of 0.2.0: InfluxDB's set-up failed, and was tried again for ever."""
    (tmp_path / "compose").mkdir()
    script = shutil.copy(DEPLOY / "compose" / "secrets.sh", tmp_path / "compose")
    file = tmp_path / ".env"
    file.write_text("CAMSHAFT_INFLUX_PASSWORD=-abc\nCAMSHAFT_PAGE_PASSWORD=mine\n")
    found = subprocess.run(["sh", script], check=False, capture_output=True, text=True)
    assert found.returncode == 1
    assert "CAMSHAFT_INFLUX_PASSWORD begins with -" in found.stderr
    file.write_text("CAMSHAFT_PAGE_PASSWORD=mine\n")
    subprocess.run(["sh", script], check=True, capture_output=True)
    assert "CAMSHAFT_PAGE_PASSWORD=mine\n" in file.read_text()
    names = re.findall(r"^(\w+)=", file.read_text(), re.M)
    assert set(names) == set(re.findall(r"\$\{(\w+):\?", TEXT))


def test_only_influxdb_gets_the_operators_token(stack: dict[str, Any]) -> None:
    holders = {
        name: key
        for name, service in stack["services"].items()
        for key, value in service.get("environment", {}).items()
        if "${CAMSHAFT_INFLUX_TOKEN:" in value
    }
    assert holders == {"influxdb": "DOCKER_INFLUXDB_INIT_ADMIN_TOKEN"}
    assert stack["services"]["influxdb"]["environment"]["DOCKER_INFLUXDB_INIT_RETENTION"]
    shared = [mount.split(":") for mount in stack["services"]["camshaft"]["volumes"]]
    assert ["influxdb-tokens", "/run/influxdb", "ro"] in shared
    # it holds the operator's token
    assert "influxdb-config" not in {mount[0] for mount in shared}


def test_influxdbs_set_up_gives_each_what_it_needs_and_no_more(tmp_path: Path) -> None:
    """Run with a stand-in for influx that notes its arguments; the real one was not there to try.

    Options as the influx CLI 2.7 documents them: auth create, v1 auth create,
    v1 dbrp create.
    """
    calls, home = tmp_path / "calls", tmp_path / "home"
    home.mkdir()
    influx = tmp_path / "influx"
    influx.write_text(
        f'#!/bin/sh\necho "$@" >> {calls}\n'
        'case "$1" in\n'
        "bucket) printf '0b1\\tvibration\\t8760h\\n' ;;\n"
        "auth) printf '0a1\\tcamshaft\\tthe-token==\\tadmin\\n' ;;\n"
        "esac\n"
    )
    influx.chmod(0o755)
    script = (DEPLOY / "compose" / "influxdb.sh").read_text("utf-8")
    script = script.replace("/home/influxdb", str(home))
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "DOCKER_INFLUXDB_INIT_BUCKET": "vibration",
        "CAMSHAFT_GRAFANA_INFLUX_PASSWORD": "word",
    }
    subprocess.run(["sh", "-c", script], check=True, env=environment)
    listed, mapped, reads, writes = calls.read_text().splitlines()
    assert listed.startswith("bucket list --name vibration")
    assert mapped.startswith("v1 dbrp create --db vibration")
    assert reads == "v1 auth create --username grafana --password=word --read-bucket 0b1"
    assert writes == "auth create --description camshaft --write-bucket 0b1 --hide-headers"
    assert (home / "camshaft-token").read_text() == "the-token==\n"


def test_its_camshaft_configuration_is_good(stack: dict[str, Any]) -> None:
    config = load_config(DEPLOY / "compose" / "camshaft.yaml")
    environment = stack["services"]["camshaft"]["environment"]
    (influx,) = config.influx
    assert influx.token is not None
    assert config.page.password is not None
    assert {config.page.password.env} == set(environment)
    assert influx.token.file == Path("/run/influxdb/camshaft-token")
    script = (DEPLOY / "compose" / "influxdb.sh").read_text("utf-8")
    mounts = stack["services"]["influxdb"]["volumes"]
    (folder,) = [
        mount.split(":")[1] for mount in mounts if mount.startswith("influxdb-tokens:")
    ]
    assert f"> {folder}/{influx.token.file.name}" in script
    assert config.mqtt.host in stack["services"]
    assert influx.url == "http://influxdb:8086"
    setup = stack["services"]["influxdb"]["environment"]
    assert (influx.org, influx.bucket) == (
        setup["DOCKER_INFLUXDB_INIT_ORG"],
        setup["DOCKER_INFLUXDB_INIT_BUCKET"],
    )
    port = f":{config.page.port}:{config.page.port}"
    assert stack["services"]["page"]["ports"][0].endswith(port)


def test_grafana_gets_the_variables_it_is_provisioned_with(stack: dict[str, Any]) -> None:
    provisioning = "".join(
        path.read_text("utf-8")
        for path in (DEPLOY / "grafana/provisioning").rglob("*.yaml")
    )
    wanted = set(re.findall(r"\$(CAMSHAFT_\w+)", provisioning))
    assert wanted <= set(stack["services"]["grafana"]["environment"])


def test_mosquitto_takes_its_configuration(tmp_path: Path) -> None:
    """Mosquitto itself, with the container's folder and port exchanged for ours."""
    mosquitto = server_program("mosquitto")
    if mosquitto is None:
        pytest.skip("needs Mosquitto (Debian package mosquitto)")
    port = free_port()
    text = (DEPLOY / "compose" / "mosquitto.conf").read_text(encoding="utf-8")
    text = text.replace("/mosquitto/data/", f"{tmp_path}/").replace(
        "listener 1883", f"listener {port} 127.0.0.1"
    )
    (tmp_path / "mosquitto.conf").write_text(text)
    process = start_child(
        [mosquitto, "-c", tmp_path / "mosquitto.conf"], subprocess.DEVNULL
    )
    try:
        wait_until(lambda: listens(port), 10, "Mosquitto listens")
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_mosquittos_limits_are_those_of_the_plain_installation() -> None:
    """Only who may connect and where it stores differ."""

    def settings(path: Path) -> set[str]:
        own = ("listener ", "persistence_location ", "allow_anonymous ")
        lines = path.read_text("utf-8").splitlines()
        return {
            line.strip()
            for line in lines
            if line[:1].isalpha() and not line.startswith(own)
        }

    assert settings(DEPLOY / "compose/mosquitto.conf") == settings(
        DEPLOY / "mosquitto/camshaft.conf"
    )


def test_the_image_copies_what_is_there_and_installs_what_is_held() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copies = [
        line.split()[1:-1]
        for line in text.splitlines()
        if line.startswith("COPY") and "--from" not in line
    ]
    sources = [source for group in copies for source in group]
    assert all((ROOT / source).exists() for source in sources)
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert {source.split("/")[0] for source in sources} == allowed
    extras = re.search(
        r"^page = \[(.*?)\]", (ROOT / "pyproject.toml").read_text("utf-8"), re.M | re.S
    )
    assert extras
    assert {package_name(name) for name in re.findall(r'"(.+?)"', extras[1])} <= pinned(
        "page"
    ).keys()
    assert pinned("page").items() <= pinned("development").items()
