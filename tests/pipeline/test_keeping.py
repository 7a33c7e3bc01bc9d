"""Which windows are kept: every NG, those around a change, one OK in every so many."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from monitor.config import KeptWindowSettings
from monitor.pipeline.keeping import Keeper
from monitor.records.verdict import Status

BY_LETTER = {"o": Status.OK, "n": Status.NG, "l": Status.LEARNING, "b": Status.BAD_DATA}


def kept(letters: str, around: int, every: int) -> list[tuple[int, str]]:
    """Places and reasons, in the order in which they were chosen."""
    keeper: Keeper[int] = Keeper(KeptWindowSettings(around_change=around, ok_every=every))
    return [
        chosen
        for place, letter in enumerate(letters)
        for chosen in keeper.keep(BY_LETTER[letter], place)
    ]


def wanted(letters: str, around: int, every: int) -> dict[int, str]:
    """The same, looking at all of them at once."""
    n = len(letters)
    changes = [i for i in range(1, n) if letters[i] != letters[i - 1]]
    found = {i: "ng" for i in range(n) if letters[i] == "n"}
    after = {i for at in changes for i in range(at, min(at + around + 1, n))}
    before = {i for at in changes for i in range(max(at - around, 0), at)}
    found |= {i: "change" for i in after - found.keys()}
    plain = [i for i in range(n) if letters[i] == "o" and i not in found]
    found |= dict.fromkeys(plain[::every], "sample")
    return found | {i: "change" for i in before - found.keys()}


@given(st.text("onlb", max_size=40), st.integers(0, 4), st.integers(1, 5))
@example("ooob", 2, 2)  # the third is a sample; the second was forgotten over it
def test_they_are_those_that_one_would_choose_afterwards(
    letters: str, around: int, every: int
) -> None:
    found = kept(letters, around, every)
    assert dict(found) == wanted(letters, around, every)
    assert len(dict(found)) == len(found)  # each once
