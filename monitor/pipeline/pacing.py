"""When to commit, and when the samples of unfinished windows go along. Pure: the caller brings the
clock.
"""

from __future__ import annotations

from enum import Enum

COMMIT_S = 0.1  # the longest a verdict waits for its commit
TAIL_S = 2.0  # the longest a message waits for its acknowledgement
ASSUMED_IN_FLIGHT = 20  # Mosquitto's default: no broker's own limit is taken to be less
FORGET = 1.02  # a second: what was learned of the broker's limit is tried again after half a minute
# Share of time at work from which a turn waits for more messages, and at which it waits longest.
BUSY, BUSIEST = 0.5, 0.8
MAX_GATHER_S = 0.1
REMEMBERED_S = 1.0


class Due(Enum):
    NOTHING = 0
    VERDICTS = 1  # a commit of what is whole
    TAILS = 2  # and of the unfinished windows' samples, so that every message can be acknowledged


class Pacer:
    """Verdicts as soon as nothing else waits, the rest in groups; tails before the broker runs out
    of messages.

    A broker may have less in flight than our Receive Maximum and does not say
    so. Then nothing comes while many messages are pending; from that we learn
    its limit, and forget it slowly.
    """

    def __init__(self, receive_maximum: int) -> None:
        self._receive_maximum = receive_maximum
        # Messages that the broker sends without acknowledgements.
        self._in_flight: float = receive_maximum
        self._committed_s = self._forgot_s = float("-inf")

    def due(
        self,
        now_s: float,
        n_pending: int,
        waited_s: float,
        n_taken: int,
        n_inbox: int,
        has_verdicts: bool,
    ) -> Due:
        """What to commit now.

        n_pending : messages that no commit has settled, the oldest since
            waited_s
        n_taken : messages of this turn. n_inbox : those still to come
        """
        self._forget(now_s)
        if n_taken == 0 and n_pending >= min(ASSUMED_IN_FLIGHT, self._in_flight) / 2:
            self._in_flight = min(self._in_flight, max(n_pending, ASSUMED_IN_FLIGHT))
        many = n_pending > 0 and n_pending >= self._in_flight / 2
        if many or waited_s >= TAIL_S:
            return Due.TAILS
        urgent = has_verdicts and n_inbox == 0
        return (
            Due.VERDICTS if urgent or now_s - self._committed_s >= COMMIT_S else Due.NOTHING
        )

    def committed(self, now_s: float) -> None:
        """A commit has been made ready."""
        self._committed_s = now_s

    def _forget(self, now_s: float) -> None:
        if now_s - self._forgot_s >= 1.0:
            self._forgot_s = now_s
            self._in_flight = min(self._in_flight * FORGET, self._receive_maximum)


class Gathering:
    """How busy the pipeline is, and how long a turn waits for more messages: many at a time cost
    less each, and an idle pipeline keeps nobody waiting. Where that is not enough, other threads
    help.
    """

    def __init__(self) -> None:
        self._busy = 0.0

    def note(self, worked_s: float, waited_s: float) -> None:
        """One turn."""
        turn_s = worked_s + waited_s
        if turn_s <= 0:
            return
        weight = min(1.0, turn_s / REMEMBERED_S)
        self._busy += weight * (worked_s / turn_s - self._busy)

    @property
    def needs_help(self) -> bool:
        """Below that, one thread alone is cheaper: two get in each other's way."""
        return self._busy >= BUSIEST

    @property
    def wait_s(self) -> float:
        over = (self._busy - BUSY) / (BUSIEST - BUSY)
        return MAX_GATHER_S * min(1.0, max(0.0, over))
