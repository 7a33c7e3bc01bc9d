"""Messages that are one part of several: by a user property of MQTT 5, or by fields of their own.

    __chunk    {"messageId": "...", "chunkIndex": 0, "totalChunks": 5, "checksum": "..."}

The last two stand in the first part alone (Azure IoT Operations, ADR 20 of its
SDKs). Parts of this kind are cut anywhere: joined they are one payload. Parts
by fields of their own hold whole samples.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeGuard

import numpy as np

from monitor.records.series import Part
from monitor.records.signal import Chunk, Message
from monitor.signal.payload.base import PayloadError
from monitor.signal.payload.facts import quote, whole

PROPERTY = "__chunk"
MAX_PARTS = 10_000  # of one series
MAX_NAME = 128  # characters of a series' name
MAX_PROPERTY = 1000  # characters

# By their length in hexadecimal: senders may choose.
_HASHES = {32: hashlib.md5, 40: hashlib.sha1, 64: hashlib.sha256, 128: hashlib.sha512}
_CRC_32 = 8


def part_of(properties: Mapping[str, str]) -> Part | None:
    """By the user property; None where there is none. Raises PayloadError: bad_part."""
    text = properties.get(PROPERTY)
    if text is None:
        return None
    try:
        tree = json.loads(text[:MAX_PROPERTY])
    except (ValueError, RecursionError) as error:
        raise PayloadError("bad_part", f"{PROPERTY} is not JSON: {quote(text)}.") from error
    if not isinstance(tree, dict):
        raise PayloadError("bad_part", f"{PROPERTY} is no object: {quote(text)}.")
    checksum = tree.get("checksum", "")
    return checked(
        tree.get("messageId"),
        tree.get("chunkIndex"),
        tree.get("totalChunks"),
        checksum.lower() if isinstance(checksum, str) else "",
    )


def checked(series: object, index: object, count: object, checksum: str = "") -> Part:
    """Raises PayloadError: bad_part."""
    series, index, count = whole(series), whole(index), whole(count)
    if isinstance(series, int) and not isinstance(series, bool):
        series = str(series)
    if not isinstance(series, str) or not 0 < len(series) <= MAX_NAME:
        text = f"A part's series {quote(series)} is no name of 1 to {MAX_NAME} characters."
        raise PayloadError("bad_part", text)
    if count is not None and (not _is_count(count) or not 1 <= count <= MAX_PARTS):
        text = f"A series of {quote(count)} parts; 1 to {MAX_PARTS} are taken."
        raise PayloadError("bad_part", text)
    most = MAX_PARTS if count is None else count
    if not _is_count(index) or not 0 <= index <= most:
        raise PayloadError("bad_part", f"Part {quote(index)} is not from 0 to {most}.")
    return Part(series, index, count, checksum)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def joined_message(messages: Sequence[Message], checksum: str) -> Message:
    """The message whose parts these are, in order, with what stands beside the first of them.
    Raises PayloadError: bad_checksum.
    """
    payload = b"".join(message.payload for message in messages)
    found = _checksum(payload, len(checksum))
    if found is not None and found != checksum:
        text = (
            f"{len(messages)} parts have the checksum {found}, stated is {quote(checksum)}."
        )
        raise PayloadError("bad_checksum", text)
    beside = {key: text for key, text in messages[0].properties.items() if key != PROPERTY}
    return replace(messages[-1], payload=payload, properties=beside)


def joined_chunk(chunks: Sequence[Chunk]) -> Chunk:
    """The samples of all parts, in order, as one chunk with the first one's time. Raises
    PayloadError: bad_part.
    """
    first = chunks[0]
    same = {(one.sensor, one.sample_rate_hz, len(one.samples)) for one in chunks}
    if len(same) > 1:
        text = "Parts of one series differ in their sensor, rate or channels."
        raise PayloadError("bad_part", text)
    samples = np.concatenate([one.samples for one in chunks], axis=1)
    samples.flags.writeable = False
    # A counter of messages says nothing of the series; one that all parts share counts series.
    is_shared = all(one.sequence == first.sequence for one in chunks)
    return replace(
        first,
        samples=samples,
        sequence=first.sequence if is_shared else None,
        received_ns=chunks[-1].received_ns,
        part=None,
    )


def _checksum(payload: bytes, n_digits: int) -> str | None:
    """None for an unknown kind of checksum."""
    if n_digits == _CRC_32:
        return f"{zlib.crc32(payload):08x}"
    made = _HASHES.get(n_digits)
    return None if made is None else made(payload, usedforsecurity=False).hexdigest()
