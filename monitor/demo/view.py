"""What a person sees of the demo: the journal followed, a live picture on a terminal, else a line
for each change.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

from monitor.demo.terminal import SensorView, band_text, plain, screen
from monitor.journal.reader import JournalReader
from monitor.records.verdict import Status, Verdict

FRAME_S = 0.25
N_SHOWN = 40  # verdicts of a sensor that the picture may need
PICTURE_WIDTH = 122  # text columns of a saved picture


@dataclass(slots=True)
class Observer:
    """Follows the journal, as any other process may,
    and keeps what the view and the figures need.
    """

    reader: JournalReader
    verdicts: dict[str, list[Verdict]] = field(default_factory=lambda: defaultdict(list))
    _last_row: int = 0
    _start_s: float = field(default_factory=time.monotonic)

    def look(self) -> list[Verdict]:
        """The verdicts that are new."""
        new = []
        for row in self.reader.rows(after_row=self._last_row):
            self._last_row = row.row_id
            new.append(row.verdict)
            self.verdicts[row.verdict.sensor].append(row.verdict)
        return new

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._start_s

    @property
    def n_windows(self) -> int:
        return sum(len(verdicts) for verdicts in self.verdicts.values())

    def figures(self) -> dict[str, object]:
        """What --json prints. Latency is the service's own figure: from a window's last message to
        its commit.
        """
        every = [verdict for verdicts in self.verdicts.values() for verdict in verdicts]
        n = Counter(verdict.status for verdict in every)
        residuals = [verdict.residual for verdict in every if verdict.residual is not None]
        health = self.reader.health()
        return {
            "windows": len(every),
            **{
                status.value.lower(): n[status]
                for status in (Status.OK, Status.NG, Status.BAD_DATA, Status.LEARNING)
            },
            "dropped": self.reader.books().total("dropped"),
            "max_residual": max(residuals, default=None),
            "p99_latency_ms": None if health is None else health[1].get("latency_p99_ms"),
        }


class View:
    """Where a person looks: a live picture on a terminal, else a line for each change."""

    def __init__(self, title: str, live: bool) -> None:
        self._title = title
        self._console = Console()
        self._live = (
            Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
            if live
            else None
        )
        self._said: dict[str, tuple[Status, str]] = {}
        self._next_frame_s = 0.0

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        else:
            self._console.print(self._title, highlight=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def update(
        self, new: Sequence[Verdict], observer: Observer, notes: Mapping[str, str]
    ) -> None:
        now_s = time.monotonic()
        if self._live is None:
            for verdict in new:
                self._say(verdict, observer.elapsed_s)
        elif now_s >= self._next_frame_s:
            self._next_frame_s = now_s + FRAME_S
            self._live.update(
                picture(self._title, observer, notes, self._console.width), refresh=True
            )

    def _say(self, verdict: Verdict, elapsed_s: float) -> None:
        state = (verdict.status, verdict.alarm)
        if self._said.get(verdict.sensor) == state:
            return
        self._said[verdict.sensor] = state
        why = [
            verdict.reason,
            band_text(verdict.band) if verdict.status is Status.NG else "",
        ]
        alarm = "alarm" if verdict.alarm == "raised" else ""
        probability = (
            "" if verdict.probability is None else f"P(NG) {verdict.probability:.3f}"
        )
        parts = (
            f"{elapsed_s:6.1f} s",
            f"{plain(verdict.sensor).plain:<18}",
            f"{verdict.status:<8}",
            alarm,
            probability,
            *why,
        )
        print("  ".join(part for part in parts if part), flush=True)


def picture(
    title: str, observer: Observer, notes: Mapping[str, str], width: int
) -> RenderableType:
    """The live view as it is now."""
    sensors = [
        SensorView(name, note, observer.verdicts[name][-N_SHOWN:])
        for name, note in notes.items()
    ]
    return screen(
        title,
        f"{observer.elapsed_s:.0f} s, {observer.n_windows} windows judged",
        sensors,
        width,
    )


def save_picture(path: Path, drawn: RenderableType, title: str = "camshaft demo") -> None:
    """The view as an SVG file."""
    console = Console(
        record=True,
        width=PICTURE_WIDTH,
        force_terminal=True,
        color_system="truecolor",
        file=StringIO(),
    )
    console.print(drawn)
    drawing = console.export_svg(title=title)
    # They would be fetched from elsewhere.
    drawing = re.sub(r"@font-face \{.*?\}", "", drawing, flags=re.DOTALL)
    path.write_text(drawing, encoding="utf-8")
