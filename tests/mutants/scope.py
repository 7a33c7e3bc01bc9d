"""Which files are mutated, and which test files may kill their mutants: scope.toml."""

from __future__ import annotations

import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Explained:
    """A mutant that no test can or need kill. before, after : its lines"""

    path: str
    before: str
    after: str
    reason: str


def scope() -> dict[str, tuple[str, ...]]:
    """Test files by the file whose mutants they may kill."""
    tree = tomllib.loads((HERE / "scope.toml").read_text())
    return {path: tuple(tests) for path, tests in tree["tests"].items()}


def explained() -> list[Explained]:
    tree = tomllib.loads((HERE / "explained.toml").read_text())
    return [Explained(**one) for one in tree.get("mutant", [])]


def changed(against: str) -> list[str]:
    """Files of the scope, or with tests of the scope, that differ from a commit's; with what is not
    committed yet. Raises subprocess.CalledProcessError where git knows no such commit.
    """
    base = _git("merge-base", against, "HEAD").strip()
    names = set(_git("diff", "--name-only", base).splitlines())
    names |= set(_git("ls-files", "--others", "--exclude-standard").splitlines())
    return [
        path
        for path, tests in scope().items()
        if path in names or not names.isdisjoint(tests)
    ]


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
