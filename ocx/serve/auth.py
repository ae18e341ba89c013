"""Who may come in: a loopback Host, and a Bearer key that is known, whole and not expired."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ocx.serve.keys import PREFIX, PROVIDER_PREFIX, digest, is_whole
from ocx.serve.ledger.ledger import Key
from ocx.serve.problem import Problem

_LOOPBACK = re.compile(
    rb"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE
)


def check_host(scope: Any) -> None:
    """Refuse a Host that is not a loopback name: a web page that rebinds its own name to here.

    Raises:
        Problem: 400.
    """
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or not _LOOPBACK.fullmatch(hosts[0]):
        raise Problem(
            400,
            "the Host header must be localhost or a loopback address",
            code="host_not_allowed",
        )


def authenticate(scope: Any, find: Callable[[str], Key | None], now: int) -> Key:
    """The key of the request.

    Raises:
        Problem: 401, without a character of what was sent.
    """
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        raise _refusal("no key: send the header Authorization: Bearer sk-live-local-…")
    scheme, _, text = given[0].decode("latin-1").partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text:
        raise _refusal("the Authorization header must be: Bearer sk-live-local-…")
    key = find(digest(text))
    if key is None:
        raise _refusal(_unknown(text))
    if key.revoked is not None:
        raise _refusal("this key has been revoked")
    if key.expires is not None and key.expires <= now:
        raise _refusal("this key has expired")
    return key


def _unknown(text: str) -> str:
    if not text.startswith(PROVIDER_PREFIX):
        return "the key is malformed: it must start with sk-live-"
    if not text.startswith(PREFIX):
        return (
            "this looks like a real key of the provider; this is a local server, which takes"
            " only keys that start with sk-live-local- and keeps nothing of yours"
        )
    if not is_whole(text):
        return "the key is malformed: it was cut or mistyped"
    return "this server does not know the key"


def _refusal(message: str) -> Problem:
    return Problem(401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"})
