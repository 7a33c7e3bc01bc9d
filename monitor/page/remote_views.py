"""What another machine's page says of its points, checked before any of it is believed. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from monitor.page.views import Tree
from monitor.records.verdict import Status

MAX_TEXT = 4000
MAX_WHOLE = 2**53  # that JavaScript's numbers hold
MAX_LIST = 200_000
ALARMS = ("raised", "acknowledged", "unseen", "clear")
INSTANCE = re.compile("|[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")

Check = Callable[[Any], bool]


def parsed(text: bytes) -> Any:
    """JSON without NaN and infinity. Raises ValueError."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and abs(value) <= MAX_WHOLE


def _whole(value: Any) -> bool:
    return isinstance(value, int) and _number(value)


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _one_of(words: Any) -> Check:
    known = frozenset(words)
    return lambda value: isinstance(value, str) and value in known


def _instance(value: Any) -> bool:
    return isinstance(value, str) and INSTANCE.fullmatch(value) is not None


def _list_of(check: Check, n: int) -> Check:
    return lambda value: (
        isinstance(value, list) and len(value) <= n and all(map(check, value))
    )


def _tree_of(fields: Mapping[str, Check]) -> Check:
    def check(value: Any) -> bool:
        return isinstance(value, dict) and all(
            name in value and known(value[name]) for name, known in fields.items()
        )

    return check


POINT: dict[str, Check] = {
    "sensor": _text,
    "instance": _instance,
    "row": _whole,
    "end_ms": _whole,
    "status": _one_of(Status),
    "reason": _text,
    "since_ms": _whole,
    "since_known": _flag,
    "alarm": _one_of(ALARMS),
    "alarm_since_ms": _or_null(_whole),
    "alarm_event": _or_null(_whole),
    "muted": _or_null(_tree_of({"until_ms": _whole, "author": _text, "reason": _text})),
    "advice": _text,
    "probability": _or_null(_number),
    "ratio": _or_null(_number),
    "ratio_of": _or_null(_text),
    "band": _or_null(lambda value: _list_of(_number, 3)(value) and len(value) == 3),
    "model_id": _text,
    "trouble": _text,
    "also": _list_of(_instance, 50),
}
# Of a point that ever had an alarm.
STORY: dict[str, Check] = {
    "alarm_first_ms": _whole,
    "alarm_n": _whole,
    "alarm_cleared_ms": _or_null(_whole),
    "alarm_text": _text,
    "alarm_seen": _text,
}
EVENT: dict[str, Check] = {
    "event_id": _whole,
    "at_ms": _number,
    "instance": _instance,
    "sensor": _text,
    "kind": _text,
    "text": _text,
    "model_id": _text,
    "open": _flag,
}
HEALTH: dict[str, Check] = {
    "age_s": _number,
    "windows_per_s": _or_null(_number),
    "broker_connected": _or_null(_flag),
    "broker_session_contested": _or_null(_flag),
}
TOLD: dict[str, Check] = {
    "instance": _instance,
    "trouble": _text,
    "health": _or_null(_tree_of(HEALTH)),
}
REFUSED: dict[str, Check] = {
    "topic": _text,
    "instance": _instance,
    "sensor": _text,
    "n": _whole,
    "last_ms": _number,
    "detail": _text,
    "n_bytes": _whole,
    "first_bytes": _text,
}


def point(tree: Any) -> Tree:
    """Known fields alone, each of its kind. Raises ValueError."""
    found = _checked(tree, POINT, "a point")
    return found | {
        name: tree[name]
        for name, known in STORY.items()
        if name in tree and known(tree[name])
    }


def snapshot(tree: Any) -> tuple[dict[str, Tree], list[Tree], list[Tree]]:
    """Its points by name, its instances, what it refused. Raises ValueError, as all here."""
    if not isinstance(tree, dict):
        raise ValueError("a snapshot is no object")
    found = map(point, _listed(tree.get("sensors"), "sensors"))
    points = {one["sensor"]: one for one in found}
    return points, told(tree.get("instances")), refused(tree.get("refused"))


def changes(trees: Any, shown: Mapping[str, Tree]) -> dict[str, Tree]:
    """The points that changed, whole again."""
    found: dict[str, Tree] = {}
    for tree in _listed(trees, "changes"):
        if not isinstance(tree, dict) or not _text(tree.get("sensor")):
            raise ValueError("a change names no sensor")
        sensor = tree["sensor"]
        found[sensor] = point(found.get(sensor, shown.get(sensor, {})) | tree)
    return found


def events(trees: Any) -> list[Tree]:
    return [_checked(tree, EVENT, "an event") for tree in _listed(trees, "events")]


def told(trees: Any) -> list[Tree]:
    """Its instances."""
    return [_checked(tree, TOLD, "an instance") for tree in _listed(trees, "instances")]


def refused(trees: Any) -> list[Tree]:
    return [_checked(tree, REFUSED, "a refusal") for tree in _listed(trees, "refused")]


def _listed(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_LIST:
        raise ValueError(f"{what} is no list, or too long")
    return value


def _checked(tree: Any, fields: Mapping[str, Check], what: str) -> Tree:
    if not isinstance(tree, dict):
        raise ValueError(f"{what} is no object")
    for name, known in fields.items():
        if name not in tree or not known(tree[name]):
            raise ValueError(f"{what} has no {name} of the right kind")
    return {name: tree[name] for name in fields}
