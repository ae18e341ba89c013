"""Requests and tokens a minute: limits that the user gives, and one that is learned from 429s."""

from __future__ import annotations

from collections import deque

MINUTE = 60.0


class Pace:
    """`--rpm` or `--tpm`: evenly spaced, so that no minute ever holds more than the limit."""

    def __init__(self, per_minute: float) -> None:
        self._spacing = MINUTE / per_minute
        self._next = float("-inf")

    def wait(self, now: float) -> float:
        """Seconds until the next one may go; not positive if it may now."""
        return self._next - now

    def spend(self, now: float, cost: float = 1) -> None:
        self._next = max(now, self._next) + cost * self._spacing

    def correct(self, difference: float) -> None:
        """What was spent turned out to be this much more (or less)."""
        self._next += difference * self._spacing


class LearnedPace:
    """A rate found by trying, for servers that refuse without saying how many are left.

    A refusal cuts it by a quarter, or to what was accepted lately; every five seconds without
    one it grows by a twentieth. What the server saves meanwhile is used up by the growth, so
    that the mean is the server's own rate. After a minute without one it doubles instead: the
    refusals were about something that is over.
    """

    _CUT, _GROWTH, _EVERY = 0.75, 1.05, 5.0
    _LEAP = 2.0

    def __init__(self) -> None:
        self.rate: float | None = None
        self._accepted: deque[list[float]] = deque()
        self._next = float("-inf")
        self._changed = 0.0
        self._refused_at = 0.0

    def wait(self, now: float) -> float:
        return self._next - now if self.rate else 0.0

    def spend(self, now: float) -> None:
        if self.rate is None:
            return
        while now - self._changed >= self._EVERY:
            self._changed += self._EVERY
            over = self._changed - self._refused_at > MINUTE
            self.rate *= self._LEAP if over else self._GROWTH
        self._next = max(now, self._next) + 1 / self.rate

    def accepted(self, now: float) -> None:
        """Count an answer in its second."""
        if self._accepted and now - self._accepted[-1][0] < 1:
            self._accepted[-1][1] += 1
        else:
            self._accepted.append([now, 1])
        while self._accepted and now - self._accepted[0][0] > MINUTE:
            self._accepted.popleft()

    def refused(self, now: float) -> None:
        """Call it once an episode."""
        self._refused_at = now
        measured = self._measured(now)
        if measured is None:
            return
        self.rate = min(self.rate * self._CUT, measured) if self.rate else measured
        self._next = now + 1 / self.rate
        self._changed = now

    def _measured(self, now: float) -> float | None:
        if not self._accepted:
            return self.rate
        seconds = max(1.0, now - self._accepted[0][0])
        return sum(count for _, count in self._accepted) / seconds
