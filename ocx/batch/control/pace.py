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

    Few refusals among many answers, and those of the first seconds, say nothing about the rate.
    Any other cuts it by a quarter, or to what was accepted lately; every five seconds without
    one it grows by a twentieth. What the server saves meanwhile is used up by the growth, so
    that the mean is the server's own rate. After a minute without one it grows by half each
    second: the refusals were about something that is over.
    """

    _CUT, _GROWTH, _EVERY = 0.75, 1.05, 5.0
    _LEAP, _LEAP_EVERY = 1.5, 1.0
    _TOLERATED = 1 / 150
    _BEGINNING = 5.0

    def __init__(self) -> None:
        self.rate: float | None = None
        self._accepted = _LastMinute()
        self._refused = _LastMinute()
        self._next = float("-inf")
        self._began: float | None = None
        self._changed = 0.0
        self._refused_at = 0.0

    def wait(self, now: float) -> float:
        return self._next - now if self.rate else 0.0

    def spend(self, now: float) -> None:
        if self._began is None:
            self._began = now
        if self.rate is None:
            return
        self._grow(self.rate, now)
        self._next = max(now, self._next) + 1 / self.rate

    def accepted(self, now: float) -> None:
        """An answer came."""
        self._accepted.add(now)

    def refused(self, now: float, *, new: bool) -> None:
        """A request was refused.

        Args:
            new: it was sent after the last cut.
        """
        self._refused.add(now)
        if not new or self._is_chance(now):
            return
        self._refused_at = now
        measured = self._accepted.rate(now) or self.rate
        if measured is None:
            return
        self.rate = min(self.rate * self._CUT, measured) if self.rate else measured
        self._next = now + 1 / self.rate
        self._changed = now

    def _is_chance(self, now: float) -> bool:
        if self._began is None or now - self._began < self._BEGINNING:
            return True
        return self.is_rare(now)

    def is_rare(self, now: float) -> bool:
        """Whether so few requests are refused that it is no limit, but chance."""
        return self._refused.count(now) <= self._TOLERATED * self._accepted.count(now)

    def _grow(self, rate: float, now: float) -> None:
        leaps = now - self._refused_at > MINUTE
        every, factor = (self._LEAP_EVERY, self._LEAP) if leaps else (self._EVERY, self._GROWTH)
        # A long pause proves nothing: it grows once for all of it.
        if now - self._changed >= every:
            self._changed = now
            self.rate = rate * factor


class _LastMinute:
    """How much came in the last minute, by the second."""

    def __init__(self) -> None:
        self._seconds: deque[list[float]] = deque()
        self._count = 0.0

    def add(self, now: float) -> None:
        if self._seconds and now - self._seconds[-1][0] < 1:
            self._seconds[-1][1] += 1
        else:
            self._seconds.append([now, 1])
        self._count += 1

    def count(self, now: float) -> float:
        while self._seconds and now - self._seconds[0][0] > MINUTE:
            self._count -= self._seconds.popleft()[1]
        return self._count

    def rate(self, now: float) -> float:
        """A second; 0 if nothing came."""
        count = self.count(now)
        return count / max(1.0, now - self._seconds[0][0]) if self._seconds else 0.0
