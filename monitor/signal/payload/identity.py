"""Who a message says it is from, where the configuration does not ask. Pure.

Two sensors that send on one topic, and are told apart by a field that nobody
configured, would become one stream. So such fields are looked for, and
pipeline/origins.py sees whether they take turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

# As they stand in messages, without case and separators.
ID_KEYS = frozenset(
    (
        *("id", "uid", "device", "deviceid", "deviceuid", "devicename", "deveui", "thing"),
        *(
            "sensor",
            "sensorid",
            "sensorname",
            "node",
            "nodeid",
            "mac",
            "macaddress",
            "imei",
        ),
        *("serial", "serialno", "serialnumber", "sn", "asset", "assetid", "assetname"),
        *(
            "machine",
            "machineid",
            "equipment",
            "equipmentid",
            "point",
            "pointid",
            "tag",
            "tagid",
        ),
        *("axis", "axisid", "axisname", "channelid", "channelname", "streamname"),
        *("alias", "propertyalias", "tagname", "pointname"),
    )
)
MAX_KEYS = 64  # that are looked at in one object
MAX_KEY = 24  # characters: longer than any id's
MAX_TEXT = 64  # characters


def unused_id(part: Any, used: tuple[str | None, ...]) -> str:
    """ "sensorId b" of {"sensorId": "b"}; "" where there is none.

    part : the object that holds the samples
    used : paths to what names the sensor
    """
    if not isinstance(part, dict):
        return ""
    found = [f"{path} {value}" for path, value in _ids(part) if path not in used]
    return ", ".join(found)


def id_in_properties(properties: Mapping[str, str]) -> str:
    """The same of MQTT 5's user properties."""
    if not properties or not _are_any_ids(tuple(key[:MAX_KEY] for key in properties)):
        return ""
    return unused_id(dict(properties), ())


@lru_cache(maxsize=1024)
def _are_any_ids(keys: tuple[str, ...]) -> bool:
    """A sender's messages have the same keys, time after time."""
    return any(_is_id_key(key) for key in keys)


def _ids(part: dict[Any, Any]) -> Iterator[tuple[str, object]]:
    """Here and one level below."""
    for key, value in _few(part):
        if _is_id(key, value):
            yield key, value
        elif isinstance(value, dict):
            for inner, below in _few(value):
                if _is_id(inner, below):
                    yield f"{key}.{inner}", below


def _few(tree: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    if len(tree) <= MAX_KEYS:
        yield from ((key, value) for key, value in tree.items() if isinstance(key, str))


def _is_id(key: str, value: object) -> bool:
    if type(value) is not int and type(value) is not str:
        return False
    if isinstance(value, str) and not (0 < len(value) <= MAX_TEXT and value.isprintable()):
        return False
    return _is_id_key(key[:MAX_KEY])


@lru_cache(maxsize=1024)
def _is_id_key(key: str) -> bool:
    return key.replace("_", "").replace("-", "").lower() in ID_KEYS
