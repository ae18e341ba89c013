"""All limits of speed in one: the user's, the server's, and the one learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocx.batch.control.pace import LearnedPace, Pace
from ocx.batch.control.server_limits import ServerLimit
from ocx.batch.control.task import Task


class Rates:
    """`waiting_for` names what holds the next row back, for the progress."""

    def __init__(self, rpm: float | None = None, tpm: float | None = None) -> None:
        self._rpm = Pace(rpm) if rpm else None
        self._tpm = Pace(tpm) if tpm else None
        self._learned = LearnedPace()
        self._requests = ServerLimit("requests")
        self._tokens = ServerLimit("tokens")
        limits: dict[str, ServerLimit | LearnedPace | Pace | None] = {
            "the server's request limit": self._requests,
            "the server's token limit": self._tokens,
            "429 answers": self._learned,
            "--rpm": self._rpm,
            "--tpm": self._tpm,
        }
        self._limits = [(name, limit) for name, limit in limits.items() if limit is not None]
        self._paused_until = float("-inf")
        self._episode = 0
        self.waiting_for = ""

    def wait(self, now: float) -> float:
        """Seconds until the next request may be sent; not positive if it may now."""
        longest, self.waiting_for = self._paused_until - now, "Retry-After"
        for name, limit in self._limits:
            if (wait := limit.wait(now)) > longest:
                longest, self.waiting_for = wait, name
        if longest <= 0:
            self.waiting_for = ""
        return longest

    def spend(self, task: Task, now: float) -> None:
        """A request is being sent."""
        self._requests.spend(now)
        self._tokens.spend(now, task.tokens)
        task.requests_before, task.tokens_before = self._requests.total, self._tokens.total
        task.pace_episode = self._episode
        self._learned.spend(now)
        if self._rpm:
            self._rpm.spend(now)
        if self._tpm:
            self._tpm.spend(now, task.tokens)

    def answered(
        self, task: Task, headers: Mapping[str, str], usage: Mapping[str, Any] | None, now: float
    ) -> None:
        """An answer came: what it says of the limits, and what it took of them."""
        self._read(task, headers, now)
        self._learned.accepted(now)
        total = (usage or {}).get("total_tokens")
        if self._tpm and isinstance(total, int):
            self._tpm.correct(total - task.tokens)

    def refused(
        self, task: Task, headers: Mapping[str, str], retry_after: float | None, now: float
    ) -> bool:
        """A 429 came: wait as it says, and find the rate if the headers do not tell it.

        Whether the number of requests at once should be cut: if nothing is said about waiting and
        it is no chance, or the server counted requests as left, so that it means something else.
        """
        if retry_after is not None:
            self._paused_until = max(self._paused_until, now + retry_after)
        self._read(task, headers, now)
        left = self._requests.remaining
        if left is None:
            new = task.pace_episode == self._episode
            self._episode += new
            self._learned.refused(now, new=new)
        counted = left is not None and left >= 1
        return counted or (retry_after is None and not self._learned.is_rare(now))

    def _read(self, task: Task, headers: Mapping[str, str], now: float) -> None:
        if headers:
            self._requests.read(headers, now, task.requests_before)
            self._tokens.read(headers, now, task.tokens_before)
