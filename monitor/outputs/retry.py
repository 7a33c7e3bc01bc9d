"""How long to pause after a failure."""

from __future__ import annotations

FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0
# A server's wish for longer is cut: nobody would look at it again before.
LONGEST_RETRY_AFTER_S = 300.0


class Backoff:
    """Doubling delays with jitter, between half and the whole of each.

    Pure: the caller brings chance, and waits.
    """

    def __init__(self) -> None:
        self._n_failures = 0

    def after_failure(self, retry_after_s: float | None, jitter: float) -> float:
        """Seconds to wait.

        jitter : from 0 to 1
        retry_after_s : counts where it is longer, within a limit
        """
        doubled_s = min(FIRST_DELAY_S * 2.0 ** min(self._n_failures, 32), LONGEST_DELAY_S)
        self._n_failures += 1
        wished_s = min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)
        return max(doubled_s * (0.5 + 0.5 * jitter), wished_s)

    def after_success(self) -> None:
        self._n_failures = 0
