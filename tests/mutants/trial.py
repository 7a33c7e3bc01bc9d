"""Tests in a process of their own, forked from one that has imported what takes long.

No file is touched: the mutant takes the module's place as it is imported, or
its functions' place in a process that has imported them (collected.py).
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import math
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType

import hypothesis
import pytest

from tests.mutants.mutations import Mutant
from tests.mutants.scope import ROOT

# A failing law is not shrunk, and the same examples meet every mutant: few, for one that
# survives meets them all.
PROFILE = "mutants"
hypothesis.settings.register_profile(
    PROFILE,
    derandomize=True,
    max_examples=25,
    deadline=None,
    database=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
POLL_S = 0.005
# A mutant may loop for ever, or wait. Only a loop takes the processor, whatever else is busy.
LEAST_CPU_S, TIMES = 10.0, 10.0
WAITS = 6.0  # by the clock so many times as long: other work takes the processor, too
MOST_BYTES = 8 << 30  # nor may it take all memory from what else runs
OPTIONS = (
    "-q",
    "-x",
    "--no-header",
    *(
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
    ),  # of what was imported before the fork
    "--tb=no",
    f"--hypothesis-profile={PROFILE}",
    *("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "-p", "no:schemathesis"),
)


class InPlace:
    """Finds one module, with a mutant's source."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = module_of(mutant.path)
        self._loader = Mutated(self._name, str(ROOT / mutant.path), mutant.source)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(
            name, self._loader.path, loader=self._loader
        )


class Mutated(SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec")


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@dataclass
class Trial:
    """A mutant and the tests that it meets, running."""

    mutant: Mutant
    pid: int
    ends_s: float

    def outcome(self) -> str | None:
        """killed, survived or timeout; None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return {0: "survived", -signal.SIGXCPU: "timeout"}.get(code, "killed")
        if time.monotonic() < self.ends_s:
            return None
        self.end()
        return "timeout"

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def begin(mutant: Mutant, tests: list[str], seconds: float) -> Trial:
    """seconds : of processor time that the tests take without a mutant"""

    def work() -> int:
        sys.meta_path.insert(0, InPlace(mutant))
        return int(pytest.main([*OPTIONS, *tests]))

    return tried(mutant, work, seconds)


def tried(mutant: Mutant, work: Callable[[], int], seconds: float) -> Trial:
    """Work in a process of its own, with its limits.

    seconds : of processor time that it takes without a mutant
    """
    limit = math.ceil(LEAST_CPU_S + TIMES * seconds)

    def limited() -> int:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 10))
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
        return work()

    return Trial(mutant, forked(limited), time.monotonic() + WAITS * limit)


def in_turn(begun: Iterator[Trial], n_workers: int) -> Iterator[tuple[Mutant, str] | None]:
    """Mutants and what came of them, as they end; None while none does. Trials begin as they are
    taken from begun, so many at a time.
    """
    running: list[Trial] = []
    try:
        while True:
            for trial in list(running):
                if (outcome := trial.outcome()) is not None:
                    running.remove(trial)
                    yield trial.mutant, outcome
            while len(running) < n_workers and (new := next(begun, None)) is not None:
                running.append(new)
            if not running:
                return
            yield None
            time.sleep(POLL_S)
    finally:
        for trial in running:
            trial.end()


def import_all(names: Sequence[str]) -> None:
    for name in names:
        with contextlib.suppress(Exception):  # some are no modules of their own
            importlib.import_module(name)


def forked(work: Callable[[], int]) -> int:
    """Its id; it leads a group of its own, and says nothing."""
    pid = os.fork()
    if pid:
        return pid
    code, aloud = 3, os.dup(2)
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        with tempfile.TemporaryDirectory() as folder:
            os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
            code = work()
    except Exception:
        os.write(aloud, traceback.format_exc().encode())
    finally:
        os._exit(code)
