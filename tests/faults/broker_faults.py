"""The broker and the network to it: killed, restarted, cut, half-open, slow, absent."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.campaign import Done, scenario
from tests.faults.stage import Action, Stage

TABLE = "camshaft_faults"
# after five losses at once the service waits for 16 s before it connects again
QUIET_S = 20.0


@scenario(
    "broker stopped and started, with persistence",
    "nothing lost",
    quick=True,
    persistence=True,
)
def broker_restarts(stage: Stage) -> Done:
    stage.start()
    n = 1 if stage.quick else 5
    stage.play(
        seconds=4.0 if stage.quick else 8.0,
        faults={(k + 1) / (n + 1): stage.broker.restart for k in range(n)},
    )
    return Done(f"{n} SIGTERM of the broker")


@scenario("broker killed and started, with persistence", "explained", persistence=True)
def broker_killed(stage: Stage) -> Done:
    """Mosquitto confirms a message before it has saved it, so a kill may cost the last second's."""
    n = 5
    stage.start()
    stage.play(seconds=12.0, faults=_kills(stage, n))
    _settle(stage)
    return Done(f"{n} SIGKILL of the broker", n_samples=stage.n_taken())


@scenario("broker killed and started, without persistence", "explained")
def broker_forgets(stage: Stage) -> Done:
    """What it had acknowledged to the gateway and not yet delivered is gone; the service must see
    each such gap.
    """
    n = 5
    stage.start()
    stage.play(seconds=12.0, faults=_kills(stage, n))
    _settle(stage)
    return Done(f"{n} SIGKILL of the broker", n_samples=stage.n_taken())


@scenario("TCP connection reset", "nothing lost", quick=True, proxy=True)
def cut(stage: Stage) -> Done:
    assert stage.proxy is not None
    stage.start()
    n = 5 if stage.quick else 30
    stage.play(
        seconds=4.0 if stage.quick else 30.0,
        faults={(k + 1) / (n + 1): stage.proxy.cut for k in range(n)},
    )
    return Done(f"{n} resets")


@scenario("connection half-open", "nothing lost", proxy=True)
def half_open(stage: Stage) -> Done:
    """Packets vanish, no reset comes: keep-alive (5 s here) must notice."""
    assert stage.proxy is not None
    service, proxy = stage.start(), stage.proxy
    if os.geteuid() == 0 and shutil.which("nft"):
        with _dropping(proxy.port) as (drop, let_through):
            stage.play(
                seconds=24.0,
                faults={0.1: drop, 0.4: let_through, 0.5: drop, 0.8: let_through},
            )
        how = "2 times 7 s without packets (nftables)"
    else:
        stage.play(
            seconds=24.0,
            faults={0.1: proxy.stall, 0.4: proxy.flow, 0.5: proxy.stall, 0.8: proxy.flow},
        )
        how = "2 times 7 s without data (proxy; nftables needs root)"
    assert "Connection to broker" in service.log(), "the broken connection was noticed"
    return Done(how)


@scenario("network slow", "nothing lost", proxy=True)
def slow(stage: Stage) -> Done:
    assert stage.proxy is not None
    stage.start()
    proxy, rate = stage.proxy, 60_000
    n_bytes = sum(len(one.payload) for one in stage.cuts)
    stage.play(faults={0.2: lambda: proxy.slow(rate)})
    return Done(f"{rate // 1000} kB/s for {n_bytes * 0.8 / 1000:.0f} kB of samples")


@scenario("first connection fails for a while", "nothing lost", proxy=True)
def first_connection(stage: Stage) -> Done:
    """The session stands at the broker from an earlier run; this run's first connections are
    refused.
    """
    assert stage.proxy is not None
    service, proxy = stage.start(), stage.proxy
    assert service.stop()[0] == 0
    proxy.refuse()
    service.start(online=False)
    service.wait(lambda: "trying again" in service.log(), why="it complains")
    stage.play(seconds=10.0)
    proxy.accept()
    return Done("connections refused while the recording was played")


def _kills(stage: Stage, n: int) -> dict[float, Action]:
    """n kills, each followed by a start a little later: the gateway meets a broker that is down."""
    kills = {(k + 0.5) / n: stage.broker.kill for k in range(n)}
    return kills | {(k + 0.6) / n: stage.broker.start for k in range(n)}


def _settle(stage: Stage) -> None:
    """Until nothing more comes, from a service that is surely connected again."""
    last, since_s = -1, time.monotonic()
    while time.monotonic() - since_s < QUIET_S:
        now = stage.n_taken()
        if now != last:
            last, since_s = now, time.monotonic()
        time.sleep(0.1)


@contextmanager
def _dropping(port: int) -> Iterator[tuple[Action, Action]]:
    """(drop, let_through): nftables drops every packet of connections to this local port, or lets
    them pass.
    """

    def nft(text: str) -> None:
        subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True, timeout=10)

    hook = "{ type filter hook input priority 0; }"
    nft(f"add table inet {TABLE}; add chain inet {TABLE} input {hook}")
    rules = "".join(
        f"add rule inet {TABLE} input tcp {end} {port} drop\n" for end in ("dport", "sport")
    )
    try:
        yield lambda: nft(rules), lambda: nft(f"flush chain inet {TABLE} input")
    finally:
        nft(f"delete table inet {TABLE}")
