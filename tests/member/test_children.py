"""Processes of partitions: started again when they die, but not when they are another's."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from monitor.exit_codes import EXIT_REFUSED, EXIT_SUPERSEDED
from monitor.member.children import Children
from tests.servers.child import dying_with_us
from tests.servers.mosquitto import wait_until

SLEEPS = "import sys; sys.stdin.buffer.read()"  # until the member ends
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); "
)


class Script:
    """What each start does, the last one from then on."""

    def __init__(self, *programs: str) -> None:
        self.programs = list(programs)
        self.started: list[tuple[int, int]] = []
        self.generations = 0
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, partition: int, generation: int) -> subprocess.Popen[bytes]:
        self.started.append((partition, generation))
        program = self.programs.pop(0) if len(self.programs) > 1 else self.programs[0]
        command = [*dying_with_us(), sys.executable, "-c", program]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.processes.append(process)
        return process

    def take_over(self, _partition: int) -> int:
        self.generations += 1
        return self.generations

    def children(self) -> Children:
        return Children(self.start, self.take_over)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Script]]:
    """Scripts whose processes are gone afterwards. Pauses are short."""
    monkeypatch.setattr("monitor.member.children.BACKOFF_S", (0.05, 0.1))
    monkeypatch.setattr("monitor.member.children.STOP_S", 0.5)
    made: list[Script] = []

    def make(*programs: str) -> Script:
        made.append(Script(*programs))
        return made[-1]

    yield make
    for process in [one for script in made for one in script.processes]:
        with process:
            process.kill()


def stepped(children: Children, until: int, script: Script) -> bool:
    children.step()
    return len(script.started) >= until


def test_a_child_that_died_is_started_again_with_its_generation(
    scripted: Callable[..., Script],
) -> None:
    script = scripted("raise SystemExit(70)", "raise SystemExit(1)", SLEEPS)
    children = script.children()
    children.add([4])
    children._children[4].pause_s = 0.05
    wait_until(lambda: stepped(children, 3, script), 20, "it is started twice again")
    assert script.started == [(4, 1)] * 3
    children.stop([4])
    assert all(process.poll() is not None for process in script.processes)
    assert children.partitions == []


def test_a_child_that_was_superseded_is_not_started_again(
    scripted: Callable[..., Script],
) -> None:
    script = scripted(f"raise SystemExit({EXIT_SUPERSEDED})", SLEEPS)
    children = script.children()
    children.add([0])
    wait_until(lambda: script.processes[0].poll() is not None, 20, "it has ended")
    for _ in range(20):
        children.step()
        time.sleep(0.01)
    assert script.started == [(0, 1)]
    assert not children.is_refused
    children.kill([0])
    children.add([0])  # assigned anew
    assert script.started == [(0, 1), (0, 2)]
    children.stop([0])


def test_a_child_that_refuses_ends_the_member(scripted: Callable[..., Script]) -> None:
    script = scripted(f"raise SystemExit({EXIT_REFUSED})")
    children = script.children()
    children.add([0])
    wait_until(lambda: script.processes[0].poll() is not None, 20, "it has ended")
    children.step()
    assert children.is_refused
    assert script.started == [(0, 1)]


def test_one_that_does_not_stop_is_killed(scripted: Callable[..., Script]) -> None:
    script = scripted(STUBBORN + SLEEPS)
    children = script.children()
    children.add([0, 1])
    for process in script.processes:
        assert process.stdout is not None
        process.stdout.readline()  # it ignores SIGTERM now
    children.stop([0])
    assert script.processes[0].poll() == -signal.SIGKILL
    assert script.processes[1].poll() is None  # the other is left alone
    children.kill([1])
    assert script.processes[1].poll() == -signal.SIGKILL
