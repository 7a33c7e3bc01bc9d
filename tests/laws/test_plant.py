"""Many instances as one fleet: each point once, and browsers that follow know what one that comes
later is told. What another page says is checked, whatever it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.page import remote_views
from monitor.page.merged import FRESH_MS, NO_ANSWER, SAME_MS, Merged, Message, once
from monitor.page.views import Tree

NAMES = ("m/a", "m/b", "n/c")
ENDS_MS = st.integers(0, 3 * FRESH_MS)


def point(instance: str, sensor: str, end_ms: int, status: str = "OK") -> Tree:
    return {"sensor": sensor, "instance": instance, "end_ms": end_ms, "status": status}


class Scripted:
    """A part whose windows come as a test says."""

    is_remote = False
    refused: Sequence[Tree] = ()

    def __init__(self, name: str) -> None:
        self.name = name
        self.shown: dict[str, Tree] = {}

    def told(self) -> list[Tree]:
        return [{"instance": self.name, "n": len(self.shown)}]

    def read(self, now_s: float) -> list[Message]:
        return []


CANDIDATES = st.lists(
    st.tuples(ENDS_MS, st.sampled_from(["OK", "NG", NO_ANSWER])), min_size=1, max_size=5
)


@given(CANDIDATES)
def test_a_point_is_shown_from_where_its_windows_are_newest(
    found: list[tuple[int, str]],
) -> None:
    trees = [point(str(i), "m/a", *one) for i, one in enumerate(found)]
    newest_ms = max(end_ms for end_ms, _ in found)
    chosen = once(trees)
    assert chosen["end_ms"] >= newest_ms - SAME_MS
    others = [one for one in trees if one["instance"] != chosen["instance"]]
    fresh = [one["instance"] for one in others if one["end_ms"] >= newest_ms - FRESH_MS]
    assert chosen["also"] == fresh
    if chosen["status"] == NO_ANSWER:  # only where no page that is heard knows as much
        near = [one for one in trees if one["end_ms"] >= newest_ms - SAME_MS]
        assert {one["status"] for one in near} == {NO_ANSWER}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("window"), st.integers(0, 2), st.sampled_from(NAMES), ENDS_MS),
        st.tuples(st.just("anew"), st.integers(0, 2), st.sampled_from(NAMES), ENDS_MS),
        st.tuples(st.just("leave"), st.integers(0, 2), st.just(""), st.just(0)),
        st.tuples(st.just("join"), st.integers(0, 2), st.just(""), st.just(0)),
    ),
    max_size=12,
)


def followed(known: dict[str, Any], messages: Sequence[Message]) -> None:
    """As a browser does."""
    for name, data in messages:
        if name == "snapshot":
            known["sensors"] = {tree["sensor"]: tree for tree in data["sensors"]}
            known["instances"] = data["instances"]
        if name == "fleet":
            for change in data:
                sensor = change["sensor"]
                known["sensors"][sensor] = {**known["sensors"].get(sensor, {}), **change}
        if name == "instances":
            known["instances"] = data


@given(STEPS)
def test_whoever_follows_knows_what_a_late_comer_is_told(
    steps: list[tuple[str, int, str, int]],
) -> None:
    all_parts = [Scripted(name) for name in ("", "b", "c")]
    parts = list(all_parts)
    merged, known = Merged(), dict[str, Any]()
    followed(known, merged.take(parts, []))
    for what, index, sensor, end_ms in steps:
        part = all_parts[index]
        news: list[Message] = []
        if what == "leave":
            parts = [one for one in parts if one is not part]
        elif what == "join":
            parts = [one for one in all_parts if one is part or one in parts]
        else:
            if what == "anew":
                part.shown, news = {}, [("snapshot", None)]
            part.shown[sensor] = point(part.name, sensor, end_ms)
            news = news or [("fleet", [{"sensor": sensor}])]
        heard = [(part, news)] if part in parts else []
        followed(known, merged.take(parts, heard))
        _, late = merged.snapshot()
        assert known["sensors"] == {tree["sensor"]: tree for tree in late["sensors"]}
        assert known["instances"] == late["instances"]
        # The union of all points, each once.
        names = {name for one in parts for name in one.shown}
        assert sorted(tree["sensor"] for tree in late["sensors"]) == sorted(names)


GOOD_POINT: Mapping[str, Any] = {
    "sensor": "m/a",
    "instance": "",
    "row": 4,
    "end_ms": 1000,
    "status": "OK",
    "reason": "",
    "since_ms": 0,
    "since_known": True,
    "alarm": "clear",
    "alarm_since_ms": None,
    "alarm_event": None,
    "muted": None,
    "advice": "",
    "probability": 0.25,
    "ratio": None,
    "ratio_of": None,
    "band": None,
    "model_id": "",
    "trouble": "",
    "also": [],
}
JUNK = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(["OK", "../x", "b"]),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
SPOILED = st.fixed_dictionaries(
    {}, optional={name: JUNK for name in (*GOOD_POINT, "alarm_n", "<script>")}
).map(lambda changes: {**GOOD_POINT, **changes})


@settings(max_examples=200)
@given(st.one_of(JUNK, st.fixed_dictionaries({"sensors": st.lists(SPOILED, max_size=2)})))
def test_whatever_another_page_says_only_what_can_be_right_gets_through(tree: Any) -> None:
    if isinstance(tree, dict) and "sensors" in tree:
        tree = tree | {"instances": [], "refused": []}
    try:
        points, _, _ = remote_views.snapshot(tree)
    except ValueError:
        return
    json.dumps(points, allow_nan=False)
    for name, found in points.items():
        assert found["sensor"] == name
        assert remote_views.point(found) == found
        assert "<script>" not in found


def test_a_good_point_is_taken_as_it_is() -> None:
    assert remote_views.point(GOOD_POINT) == GOOD_POINT
