"""Keys of this server, and who may come in: a loopback Host and a Bearer key that is in use."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ocx.secret import Secret
from ocx.serve.problem import ApiProblem

if TYPE_CHECKING:
    from ocx.serve.ledger.ledger import Key

PREFIX = "sk-live-local-"
PROVIDER_PREFIX = "sk-live-"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 43
_CHECK = 6


def mint() -> Secret:
    """A new random key: 43 characters of base62 are more than 256 bits."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return Secret(PREFIX + body + _checksum(body))


def digest(key: str) -> str:
    """What is stored of a key: SHA-256 in hexadecimal; enough for a text of 256 random bits."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def is_whole(key: str) -> bool:
    """Whether the checksum fits: tells a key that was cut or mistyped from a foreign one."""
    body, check = key[len(PREFIX) : -_CHECK], key[-_CHECK:]
    return key.startswith(PREFIX) and len(body) == _RANDOM and _checksum(body) == check


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode("utf-8", "surrogateescape"))
    letters = ""
    for _ in range(_CHECK):
        number, rest = divmod(number, 62)
        letters = _ALPHABET[rest] + letters
    return letters


_LOOPBACK = re.compile(
    rb"(?:localhost|127(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}|\[::1\])"
    rb"(?::[0-9]{1,5})?",
    re.IGNORECASE,
)


def check_host(scope: Any) -> None:
    """Refuse a Host that is not a loopback name, as a web page sends after DNS rebinding.

    Raises:
        ApiProblem: 400.
    """
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or not _LOOPBACK.fullmatch(hosts[0]):
        raise ApiProblem(
            400,
            "the Host header must be localhost or a loopback address",
            code="host_not_allowed",
        )


def check_length(scope: Any) -> None:
    """Refuse a body of two lengths, on which two servers in a row may not agree (RFC 9112 6.3).

    Raises:
        ApiProblem: 400; the connection is closed.
    """
    names = {name for name, _ in scope["headers"]}
    if {b"content-length", b"transfer-encoding"} <= names:
        raise ApiProblem(
            400,
            "Content-Length and Transfer-Encoding exclude each other",
            code="ambiguous_length",
            headers={"connection": "close"},
        )


def authenticate(scope: Any, find: Callable[[str], Key | None], now: int) -> Key:
    """Return the key of the request.

    Raises:
        ApiProblem: 401; the message repeats nothing of what was sent.
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


def _refusal(message: str) -> ApiProblem:
    return ApiProblem(401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"})
