"""Shapes nobody has seen: discovery is right or asks, and is not wrong. The command in
variations.py measures more of them, around real recordings too.
"""

from __future__ import annotations

from collections import Counter

from tests.discovery.variations import measure

AT_LEAST_RIGHT = 0.5  # of all, the unit answered where nothing tells it
N, SEED = 14, 2


def test_random_senders_are_read_rightly_or_asked_about() -> None:
    found: Counter[str] = sum(measure(N, SEED, None).values(), Counter())
    assert found["wrong"] == 0
    assert found["right"] + found["unit"] >= AT_LEAST_RIGHT * N
