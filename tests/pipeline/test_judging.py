"""A turn's windows: one call a rule, each window with its own sensor's baseline, in order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from monitor.pipeline.analysis import Analysis
from monitor.pipeline.judging import Cut, judge
from monitor.pipeline.verdicts import Judged
from monitor.records.signal import Window
from monitor.signal.quality import Quality


def window(sensor: str) -> Window:
    return Window(sensor, 1, 0, 0, 4.0, np.zeros((1, 4), np.float32), 4)


def rule(needs_baseline: bool, asked: list[Any]) -> Any:
    """An analyser that notes what it is asked."""

    def analyse(windows: list[Window], baselines: list[Any]) -> list[Analysis]:
        asked.append(([one.sensor for one in windows], baselines))
        return [Analysis(Quality("", n, 3.0, 0.0)) for n, _ in enumerate(windows)]

    return SimpleNamespace(needs_baseline=needs_baseline, analyse=analyse)


def sensor(name: str) -> Any:
    def of_window(piece: Window, analysis: Analysis, *_: Any) -> Judged:
        quality = analysis.quality
        return Judged(cast(Any, (piece.sensor, quality.rms_ms2, quality.reason)), (), ())

    verdicts = SimpleNamespace(baseline=lambda _: f"of {name}", of_window=of_window)
    return SimpleNamespace(verdicts=verdicts)


@pytest.mark.parametrize("needs", [True, False])
def test_each_window_is_analysed_with_the_others_of_its_rule(needs: bool) -> None:
    """With its sensor's baseline where the rule's model needs one, and only there."""
    asked: list[Any] = []
    first, second = rule(needs, asked), rule(not needs, asked)
    work = [
        Cut(cast(Any, sensor(name)), analyser, window(name), is_implausible=name == "c")
        for name, analyser in (("a", first), ("b", second), ("c", first))
    ]
    found = [cast(Any, judgement.verdict) for judgement in judge(work)]
    assert found == [("a", 0, ""), ("b", 0, ""), ("c", 1, "implausible_format")]
    of_first = ["of a", "of c"] if needs else [None, None]
    of_second = [None] if needs else ["of b"]
    assert asked == [(["a", "c"], of_first), (["b"], of_second)]
