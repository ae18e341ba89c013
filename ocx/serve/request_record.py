"""What is known of one request while it is answered; the log is written from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ocx.serve.ledger.ledger import Key
from ocx.serve.limits import RateLimitState


@dataclass
class RequestRecord:
    """One request. The key's text is not in it, so that no log can hold it."""

    method: str
    path: str
    request_id: str
    rate_limit: RateLimitState
    key: Key | None = None
    fault: str | None = None
    """The value of `X-OCX-Fault`."""
    status: int = 0
    """0 until the reply begins; it stays 0 if the client leaves first."""
    model: str | None = None
    outcome: str | None = None
    failure: str | None = None
    """What went wrong in the server itself."""
    broken: bool = False
    """It failed after the reply had begun."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    micro: int | None = None
    began: float = field(default_factory=time.monotonic)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that every reply carries."""
        return [(b"x-request-id", self.request_id.encode()), *self.rate_limit.headers()]

    @property
    def milliseconds(self) -> int:
        return round((time.monotonic() - self.began) * 1000)


Log = Callable[[RequestRecord], Any]
