"""What may be a kind of evidence's name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from monitor.evidence.base import KINDS, register


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(KINDS):
        monkeypatch.delitem(KINDS, name)


def kind(name: str) -> Any:
    return SimpleNamespace(name=name, evidence=lambda _facts: None)


@pytest.mark.parametrize("name", ["crest", "crest_2", "c"])
def test_letters_digits_and_underscores_once(name: str) -> None:
    own = kind(name)
    register(own)
    assert {known: KINDS.pop(known) for known in list(KINDS)} == {name: own}


@pytest.mark.parametrize("name", ["", "2", "Crest", "crest factor", "größe", "crest-2"])
def test_nothing_else(name: str) -> None:
    with pytest.raises(ValueError, match="must be a new name of letters, digits and _"):
        register(kind(name))
    assert not KINDS


def test_no_name_twice() -> None:
    register(kind("crest"))
    register(kind("novelty"))
    with pytest.raises(ValueError, match="kind = 'crest': must be a new name"):
        register(kind("crest"))
    assert list(KINDS) == ["crest", "novelty"]
    KINDS.clear()
