"""Whether a sensor is heard, silent, or sends nothing but what is refused. Pure.

Times in seconds spent listening.
"""

from __future__ import annotations

from typing import Literal

MIN_REFUSED = 2  # messages in a row: a single odd one is an accident

State = Literal["heard", "silent", "not_understood"]


class Presence:
    """Of one sensor. was_heard : it has sent something that could be used, ever.

    refused : the last sentence of those in a row that were refused, with the
        number of them
    """

    def __init__(self, now_s: float) -> None:
        self.state: State = "heard"
        self.was_heard = False
        self.refused = ""
        self._n_refused = 0
        self._heard_s = self._refused_s = now_s

    def heard(self, now_s: float) -> tuple[bool, float]:
        """A message can be used. Returns whether a row had said otherwise, and the pause before."""
        is_back, pause_s = self.state != "heard", now_s - self._heard_s
        self.state, self._heard_s, self._n_refused = "heard", now_s, 0
        self.was_heard = True
        return is_back, pause_s

    def note_refused(self, sentence: str, now_s: float) -> None:
        self.refused = sentence
        self._n_refused += 1
        self._refused_s = now_s

    def end(self) -> None:
        """It has said itself that it falls silent."""
        self.state = "silent"

    def change(self, now_s: float, limit_s: float) -> State | None:
        """A new state that must be told; None where nothing has changed.

        limit_s : without a message for longer, a sensor is silent
        """
        found = self._now(now_s, limit_s)
        if found == self.state:
            return None
        self.state = found
        return found

    def _now(self, now_s: float, limit_s: float) -> State:
        is_refused = self._n_refused >= MIN_REFUSED and now_s - self._refused_s <= limit_s
        is_overdue = now_s - self._heard_s > limit_s
        if is_refused and (is_overdue or not self.was_heard):
            return "not_understood"
        if is_overdue and now_s - self._refused_s > limit_s:
            return "silent"
        return self.state
