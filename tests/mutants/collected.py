"""Trials forked from a session of pytest that has collected its tests: nothing is imported again,
so a mutant costs its tests alone. Only faults inside of functions can be put there.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self, TextIO

import pytest

from tests.mutants.covering import Covered, Listener
from tests.mutants.mutations import Mutant
from tests.mutants.scope import ROOT
from tests.mutants.swapped import Change, Living, changes
from tests.mutants.trial import OPTIONS, POLL_S, Trial, forked, in_turn, tried


class Collected:
    """A process that collects the tests, finds what each reaches, and tries the mutants it can."""

    def __init__(
        self,
        files: Sequence[str],
        tests: Sequence[str],
        found: Sequence[Mutant],
        workers: int,
    ) -> None:
        self._folder = TemporaryDirectory()
        self._covered = Path(self._folder.name) / "covered.json"
        self._outcomes = Path(self._folder.name) / "outcomes"
        self._outcomes.touch()
        plugin = Plugin(files, found, workers, self._covered, self._outcomes)
        self._pid: int | None = forked(lambda: plugin.run(tests))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pid is not None:
            os.kill(self._pid, signal.SIGINT)
            os.waitpid(self._pid, 0)
        self._folder.cleanup()

    def covered(self) -> Covered:
        """Once the outcomes have come. Raises RuntimeError if the tests could not be run."""
        if not self._covered.exists():
            raise RuntimeError("pytest cannot collect these tests, or they end the process")
        return Covered.load(self._covered)

    def outcomes(self) -> Iterator[tuple[int, str] | None]:
        """A mutant's place among all and what came of it, as they come; None while none comes."""
        with self._outcomes.open() as lines:
            while self._is_running():
                yield from _read(lines)
                yield None
                time.sleep(POLL_S)
            yield from _read(lines)

    def _is_running(self) -> bool:
        if self._pid is not None and os.waitpid(self._pid, os.WNOHANG) != (0, 0):
            self._pid = None
        return self._pid is not None


def _read(lines: TextIO) -> Iterator[tuple[int, str]]:
    while line := lines.readline():
        number, outcome = json.loads(line)
        yield number, outcome


class Plugin:
    """Of pytest: takes the place of its loop."""

    def __init__(
        self,
        files: Sequence[str],
        found: Sequence[Mutant],
        workers: int,
        covered: Path,
        outcomes: Path,
    ) -> None:
        self._files, self._found, self._workers = files, found, workers
        self._covered, self._outcomes = covered, outcomes
        self._listener = Listener(files)
        self._sources = {path: (ROOT / path).read_text() for path in files}

    def run(self, tests: Sequence[str]) -> int:
        self._listener.begin()
        return int(pytest.main([*OPTIONS, "-s", *tests], plugins=[self]))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        living = Living(self._files)
        gc.collect()
        gc.freeze()  # a fork shares what nobody looks through
        os.waitpid(forked(partial(self._cover, session)), 0)
        self._listener.end()
        self._try(session, living)
        return True

    def _try(self, session: pytest.Session, living: Living) -> None:
        covered = Covered.load(self._covered)
        numbers = {mutant.source: i for i, mutant in enumerate(self._found)}
        with self._outcomes.open("w", buffering=1) as lines:
            for came in in_turn(self._begun(session, living, covered), self._workers):
                if came is None:
                    continue
                mutant, outcome = came
                if outcome == "survived" and covered.is_early(
                    mutant.path, self._sources[mutant.path], mutant.line
                ):
                    continue  # what it did at the import may yet be noticed
                print(json.dumps([numbers[mutant.source], outcome]), file=lines)

    def _cover(self, session: pytest.Session) -> int:
        session.config.pluginmanager.register(self._listener)
        _run(session, session.items)
        self._listener.end().save(self._covered)
        return 0

    def _begun(
        self, session: pytest.Session, living: Living, covered: Covered
    ) -> Iterator[Trial]:
        items = {one.nodeid: one for one in session.items}
        for mutant in self._found:
            source = self._sources[mutant.path]
            tests = covered.tests_of(mutant.path, source, mutant.line)
            swaps = living.reached(changes(mutant.path, source, mutant.source))
            if not (tests and swaps):
                continue  # it has to be imported, or survives
            work = partial(
                _run_swapped, living, swaps, session, [items[one] for one in tests]
            )
            yield tried(mutant, work, covered.seconds_of(tests))


def _run_swapped(
    living: Living,
    swaps: Sequence[Change],
    session: pytest.Session,
    items: Sequence[pytest.Item],
) -> int:
    living.swap(swaps)
    return _run(session, items, may_fail=False)


def _run(
    session: pytest.Session, items: Sequence[pytest.Item], *, may_fail: bool = True
) -> int:
    """How many failed; or 1, after the first that does."""
    hook = session.config.hook
    for item, following in zip(items, [*items[1:], None], strict=True):
        hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed and not may_fail:
            break
    hook.pytest_sessionfinish(session=session, exitstatus=session.testsfailed)
    return session.testsfailed
