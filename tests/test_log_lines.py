"""Log lines: levels of parts, and JSON that is a line an event."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from monitor.config import LoggingSettings
from monitor.log_lines import set_up

PART = logging.getLogger("monitor.toy.part")


@contextmanager
def fresh_root() -> Iterator[logging.Logger]:
    """The root logger as a program begins with: pytest hangs its own on it for each test."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers
    root.handlers = []
    try:
        yield root
    finally:
        root.handlers = handlers
        root.setLevel(level)
        PART.setLevel(logging.NOTSET)


def test_text_is_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    with fresh_root():
        set_up("INFO", {}, "text")
        PART.info("a %s", "line")
        PART.debug("not said")
    said = capsys.readouterr().err
    assert said.endswith("Z INFO a line\n")
    assert "not said" not in said


def test_a_json_line_is_one_object_whatever_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with fresh_root():
        set_up("INFO", {}, "json")
        PART.warning("two\nlines, \u2028 and %s", '"quotes"')
        try:
            raise RuntimeError("torn\nhere")
        except RuntimeError:
            PART.exception("It failed.")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first["message"] == 'two\nlines, \u2028 and "quotes"'
    assert (first["level"], first["logger"]) == ("WARNING", "monitor.toy.part")
    assert first["time"].endswith("Z")
    assert "RuntimeError: torn\nhere" in second["error"]


def test_a_part_has_a_level_of_its_own_until_it_is_taken_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with fresh_root():
        set_up("WARNING", {"monitor.toy": "DEBUG"}, "text")
        PART.debug("heard")
        logging.getLogger("monitor.other").info("not heard")
        set_up("WARNING", {}, "text")
        PART.debug("not heard")
    said = capsys.readouterr().err
    assert "heard\n" in said
    assert "not heard" not in said


def test_what_others_have_hung_on_is_left_alone() -> None:
    other = logging.StreamHandler()
    with fresh_root() as root:
        root.addHandler(other)
        set_up("INFO", {}, "json")
        assert root.handlers == [other]
    assert other.formatter is None


def test_levels_are_read_in_any_case_and_others_refused() -> None:
    found = LoggingSettings.model_validate(
        {"level": "warning", "levels": {"monitor.sources": "debug"}}
    )
    assert (found.level, dict(found.levels)) == ("WARNING", {"monitor.sources": "DEBUG"})
    for wrong in (
        {"level": "loud"},
        {"levels": {"monitor..x": "DEBUG"}},
        {"format": "xml"},
    ):
        with pytest.raises(ValueError, match="validation error"):
            LoggingSettings.model_validate(wrong)
