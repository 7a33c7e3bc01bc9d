"""Which tests reach a function: they run once, without a mutant, and coverage.py listens."""

from __future__ import annotations

import ast
import json
import sys
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import coverage
import pytest

from tests.mutants.scope import ROOT, scope


@dataclass
class Covered:
    """What the tests do without a mutant.

    lines : by file, then by test, those that it runs
    early : by file, those that ran before any test: at an import, or as tests were collected
    seconds : of processor time, by test: by the clock a busy machine takes many times as long
    failed : tests that prove nothing
    modules : of others, that the tests import
    """

    lines: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    early: dict[str, list[int]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)

    def tests_of(self, path: str, source: str, line: int) -> list[str]:
        """Quickest first: those that reach the function of a line. Where it is in none, or in one
        that ran at an import, then the others named for the file: they may know what came of it.
        """
        first, last = function_around(source, line)
        reached = {
            test
            for test, lines in self.lines.get(path, {}).items()
            if any(first < one <= last for one in lines)
        }
        is_wide = not first or self.is_early(path, source, line)
        others = self._named_for(path) if is_wide else set()
        found = [one for one in reached | others if one not in self.failed]
        return sorted(
            found, key=lambda one: (one not in reached, self.seconds.get(one, 0.0))
        )

    def _named_for(self, path: str) -> set[str]:
        files = scope().get(path, ())
        return {one for one in self.seconds if one.partition("::")[0] in files}

    def is_early(self, path: str, source: str, line: int) -> bool:
        """Whether a line's function ran before any test, so that tests may not see what it does."""
        first, last = function_around(source, line)
        return any(first < one <= last for one in self.early.get(path, ()))

    def seconds_of(self, tests: Iterable[str]) -> float:
        return sum(self.seconds[one] for one in tests)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(vars(self)))

    @classmethod
    def load(cls, path: Path) -> Covered:
        return cls(**json.loads(path.read_text()))


def function_around(source: str, line: int) -> tuple[int, int]:
    """First and last line of the innermost function whose body a line is in, else of the file.

    The first one runs when the function is made, so it says nothing. Of a
    function that remembers its answers only the first test that asks runs it,
    so it counts as the file.
    """
    first, last = 0, len(source.splitlines())
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef) or _remembers(node):
            continue
        begin, end = node.body[0].lineno - 1, node.end_lineno or node.lineno
        if begin < line <= end and end - begin < last - first:
            first, last = begin, end
    return first, last


def _remembers(function: ast.FunctionDef) -> bool:
    return any("cache" in ast.unparse(one) for one in function.decorator_list)


class Listener:
    """A plug-in of pytest: whose lines are these, how long did it take, did it pass?"""

    def __init__(self, files: Iterable[str]) -> None:
        self.covered = Covered()
        self._coverage = coverage.Coverage(
            data_file=None, include=[str(ROOT / one) for one in files], config_file=False
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        self._coverage.switch_context(item.nodeid)
        began_s = time.process_time()
        try:
            return (yield)
        finally:
            self.covered.seconds[item.nodeid] = time.process_time() - began_s
            self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.covered.failed.append(report.nodeid)

    def begin(self) -> None:
        self._coverage.start()

    def end(self) -> Covered:
        self._coverage.stop()
        data = self._coverage.get_data()
        for name in data.measured_files():
            path = str(Path(name).relative_to(ROOT))
            reached: dict[str, list[int]] = {}
            for line, contexts in data.contexts_by_lineno(name).items():
                for test in contexts:
                    reached.setdefault(test, []).append(line)
            self.covered.early[path] = reached.pop("", [])
            self.covered.lines[path] = reached
        self.covered.modules = [
            name for name, module in sys.modules.items() if not _is_ours(module)
        ]
        return self.covered


def _is_ours(module: ModuleType) -> bool:
    """Of this tree, so that a mutant may take its place."""
    path = getattr(module, "__file__", None) or ""
    return path.startswith(f"{ROOT}/") and "site-packages" not in path
