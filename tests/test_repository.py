"""The repository as a whole: documents that fail the build when they stop being true."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.paths import ROOT

README = ROOT / "README.md"
TEXT_SUFFIXES = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
    ".sh",
    ".conf",
    ".service",
    ".timer",
    ".json",
    ".csv",
    "",
}
# But for the folder that InfluxDB's image has for its user.
PERSONAL_PATH = re.compile(r"(?<![\w.])/(?:home|root|Users)/(?!influxdb\b)\w+")
INDEX_ADDRESS = re.compile(
    r"--(?:index-url|extra-index-url|find-links|trusted-host)\s+\S"
    r"|https?://[\w.]*(?:pypi|pythonhosted)",
    re.I,
)


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("needs a git checkout")
    files = [ROOT / name for name in listed.stdout.splitlines()]
    return [
        path
        for path in files
        if path.suffix in TEXT_SUFFIXES and path.is_file() and path != Path(__file__)
    ]


def code_lines(document: str) -> list[str]:
    """Lines of code blocks, fenced or indented, and code spans."""
    fenced = re.findall(r"^```.*?\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^ {4}(\S.*)$", document, re.MULTILINE)
    return (
        [line for block in fenced for line in block.splitlines()]
        + indented
        + re.findall(r"`([^`\n]+)`", document)
    )


def commands_of(module: str) -> set[str]:
    """The commands that a program's help lists."""
    command = [sys.executable, "-m", module, "--help"]
    said = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    return set(re.findall(r"^ {4}([a-z][a-z-]*)(?:  |$)", said, re.MULTILINE))


def test_no_file_names_a_person_s_folder() -> None:
    assert [
        path.name
        for path in tracked_files()
        if PERSONAL_PATH.search(path.read_text("utf-8", "replace"))
    ] == []


def test_no_file_names_a_package_index() -> None:
    assert [
        path.name
        for path in tracked_files()
        if INDEX_ADDRESS.search(path.read_text("utf-8", "replace"))
    ] == []


def test_readme_shows_only_targets_that_exist() -> None:
    targets = set(
        re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    )
    shown = {
        target
        for line in code_lines(README.read_text("utf-8"))
        for target in re.findall(r"\bmake ([a-z]+)", line)
    }
    assert {"demo", "test", "check", "bench"} <= shown <= targets


@pytest.mark.parametrize(
    ("program", "module"), [("camshaft", "monitor.cli"), ("camshaft-train", "training.cli")]
)
def test_the_documents_show_every_command_and_no_other(program: str, module: str) -> None:
    guides = [README, *sorted((ROOT / "docs").glob("*.md"))]
    lines = [line for guide in guides for line in code_lines(guide.read_text("utf-8"))]
    shown = {
        match[1]
        for line in lines
        if (match := re.search(rf"(?:^|[ /]){program} ([a-z][a-z-]*)", line))
    }
    assert shown == commands_of(module)


@pytest.mark.parametrize(
    "document",
    sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]),
    ids=lambda path: path.name,
)
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)[^)]*\)", document.read_text("utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text("utf-8")
    pages = {path.name for path in (ROOT / "docs" / "decisions").glob("*.md")} - {
        "README.md"
    }
    assert [page for page in sorted(pages) if f"({page})" not in index] == []


def test_the_change_log_tells_what_is_new() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    unreleased, newest = re.split(r"^## ", text, flags=re.MULTILINE)[1:3]
    assert unreleased.startswith("[Unreleased]")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "version"
    ]
    assert newest.startswith(f"[{version}] - 20")
    assert re.search(r"^- \S", newest, re.MULTILINE)


def pinned(name: str) -> dict[str, set[str]]:
    """Versions by package, of a constraints file in which each entry must have a version and
    hashes.
    """
    entries = re.split(
        r"\n(?=\S)", (ROOT / "constraints" / f"{name}.txt").read_text("utf-8")
    )
    found: dict[str, set[str]] = {}
    for entry in entries:
        if entry.startswith("#") or not entry.strip():
            continue
        match = re.match(r"([\w.-]+)==(\S+)", entry)
        assert match, f"no version: {entry[:80]}"
        assert "--hash=sha256:" in entry, f"no hash: {entry[:80]}"
        found.setdefault(match[1], set()).add(match[2])
    return found


def test_constraints_agree_and_cover_what_is_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    everything = pinned("development")
    asked = {
        "daemon": [],
        "demo": extras["demo"],
        "page": extras["page"] + extras["prometheus"] + extras["kafka"],
        "training": extras["training"],
        "ray": extras["training"] + extras["ray"],
    }
    files = {path.stem for path in (ROOT / "constraints").glob("*.txt")}
    assert files == {*asked, "development"}
    for name, of_extras in asked.items():
        requirements = project["dependencies"] + of_extras
        held = pinned(name)
        assert held.items() <= everything.items(), (
            f"{name}.txt and development.txt differ: run make constraints"
        )
        assert {package_name(text) for text in requirements} <= held.keys()
    assert {
        package_name(text) for extra in extras.values() for text in extra
    } <= everything.keys()


def package_name(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    assert match
    return match[0].lower().replace("_", "-")


def test_the_daemon_imports_no_training_and_no_tensorflow() -> None:
    heavy = {"training", "tensorflow", "keras", "rich", "matplotlib"}
    probe = f"import sys, monitor.service; print(sorted({heavy!r} & sys.modules.keys()))"
    ran = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout == "[]\n"
