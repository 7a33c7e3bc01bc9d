"""When to try again after a connection was lost, and what it means that many are lost at once.
Pure.

A broker has one session for each client id: a second client with ours takes it
over, we take it back, and so on, each getting a part of the messages. MQTT 5
has a reason code for that; in 3.1.1 it shows only as connections that end as
soon as they are made.
"""

from __future__ import annotations

QUICK_S = 5.0  # a connection that ends sooner did not end by chance
N_QUICK = 3
CONTESTED_PAUSE_S = 300.0  # at most, while another client takes our session over
MAX_DOUBLINGS = 20


class Losses:
    """pause_s : before the next attempt. It doubles with every connection that ends soon.

    least_s, most_s : of a pause where nobody else uses our client id
    """

    def __init__(self, least_s: float, most_s: float) -> None:
        self._least_s, self._most_s = least_s, most_s
        self.pause_s = least_s
        self.n_quick = 0  # in a row
        self._n_unexplained = 0  # in a row, of these
        self._is_contested = False

    def is_quick(self, lasted_s: float) -> bool:
        """Whether a connection that ends now ends too soon. While two clients take turns, each
        holds on for as long as the other pauses.
        """
        return lasted_s < max(QUICK_S, 2 * self.pause_s)

    def lost(self, lasted_s: float, is_taken_over: bool, is_explained: bool) -> None:
        """is_taken_over : the broker says so. is_explained : something else is known to be why."""
        if not is_taken_over and not self.is_quick(lasted_s):
            self.n_quick = self._n_unexplained = 0
            self.pause_s, self._is_contested = self._least_s, False
            return
        self.n_quick += 1
        self._n_unexplained = 0 if is_explained else self._n_unexplained + 1
        self._is_contested = is_taken_over or self._n_unexplained >= N_QUICK
        most_s = CONTESTED_PAUSE_S if self._is_contested else self._most_s
        doublings = min(self.n_quick - 1, MAX_DOUBLINGS)
        self.pause_s = min(self._least_s * 2**doublings, most_s)

    def no_connection(self) -> bool:
        """The broker could not even be reached: it was away, and nobody has our session.

        Returns whether the pause is another one now.
        """
        before_s, self.pause_s = self.pause_s, self._least_s
        self.n_quick = self._n_unexplained = 0
        self._is_contested = False
        return self.pause_s != before_s

    def is_contested(self, lasts_s: float) -> bool:
        """Another client uses our client id, as far as we know.

        lasts_s : how long the present connection has lasted, 0 without one
        """
        return self._is_contested and self.is_quick(lasts_s)
