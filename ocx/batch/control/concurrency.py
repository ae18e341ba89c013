"""How many requests at once: slow start, then additive increase, multiplicative decrease.

As TCP does it (RFC 5681, 3.1). Without the slow start, 32 at once would take a quarter of an hour
where an answer takes 30 s.
"""

from __future__ import annotations

START = 4


class Concurrency:
    """Attributes:
    limit: requests that may be in flight now, at least 1.
    episode: cuts so far; a request remembers the one that it was sent in.
    """

    def __init__(self, ceiling: int, start: int = START) -> None:
        self._ceiling = max(1, ceiling)
        self.limit = min(start, self._ceiling)
        self.episode = 0
        self._successes = 0

    @property
    def at_ceiling(self) -> bool:
        return self.limit >= self._ceiling

    def success(self, in_flight: int) -> None:
        """One more for each window of successes, if the window was in use at all.

        Until the first cut it is one more for each success, so that every window doubles it.
        """
        if self.at_ceiling or in_flight < self.limit:
            return
        self._successes += 1
        if not self.episode or self._successes >= self.limit:
            self.limit += 1
            self._successes = 0

    def overload(self, episode: int) -> None:
        """Halve, once for all requests that were in flight together."""
        if episode < self.episode:
            return
        self.limit = max(1, self.limit // 2)
        self.episode += 1
        self._successes = 0
