"""The OpenCodex API as a library.

from ocx.api import Client, Endpoint

with Client(Endpoint("https://opencodex.hk/api/v1", key=Secret(...))) as client:
    with client.stream({"model": "deepseek-chat", "messages": [...]}) as stream:
        for deltas in stream:
            print("".join(delta.text for delta in deltas), end="")

For many threads, make one client each and share the certificates:

    tls = tls_context()
    clients = [Client(endpoint, tls=tls) for _ in range(32)]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ocx.api.types import Delta, Endpoint, Reply

if TYPE_CHECKING:
    from ocx.api.answer import Answer
    from ocx.api.client import Client
    from ocx.api.proxy import tls_context
    from ocx.api.stream import Stream

__all__ = ["Answer", "Client", "Delta", "Endpoint", "Reply", "Stream", "tls_context"]

_HOMES = {"Answer": "answer", "Client": "client", "Stream": "stream", "tls_context": "proxy"}


def __getattr__(name: str) -> Any:
    # httpx costs more start-up than all the rest: `keys list` and `--version` do without.
    if name in _HOMES:
        return getattr(import_module(f"ocx.api.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
