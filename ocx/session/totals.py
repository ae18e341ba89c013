"""What the answers of a session took so far."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ocx.api.usage import Cost
from ocx.text import counted


class Totals:
    """Tokens and credits, apart from those that nobody counted: they are not the same as none."""

    def __init__(self) -> None:
        self._prompt = 0
        self._completion = 0
        self._uncounted = 0
        self._credits = Decimal(0)
        self._priced = 0
        self._unpriced = 0

    def add(self, usage: Mapping[str, Any] | None, cost: Cost | None) -> None:
        """One answer more."""
        prompt, completion = (
            count if isinstance(count := (usage or {}).get(name), int) else 0
            for name in ("prompt_tokens", "completion_tokens")
        )
        self._prompt += prompt
        self._completion += completion
        self._uncounted += not usage
        credits = cost.credits if cost else None
        self._credits += credits or 0
        self._priced += credits is not None
        self._unpriced += credits is None

    def tokens(self) -> str:
        """`18 prompt + 6 completion = 24 tokens so far`."""
        total = counted(self._prompt + self._completion, "token")
        more = f" and {counted(self._uncounted, 'answer')} not counted" if self._uncounted else ""
        return f"{self._prompt} prompt + {self._completion} completion = {total}{more} so far"

    def cost(self) -> str | None:
        """`0.000012 credits so far`; None before the first answer."""
        if not self._priced:
            unknown = "unknown so far; `ocx chat --cost` asks the balance around each answer"
            return unknown if self._unpriced else None
        more = f", and {counted(self._unpriced, 'answer')} unknown" if self._unpriced else ""
        return f"{self._credits:f} credits so far{more}"
