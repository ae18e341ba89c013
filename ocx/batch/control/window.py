"""How many requests at once: a ramp in seconds, and a way back after a refusal.

Answers do not count, only time: where an answer takes a minute, a window that grew by answers
would stand still for one.
"""

from __future__ import annotations

import math

TRIAL = 4
"""Requests before the first answer, so that a wrong key costs no more."""
START = 64
DOUBLING = 0.5
"""Seconds from one doubling to the next, while nothing is refused; a trial is no longer."""
RECOVERY = 12.0
"""Seconds from half of what it was, after a cut, back to 90 % of it."""

_STEP = 1.0
_BACK = 0.9
_CALM = 15.0
_LONGEST_CALM = 120.0
_ANSWERS = 200
"""Of these one may be refused: so many come before a limit that was met twice is tried again."""
_FIRST_PROBE = 0.01
_FASTER = 1.5


class Window:
    """How many requests may be in flight: it grows while they are answered, and is cut if not.

    Attributes:
        limit: requests that may be in flight now, at least 1.
        cuts: how often it was cut; a request remembers how often before it was sent.
    """

    def __init__(self, ceiling: int) -> None:
        self._ceiling = max(1, ceiling)
        self.limit = min(TRIAL, self._ceiling)
        self._trial = True
        self.cuts = 0
        self._stepped = -math.inf
        self._before = 0.0
        self._level = 0.0
        self._calm = _CALM
        self._calm_until = 0.0
        self._answers_needed = 0
        self._probe = 0.0
        self._full = False

    @property
    def at_ceiling(self) -> bool:
        return self.limit >= self._ceiling

    def answered(self) -> None:
        """An answer came; the first one ends the trial."""
        self._answers_needed -= 1
        if self._trial:
            self._trial = False
            self.limit = min(START, self._ceiling)
            self._stepped = -math.inf

    def wait(self, in_flight: int, now: float) -> float:
        """Seconds until one more may be sent, as far as time alone can allow it."""
        if self.cuts:
            self._recover(now)
        if in_flight < self.limit:
            return 0.0
        self._full = True
        if self.at_ceiling:
            return math.inf
        if self.cuts:
            return max(0.001, self._stepped + _STEP - now)  # full, whatever rounding says
        left = self._stepped + DOUBLING - now
        if left > 0:
            return left
        if self._stepped > -math.inf:  # else it is full for the first time
            self.limit = min(START if self._trial else 2 * self.limit, self._ceiling)
            self._trial = False
        self._stepped = now
        return 0.0 if in_flight < self.limit else DOUBLING

    def overload(self, cuts_before: int, in_flight: int, now: float) -> None:
        """Halve, once for all requests that were in flight together.

        Args:
            in_flight: this one included; a window that is not full was not what was too much.
        """
        if cuts_before < self.cuts:
            return
        if self._trial:  # of so few, one refusal says nothing about many
            self._stepped = now
            return
        before = max(1, min(self.limit, in_flight))
        # Refused at the same place again: that is what the server takes, so it is tried less often.
        again = bool(self.cuts) and before >= 0.75 * self._before
        self._calm = min(2 * self._calm, _LONGEST_CALM) if again else _CALM
        self.cuts += 1
        self._before = before
        self._level = before / 2
        self.limit = max(1, before // 2)
        self._stepped = now
        self._calm_until = now + RECOVERY + self._calm
        self._answers_needed = _ANSWERS if again else 0
        self._probe = max(1.0, _FIRST_PROBE * before)

    def _recover(self, now: float) -> None:
        """One step a second: up to 90 % of what it was; then gently, faster while it is full."""
        steps = int((now - self._stepped) / _STEP)
        if steps < 1:
            return
        self._stepped += steps * _STEP
        back = _BACK * self._before
        if self._level < back:
            self._level = min(back, self._level + steps * (_BACK - 0.5) * self._before / RECOVERY)
        elif self._full and now >= self._calm_until and self._answers_needed <= 0:
            self._level = min(self._level + self._probe, self._ceiling)
            self._probe *= _FASTER
        self._full = False
        self.limit = max(1, int(self._level))
