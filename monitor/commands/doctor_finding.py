"""One line of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from monitor.text import printable

State = Literal["ok", "warning", "FAILED", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    step: str
    state: State
    text: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f"\n{'':24}-> {printable(self.hint)}" if self.hint else ""
        return f"{self.state:8} {self.step:14} {printable(self.text, 300)}{hint}"
