"""Run a command under what deploy/systemd/camshaft.service restricts, where no systemd runs.

As a program: sandboxed.py SYSCALLS COMMAND... sets what the kernel sets for
MemoryDenyWriteExecute (prctl PR_SET_MDWE) and SystemCallFilter (libseccomp: all
but the named calls fail with EPERM), then becomes COMMAND. `prefix` puts it
into bubblewrap, which brings the rest: read-only root, own /tmp, no devices, no
capabilities, another user.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
SCMP_ACT_ALLOW, SCMP_ACT_EPERM = 0x7FFF0000, 0x00050000 | 1


def prefix(writable: Path, unit: Path) -> list[str]:
    """What to put before a command: only `writable` can be written. Calls are filtered as the unit
    says.
    """
    bwrap = shutil.which("bwrap")
    assert bwrap is not None
    return [
        bwrap,
        "--ro-bind",
        "/",
        "/",
        "--dev",
        "/dev",
        "--proc",
        "/proc",
        "--tmpfs",
        "/tmp",
        *under_tmp(),
        "--bind",
        str(writable),
        str(writable),
        "--unshare-user",
        "--uid",
        "61184",
        "--gid",
        "61184",
        "--unshare-ipc",
        "--unshare-uts",
        "--cap-drop",
        "ALL",
        "--die-with-parent",
        "--new-session",
        sys.executable,
        __file__,
        ",".join(sorted(allowed_calls(unit))),
    ]


def under_tmp() -> list[str]:
    """The project and its Python, where they themselves lie below /tmp,
    which the sandbox replaces.
    """
    folders = [Path(__file__).resolve().parents[2], Path(sys.prefix)]
    return [
        word
        for folder in folders
        if folder.is_relative_to("/tmp")
        for word in ("--ro-bind", *[str(folder)] * 2)
    ]


def allowed_calls(unit: Path) -> set[str]:
    """The system calls of the unit's SystemCallFilter lines, its groups resolved by systemd."""
    allowed: set[str] = set()
    for line in unit.read_text().splitlines():
        if line.startswith("SystemCallFilter="):
            words = line.removeprefix("SystemCallFilter=")
            calls = {call for word in words.lstrip("~").split() for call in _calls(word)}
            allowed = allowed - calls if words.startswith("~") else allowed | calls
    return allowed


def _calls(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    said = subprocess.run(
        ["systemd-analyze", "syscall-filter", name],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout
    lines = [line.strip() for line in said.splitlines()[1:]]
    return {
        call for line in lines if line and not line.startswith("#") for call in _calls(line)
    }


def works() -> str:
    """Why this machine cannot do it, "" where it can."""
    for program in ("bwrap", "systemd-analyze"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    tried = subprocess.run(
        ["bwrap", "--ro-bind", "/", "/", "--unshare-user", "true"],
        capture_output=True,
        check=False,
    )
    if tried.returncode != 0:
        return "this kernel lets nobody make user namespaces"
    probe = [
        sys.executable,
        "-c",
        f"import ctypes; raise SystemExit(ctypes.CDLL(None).prctl({PR_SET_MDWE}, 1, 0, 0, 0))",
    ]
    if subprocess.run(probe, check=False).returncode != 0:
        return "this kernel knows no PR_SET_MDWE (Linux 6.3)"
    return ""


def _restrict(calls: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    if libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_MDWE")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(SCMP_ACT_EPERM)))
    for call in calls:
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:  # the list names other processors' calls, too
            seccomp.seccomp_rule_add(context, ctypes.c_uint32(SCMP_ACT_ALLOW), number, 0)
    if seccomp.seccomp_load(context) != 0:
        raise OSError("seccomp_load failed")


if __name__ == "__main__":
    _restrict(sys.argv[1].split(","))
    os.execvp(sys.argv[2], sys.argv[2:])
