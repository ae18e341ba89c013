"""Who may come in, and how often: a loopback Host, a Bearer key in use, and its limits."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
import string
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ocx.secret import Secret
from ocx.serve.openai_format import ApiProblem

if TYPE_CHECKING:
    from ocx.serve.ledger import Key

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
        raise _unauthorized("no key: send the header Authorization: Bearer sk-live-local-…")
    scheme, _, text = given[0].decode("latin-1").partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text:
        raise _unauthorized("the Authorization header must be: Bearer sk-live-local-…")
    key = find(digest(text))
    if key is None:
        raise _unauthorized(_unknown(text))
    if key.revoked is not None:
        raise _unauthorized("this key has been revoked")
    if key.expires is not None and key.expires <= now:
        raise _unauthorized("this key has expired")
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


def _unauthorized(message: str) -> ApiProblem:
    return ApiProblem(401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"})


MINUTE = 60.0


@dataclass
class _Usage:
    busy_until: float = 0.0
    """GCRA's theoretical arrival time, on the monotonic clock."""
    running: int = 0


@dataclass(frozen=True)
class RateLimitState:
    """The requests that a key has left, for the headers of a reply."""

    limit: int
    remaining: int
    reset: float
    """Seconds until the whole limit is free again."""

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"x-ratelimit-limit-requests", b"%d" % self.limit),
            (b"x-ratelimit-remaining-requests", b"%d" % self.remaining),
            (b"x-ratelimit-reset-requests", f"{self.reset:.3f}s".encode()),
        ]


@dataclass
class Limiter:
    """Call `enter` before a request and `leave` after it. Keys without limits have these."""

    rpm: int
    concurrency: int
    clock: Callable[[], float] = time.monotonic
    _usage: dict[int | None, _Usage] = field(default_factory=dict)

    def enter(self, key: int | None, rpm: int | None, concurrency: int | None) -> RateLimitState:
        """Count a request that begins.

        Raises:
            ApiProblem: 429, with `retry-after`; nothing is counted.
        """
        usage = self._usage.setdefault(key, _Usage())
        rpm = rpm or self.rpm
        most = concurrency or self.concurrency
        if usage.running >= most:
            raise _too_many(f"{most} requests at once are the limit of this key", "concurrency", 1)
        now = self.clock()
        start = max(now, usage.busy_until)
        # The last request that fits starts when rpm - 1 others are still to be paid off.
        wait = start - now - MINUTE / rpm * (rpm - 1)
        if wait > 1e-9:
            raise _too_many(f"{rpm} requests a minute are the limit of this key", "rpm", wait)
        usage.busy_until = start + MINUTE / rpm
        usage.running += 1
        return self._state(usage, rpm, now)

    def leave(self, key: int | None, rpm: int | None = None, *, uncount: bool = False) -> None:
        """Count a request that ends; with `uncount` as if it had never begun."""
        usage = self._usage[key]
        usage.running -= 1
        if uncount:
            usage.busy_until -= MINUTE / (rpm or self.rpm)

    def peek(self, key: int | None = None, rpm: int | None = None) -> RateLimitState:
        """The state of the key, without counting a request."""
        return self._state(self._usage.get(key, _Usage()), rpm or self.rpm, self.clock())

    def _state(self, usage: _Usage, rpm: int, now: float) -> RateLimitState:
        reset = max(usage.busy_until - now, 0.0)
        free = math.floor((MINUTE - reset) / (MINUTE / rpm) + 1e-6)
        return RateLimitState(rpm, min(max(free, 0), rpm), reset)


def _too_many(message: str, code: str, wait: float) -> ApiProblem:
    # retry-after counts in whole seconds (RFC 9110), so it must not promise too early.
    seconds, milliseconds = math.ceil(wait), math.ceil(wait * 1000)
    return ApiProblem(
        429,
        f"{message}; try again in {wait:.1f} s",
        code=f"{code}_limit_exceeded",
        headers={"retry-after": str(seconds), "retry-after-ms": str(milliseconds)},
    )


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
