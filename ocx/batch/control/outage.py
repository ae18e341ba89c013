"""Telling an outage from failing rows: a probe that costs nothing decides."""

from __future__ import annotations

from typing import Literal

ENOUGH = 8
"""Failures in a row, of whatever rows, that make an outage likely."""

_FEW = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0

Verdict = Literal["alive", "false_alarm", "down", "over"]


class Outage:
    """Admission stops while `suspected`; `probe_due` tells when to ask GET /models.

    Attributes:
        suspected: something fails, and it is not known yet what.
        seconds: how long the outages of this run have been, in all.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._failures = 0
        self._doubt = 1
        self.suspected = False
        self.confirmed = False
        self.seconds = 0.0
        self._since = 0.0
        self._next_probe = 0.0
        self._pause = _FIRST_PAUSE

    def success(self) -> None:
        self._failures = 0
        self._doubt = 1

    def failure(self, now: float, *, last_attempt: bool, unreachable: bool) -> None:
        """A failure to connect, a lost connection, or a 5xx.

        Args:
            last_attempt: the row would fail for good: look before giving it up.
            unreachable: no answer came at all.
        """
        self._failures += 1
        few = 1 if unreachable else _FEW
        doubtful = last_attempt and self._failures >= few * self._doubt
        if not self.suspected and (doubtful or self._failures >= ENOUGH * self._doubt):
            self.suspected = True
            self.confirmed = False
            self._since = now
            self._next_probe = now
            self._pause = _FIRST_PAUSE

    def probe_in(self, now: float) -> float:
        """Seconds until the next probe."""
        return self._next_probe - now

    def probed(self, now: float, *, alive: bool) -> Verdict:
        """What the probe's answer means; after "alive" and "false_alarm" admission goes on."""
        if alive:
            verdict: Verdict = "alive" if self.confirmed else "false_alarm"
            if self.confirmed:
                self.seconds += now - self._since
            # Rows that fail while the server answers must not cause a probe each.
            self._doubt = 1 if self.confirmed else 2 * self._doubt
            self._failures = 0
            self.suspected = self.confirmed = False
            return verdict
        self.confirmed = True
        if now - self._since >= self._longest:
            return "over"
        self._next_probe = min(now + self._pause, self._since + self._longest)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return "down"
