"""One performance of the demo, whoever plays: all is judged, then the service is stopped and its
books are checked.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from monitor.demo.stage import DemoError, Stage
from monitor.demo.view import PICTURE_WIDTH, Observer, View, picture, save_picture
from monitor.records.verdict import Verdict

PATIENCE_S = 20.0  # after the last progress
POLL_S = 0.02


class Play(Protocol):
    """What runs beside the service: simulated machines, or recordings."""

    @property
    def done(self) -> bool: ...

    @property
    def n_samples(self) -> int: ...  # published so far, over all sensors

    @property
    def notes(self) -> Mapping[str, str]: ...  # what is known of each machine, by sensor

    # Do what is due; called often.
    def step(self, verdicts: Mapping[str, Sequence[Verdict]]) -> None: ...

    # What fails the demo.
    def wrong(self, verdicts: Mapping[str, Sequence[Verdict]]) -> list[str]: ...

    # Further figures.
    def findings(
        self, verdicts: Mapping[str, Sequence[Verdict]]
    ) -> Mapping[str, object]: ...


def perform(on: Stage, play: Play, as_json: bool, picture_path: Path | None) -> int:
    """Returns the exit code: 0 if nothing is wrong. Raises DemoError where it cannot go on."""
    observer = Observer(on.reader)
    with View(on.title, live=not as_json and sys.stdout.isatty()) as view:
        _follow(on, play, observer, view)
    wrong = _finish(on, observer) + play.wrong(observer.verdicts)
    if picture_path is not None:
        save_picture(picture_path, picture(on.title, observer, play.notes, PICTURE_WIDTH))
    figures = (
        observer.figures()
        | dict(play.findings(observer.verdicts))
        | {"journal": str(on.journal)}
    )
    for text in wrong:
        print(f"wrong: {text}", file=sys.stderr)
    if as_json:
        print(json.dumps(figures), flush=True)
    else:
        print("\n".join(_lines(figures)))
        program = os.path.relpath(Path(sys.executable).with_name("camshaft"))
        print(f"Look further with: {program} page -c {on.config} (or status)")
    return 1 if wrong else 0


def _lines(figures: Mapping[str, object], indent: str = "") -> Iterator[str]:
    """Figures for people: one a line, parts below their whole."""
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{name:<{22 - len(indent)}}{_shown(value)}"


def _shown(value: object) -> str:
    if isinstance(value, list):
        return "-".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _follow(on: Stage, play: Play, observer: Observer, view: View) -> None:
    state, deadline_s = (0, 0), time.monotonic() + PATIENCE_S
    while not (play.done and on.reader.books().total("received") >= play.n_samples):
        play.step(observer.verdicts)
        view.update(observer.look(), observer, play.notes)
        on.service.check()
        if state != (state := (play.n_samples, observer.n_windows)):
            deadline_s = time.monotonic() + PATIENCE_S
        elif time.monotonic() > deadline_s:
            raise DemoError(
                f"Nothing has moved for {PATIENCE_S:.0f} s; see {on.service.log}."
            )
        time.sleep(POLL_S)


def _finish(on: Stage, observer: Observer) -> list[str]:
    """Stop the service as systemd would, look once more, and check its books. Returns what is
    wrong.
    """
    code = on.service.stop()
    observer.look()
    wrong = (
        []
        if code == 0
        else [f"the service ended with exit code {code}, see {on.service.log}"]
    )
    off = on.reader.books().imbalance()
    return wrong + [
        f"{sensor}: {n} samples are not accounted for" for sensor, n in off.items()
    ]
