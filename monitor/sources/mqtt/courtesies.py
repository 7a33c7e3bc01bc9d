"""What we ask of a broker beyond the sensors' messages: labels, its count of dropped messages, our
own status and alarms. Pure.

Some brokers answer what a client may not do by closing the connection, again
and again. So each courtesy is asked for when the one before has its answer.
What has none when the connection ends is what the broker closed it on; asked in
vain three times in a row, it is left out. If that does not help, it was
something else, and we ask again.
"""

from __future__ import annotations

from collections import Counter

PUBLISHING = "publishing"
MAX_STRIKES = 3


class Courtesies:
    """Each is known by a name: a topic filter, or PUBLISHING."""

    def __init__(self) -> None:
        self._unanswered: list[str] = []
        self._strikes: Counter[str] = Counter()
        self._left_out: set[str] = set()
        self._on_trial = ""  # left out, and no connection since has lasted

    def may(self, name: str) -> bool:
        """False for what is left out."""
        return name not in self._left_out

    def asked(self, name: str) -> None:
        self._unanswered.append(name)

    def answered(self, name: str) -> None:
        """A refusal is an answer, too: the connection lasts."""
        if name in self._unanswered:
            self._unanswered.remove(name)
            self._strikes.pop(name, None)

    @property
    def suspect(self) -> str:
        """The first without an answer, "" where all have one."""
        return self._unanswered[0] if self._unanswered else ""

    def lost(self, is_quick: bool, is_denied: bool) -> str:
        """The connection has ended. Returns what is left out from now on, "" where nothing is.

        is_quick : soon after it was made
        is_denied : the broker said that something was not allowed
        """
        suspect = self.suspect
        self._unanswered.clear()
        self._judge_trial(is_quick and not suspect)
        if not suspect or not is_quick:
            return ""
        self._strikes[suspect] += 1
        if self._strikes[suspect] < MAX_STRIKES and not is_denied:
            return ""
        self._left_out.add(suspect)
        self._on_trial = suspect
        return suspect

    def _judge_trial(self, is_unhelpful: bool) -> None:
        """A connection has ended without what was left out last."""
        if is_unhelpful:
            self._left_out.discard(self._on_trial)
            self._strikes.pop(self._on_trial, None)
        self._on_trial = ""
