"""A journal of made-up machines, and the page served over it by a process of its own."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from monitor.evidence.cam import strongest_band
from monitor.journal.writer import Journal
from monitor.records.batch import Batch, Event, KeptWindow
from monitor.records.evidence import Grid
from monitor.records.occlusion import Occlusion, WithoutBand
from monitor.records.signal import Float32
from monitor.records.verdict import Status, Verdict
from tests.servers.child import start_child
from tests.servers.mosquitto import free_port
from tests.verdicts import map_of, network, novelty, score_of

RATE_HZ, N_WINDOW = 12_800, 12_800
SECOND_NS = 10**9
EDGES_HZ = tuple(
    float(round(edge))
    for edge in np.concatenate([np.arange(0, 1000, 200), np.geomspace(1000, 6400, 14)])
)
GRID = Grid(EDGES_HZ, tuple(float(edge) for edge in np.linspace(0, 1, 17)))
FAULT_BAND = 13  # index: where the faulty machine rings
BIAS, THRESHOLD = -1.2, 0.4


def _maps(
    rng: np.random.Generator, index: int, faulty: bool
) -> tuple[Float32, Float32, Float32]:
    """Contributions, novelty and levels in dB of one window, each of the grid's shape."""
    contribution = rng.normal(-0.004, 0.012, GRID.shape)
    spectrum = (
        -35
        - 22 * np.linspace(0, 1, GRID.shape[0])[:, None]
        + rng.normal(0, 2.5, GRID.shape)
    )
    spectrum[1] += 24
    spectrum[3] += 14
    if faulty:
        beats = 0.5 + 0.5 * np.sin(np.arange(GRID.shape[1]) * 2.1 + index)
        for offset, share in ((-1, 0.35), (0, 1.0), (1, 0.3)):
            contribution[FAULT_BAND + offset] += 0.4 * share * beats
            spectrum[FAULT_BAND + offset] += 26 * share * beats
        contribution[2] -= 0.03
    cells = contribution.astype(np.float32)
    novelty_map = np.maximum(0, cells).astype(np.float32) * 8 + rng.gamma(
        1, 0.02, GRID.shape
    ).astype(np.float32)
    return cells, novelty_map, spectrum.astype(np.float32)


def verdict(sensor: str, index: int, start_ns: int, faulty: bool, seed: int = 0) -> Verdict:
    """The index-th window of a sensor: a map that adds up, a fault that repeats in time in one
    band.
    """
    cells, novelty_map, spectrum = _maps(
        np.random.default_rng([seed, index, *sensor.encode()]), index, faulty
    )
    logit = float(cells.sum(dtype=np.float64)) + BIAS
    ng = logit > THRESHOLD
    window_start_ns = start_ns + index * SECOND_NS
    return Verdict(
        sensor=sensor,
        segment=1,
        first_sample=index * N_WINDOW,
        n_samples=N_WINDOW,
        start_ns=window_start_ns,
        end_ns=window_start_ns + SECOND_NS,
        status=Status.NG if ng else Status.OK,
        reason="network" if ng else "",
        evidence=(
            network(cells, BIAS, THRESHOLD, residual=2e-7),
            novelty(novelty_map, threshold=25.0),
        ),
        band=strongest_band(cells, EDGES_HZ),
        alarm="raised" if ng and index % 1000 > 3 else "clear",
        running=True,
        model_id="5e3a9c41d0b2",
        quality={"rms_ms2": 2.1 if faulty else 1.3, "peak_ms2": 9.0, "clipped_share": 0.0},
        grid=GRID,
        spectrum_db=spectrum[None],
    )


def evidence(of: Verdict, faulty: bool) -> KeptWindow:
    t = np.arange(N_WINDOW) / RATE_HZ
    rng = np.random.default_rng(of.first_sample)
    wave = 1.4 * np.sin(2 * np.pi * 300 * t) + 0.4 * rng.normal(size=N_WINDOW)
    if faulty:
        for hit in np.arange(0.02, 1, 0.093):
            after = t >= hit
            wave[after] += (
                6
                * np.exp(-(t[after] - hit) / 0.006)
                * np.sin(2 * np.pi * 3300 * (t[after] - hit))
            )
    key = (of.sensor, of.segment, of.first_sample)
    return KeptWindow(*key, float(RATE_HZ), wave[None].astype(np.float32), "ng")


def occluded(of: Verdict) -> Occlusion:
    """As of a network one cell wide, where a healthy window's cells are nothing."""
    cells, ringing = map_of(of), slice(FAULT_BAND - 1, FAULT_BAND + 2)
    falls = cells[:, ::2] + cells[:, 1::2]
    left = score_of(of) - float(falls[ringing].sum())
    band = WithoutBand(EDGES_HZ[ringing.start], EDGES_HZ[ringing.stop], left)
    return Occlusion(Grid(EDGES_HZ, GRID.t_edges_s[::2]), falls, (band,))


def unjudged(of: Verdict, status: Status, reason: str) -> Verdict:
    return replace(
        of,
        status=status,
        reason=reason,
        evidence=(),
        band=None,
        grid=None,
        spectrum_db=None,
        alarm="clear",
    )


def fill(path: Path, n_windows: int = 120, start_ns: int | None = None) -> None:
    """A small plant in all six states; mill-2/spindle has been faulty for the last third."""
    start_ns = (
        time.time_ns() - (n_windows + 1) * SECOND_NS if start_ns is None else start_ns
    )
    batch = Batch()
    for sensor in (
        "mill-1/spindle",
        "mill-1/table",
        "mill-2/spindle",
        "pump-3/bearing",
        "fan-9/motor",
    ):
        for index in range(n_windows):
            faulty = sensor == "mill-2/spindle" and index >= n_windows * 2 // 3
            found = verdict(sensor, index, start_ns, faulty)
            batch.verdicts.append(found)
            if faulty or index == 10:
                batch.kept_windows.append(evidence(found, faulty))
            if faulty and index == n_windows * 2 // 3 + 3:
                text = "network, 2720 to 4170 Hz hold 87% of the evidence for NG"
                batch.events.append(
                    Event(found.end_ns, sensor, "alarm_raised", text, found.model_id)
                )
                batch.occlusions.append((found, occluded(found)))
    for sensor, status, reason in (
        ("press-7/crank", Status.BAD_DATA, "flat_line"),
        ("saw-4/blade", Status.IDLE, "not_running"),
        ("lathe-5/chuck", Status.LEARNING, "not_commissioned"),
        ("belt-8/drum", Status.NO_DATA, "silent"),
    ):
        for index in range(n_windows):
            batch.verdicts.append(
                unjudged(verdict(sensor, index, start_ns, False), status, reason)
            )
    batch.events.append(
        Event(
            time.time_ns(), "belt-8/drum", "silent", "no message for three expected periods"
        )
    )
    journal = Journal(path)
    journal.commit(batch)
    journal.store_health(time.time_ns(), {"windows_per_s": 9.0, "broker_connected": True})
    journal.close()


def fill_many(path: Path, n_points: int = 200) -> str:
    """A large plant, mostly healthy. Three points are NG with an alarm, one has an alarm that
    cleared, unseen. Returns the worst point.
    """
    start_ns = time.time_ns() - 7 * SECOND_NS
    kinds = ("mill", "pump", "fan", "press", "lathe")
    places = ("motor-DE", "motor-NDE", "gearbox", "bearing")
    names = [f"{kinds[i // 4 % 5]}-{i // 4:02}/{places[i % 4]}" for i in range(n_points)]
    batch = Batch()
    for i, name in enumerate(names):
        rows = [verdict(name, k, start_ns, i in (77, 130, 131)) for k in range(6)]
        if i % 37 == 5:
            rows = [unjudged(row, Status.NO_DATA, "silent") for row in rows]
        batch.verdicts += rows
        text = "network, 2720 to 4170 Hz hold 87% of the evidence for NG"
        if rows[-1].alarm == "raised":
            batch.events.append(Event(rows[4].end_ns, name, "alarm_raised", text))
        if i == 40:
            batch.events += [
                Event(rows[1].end_ns, name, "alarm_raised", text),
                Event(rows[3].end_ns, name, "alarm_cleared", "OK"),
            ]
    journal = Journal(path)
    journal.commit(batch)
    journal.store_health(time.time_ns(), {"windows_per_s": 200.0, "broker_connected": True})
    journal.close()
    newest = {row.sensor: row.probability or 0.0 for row in batch.verdicts if row.evidence}
    return max(newest, key=lambda name: newest[name])


@dataclass(frozen=True)
class Served:
    """A page that runs."""

    port: int
    process: subprocess.Popen[bytes]
    journal: Path
    config: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cookie(self) -> dict[str, str]:
        """A session, as a header."""
        _, _, headers = self.ask("GET", "/")
        return {"Cookie": headers["set-cookie"].partition(";")[0]}

    def ask(
        self,
        method: str,
        path: str,
        tree: Any = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any, dict[str, str]]:
        """One request by hand: status, JSON or text, headers."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        body = None if tree is None else json.dumps(tree)
        extra = {"Content-Type": "application/json"} if tree is not None else {}
        link.request(method, path, body, extra | (headers or {}))
        answer = link.getresponse()
        text = answer.read().decode("utf-8", "replace")
        link.close()
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        return (
            answer.status,
            json.loads(text) if is_json else text,
            {k.lower(): v for k, v in answer.headers.items()},
        )


def write_config(folder: Path, page: str = "", journal: str = "camshaft.journal") -> Path:
    config = folder / "camshaft.yaml"
    config.write_text(
        "instance: plant-1\nsubscriptions: [{topic: 'v/{machine}/{point}', payload: {format:"
        f" raw}}}}]\nsensors: [{{sample_rate_hz: {RATE_HZ}}}]\njournal: {{path:"
        f" {journal}}}\n{page}",
        encoding="utf-8",
    )
    return config


@contextmanager
def serve(
    folder: Path,
    page: str = "",
    host: str | None = None,
    journal: str = "camshaft.journal",
    config: Path | None = None,
) -> Iterator[Served]:
    """Run camshaft page over a journal until the block ends. config: one that is there already"""
    config, port = config or write_config(folder, page, journal), free_port()
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "monitor.cli",
        "page",
        "-c",
        str(config),
        "--port",
        str(port),
    ]
    log = (folder / "page.log").open("wb")
    process = start_child(command + (["--host", host] if host else []), log)
    try:
        deadline_s = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (folder / "page.log").read_text()
            assert time.monotonic() < deadline_s, "the page does not listen"
            time.sleep(0.02)
        yield Served(port, process, folder / journal, config)
    finally:
        process.terminate()
        code = process.wait(60)
        log.close()
    assert code == 0, (folder / "page.log").read_text()
