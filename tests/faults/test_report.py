"""The table between the markers of a document, from the campaign's own findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.campaign import Finding
from tests.faults.report import BEGIN, END, markdown, table, write_table

KEPT = Finding("kill -9", "nothing lost", "100 SIGKILL", expected=240, outage_s=1.25)
LOST = Finding("flood", "nothing lost", "5 times | more", expected=240, missing=3)
SKIPPED = Finding("disk full", "nothing lost", "", skipped="needs root")


def test_a_promise_is_kept_only_without_missing_or_double_rows() -> None:
    assert KEPT.kept
    assert not LOST.kept
    assert not Finding("x", "explained", "", missing=3).kept  # no reason counted
    assert Finding("x", "explained", "", missing=3, explained={"overload": 3000}).kept
    assert not Finding("x", "explained", "", double=1, explained={"overload": 3000}).kept
    assert not Finding("x", "refused", "", failure="exit code 0").kept


def test_the_table_says_what_was_broken_and_what_was_not_played() -> None:
    said = table([KEPT, LOST, SKIPPED])
    assert said.endswith(
        "1 of 2 scenarios kept their promise, 1 could not be played on this machine; broken: flood."
    )
    assert "nothing lost: BROKEN" in said
    assert "skipped: needs root" in said


def test_the_table_stands_between_the_markers(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write_table(document, [KEPT, LOST])
    write_table(document, [KEPT, LOST])
    assert (
        document.read_text(encoding="utf-8")
        == f"before\n{BEGIN}\n{markdown([KEPT, LOST])}\n{END}\nafter\n"
    )
    assert "5 times \\| more" in markdown([LOST])


def test_a_document_without_markers_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("nothing here", encoding="utf-8")
    with pytest.raises(ValueError, match="has no lines"):
        write_table(document, [KEPT])
    assert document.read_text(encoding="utf-8") == "nothing here"
