"""docs/architecture.md says what is there: packages have their line, steps lead to files."""

from __future__ import annotations

import re

from tests.paths import ROOT

DOCUMENT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    (found,) = re.findall(
        rf"^## {title}\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL
    )
    return str(found)


def test_every_package_has_its_line_and_no_other() -> None:
    named = set(re.findall(r"^\| \[(\w+(?:/\w+)?)\]", section("Packages"), re.MULTILINE))
    packages = {
        f"monitor/{path.name}"
        for path in (ROOT / "monitor").iterdir()
        if path.is_dir() and path.name != "__pycache__"
    }
    assert named == packages | {"training"}


def test_every_module_beside_the_packages_is_named() -> None:
    modules = {path.name for path in (ROOT / "monitor").glob("*.py")} - {"__init__.py"}
    named = set(re.findall(r"\[(\w+\.py)\]", section("Packages")))
    assert modules - named == {"settings.py"}  # what config.py is made of


def test_every_step_of_the_walk_leads_to_a_file() -> None:
    steps = re.split(r"^\d+\. ", section("A newcomer's walk"), flags=re.MULTILINE)[1:]
    assert len(steps) == 9
    for step in steps:
        links = re.findall(r"\]\(([^)#]+)\)", step)
        assert links, step
        assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_locks_are_where_it_says() -> None:
    """Whoever uses threads, locks or an event loop is named under Threads and locks."""
    using = {
        str(path.relative_to(ROOT / "monitor"))
        for path in (ROOT / "monitor").rglob("*.py")
        if re.search(r"^import (threading|asyncio)$", path.read_text("utf-8"), re.MULTILINE)
    }
    named = set(re.findall(r"\.\./monitor/([\w/]+\.py)\)", section("Threads and locks")))
    assert using - named == set()
