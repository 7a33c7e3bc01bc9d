"""Camshaft's commands without the half second of imports that each start costs: a process that has
imported them forks. Tests start some two hundred.

A process so started is what a new one would be, in what tests ask of it: a child of the test run
with its own process id, signals, exit code, environment, folder and streams; it runs `-m
monitor.cli` from its first line, and dies with the test run. It differs in this: modules are there
already, and the seed of hashes is the same for all of one worker.

So a start is a new process all the same where that could matter: behind another program (a
sandbox), on another system than Linux, where coverage is measured, where the environment says
what Python or the C library read before any module (NOT_LATER).

A member of a Kafka group starts processes itself. Where a test wants them prepared too, the member
gets an origin of its own, forked before its first thread, and this Popen in place of the library's.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from tests.paths import ROOT

# How the names begin of what is read once, when a process begins.
NOT_LATER = (
    "PYTHON",
    "LD_",
    "LC_",
    "LANG",
    "MALLOC_",
    "GLIBC_",
    "OMP_",
    "OPENBLAS_",
    "COV",
)
PR_SET_CHILD_SUBREAPER = 36
MOST_BYTES = 1 << 18
LONGEST_COMMAND = 4096


@dataclass(frozen=True)
class Start:
    """What a process is started with.

    warnings : what each -W says
    parent : the process id of who asks
    dies_with_parent : even where that is killed
    has_children : it starts prepared processes itself
    """

    module: str
    arguments: list[str]
    warnings: list[str]
    environment: dict[str, str]
    folder: str
    parent: int
    dies_with_parent: bool
    has_children: bool


class Origin:
    """The process that forks, at the other end of the link."""

    def __init__(self, link: socket.socket, children_die_with_us: bool = True) -> None:
        self._link = link
        self.children_die_with_us = children_die_with_us
        self._lock = threading.Lock()
        self._libc = ctypes.CDLL(None)

    def start(self, start: Start, streams: list[int]) -> int:
        """Returns the process id of our new child."""
        with self._lock:
            # Whose parent ends is then our child.
            self._libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            socket.send_fds(self._link, [json.dumps(asdict(start)).encode()], streams)
            answer = self._link.recv(MOST_BYTES)
            self._libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        assert answer, "the prepared process has ended: its imports failed?"
        return int(answer)


class Prepared(subprocess.Popen[bytes]):
    """Popen of a command that is_prepared() says yes to.

    origin : begun when it is first needed
    """

    origin: ClassVar[Origin | None] = None

    def __init__(
        self, command: Sequence[Any], has_children: bool = False, **how: Any
    ) -> None:
        self._has_children = has_children
        super().__init__(command, **how)

    def _execute_child(self, *given: Any) -> None:
        """Instead of fork and exec. Popen calls it so in Python 3.11 to 3.13, with its own ends of
        the streams and the child's.
        """
        words, folder, environment = given[0], given[5], given[6]
        pipes = given[10:16]
        wanted = [pipes[0], pipes[3], pipes[5]]
        streams = [number if end < 0 else end for number, end in enumerate(wanted)]
        origin = Prepared.origin = Prepared.origin or _begin()
        at = words.index("-m")
        start = Start(
            module=words[at + 1],
            arguments=[str(word) for word in words[at + 2 :]],
            warnings=[str(word) for word in words[2:at:2]],
            environment=dict(os.environ if environment is None else environment),
            folder=str(folder or os.getcwd()),
            parent=os.getpid(),
            dies_with_parent=origin.children_die_with_us,
            has_children=self._has_children,
        )
        self.pid = origin.start(start, streams)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def is_prepared(command: Sequence[object], environment: Mapping[str, str] | None) -> bool:
    """Whether this is Python with no options but -W, running a command of Camshaft's, in an
    environment that is ours wherever Python began with it.
    """
    words = list(map(str, command))
    if sys.platform != "linux" or words[0] != sys.executable or "-m" not in words:
        return False
    at = words.index("-m")
    flags, module = words[1:at], words[at + 1 : at + 2]
    is_plain = all(flag == "-W" for flag in flags[::2]) and module == ["monitor.cli"]
    ours, theirs = _not_later(os.environ), _not_later(environment or os.environ)
    is_measured = any(name.startswith("COV") for name in ours)
    is_single = ours.get("OMP_NUM_THREADS") == "1"  # no thread that a fork would lack
    return is_plain and is_single and ours == theirs and not is_measured


def _not_later(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: v for name, v in environment.items() if name.startswith(NOT_LATER)}


def _begin() -> Origin:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    words = ["-m", "tests.servers.prepared_process", str(theirs.fileno())]
    words += ["." * LONGEST_COMMAND]  # room for what /proc shows of each that it becomes
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait(10)

    atexit.register(end)
    return Origin(ours)
