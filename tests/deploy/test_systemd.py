"""The systemd units: clean, tight, and the service really works under their restrictions."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from monitor.records.verdict import Status
from monitor.systemd import notify
from tests.paths import ROOT
from tests.servers import sandboxed
from tests.servers.mosquitto import Mosquitto, needs_mosquitto
from tests.servers.mqtt_clients import send
from tests.servers.service import Service

UNITS = ROOT / "deploy" / "systemd"
MAX_EXPOSURE = 1.5
# 5 s on three channels at 2 kHz
WINDOW = np.random.default_rng(0).normal(0, 100, 3 * 10_000).astype("<i2").tobytes()

needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="needs systemd-analyze (Debian package systemd)",
)


@needs_systemd_analyze
def test_units_are_clean(tmp_path: Path) -> None:
    """As installed: what they start is there."""
    installed = tmp_path / "bin"
    installed.mkdir()
    for name in ("camshaft", "camshaft-train"):
        (installed / name).symlink_to("/bin/true")
    for unit in UNITS.iterdir():
        text = re.sub(r"/opt/camshaft(-training)?/bin", str(installed), unit.read_text())
        (tmp_path / unit.name).write_text(text)
    units = sorted(str(tmp_path / unit.name) for unit in UNITS.iterdir())
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


@needs_systemd_analyze
@pytest.mark.parametrize(
    "name",
    [
        "camshaft.service",
        "camshaft-page.service",
        "camshaft-forward.service",
        "camshaft-retrain.service",
    ],
)
def test_exposure_is_low(name: str) -> None:
    command = [
        "systemd-analyze",
        "security",
        "--offline=yes",
        "--no-pager",
        str(UNITS / name),
    ]
    said = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False
    ).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found is not None
    assert float(found[1]) <= MAX_EXPOSURE


def test_units_fit_together() -> None:
    texts = {unit.name: unit.read_text() for unit in UNITS.iterdir()}
    for name in ("camshaft.service", "camshaft-retrain.service"):
        lines = texts[name].splitlines()
        for line in (
            "User=camshaft",
            "DynamicUser=yes",
            "StateDirectory=camshaft",
            "ProtectSystem=strict",
            "CapabilityBoundingSet=",
        ):
            assert line in lines
    assert "MemoryDenyWriteExecute=yes" in texts["camshaft.service"].splitlines()
    assert "try-reload-or-restart camshaft.service" in texts["camshaft-retrain.service"]


def daemon_pid(bwrap_pid: int) -> int:
    """bubblewrap stays as the parent; signals must go to the service itself."""
    (child,) = Path(f"/proc/{bwrap_pid}/task/{bwrap_pid}/children").read_text().split()
    return int(child)


@needs_mosquitto
@pytest.mark.parametrize("confined", [True, False])
def test_the_daemon_works_under_the_units_restrictions(
    tmp_path: Path, confined: bool
) -> None:
    """Network and journal, the model's runtime, SIGHUP and SIGTERM; then without, to check the
    test.
    """
    if reason := sandboxed.works():
        pytest.skip(f"cannot confine a process here: {reason}")
    folder = tmp_path / "state"
    with Mosquitto(tmp_path / "broker") as broker:
        config = {
            "mqtt": {"port": broker.port},
            "subscriptions": [
                {
                    "topic": "vibration/{machine}/{point}/waveform",
                    "payload": {"format": "raw"},
                }
            ],
            "sensors": [
                {
                    "sample_rate_hz": 2000,
                    "channels": ["x", "y", "z"],
                    "unit": "mg",
                    "model": "cnc-milling",
                }
            ],
            "journal": {"path": "camshaft.journal"},
        }
        folder.mkdir()
        prefix = sandboxed.prefix(folder, UNITS / "camshaft.service") if confined else []
        with Service(folder, config, prefix) as service:
            service.start()
            assert service.process is not None
            pid = daemon_pid(service.process.pid) if confined else service.process.pid
            status = Path(f"/proc/{pid}/status").read_text()
            assert bool(re.search(r"^Seccomp:\t2$", status, re.M)) == confined
            assert bool(re.search(r"^CapBnd:\t0+$", status, re.M)) == confined
            for _ in range(3):
                send(broker.port, WINDOW)
            service.wait(
                lambda: len(service.rows()) >= 2, why="verdicts are in the journal"
            )
            assert {row.status for row in service.rows().values()} <= {Status.OK, Status.NG}
            os.kill(pid, signal.SIGHUP)
            service.wait(
                lambda: "Configuration and models reloaded." in service.log(),
                why="reloaded",
            )
            os.kill(pid, signal.SIGTERM)
            assert service.process.wait(20) == 0
            service.process = None


def test_notify_without_systemd_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
