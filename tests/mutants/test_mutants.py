"""The mutants themselves: each is one small fault, and what no test notices is reported."""

from __future__ import annotations

import ast
import difflib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.__main__ import Outcomes, report
from tests.mutants.covering import Covered, function_around
from tests.mutants.mutations import mutants
from tests.mutants.scope import HERE, ROOT, explained, scope
from tests.mutants.swapped import Living, changes

SOURCE = '''\
"""A docstring of 3 words."""
LIMIT = 10

def over(values: list[int], least: float = 0.5) -> bool:
    """Whether 1 of them is."""
    log.info("%d values", len(values) + 1)
    if not values or max(values) < LIMIT:
        return False
    self.n += 1
    raise ValueError(f"{1 + 2} are over")
'''


def after(line: int) -> set[str]:
    return {one.after for one in mutants("toy.py", SOURCE) if one.line == line}


def test_each_kind_of_fault_is_planted_and_what_is_said_is_left_alone() -> None:
    assert {one.line for one in mutants("toy.py", SOURCE)} == {2, 4, 7, 8, 9, 10}
    assert after(2) == {"LIMIT = (10) * 10", "LIMIT = type(10)((10) / 10)"}
    assert after(4) == {"def over(values: list[int], least: float = (0.5 * 10)) -> bool:"}
    assert after(7) == {
        "if (values) or max(values) < LIMIT:",
        "if not values and max(values) < LIMIT:",
        "if not values or min(values) < LIMIT:",
        "if not values or max(values) <= LIMIT:",
    }
    assert after(8) == {"return True"}
    assert after(9) == {"self.n -= 1", "self.n += 2", "pass"}
    assert after(10) == {"pass"}


@pytest.mark.parametrize(
    "path",
    ["monitor/signal/quality.py", "monitor/pipeline/alarm.py", "training/gates.py"],
)
def test_each_mutant_is_read_by_python_and_differs_in_one_place(path: str) -> None:
    source = (ROOT / path).read_text()
    found = mutants(path, source)
    assert len({one.source for one in found}) == len(found)
    for one in found:
        ast.parse(one.source)
        matcher = difflib.SequenceMatcher(
            None, source.splitlines(), one.source.splitlines(), autojunk=False
        )
        assert [tag for tag, *_ in matcher.get_opcodes() if tag != "equal"] == ["replace"]
        assert one.before in source


def test_a_line_is_in_the_innermost_function_or_else_in_the_file() -> None:
    source = "A = 1\ndef f():\n    def g():\n        return 1\n    return g\n"
    assert function_around(source, 4) == (3, 4)
    assert function_around(source, 5) == (2, 5)
    assert function_around(source, 2) == (0, 5)  # a default is of no function's body
    assert function_around(f"@lru_cache\n{source[6:]}", 3) == (0, 5)


def test_the_quickest_tests_that_reach_a_function_come_first() -> None:
    covered = Covered(
        lines={"toy.py": {"slow": [6], "quick": [7], "other": [2], "failed": [6]}},
        seconds={"slow": 2.0, "quick": 0.1, "failed": 0.0},
        failed=["failed"],
    )
    assert covered.tests_of("toy.py", SOURCE, 9) == ["quick", "slow"]
    assert set(covered.tests_of("toy.py", SOURCE, 2)) == {"quick", "slow", "other"}


def test_all_that_is_named_is_there_and_each_stage_is_named() -> None:
    known = scope()
    for path, tests in known.items():
        assert (ROOT / path).is_file()
        assert tests
        assert all((ROOT / test).is_file() for test in tests)
    stages = {
        f"monitor/signal/{one.name}" for one in (ROOT / "monitor/signal").glob("*.py")
    }
    assert stages - set(known) == {"monitor/signal/__init__.py"}


def test_what_is_explained_can_still_be_planted() -> None:
    reasons = explained()
    assert all(len(one.reason) > 20 for one in reasons)
    for path in {one.path for one in reasons}:
        found = {
            (one.before, one.after) for one in mutants(path, (ROOT / path).read_text())
        }
        assert {(one.before, one.after) for one in reasons if one.path == path} <= found


def test_a_fault_in_a_function_is_put_where_it_lives() -> None:
    """In a closure and a method as well; what is found is what differs."""
    source = (ROOT / "tests/mutants/covering.py").read_text()
    living = Living(["tests/mutants/covering.py"])
    (mutant,) = [
        one
        for one in mutants("tests/mutants/covering.py", source)
        if one.after == "return None" and "self.seconds[one]" in one.before
    ]
    found = changes(mutant.path, source, mutant.source)
    assert [one.co_qualname for one, _ in found] == ["Covered.seconds_of"]
    covered = Covered(seconds={"quick": 0.1})
    assert covered.seconds_of(["quick"]) == 0.1
    living.swap(living.reached(found))
    try:
        assert covered.seconds_of(["quick"]) is None
    finally:
        living.swap([(one, one) for one, _ in found])
    assert covered.seconds_of(["quick"]) == 0.1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A = 1", "A = 10"),
        ("def f(a=1): return a", "def f(a=2): return a"),
        ("class C:\n    a = 1", "class C:\n    a = 1.0"),
        ("A = [a for a in (1, 2)]", "A = [-a for a in (1, 2)]"),
    ],
)
def test_what_runs_at_the_import_is_no_function_s(before: str, after: str) -> None:
    source = "def g():\n    return 1\n\n"
    assert changes("toy.py", source + before, source + before) == []
    assert (
        Living(["toy.py"]).reached(changes("toy.py", source + before, source + after)) == []
    )


TOY = """\
LIMIT = 10


def over(value):
    return value > LIMIT


def forgotten(value):
    return value + 1
"""
TEST = """\
from toy import over


def test_over():
    assert over(11) and over(99)
    assert not over(9)
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A tree with these tools, a module and a test of its own."""
    folder = tmp_path / "tests" / "mutants"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("test_*", "__pycache__"))
    (tmp_path / "tests" / "__init__.py").touch()
    (tmp_path / "toy.py").write_text(TOY)
    (tmp_path / "test_toy.py").write_text(TEST)
    (folder / "scope.toml").write_text('[tests]\n"toy.py" = ["test_toy.py"]\n')
    (folder / "explained.toml").write_text("")
    return tmp_path


def run(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants", "--all", "--workers", "1"],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}:{ROOT}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_what_no_test_notices_survives_and_is_shown(toy: Path) -> None:
    code, said = run(toy)
    assert code == 1
    assert "toy.py:5: survived" in said
    assert "+    return value >= LIMIT" in said
    assert said.count("toy.py:9: no test reaches it") == 3
    assert "3 of 7 killed (42.9 %), 0 of them by a time limit; 4 survived" in said
    assert "mutants: 7 of 7" in said


def test_enough_killed_and_the_rest_explained_is_well(toy: Path) -> None:
    (toy / "toy.py").write_text(TOY.partition("\n\ndef forgotten")[0] + "\n")
    reason = '[[mutant]]\npath = "toy.py"\nbefore = "return value > LIMIT"\n'
    reason += 'after = "return value >= LIMIT"\nreason = "Nobody sends ten."\n'
    (toy / "tests/mutants/explained.toml").write_text(reason)
    code, said = run(toy)
    assert (code, "3 of 3 killed (100.0 %)" in said) == (0, True)
    (toy / "test_toy.py").write_text(TEST + "    assert not over(10)\n")
    code, said = run(toy)
    assert code == 1
    assert "explained.toml explains what did not survive: toy.py" in said


def test_what_was_ended_early_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    """And what it did not try may well survive for the reason that is given."""
    (killed, *_) = mutants("training/gates.py", (ROOT / "training/gates.py").read_text())
    outcomes = Outcomes(killed=[killed], n_untried=3)
    assert report(list(scope()), outcomes, explained()) == 1
    said = capsys.readouterr().out
    assert "ended early: 3 more were not tried." in said
    assert "1 of 1 killed (100.0 %)" in said
    assert "explains what did not survive" not in said
