"""What is handed on, as records of a compacted topic: key and JSON, a few kilobytes a sensor. Pure.

`partition`             whose journal it is, and where to begin reading
`stream MACHINE/POINT`  where the sensor's stream stands, its alarm, its books
`commissioning MACHINE/POINT`   what its commissioning found
`birth TOPIC`           a birth certificate of Sparkplug, which explains later messages
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from monitor.records.position import SourcePosition
from monitor.records.succession import Succession, Tree

VERSION = 1
MAX_BYTES = 1 << 19  # of a record; Kafka takes a million, its headers and all
PARTITION, STREAM, COMMISSIONING = b"partition", b"stream ", b"commissioning "
BIRTH = b"birth "

Records = dict[bytes, bytes]


class StateError(Exception):
    """What stands there cannot be used; str() is one clause."""


def encode(found: Succession, models: Mapping[str, str]) -> Records:
    """models : SHA-256 of the manifest, by the model's id

    Raises StateError where a record would be over the bound.
    """
    position = found.position
    whole = {
        "owner": found.owner,
        "topic": position.topic,
        "partition": position.partition,
        "n_partitions": position.n_partitions,
        "offset": position.offset,
        "leader_epoch": position.leader_epoch,
        "models": dict(models),
    }
    records = {PARTITION: _bytes(whole)}
    records |= {STREAM + k.encode(): _bytes(v) for k, v in found.streams.items()}
    records |= {
        COMMISSIONING + k.encode(): _bytes(v) for k, v in found.commissionings.items()
    }
    records |= {
        BIRTH + k.encode(): _bytes({"payload": base64.b64encode(v).decode()})
        for k, v in found.births.items()
    }
    for key, value in records.items():
        _check_size(key, value)
    return records


def decode(records: Mapping[bytes, bytes]) -> tuple[Succession, dict[str, str]] | None:
    """What encode was given; None where nothing was handed on yet. Raises StateError."""
    trees = {key: _tree(key, value) for key, value in records.items()}
    if PARTITION not in trees:
        return None
    whole = trees[PARTITION]
    names = ("topic", "partition", "n_partitions", "offset", "leader_epoch")
    try:
        position = SourcePosition(*(whole[name] for name in names))
        if not all(isinstance(n, int) for n in (position.partition, position.offset)):
            raise ValueError("an offset is a whole number")
        owner, models = (
            str(whole["owner"]),
            {str(k): str(v) for k, v in whole["models"].items()},
        )
        births = {k: base64.b64decode(v["payload"]) for k, v in _of(trees, BIRTH).items()}
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        raise StateError(f"records lack what they must have: {error}") from error
    streams, commissionings = _of(trees, STREAM), _of(trees, COMMISSIONING)
    return Succession(owner, position, streams, commissionings, births), models


def shown(key: bytes) -> str:
    return repr(key.decode("utf-8", "replace"))


def _of(trees: Mapping[bytes, Tree], prefix: bytes) -> dict[str, Tree]:
    """By sensor."""
    return {
        key.removeprefix(prefix).decode(): tree
        for key, tree in trees.items()
        if key.startswith(prefix)
    }


def _bytes(tree: Tree) -> bytes:
    return json.dumps({"version": VERSION, **tree}, separators=(",", ":")).encode()


def _tree(key: bytes, value: bytes) -> dict[str, Any]:
    _check_size(key, value)
    if key != PARTITION and not key.startswith((STREAM, COMMISSIONING, BIRTH)):
        raise StateError(f"record {shown(key)} is none of Camshaft's")
    try:
        key.decode()
        tree = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise StateError(f"record {shown(key)} is no JSON") from error
    version = tree.get("version") if isinstance(tree, dict) else None
    if not isinstance(version, int) or version < 1:
        raise StateError(f"record {shown(key)} has no version")
    if version > VERSION:
        raise StateError(
            f"record {shown(key)} has version {version}, this program knows versions up to"
            f" {VERSION}: update it"
        )
    return dict(tree)


def _check_size(key: bytes, value: bytes) -> None:
    if len(value) > MAX_BYTES:
        raise StateError(
            f"record {shown(key)} has {len(value):,} bytes, more than the {MAX_BYTES:,} that are"
            " taken"
        )
