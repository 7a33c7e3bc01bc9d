"""What `camshaft-train score` has done so far, in the folder OUT.part beside the file to come: a
Parquet file for each part of the recordings, and a header that says what they are parts of.

The same command given again goes on from there. Only when all parts are there they become OUT.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TextIO

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from training import TrainingError
from training.scored_windows import N_SEGMENTS, SCHEMA, Part

HEADER = "header.json"
GROUP_BYTES = 64 << 20  # of a row group of the whole file


@dataclass(frozen=True)
class KeptParts:
    """folder : OUT.part. every : parts of the whole, in order"""

    folder: Path
    every: Sequence[Part]

    @cached_property
    def _files(self) -> list[Path]:
        """Named by what the part is, so that one whose recordings change is judged anew."""
        return [self.folder / f"{identity(part)}.parquet" for part in self.every]

    def missing(self) -> list[int]:
        """Numbers of the parts that are not done."""
        return [number for number, file in enumerate(self._files) if not file.exists()]

    def keep(self, number: int, content: bytes) -> None:
        """Whole or not at all. content : a Parquet file"""
        _write(self._files[number], content)

    def join(self, out: Path) -> Counter[str]:
        """All rows in order become `out`, whole or not at all. Segments count on from part to part
        of a sensor. Returns how many windows have which status.
        """
        counts: Counter[str] = Counter()
        draft = out.with_name(f".{out.name}.{os.getpid()}")
        try:
            with pyarrow.parquet.ParquetWriter(draft, SCHEMA) as file:
                for table in _grouped(self._tables()):
                    file.write_table(table)
                    counts.update(table["status"].to_pylist())
            if not counts:
                raise TrainingError("no recording is as long as one window of the model.")
            os.replace(draft, out)
        finally:
            draft.unlink(missing_ok=True)
        return counts

    def _tables(self) -> Iterator[pyarrow.Table]:
        before: Counter[str] = Counter()
        for file, part in zip(self._files, self.every, strict=True):
            table = pyarrow.parquet.read_table(file)
            sensor = part[0][0].sensor
            segment = pyarrow.compute.add(table["segment"], before[sensor])
            before[sensor] += int(table.schema.metadata[N_SEGMENTS])
            place = table.schema.get_field_index("segment")
            yield table.set_column(place, "segment", segment).cast(SCHEMA)


def identity(part: Part) -> str:
    """SHA-256 of which recordings these are, how they are read, and each file's size and time.
    Raises OSError.
    """
    content = hashlib.sha256()
    for recording in (one for run in part for one in run):
        found = recording.path.stat()
        size_and_time = f"{found.st_size} {found.st_mtime_ns}"
        what = replace(recording, row=0)  # rows above it may come and go
        content.update(f"{what!r} {recording.files!r} {size_and_time}\n".encode())
    return content.hexdigest()


@contextmanager
def kept_parts(
    out: Path, header: Mapping[str, str], every: Sequence[Part]
) -> Iterator[KeptParts]:
    """Ours alone until the end. Removed when all is done or nothing was, kept where something went
    wrong in between.

    header : how they are judged. Raises TrainingError where the folder holds
        parts that were judged in another way, or another process works there
    """
    folder = out.with_name(f"{out.name}.part")
    folder.mkdir(exist_ok=True)
    with (folder / HEADER).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainingError(f"{folder}: another process is at work there.") from None
        _check_header(folder, file, header)
        is_done = False
        try:
            yield KeptParts(folder, every)
            is_done = True
        finally:
            if is_done or not _holds_parts(folder):
                shutil.rmtree(folder)


def _holds_parts(folder: Path) -> bool:
    return any(folder.glob("*.parquet"))


def _check_header(folder: Path, file: TextIO, header: Mapping[str, str]) -> None:
    """Written where nothing is kept. Raises TrainingError."""
    file.seek(0)
    try:
        found = json.loads(file.read() or "null")
    except ValueError:
        found = None  # torn: killed at once
    if not _holds_parts(folder):
        file.truncate(0)
        json.dump(header, file, indent=2)
        file.flush()
        return
    if found != header:
        known = found if isinstance(found, dict) else {}
        others = [name for name in header if known.get(name) != header[name]]
        raise TrainingError(
            f"{folder}: holds what an interrupted run judged with another"
            f" {' and '.join(others)}. Give its own command again, or delete the folder."
        )


def _grouped(tables: Iterator[pyarrow.Table]) -> Iterator[pyarrow.Table]:
    """Small ones joined."""
    some: list[pyarrow.Table] = []
    n_bytes = 0
    for table in tables:
        some.append(table)
        n_bytes += table.nbytes
        if n_bytes >= GROUP_BYTES:
            yield pyarrow.concat_tables(some).combine_chunks()
            some, n_bytes = [], 0
    if some:
        yield pyarrow.concat_tables(some).combine_chunks()


def _write(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
