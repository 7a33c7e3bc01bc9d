"""Whether messages begin with a header that is read as samples.

A header's bytes are the same in each message, or nearly: names, versions,
lengths, the upper bytes of times and counters. Bytes in the midst of samples
are not, save in places that a quiet signal never reaches; those are left out.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

HEAD_BYTES = 64  # that are looked at
BODY_BYTES = 256  # that they are compared with, from the midst of the message
MIN_MESSAGES = 4
MAX_MESSAGES = 8
MIN_SAME = 5  # bytes of the head that never change, where those of the body do
MIN_RUN = 3  # of these side by side: by chance single ones are the same
MIN_VALUES = 3  # different ones among them: samples may begin with a run of zeros
# share of the body's frames that differ: a signal of few levels may begin alike
MIN_FRAMES = 0.25
# of a place in the frame: the body's bytes there may be the same by chance
RESTING_SHARE = 0.01


class Heads:
    """Of one sensor's messages."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[bytes, bytes]] = deque(maxlen=MAX_MESSAGES)

    def add(self, data: bytes, frame_bytes: int) -> None:
        """data : a message's samples, as they are taken for; short ones tell nothing"""
        middle = len(data) // 2 // frame_bytes * frame_bytes
        head, body = data[:HEAD_BYTES], data[middle : middle + BODY_BYTES]
        if len(data) >= 2 * (HEAD_BYTES + BODY_BYTES):
            self._pieces.append((head, body))

    def n_header_bytes(self, frame_bytes: int) -> int:
        """Bytes that a header has at least; 0 where none is to be seen."""
        if len(self._pieces) < MIN_MESSAGES:
            return 0
        head, body = (_same(pieces) for pieces in zip(*self._pieces, strict=True))
        at = np.arange(HEAD_BYTES)
        moving = np.array(
            [
                body[place::frame_bytes].mean() <= RESTING_SHARE
                for place in range(frame_bytes)
            ]
        )
        odd = head & moving[at % frame_bytes]
        first, body_now = np.frombuffer(self._pieces[0][0], np.uint8), self._pieces[-1][1]
        frames = {
            body_now[at : at + frame_bytes] for at in range(0, BODY_BYTES, frame_bytes)
        }
        if len(frames) < MIN_FRAMES * BODY_BYTES // frame_bytes:
            return 0
        runs = np.split(odd[head], np.flatnonzero(np.diff(np.flatnonzero(head)) > 1) + 1)
        if odd.sum() < MIN_SAME or max(run.sum() for run in runs) < MIN_RUN:
            return 0
        if len(np.unique(first[odd])) < MIN_VALUES:
            return 0
        return int(np.flatnonzero(odd)[-1]) + 1


def _same(pieces: tuple[bytes, ...]) -> NDArray[np.bool_]:
    """Where all pieces have the same byte."""
    table = np.frombuffer(b"".join(pieces), np.uint8).reshape(len(pieces), -1)
    same: NDArray[np.bool_] = (table == table[0]).all(axis=0)
    return same
