"""Lines of a text file, whatever program wrote it: byte-order marks, UTF-16, and the code page of
Western Windows. Bounded: no line without an end.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from monitor.recordings.formats.base import FileError

HEAD_BYTES = 1 << 16
MAX_LINE_CHARS = 1 << 20
COMMENTS = ("#", "%", "//")
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def encoding_of(path: Path) -> str:
    """As its first bytes tell. Raises FileError where they are no text."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    for mark, name in MARKS.items():
        if head.startswith(mark):
            return name
    if b"\0" in head:
        raise FileError("is no text: it has NUL bytes")
    try:
        # A character may be cut at the end of the head.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def lines_of(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Number from 1 and text of each line that is neither blank nor a comment."""
    for at, line in all_lines(path, encoding):
        if line and not line.isspace() and not line.lstrip().startswith(COMMENTS):
            yield at, line


def all_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Number from 1 and text of each line. Raises FileError."""
    with path.open(encoding=encoding, errors="replace") as file:
        at = 0
        while line := file.readline(MAX_LINE_CHARS):
            at += 1
            if len(line) == MAX_LINE_CHARS:
                raise FileError(f"has a line {at} of over {MAX_LINE_CHARS} characters")
            yield at, line.rstrip("\n")


def ends_within_a_line(path: Path, encoding: str) -> bool:
    """Whether nothing ends the last line: it may have been cut."""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 2))
        end = file.read(2)
    last = end[-2:] if encoding == "utf-16" else end[-1:]
    return not any(sign in last for sign in (b"\n", b"\r"))
