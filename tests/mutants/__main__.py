"""make mutants: plant faults in what has changed, and see whether a test notices each."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from monitor.commands.progress import PERIOD_S, Count
from tests.mutants.collected import Collected
from tests.mutants.covering import Covered
from tests.mutants.mutations import Mutant, mutants
from tests.mutants.scope import ROOT, Explained, changed, explained, scope
from tests.mutants.trial import Trial, begin, import_all, in_turn

ENOUGH = 0.95  # of mutants that nobody explained


@dataclass
class Outcomes:
    """Of the mutants so far. uncovered : no test reaches their function, so they survive"""

    killed: list[Mutant] = field(default_factory=list)
    survived: list[Mutant] = field(default_factory=list)
    uncovered: list[Mutant] = field(default_factory=list)
    n_timeouts: int = 0
    n_untried: int = 0  # somebody ended it early

    def add(self, mutant: Mutant, outcome: str) -> None:
        self.n_timeouts += outcome == "timeout"
        (self.survived if outcome == "survived" else self.killed).append(mutant)

    def __str__(self) -> str:
        n_survived = len(self.survived) + len(self.uncovered)
        return f"{len(self.killed)} killed, {n_survived} survived"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        files = _files(options)
    except (ValueError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 2
    if not files:
        print(f"Nothing of tests/mutants/scope.toml differs from {options.against}.")
        return 0
    outcomes = run(files, options.workers)
    return report(files, outcomes, explained())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("files", nargs="*", help="mutate these; all must be in scope.toml")
    parser.add_argument("--all", action="store_true", help="mutate all of scope.toml")
    parser.add_argument(
        "--against", default="main", help="what counts as changed (default: main)"
    )
    parser.add_argument(
        "--workers", type=int, default=2, help="processes at a time (default: 2)"
    )
    return parser


def _files(options: argparse.Namespace) -> list[str]:
    known = scope()
    if options.all:
        return list(known)
    strange = [one for one in options.files if one not in known]
    if strange:
        raise ValueError(f"not in tests/mutants/scope.toml: {', '.join(strange)}")
    return options.files or changed(options.against)


def run(files: Sequence[str], n_workers: int) -> Outcomes:
    found = [one for path in files for one in mutants(path, (ROOT / path).read_text())]
    outcomes, count = Outcomes(), Count("mutants", len(found))
    said = Said(lambda: f"{count}; {outcomes}")
    try:
        for _ in _try_all(files, found, n_workers, outcomes, count):
            said.say()
    except KeyboardInterrupt:
        outcomes.n_untried = count.total - count.done
    said.end()
    return outcomes


def _try_all(
    files: Sequence[str],
    found: Sequence[Mutant],
    n_workers: int,
    outcomes: Outcomes,
    count: Count,
) -> Iterator[None]:
    """Where tests are collected already first, for that is quick; then, with imports of their own,
    those that could not be tried there. Yields now and then.
    """
    known = scope()
    tests = sorted({test for one in files for test in known[one]})
    rest = dict(enumerate(found))
    with Collected(files, tests, found, n_workers) as collected:
        for came in collected.outcomes():
            if came is not None:
                number, outcome = came
                outcomes.add(rest.pop(number), outcome)
                count.step()
            yield
        covered = collected.covered()
    for test in covered.failed:
        print(f"left out, for it fails without a mutant: {test}", file=sys.stderr)
    import_all(covered.modules)
    begun = _begun(rest.values(), covered, outcomes, count)
    for ended in in_turn(begun, n_workers):
        if ended is not None:
            outcomes.add(*ended)
            count.step()
        yield


def _begun(
    found: Iterable[Mutant], covered: Covered, outcomes: Outcomes, count: Count
) -> Iterator[Trial]:
    """Trials of those that some test reaches."""
    for mutant in found:
        source = (ROOT / mutant.path).read_text()
        if tests := covered.tests_of(mutant.path, source, mutant.line):
            yield begin(mutant, tests, covered.seconds_of(tests))
        else:
            outcomes.uncovered.append(mutant)
            count.step()


class Said:
    """How far it is: a line drawn again and again on a terminal, elsewhere one every half minute.
    No thread does that, for processes are forked beside it.
    """

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text
        self._is_terminal = sys.stderr.isatty()
        self._period_s = 0.5 if self._is_terminal else PERIOD_S
        self._due_s = time.monotonic()

    def say(self) -> None:
        if time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + self._period_s
        self._print()

    def end(self) -> None:
        self._print()
        if self._is_terminal:
            print(file=sys.stderr)

    def _print(self) -> None:
        if self._is_terminal:
            print(f"\r\033[K{self._text()}", end="", file=sys.stderr, flush=True)
        else:
            print(self._text(), file=sys.stderr, flush=True)


def report(files: Sequence[str], outcomes: Outcomes, reasons: Sequence[Explained]) -> int:
    """Print what came of it; 1 where too few were killed, or a reason explains nothing."""
    reason_of = {(one.path, one.before, one.after): one for one in reasons}
    alive = [*outcomes.survived, *outcomes.uncovered]
    known = [one for one in alive if _key(one) in reason_of]
    unknown = [one for one in alive if _key(one) not in reason_of]
    for mutant in sorted(unknown, key=lambda one: (one.path, one.line)):
        why = "no test reaches it" if mutant in outcomes.uncovered else "survived"
        print(f"\n{mutant.path}:{mutant.line}: {why}")
        print(mutant.diff((ROOT / mutant.path).read_text()))
    seen = {_key(one) for one in alive}
    if outcomes.n_untried:
        seen |= set(reason_of)  # what was not tried may survive
        print(f"\nended early: {outcomes.n_untried} more were not tried.")
    stale = [one for key, one in reason_of.items() if one.path in files and key not in seen]
    for one in stale:
        print(f"\nexplained.toml explains what did not survive: {one.path}: {one.after}")
    print(f"\n{_table(files, outcomes, unknown)}")
    n, n_killed = len(outcomes.killed) + len(unknown), len(outcomes.killed)
    share = n_killed / n if n else 1.0
    print(
        f"{n_killed} of {n} killed ({100 * share:.1f} %), {outcomes.n_timeouts} of them by a time"
        f" limit; {len(unknown)} survived; {len(known)} more survived and are explained."
    )
    return 0 if share >= ENOUGH and not stale and not outcomes.n_untried else 1


def _key(mutant: Mutant) -> tuple[str, str, str]:
    return mutant.path, mutant.before, mutant.after


def _table(files: Sequence[str], outcomes: Outcomes, unknown: Sequence[Mutant]) -> str:
    lines = []
    for path in files:
        n_killed = sum(one.path == path for one in outcomes.killed)
        n = n_killed + sum(one.path == path for one in unknown)
        if n:
            lines.append(f"{path}: {n_killed} of {n} ({100 * n_killed / n:.1f} %)")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
