"""Whether the server is down: nothing at all answers, over several rows.

A row that fails while others are answered is that row's failure. Only where no request and no
probe has been answered since the first failure does the run wait, and asks GET /models whether the
server is back.
"""

from __future__ import annotations

from typing import Literal

ENOUGH = 3
"""Rows that fail, and none answered in between, before an outage is suspected."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0

Verdict = Literal["alive", "false_alarm", "down", "over"]


class Outage:
    """Attributes:
    suspected: no row is sent until a probe has told.
    confirmed: a probe was not answered.
    seconds: how long the outages of this run have been, in all.
    reason: the first failure since the last answer, in words.
    """

    def __init__(self, longest: float) -> None:
        self.longest = longest
        self._rows: set[str] = set()
        self._doubt = 1
        self.suspected = False
        self.confirmed = False
        self.seconds = 0.0
        self.reason = ""
        self._since = 0.0
        self._next_probe = 0.0
        self._pause = _FIRST_PAUSE

    def waited(self, now: float) -> float:
        """Seconds since the first failure of this outage."""
        return now - self._since

    def answered(self) -> None:
        """The server has answered a row; with a refusal of that row, too."""
        self._rows.clear()
        self._doubt = 1

    def failure(self, row_id: str, reason: str, now: float) -> None:
        """A failure to connect, a lost connection, no answer in time, 408 or 5xx."""
        if not self._rows and not self.suspected:
            self.reason, self._since = reason, now
        self._rows.add(row_id)
        if not self.suspected and len(self._rows) >= ENOUGH * self._doubt:
            self.suspected = True
            self.confirmed = False
            self._next_probe = now
            self._pause = _FIRST_PAUSE

    def probe_in(self, now: float) -> float:
        """Seconds until the next probe."""
        return self._next_probe - now

    def probed(self, now: float, *, alive: bool) -> Verdict:
        """What the probe's answer means; after "alive" and "false_alarm" admission goes on."""
        if alive:
            return self.end(now)
        self.confirmed = True
        if now - self._since >= self.longest:
            self.seconds += now - self._since
            return "over"
        self._next_probe = min(now + self._pause, self._since + self.longest)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return "down"

    def end(self, now: float) -> Verdict:
        """Somebody answers."""
        verdict: Verdict = "alive" if self.confirmed else "false_alarm"
        if self.confirmed:
            self.seconds += now - self._since
        # Rows that fail while the server answers must not cause a probe each.
        self._doubt = 1 if self.confirmed else 2 * self._doubt
        self._rows.clear()
        self.suspected = self.confirmed = False
        return verdict
