"""The call that a snippet writes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """What a snippet sends.

    Attributes:
        url: the full URL of /chat/completions.
        body: the JSON body.
        headers: besides Authorization, Content-Type and User-Agent.
        with_key: False for an endpoint that takes no key.
    """

    url: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    with_key: bool = True

    @property
    def streams(self) -> bool:
        return self.body.get("stream") is True
