"""Long work says how far it is where no terminal shows a bar."""

from __future__ import annotations

import re
import threading
import time

import pytest

from monitor.commands import progress
from monitor.commands.progress import Count, duration, spoken
from training.progress import bar, working


def test_a_line_comes_each_period_however_long_a_step_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = threading.Semaphore(0)

    def state() -> str:
        asked.release()
        return "reading plant: 3 of 9"

    with spoken(state, period_s=0.01):
        for _ in range(3):
            assert asked.acquire(timeout=60)
    said = capsys.readouterr()
    assert said.out == ""
    assert set(said.err.splitlines()) == {"reading plant: 3 of 9"}
    assert len(said.err.splitlines()) >= 3


def test_short_work_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("reading", 3) as tick:
        tick()
    assert capsys.readouterr().err == ""


def test_the_bars_of_training_speak(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They were silent for twenty minutes where no terminal was."""
    assert progress.PERIOD_S == 30
    monkeypatch.setattr(progress, "PERIOD_S", 0.01)
    wanted = [
        re.compile(r"training plant: 2 of 8 after \d+ s, about \d+ s to go"),
        re.compile(r"computing the figures: \d+ s so far"),
    ]
    said = ""
    with bar("training plant", 8) as tick, working("computing the figures"):
        tick()
        tick()
        deadline_s = time.monotonic() + 20
        while (
            not all(line.search(said) for line in wanted) and time.monotonic() < deadline_s
        ):
            time.sleep(0.01)
            said += capsys.readouterr().err
    missing = [line.pattern for line in wanted if not line.search(said)]
    assert not missing, said


def test_the_time_that_is_left_is_that_of_the_work_so_far(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    count = Count("training", 13)
    for _ in range(5):
        count.step()
    now[0] += 601.0
    assert str(count) == "training: 5 of 13 after 10 min, about 16 min to go"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (89, "89 s"), (95, "2 min"), (3540, "59 min"), (12000, "3 h 20 min")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
