"""`x-ratelimit-*`: what the server says is left, obeyed before it has to refuse.

Names and forms as OpenAI documents them (platform.openai.com/docs/guides/rate-limits): `limit`,
`remaining` and `reset` of requests and of tokens, where reset is a duration like `6m0s`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

_DURATION = re.compile(
    r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?"
)
_NUMBER = re.compile(r"\d{1,15}(\.\d+)?")
_EPOCH = 1e9  # seconds; no duration is that long
_LONGEST = 24 * 3600.0


def duration(text: str) -> float | None:
    """Seconds of `1.5s`, `6m0s`, `200ms`, a plain number, or a time since the epoch."""
    text = text.strip().lower()
    if _NUMBER.fullmatch(text):
        seconds = float(text)
        return max(0.0, seconds - time.time()) if seconds > _EPOCH else seconds
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        return None
    days, hours, minutes, seconds_, milliseconds = (float(part or 0) for part in match.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds_ + milliseconds / 1000


class ServerLimit:
    """One quantity, `requests` or `tokens`; unknown until a header names it."""

    def __init__(self, name: str) -> None:
        self._names = [f"x-ratelimit-{part}-{name}" for part in ("limit", "remaining", "reset")]
        self.remaining: float | None = None
        self._limit = 0.0
        self._reset_at = 0.0
        self._next = float("-inf")
        self._spent = 0.0

    @property
    def total(self) -> float:
        """Everything spent so far; a request remembers it to know what was spent after it."""
        return self._spent

    def wait(self, now: float) -> float:
        if self.remaining is None or now >= self._reset_at:
            return 0.0
        if self.remaining < 1:
            return self._reset_at - now
        return self._next - now

    def spend(self, now: float, cost: float = 1) -> None:
        """Once half of the limit is gone, the rest is spread over the time until the reset."""
        self._spent += cost
        if self.remaining is None:
            return
        if now >= self._reset_at:
            self.remaining = None
            return
        self.remaining -= cost
        if self.remaining < self._limit / 2:
            pause = cost * (self._reset_at - now) / max(1.0, self.remaining)
            self._next = max(now, self._next) + pause

    def read(self, headers: Mapping[str, str], now: float, spent_before: float) -> None:
        """Take what an answer says of this quantity, if anything.

        Args:
            spent_before: `total` when its request was sent: what was spent later may not be in
                the server's number yet.
        """
        if self._names[1] not in headers:
            return
        limit, remaining, reset = (headers.get(name, "") for name in self._names)
        seconds = duration(reset)
        if not _NUMBER.fullmatch(remaining.strip()) or seconds is None or seconds > _LONGEST:
            return
        left = float(remaining) - (self._spent - spent_before)
        said = float(limit) if _NUMBER.fullmatch(limit.strip()) else 0.0
        self._limit = said or max(self._limit, float(remaining))
        self.remaining = left
        self._reset_at = now + seconds
        if left >= self._limit / 2:
            self._next = now
