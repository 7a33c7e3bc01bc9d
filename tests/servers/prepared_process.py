"""The process that prepared.py starts and asks: it has imported what the commands import, and
forks into each of them.
"""

from __future__ import annotations

import ctypes
import gc
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

from tests.servers.prepared import MOST_BYTES, Origin, Prepared, Start

# With what each of them imports. monitor.cli isn't among them: it is what a process then runs.
MODULES = (
    "monitor.commands.check_config",
    "monitor.commands.commission",
    "monitor.commands.forward",
    "monitor.commands.page",
    "monitor.commands.run",
    "monitor.commands.status",
    "monitor.evidence.network",
    "monitor.forward.forwarder",
    "monitor.kafka.state_topic",
    "monitor.member.member",
    "monitor.outputs.influx.sender",
    "monitor.page.application",
    "monitor.service",
)
PR_SET_PDEATHSIG = 1


def main() -> None:
    for name in MODULES:
        import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1, "a thread would not live on in a fork"
    gc.collect()
    gc.freeze()  # no collection touches, and so copies, what all share
    _serve(socket.socket(fileno=int(sys.argv[1])))


def _serve(link: socket.socket) -> None:
    """Until who asks has gone. In a forked process: run what was asked for."""
    while True:
        asked, streams, _, _ = socket.recv_fds(link, MOST_BYTES, 3)
        if not asked:
            return
        start = Start(**json.loads(asked))
        if _is_child():
            if start.dies_with_parent:
                _end_with(start.parent)
            link.send(str(os.getpid()).encode())
            link.close()
            _become(start, streams)
            return
        for stream in streams:
            os.close(stream)


def _is_child() -> bool:
    """Fork twice: the process between ends at once, so that the grandchild gets who asked for its
    parent. True in the grandchild, once it is so.
    """
    waits, ends = os.pipe()
    between = os.fork()
    if between == 0:
        os.close(ends)
        if os.fork():
            os._exit(0)
        os.read(waits, 1)
        os.close(waits)
        return True
    os.waitpid(between, 0)
    os.close(ends)
    os.close(waits)
    return False


def _end_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _become(start: Start, streams: list[int]) -> None:
    """As if Python had just begun here, but for what is imported."""
    os.environ.clear()
    os.environ.update(start.environment)
    time.tzset()
    os.chdir(start.folder)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = _text(0, "r", "strict")
    sys.stdout = _text(1, "w", "strict")
    sys.stderr = _text(2, "w", "backslashreplace")
    sys.stderr.reconfigure(line_buffering=True)
    sys.argv[1:] = start.arguments
    _show(start)
    sys.path[0] = start.folder
    sys.warnoptions[:] = start.warnings
    for action in start.warnings:
        warnings.simplefilter(action)  # type: ignore[arg-type]
    if start.has_children:
        _prepare_children()
    runpy.run_module(start.module, run_name="__main__", alter_sys=True)


def _prepare_children() -> None:
    """As if the processes of a member's partitions were started by the library's Popen."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        ours.close()
        _serve(theirs)
        sys.exit()
    theirs.close()
    # They end by themselves when they hear the member no more: that is what tests look at.
    Prepared.origin = Origin(ours, children_die_with_us=False)
    library = SimpleNamespace(Popen=Prepared, PIPE=subprocess.PIPE)
    setattr(import_module("monitor.member.member"), "subprocess", library)  # noqa: B010


def _show(start: Start) -> None:
    """Write the command over ours, where ps and /proc read it."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])  # proc_pid_stat(5) counts them 48 and 49
    words = [sys.executable, "-m", start.module, *start.arguments]
    shown = "\0".join(words).encode()[: end - begin - 1]
    ctypes.memmove(begin, shown.ljust(end - begin, b"\0"), end - begin)


def _text(number: int, mode: str, errors: str) -> io.TextIOWrapper:
    """As Python opens its standard streams."""
    text = open(number, mode, errors=errors, closefd=False)  # noqa: SIM115
    assert isinstance(text, io.TextIOWrapper)
    text.reconfigure(write_through="PYTHONUNBUFFERED" in os.environ)
    return text


if __name__ == "__main__":
    main()
