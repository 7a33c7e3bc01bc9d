"""Tests in a process of their own, forked from one that has imported what takes long.

No file is touched: the mutant takes the module's place as it is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

import hypothesis
import pytest

from tests.mutants.covering import Covered, Listener
from tests.mutants.mutations import Mutant
from tests.mutants.scope import ROOT

# A failing law is not shrunk, and the same examples meet every mutant.
PROFILE = "mutants"
hypothesis.settings.register_profile(
    PROFILE,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
POLL_S = 0.02
LEAST_S, TIMES = (
    30.0,
    10.0,
)  # a mutant may loop for ever; other work may keep the cores busy
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
            return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
        if time.monotonic() < self.ends_s:
            return None
        self.end()
        return "timeout"

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def begin(mutant: Mutant, tests: list[str], seconds: float) -> Trial:
    """seconds : that the tests take without a mutant"""

    def work() -> int:
        sys.meta_path.insert(0, InPlace(mutant))
        return int(pytest.main([*OPTIONS, *tests]))

    return Trial(mutant, forked(work), time.monotonic() + LEAST_S + TIMES * seconds)


def cover(files: Sequence[str], tests: Sequence[str], tick: Callable[[], None]) -> Covered:
    """What each test reaches of the files, and imports: which is imported here, too, once.

    tick : called while they run
    """
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "covered.json"
        options = [one for one in OPTIONS if one != "-x"]

        def work() -> int:
            Listener(files).listen([*options, *tests]).save(found)
            return 0

        pid = forked(work)
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            tick()
            time.sleep(POLL_S)
        covered = Covered.load(found)
    for name in covered.modules:
        with contextlib.suppress(Exception):  # some are no modules of their own
            importlib.import_module(name)
    return covered


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
