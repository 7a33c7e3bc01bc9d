"""Repeated trouble, logged when it is new and then once a period with its count."""

from __future__ import annotations

import logging

MAX_TROUBLES = 64  # told apart at a time; of more, none has a line of its own
OTHERS = "..."


class LogLimiter:
    """Troubles may take turns; each has its own period. However many there are, there is no line a
    message: those beyond MAX_TROUBLES share one.
    """

    def __init__(self, log: logging.Logger, period_s: float) -> None:
        self._log, self._period_s = log, period_s
        # Trouble: when it may be said again, times since.
        self._said: dict[str, tuple[float, int]] = {}

    def note(self, level: int, text: str, now_s: float, trouble: str | None = None) -> bool:
        """Returns whether it was logged.

        now_s: a clock that never jumps. trouble: what counts as the same, the
        text itself if None.
        """
        key = self._place(text if trouble is None else trouble, now_s)
        again_s, n = self._said.get(key, (now_s, 0))
        if now_s < again_s:
            self._said[key] = again_s, n + 1
            return False
        self._log.log(
            level, "%s%s", text, f" ({n + 1} times since the last such line)" if n else ""
        )
        self._said[key] = now_s + self._period_s, 0
        return True

    def _place(self, key: str, now_s: float) -> str:
        """Where a trouble is counted: by itself, or with all others where there are too many."""
        if key in self._said or len(self._said) < MAX_TROUBLES:
            return key
        over = [one for one, (again_s, _) in self._said.items() if now_s >= again_s]
        for one in over:
            del self._said[one]
        return key if over else OTHERS
