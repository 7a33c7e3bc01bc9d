"""WAV and FLAC. Full scale is 1.0: the manifest's scale says what that is worth.

soundfile reads a WAV file that ends before its header says without a word, so
the header is read here as well. A recorder that writes as it goes leaves
0xFFFFFFFF there, which promises nothing.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from monitor.recordings.formats.base import Rate, Stored, check_size

if TYPE_CHECKING:
    from monitor.recordings.file_settings import FileSettings, Key

UNKNOWN = 0xFFFFFFFF  # a size that the recorder had not known yet, or that stands in ds64
UNKNOWN_64 = 2**64 - 1
MAX_CHUNKS = 1000  # before the samples


def sound(path: Path, _settings: FileSettings, _key: Key) -> Stored:
    import soundfile

    with soundfile.SoundFile(path) as file:
        check_size(4 * file.frames * file.channels)
        samples = file.read(dtype="float32", always_2d=True)
        stated, rate = max(file.frames, _stated(path)), Rate(float(file.samplerate))
        understood = f"{file.subtype}, full scale is 1.0"
    array = np.asarray(samples)
    n_stated = stated if stated > len(array) else None
    return Stored(array, rate, n_stated=n_stated, understood=understood)


def _stated(path: Path) -> int:
    """Samples of a channel that a WAV file's header promises; 0 where it promises nothing."""
    with path.open("rb") as file:
        kind, _, form = struct.unpack("<4sI4s", file.read(12).ljust(12, b"\0"))
        if kind not in (b"RIFF", b"RF64") or form != b"WAVE":
            return 0
        n_block, n_data64 = 0, 0
        for _ in range(MAX_CHUNKS):
            name, n_bytes = struct.unpack("<4sI", file.read(8).ljust(8, b"\0"))
            if name == b"data":
                n_data = n_data64 if n_bytes == UNKNOWN else n_bytes
                return n_data // n_block if n_block else 0
            content = _content(file, n_bytes)
            if name == b"ds64":
                size = int.from_bytes(content[8:16], "little")
                n_data64 = 0 if size == UNKNOWN_64 else size
            if name == b"fmt ":
                n_block = _frames_unit(content)
    return 0


def _content(file: BinaryIO, n_bytes: int) -> bytes:
    """The head of a chunk, which is passed over; chunks have even lengths."""
    content = file.read(min(n_bytes, 64))
    file.seek(n_bytes + n_bytes % 2 - len(content), 1)
    return content


def _frames_unit(fmt: bytes) -> int:
    """Bytes of a frame; 0 where its samples are compressed in blocks."""
    tag, n_channels, _, _, n_block, n_bits = struct.unpack(
        "<HHIIHH", fmt[:16].ljust(16, b"\0")
    )
    is_plain = tag in (1, 3, 6, 7, 0xFFFE) and n_block == n_channels * ((n_bits + 7) // 8)
    return n_block if is_plain else 0
